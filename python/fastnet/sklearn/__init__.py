"""Estimators of scikit-learn that fastnet trains: ``pip install "fastnet-nn[sklearn]"``.

`MLPClassifier` and `MLPRegressor` replace scikit-learn's classes of these names; `FastnetClassifier` and
`FastnetRegressor` wrap any `Sequential`.
"""

try:
    import sklearn  # noqa: F401 - so that its absence is reported first
except ImportError:
    raise ImportError('fastnet.sklearn needs scikit-learn: pip install "fastnet-nn[sklearn]"') from None

from fastnet.sklearn._classifier import MLPClassifier
from fastnet.sklearn._regressor import MLPRegressor
from fastnet.sklearn._wrapped import FastnetClassifier, FastnetRegressor

__all__ = ["FastnetClassifier", "FastnetRegressor", "MLPClassifier", "MLPRegressor"]
