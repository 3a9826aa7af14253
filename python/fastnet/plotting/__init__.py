"""Pictures of models and of how they do, drawn by matplotlib: ``pip install "fastnet-nn[plot]"``.

Every function draws on the `axes` that it is given, or on those of a new figure, and returns them; none of them shows or
saves a figure. `plot_backpropagation` alone draws SVG, without matplotlib.
"""

from fastnet.plotting.backpropagation import BackpropagationGraph, plot_backpropagation
from fastnet.plotting.classification import plot_calibration, plot_class_calibration, plot_confusion_matrix
from fastnet.plotting.convolutions import plot_feature_maps, plot_filters
from fastnet.plotting.history import plot_history
from fastnet.plotting.images import plot_activations, plot_samples
from fastnet.plotting.regression import plot_predictions, plot_residuals
from fastnet.plotting.saliency import plot_saliency
from fastnet.plotting.thresholds import plot_precision_recall_curve, plot_roc_curve
from fastnet.plotting.weights import plot_weights

__all__ = [
    "BackpropagationGraph",
    "plot_activations",
    "plot_backpropagation",
    "plot_calibration",
    "plot_class_calibration",
    "plot_confusion_matrix",
    "plot_feature_maps",
    "plot_filters",
    "plot_history",
    "plot_precision_recall_curve",
    "plot_predictions",
    "plot_residuals",
    "plot_roc_curve",
    "plot_saliency",
    "plot_samples",
    "plot_weights",
]
