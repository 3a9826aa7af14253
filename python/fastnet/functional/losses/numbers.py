"""Losses of numbers."""

from numpy.typing import ArrayLike

from fastnet.functional._floats import Array
from fastnet.functional.losses.rows import mean_loss, mean_loss_backward
from fastnet.support.validation import check_number

__all__ = [
    "cosine_similarity",
    "cosine_similarity_backward",
    "huber",
    "huber_backward",
    "log_cosh",
    "log_cosh_backward",
    "mae",
    "mae_backward",
    "mape",
    "mape_backward",
    "mse",
    "mse_backward",
    "msle",
    "msle_backward",
    "poisson",
    "poisson_backward",
    "quantile",
    "quantile_backward",
]


def mse(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    r"""Return the mean squared error.

    .. math:: L = \frac{1}{n} \sum_i (\hat y_i - y_i)^2

    Parameters
    ----------
    y_true, y_pred : array_like
        Targets and predictions of the same shape; n counts all values.

    Returns
    -------
    float

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.functional.mse([1, 0, 0, 1], [0, 0, 0, 0])
    0.5
    """
    return mean_loss("mse", y_true, y_pred)


def mse_backward(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    r"""Return the gradient of `mse` by `y_pred`: :math:`2 (\hat y_i - y_i) / n`."""
    return mean_loss_backward("mse", y_true, y_pred)


def mae(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    r"""Return the mean absolute error.

    .. math:: L = \frac{1}{n} \sum_i |\hat y_i - y_i|

    Parameters
    ----------
    y_true, y_pred : array_like
        Targets and predictions of the same shape; n counts all values.

    Returns
    -------
    float
    """
    return mean_loss("mae", y_true, y_pred)


def mae_backward(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    r"""Return the gradient of `mae` by `y_pred`: :math:`\mathrm{sign}(\hat y_i - y_i) / n`."""
    return mean_loss_backward("mae", y_true, y_pred)


def mape(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    r"""Return the mean absolute error in percent of the targets, whose magnitude is at least 1e-7.

    .. math:: L = \frac{100}{n} \sum_i \left| \frac{\hat y_i - y_i}{y_i} \right|

    Parameters
    ----------
    y_true, y_pred : array_like
        Targets and predictions of the same shape; n counts all values.

    Returns
    -------
    float
    """
    return mean_loss("mape", y_true, y_pred)


def mape_backward(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    r"""Return the gradient of `mape` by `y_pred`: :math:`100\, \mathrm{sign}(\hat y_i - y_i) / (n |y_i|)`."""
    return mean_loss_backward("mape", y_true, y_pred)


def msle(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    r"""Return the mean squared difference of logarithms, of values that are at least 1e-7.

    .. math:: L = \frac{1}{n} \sum_i (\log(1 + \hat y_i) - \log(1 + y_i))^2

    Parameters
    ----------
    y_true, y_pred : array_like
        Targets and predictions of the same shape; n counts all values.

    Returns
    -------
    float
    """
    return mean_loss("msle", y_true, y_pred)


def msle_backward(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    r"""Return the gradient of `msle` by `y_pred`: :math:`2 (\log(1 + \hat y_i) - \log(1 + y_i)) / (n (1 + \hat y_i))`."""
    return mean_loss_backward("msle", y_true, y_pred)


def huber(y_true: ArrayLike, y_pred: ArrayLike, delta: float = 1.0) -> float:
    r"""Return the mean of squares near zero and of absolute differences beyond: Huber (1964).

    .. math:: L = \frac{1}{n} \sum_i \begin{cases} e_i^2 / 2 & |e_i| \le \delta \\ \delta |e_i| - \delta^2 / 2 & \text{else} \end{cases}, \quad e = \hat y - y

    Parameters
    ----------
    y_true, y_pred : array_like
        Targets and predictions of the same shape; n counts all values.
    delta : float, default 1.0
        Where the squares end.

    Returns
    -------
    float
    """
    return mean_loss("huber", y_true, y_pred, check_number("delta", delta, minimum=0.0))


def huber_backward(y_true: ArrayLike, y_pred: ArrayLike, delta: float = 1.0) -> Array:
    r"""Return the gradient of `huber` by `y_pred`: :math:`e_i / n`, or :math:`\delta\, \mathrm{sign}(e_i) / n` beyond delta."""
    return mean_loss_backward("huber", y_true, y_pred, check_number("delta", delta, minimum=0.0))


def quantile(y_true: ArrayLike, y_pred: ArrayLike, quantile: float = 0.5) -> float:
    r"""Return the pinball loss, whose minimum is a quantile of the targets: Koenker and Bassett (1978).

    .. math:: L = \frac{1}{n} \sum_i \max(q e_i, (q - 1) e_i), \quad e = y - \hat y

    Parameters
    ----------
    y_true, y_pred : array_like
        Targets and predictions of the same shape; n counts all values.
    quantile : float, default 0.5
        Which quantile, between 0 and 1.

    Returns
    -------
    float
    """
    return mean_loss("quantile", y_true, y_pred, check_number("quantile", quantile, minimum=0.0, maximum=1.0))


def quantile_backward(y_true: ArrayLike, y_pred: ArrayLike, quantile: float = 0.5) -> Array:
    r"""Return the gradient of `quantile` by `y_pred`: :math:`-q / n` where the target is larger, :math:`(1 - q) / n` where it is smaller."""
    return mean_loss_backward("quantile", y_true, y_pred, check_number("quantile", quantile, minimum=0.0, maximum=1.0))


def log_cosh(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    r"""Return the mean of the logarithms of the hyperbolic cosines of the differences.

    .. math:: L = \frac{1}{n} \sum_i \log \cosh(\hat y_i - y_i)

    Parameters
    ----------
    y_true, y_pred : array_like
        Targets and predictions of the same shape; n counts all values.

    Returns
    -------
    float
    """
    return mean_loss("log_cosh", y_true, y_pred)


def log_cosh_backward(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    r"""Return the gradient of `log_cosh` by `y_pred`: :math:`\tanh(\hat y_i - y_i) / n`."""
    return mean_loss_backward("log_cosh", y_true, y_pred)


def poisson(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    r"""Return the loss of counts whose expected value is predicted.

    .. math:: L = \frac{1}{n} \sum_i \hat y_i - y_i \log(\hat y_i + 10^{-7})

    Parameters
    ----------
    y_true, y_pred : array_like
        Targets and predictions of the same shape; n counts all values.

    Returns
    -------
    float
    """
    return mean_loss("poisson", y_true, y_pred)


def poisson_backward(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    r"""Return the gradient of `poisson` by `y_pred`: :math:`(1 - y_i / (\hat y_i + 10^{-7})) / n`."""
    return mean_loss_backward("poisson", y_true, y_pred)


def cosine_similarity(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    r"""Return the negative cosine of the angle between targets and predictions.

    .. math:: L = -\frac{1}{n} \sum_i \frac{y_i \cdot \hat y_i}{|y_i| |\hat y_i|}

    Parameters
    ----------
    y_true, y_pred : array_like, shape (..., outputs)
        Targets and predictions of the same shape; n counts the rows.

    Returns
    -------
    float
    """
    return mean_loss("cosine_similarity", y_true, y_pred, by_row=True)


def cosine_similarity_backward(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    r"""Return the gradient of `cosine_similarity` by `y_pred`: the part of the target's direction across the prediction, over its length and n, negative."""
    return mean_loss_backward("cosine_similarity", y_true, y_pred, by_row=True)
