"""Callbacks: Keras's hooks, the history, the progress bar, and callbacks that control training."""

from fastnet.callbacks.backup import BackupAndRestore
from fastnet.callbacks.base import Callback
from fastnet.callbacks.checkpoint import ModelCheckpoint
from fastnet.callbacks.functions import LambdaCallback
from fastnet.callbacks.history import History
from fastnet.callbacks.logging import CSVLogger, TensorBoard, TerminateOnNaN
from fastnet.callbacks.monitoring import EarlyStopping, ReduceLROnPlateau
from fastnet.callbacks.progress import ProgressBar
from fastnet.callbacks.rates import LearningRateScheduler
from fastnet.support.missing_names import explain_missing

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ProgressBar",
    "ReduceLROnPlateau",
    "TensorBoard",
    "TerminateOnNaN",
]

explain_missing(__name__)
