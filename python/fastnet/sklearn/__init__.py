"""Estimators of scikit-learn that fastnet trains: ``pip install "fastnet-nn[sklearn]"``."""

try:
    import sklearn  # noqa: F401 - so that its absence is told before anything else
except ImportError:
    raise ImportError('fastnet.sklearn needs scikit-learn: pip install "fastnet-nn[sklearn]"') from None

from fastnet.sklearn._wrapped import FastnetClassifier, FastnetRegressor

__all__ = ["FastnetClassifier", "FastnetRegressor"]
