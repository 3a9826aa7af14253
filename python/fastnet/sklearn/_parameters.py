"""The parameters of the estimators with their constraints, and the attributes of a fit."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, Options, StrOptions

from fastnet import optimizers
from fastnet._core import activation_names
from fastnet.optimizers.base import optimizers as _optimizers
from fastnet.schedules import LearningRateSchedule
from fastnet.sklearn._network import Array

ACTIVATIONS = {"identity", "logistic", "swish", *activation_names()}


class Parameters(ABC):
    """The parameters that the solvers read, and the attributes that they set."""

    _PREDICTION_ROWS: ClassVar[int] = 1024
    _SCORE: ClassVar[str]

    hidden_layer_sizes: Any
    activation: Any
    solver: Any
    alpha: float
    batch_size: int | str
    learning_rate: str
    learning_rate_init: float
    power_t: float
    max_iter: int
    shuffle: bool
    random_state: Any
    tol: float
    verbose: bool
    warm_start: bool
    momentum: float
    nesterovs_momentum: bool
    early_stopping: bool
    validation_fraction: float
    beta_1: float
    beta_2: float
    epsilon: float
    n_iter_no_change: float
    max_fun: int
    dropout: Any
    batch_norm: bool
    weight_decay: float
    schedule: LearningRateSchedule | None
    callbacks: Any
    n_threads: int | None
    dtype: Any

    batch_norms_: Sequence[Sequence[Array]] = ()
    n_iter_: int
    t_: int
    n_outputs_: int
    loss_: float
    loss_curve_: list[float]
    history_: dict[str, list[float]]
    validation_loss_curve_: list[float]
    # None, as in scikit-learn, if training stops by the other criterion.
    best_loss_: Any
    validation_scores_: Any
    best_validation_score_: Any
    coefs_: list[Array]
    intercepts_: list[Array]
    _random_state: Any
    _no_improvement_count: int
    _has_eval_set: bool
    _init_callback_context: Any  # of CallbackSupportMixin

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(ACTIVATIONS), list, tuple],
        "solver": [StrOptions({"lbfgs", *_optimizers.names}), optimizers.Optimizer],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left"), list, tuple],
        "batch_norm": ["boolean"],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "schedule": [LearningRateSchedule, None],
        "callbacks": [object],
        "n_threads": [Interval(Integral, 1, None, closed="left"), None],
        "dtype": [StrOptions({"float32", "float64"}), type, np.dtype, None],
    }

    def _keep_parameters(self, arguments: dict[str, Any]) -> None:
        """Set the parameters to the arguments of `__init__`, given as its local variables."""
        self.__dict__.update((name, value) for name, value in arguments.items() if name not in ("self", "__class__"))

    def _is_stochastic(self) -> bool:
        return not (isinstance(self.solver, str) and self.solver == "lbfgs")

    @abstractmethod
    def _score_outputs(self, outputs: Array, y: Array, sample_weight: Array | None) -> float:
        """Return the score of predictions, given as activations of the outputs."""
