"""The regressor."""

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if

from fastnet.schedules import LearningRateSchedule
from fastnet.sklearn._base import BaseMultilayerPerceptron
from fastnet.sklearn._network import Array
from fastnet.sklearn._samples import DTYPES, validated


class MLPRegressor(RegressorMixin, BaseMultilayerPerceptron):  # type: ignore[misc]
    """A multilayer perceptron for numbers, with the parameters and the numerics of scikit-learn's class of this name.

    For the same `random_state` it draws the same initial weights and takes the samples in the same order. In float64
    the weights agree up to rounding errors.

    Parameters
    ----------
    loss : {"squared_error", "poisson"}, default="squared_error"
        Half the squared error; or half the Poisson deviance, for y >= 0, with exp as the activation of the outputs.
    hidden_layer_sizes, activation, solver and all others
        As in `MLPClassifier`, without `class_weight`.

    Attributes
    ----------
    loss_, coefs_, intercepts_ and all others
        As in `MLPClassifier`, without `classes_`. Scores are R^2, and `history_` has "val_r2".

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from sklearn.model_selection import train_test_split
    >>> from fastnet.sklearn import MLPRegressor
    >>> X, y = make_regression(n_samples=200, n_features=20, random_state=1)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=1)
    >>> regr = MLPRegressor(random_state=1, max_iter=2000, tol=0.1).fit(X_train, y_train)
    >>> regr.predict(X_test[:2]).round()
    array([  29., -291.])
    >>> round(regr.score(X_test, y_test), 2)
    0.98
    """

    loss: str

    _SCORE: ClassVar[str] = "r2"
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseMultilayerPerceptron._parameter_constraints,
        "loss": [StrOptions({"squared_error", "poisson"})],
    }

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: Any = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dropout: Any = 0.0,
        batch_norm: bool = False,
        weight_decay: float = 0.0,
        schedule: LearningRateSchedule | None = None,
        callbacks: Any = None,
        n_threads: int | None = None,
        dtype: Any = None,
    ) -> None:
        self._keep_parameters(locals())

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, eval_set: Any = None, callbacks: Any = None) -> Self:
        """Train on samples and their values.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The values.
        sample_weight, eval_set, callbacks
            As in `MLPClassifier.fit`.

        Returns
        -------
        self : MLPRegressor
        """
        return self._fit(X, y, sample_weight, incremental=False, eval_set=eval_set, callbacks=callbacks)

    @available_if(BaseMultilayerPerceptron._check_solver)  # type: ignore[untyped-decorator]
    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one more epoch; the arguments are those of `fit`."""
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> Array:
        """Return the value, or the values, of each sample.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        outputs = self._outputs(X)
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs

    # --- What the base asks for ---

    def _validate_input(self, X: Any, y: Any, *, incremental: bool, reset: bool) -> tuple[Any, Array]:
        del incremental
        X, y = self._validated(X, y, reset=reset)
        if reset:
            self.n_outputs_ = 1 if y.ndim == 1 else y.shape[1]
        self._check_outputs(y)
        return X, y

    def _validate_more(self, X: Any, y: Any) -> tuple[Any, Array]:
        X, y = self._validated(X, y, reset=False)
        self._check_outputs(y)
        return X, y

    def _check_outputs(self, y: Array) -> None:
        """Refuse another number of values per sample than the network has outputs."""
        if (1 if y.ndim == 1 else y.shape[1]) != self.n_outputs_:
            raise ValueError(
                f"y must have {self.n_outputs_} values for each sample, as in the previous fit; got shape {y.shape}"
            )

    def _validated(self, X: Any, y: Any, *, reset: bool) -> tuple[Any, Array]:
        X, y = validated(self, X, y, accept_sparse="csr", multi_output=True, y_numeric=True, dtype=DTYPES, reset=reset)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if self.loss == "poisson" and y.min() < 0:
            raise ValueError(f"y must not be negative for the loss 'poisson'; got {y.min()}")
        return X, y

    def _as_targets(self, y: Array) -> Array:
        rows = y[:, None] if y.ndim == 1 else y
        return rows if rows.dtype in (np.float32, np.float64) else rows.astype(np.float64)

    def _output_activation(self) -> str:
        return "exp" if self.loss == "poisson" else "identity"

    def _score_outputs(self, outputs: Array, y: Array, sample_weight: Array | None) -> float:
        if not np.isfinite(outputs).all():
            return float("nan")
        return float(r2_score(y, outputs[:, 0] if y.ndim == 1 else outputs, sample_weight=sample_weight))
