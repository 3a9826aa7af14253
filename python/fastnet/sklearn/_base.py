"""The base class of the classifier and the regressor."""

import copy
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from fastnet import optimizers
from fastnet.inputs.ranges import FeatureRange, ranges_of_rows, wider
from fastnet.inputs.repacking import predict, quick_to_gather, without_zeros
from fastnet.inputs.samples import finite_features
from fastnet.models import Sequential
from fastnet.sklearn._lbfgs import minimize
from fastnet.sklearn._network import Architecture, Array, CanonicalLoss, LiveNetwork, loss_of, units_of
from fastnet.sklearn._parameters import ACTIVATIONS, Parameters
from fastnet.sklearn._samples import DTYPES, as_features, check_range, check_trained, eval_samples, is_plain, validated
from fastnet.sklearn._stochastic import Epochs, Training, Validation
from fastnet.sklearn._tasks import CallbackSupportMixin, FitTasks
from fastnet.sklearn._threads import limited_threads
from fastnet.support.text import did_you_mean
from fastnet.support.validation import NamesItsArguments, without_mask


class BaseMultilayerPerceptron(CallbackSupportMixin, Parameters, BaseEstimator, NamesItsArguments):  # type: ignore[misc]
    """Base of the estimators for classes and for numbers."""

    _live: LiveNetwork | None = None
    _dropout_seeds: Sequence[int] = ()
    _feature_ranges: list[FeatureRange] | None = None
    # --- Fitting ---

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, *, incremental: bool, eval_set: Any = None, callbacks: Any = None
    ) -> Self:
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        given_callbacks = [*copy.deepcopy(_as_list(self.callbacks)), *_as_list(callbacks)]
        if not self._is_stochastic() and (given_callbacks or eval_set is not None):
            raise ValueError("callbacks and eval_set need a solver other than 'lbfgs'")
        first = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        given = X, y, sample_weight
        X, y = self._validate_input(X, y, incremental=incremental, reset=first)
        if sample_weight is not None:
            sample_weight = _as_weights(sample_weight, X)
        sample_weight = self._with_class_weight(y, sample_weight)
        targets = self._as_targets(y)
        self._random_state = check_random_state(self.random_state)
        if first:
            self._initialize(X)
        else:
            self._adapt()
        with limited_threads(self.n_threads):
            live = self._live_for_training(incremental)
            passes = 1 if incremental else self.max_iter
            features = finite_features("X", as_features(X), live.architecture.dtype, passes)
            self._feature_ranges = wider(ranges_of_rows(features), None if first else self._feature_ranges)
            if self._is_stochastic():
                features = without_zeros(features, passes)
            training = Training(features, targets, sample_weight, None)
            self._has_eval_set = eval_set is not None
            tasks = FitTasks(self, *given, 1 if incremental else self.max_iter) if FitTasks.wanted_by(self) else None
            if not self._is_stochastic():
                minimize(self, live, training, tasks)
            else:
                training, validation = self._split(training, X, y, eval_set)
                self._begin_records()
                if tasks is not None:
                    given_callbacks.append(tasks)
                Epochs(self, live, training, validation, given_callbacks, incremental=incremental).run()
            if tasks is not None:
                tasks.end()
        check_trained(self, targets, sample_weight)
        return self

    def _check_solver(self) -> bool:
        if not self._is_stochastic():
            raise AttributeError(
                f"partial_fit is only available for stochastic optimizers. {self.solver} is not stochastic."
            )
        return True

    # --- Initial values ---

    def _hidden_units(self) -> list[int]:
        given = self.hidden_layer_sizes
        sizes: list[Any] = [given] if isinstance(given, Integral) else list(given) if np.ndim(given) == 1 else [None]
        if not all(isinstance(size, Integral) and not isinstance(size, bool) for size in sizes):
            raise ValueError(f"hidden_layer_sizes must be an integer or a list of integers; got {given!r}")
        if any(size <= 0 for size in sizes):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        return [int(size) for size in sizes]

    def _by_layer(self, name: str, layers: int) -> tuple[Any, ...]:
        """Return a parameter for each hidden layer; a single value applies to all."""
        value = getattr(self, name)
        values = tuple(value) if isinstance(value, list | tuple) else (value,) * layers
        if len(values) != layers:
            raise ValueError(
                f"{name} must have one value for each of the {layers} layers of hidden_layer_sizes; got {len(values)}"
            )
        return values

    def _activations(self, layers: int) -> tuple[str, ...]:
        activations = self._by_layer("activation", layers)
        for name in activations:
            if not isinstance(name, str) or name not in ACTIVATIONS:
                hint = did_you_mean(name, ACTIVATIONS)
                raise ValueError(f"activation must be among {sorted(ACTIVATIONS)} for each layer; got {name!r}{hint}")
        return activations

    def _dropout_rates(self, layers: int) -> tuple[float, ...]:
        rates = self._by_layer("dropout", layers)
        for rate in rates:
            if not (isinstance(rate, float | int | np.floating) and 0 <= rate < 1):
                raise ValueError(f"dropout must be in [0, 1) for each layer; got {rate!r}")
        return tuple(float(rate) for rate in rates)

    def _initialize(self, X: Any) -> None:
        """Draw the initial weights and reset the state of an earlier fit."""
        units = [X.shape[1], *self._hidden_units(), self.n_outputs_]
        dtype = self._dtype_for(X)
        self.n_iter_ = self.t_ = 0
        self.n_layers_ = len(units)
        self.out_activation_ = self._output_activation()
        activations = [*self._activations(len(units) - 2), self.activation]
        coefs, intercepts = [], []
        for fan_in, fan_out, activation in zip(units[:-1], units[1:], activations, strict=True):
            # Glorot and Bengio, AISTATS 2010; with the logistic function a bound smaller by sqrt(3).
            bound = np.sqrt((2.0 if activation in ("logistic", "sigmoid") else 6.0) / (fan_in + fan_out))
            coefs.append(self._random_state.uniform(-bound, bound, (fan_in, fan_out)).astype(dtype, copy=False))
            intercepts.append(self._random_state.uniform(-bound, bound, fan_out).astype(dtype, copy=False))
        self.coefs_, self.intercepts_ = coefs, intercepts
        self.batch_norms_ = self._new_batch_norms()
        self._dropout_seeds = []
        self.history_ = {}
        self._live = None
        self.__dict__.pop("loss_curve_", None)

    def _adapt(self) -> None:
        """Adapt the state of the previous fit to parameters that have changed since."""
        _, *hidden, _ = units_of(self.coefs_, self.intercepts_, self.n_features_in_, self.n_outputs_)
        if hidden != (given := self._hidden_units()):
            raise ValueError(
                f"hidden_layer_sizes must be those of the previous fit, {hidden}, to continue training; got {given}"
            )
        self.out_activation_ = self._output_activation()
        if self.dtype is not None:
            dtype = self._chosen_dtype()
            self.coefs_ = [np.asarray(array, dtype) for array in self.coefs_]
        if bool(self.batch_norms_) != bool(self.batch_norm):
            self.batch_norms_ = self._new_batch_norms()

    def _begin_records(self) -> None:
        """Initialize the state of the stochastic solvers, unless a previous fit has left one."""
        if not hasattr(self, "loss_curve_"):
            self.loss_curve_ = []
            self.validation_loss_curve_ = []
        elif (getattr(self, "validation_scores_", None) is not None) == bool(self.early_stopping):
            return
        self._no_improvement_count = 0
        self.validation_scores_ = [] if self.early_stopping else None
        self.best_validation_score_ = -np.inf if self.early_stopping else None
        self.best_loss_ = None if self.early_stopping else np.inf

    def _new_batch_norms(self) -> list[list[Array]]:
        """Return gamma, beta, moving mean and moving variance of each hidden layer, if the network has them."""
        return [
            [np.full(bias.shape, value, bias.dtype) for value in (1, 0, 0, 1)]
            for bias in self.intercepts_[:-1]
            if self.batch_norm
        ]

    def _dtype_for(self, X: Any) -> np.dtype[Any]:
        """Return the dtype of the weights; the line search of L-BFGS needs float64."""
        if self.dtype is not None:
            return self._chosen_dtype()
        return np.dtype(np.float32 if X.dtype == np.float32 and self._is_stochastic() else np.float64)

    def _chosen_dtype(self) -> np.dtype[Any]:
        dtype: np.dtype[Any] = np.dtype(self.dtype)
        if dtype not in (np.float32, np.float64):
            raise ValueError(f"dtype must be 'float32', 'float64' or None; got {self.dtype!r}")
        return dtype

    # --- The network ---

    def _architecture(self) -> Architecture:
        """Describe the network of the fitted arrays."""
        units = units_of(self.coefs_, self.intercepts_, self.n_features_in_, self.n_outputs_)
        layers = len(units) - 2
        return Architecture(
            units,
            self._activations(layers),
            self.out_activation_,
            "float32" if np.result_type(*map(np.asarray, self.coefs_)) == np.float32 else "float64",
            self._dropout_rates(layers),
            bool(self.batch_norms_),
        )

    def _live_network(self) -> LiveNetwork:
        """Return the network whose parameters are the fitted arrays; replaced arrays are copied into it."""
        live, norms = self._live, self.batch_norms_
        chosen = (self.activation, self.dropout)
        if live and live.chosen == chosen and live.holds(self.coefs_, self.intercepts_, norms):
            return live
        architecture = self._architecture()
        if live is None or live.architecture != architecture:
            live = LiveNetwork(architecture)
        live.chosen = chosen
        live.load(self.coefs_, self.intercepts_, norms)
        self.coefs_, self.intercepts_ = list(live.coefs), list(live.intercepts)
        self.batch_norms_ = [list(norm) for norm in live.norms]
        self._live = live
        return live

    def _live_for_training(self, incremental: bool) -> LiveNetwork:
        """Return the network, compiled; `incremental` training keeps the optimizer state."""
        known = self._live
        live = self._live_network()
        continues = incremental and hasattr(self, "_optimizer")
        seeds = len(live.network.get_seeds())
        if not continues or len(self._dropout_seeds) != seeds:
            self._dropout_seeds = self._random_state.randint(2**31 - 1, size=seeds).tolist()
        live.network.set_seeds(list(self._dropout_seeds))
        if not continues:
            self._optimizer = self._new_optimizer()
        elif live is known and live.model._network_is_compiled:
            live.penalize(float(self.alpha))
            return live
        live.compile(self._optimizer, self._loss())
        live.penalize(float(self.alpha))
        self._name(live.model)
        if continues and "_moments" in self.__dict__:
            live.network.set_optimizer_state(*self._moments)
            self._optimizer._count(live.network.finished_steps)
        self.__dict__.pop("_moments", None)
        return live

    def _loss(self) -> CanonicalLoss:
        return loss_of(getattr(self, "loss", "log_loss"), self.out_activation_, self.coefs_[0].dtype)

    def _name(self, model: Sequential) -> None:
        """Set the feature names and the class names of a model."""
        if hasattr(self, "feature_names_in_"):
            model.feature_names = [str(name) for name in self.feature_names_in_]
        model.feature_ranges = getattr(self, "_feature_ranges", None)
        model.class_names = self._class_names()

    def _new_optimizer(self) -> optimizers.Optimizer:
        rate = float(self.learning_rate_init) if self.schedule is None else self.schedule
        others: dict[str, Any] = {"weight_decay": float(self.weight_decay)} if self.weight_decay else {}
        if isinstance(self.solver, optimizers.Optimizer):
            return optimizers.deserialize(optimizers.serialize(self.solver))
        if self.solver == "sgd":
            return optimizers.SGD(rate, float(self.momentum), bool(self.nesterovs_momentum), **others)
        if self.solver == "lbfgs":  # compiled only for its loss
            if any(np.ravel(self.dropout)) or self.batch_norm or self.weight_decay or self.schedule is not None:
                raise ValueError("dropout, batch_norm, weight_decay and schedule need a solver other than 'lbfgs'")
            return optimizers.SGD()
        defaults = optimizers.get(self.solver)
        moments = {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}
        if moments.keys() <= defaults.get_config().keys():  # Adam and its kin
            others |= moments
        return type(defaults)(rate, **others)

    # --- Validation ---

    def _split(self, training: Training, X: Any, y: Array, eval_set: Any) -> tuple[Training, Validation | None]:
        """Return training and validation samples: those of `eval_set`, or held-out rows for early stopping."""
        if eval_set is not None:
            return training, self._eval_samples(eval_set)
        if not self.early_stopping:
            return training, None
        stratify = training.y.astype(bool) if is_classifier(self) and self.n_outputs_ == 1 else None
        rows, held_out = train_test_split(
            np.arange(len(training)),
            random_state=self._random_state,
            test_size=self.validation_fraction,
            stratify=stratify,
        )
        if len(held_out) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        weight = None if training.weight is None else training.weight[held_out]
        features = training.x[held_out] if isinstance(training.x, np.ndarray) else as_features(X[held_out])
        validation = Validation(features, y[held_out], training.y[held_out], weight)
        return replace(training, rows=rows.astype(np.int64)), validation

    def _eval_samples(self, eval_set: Any) -> Validation:
        X, y, weight = eval_samples(eval_set)
        X, y = self._validate_more(X, y)
        weight = None if weight is None else _as_weights(weight, X)
        features = quick_to_gather(as_features(X), self._architecture().dtype, self.max_iter)
        return Validation(features, y, self._as_targets(y), weight)

    # --- Prediction ---

    def _outputs(self, X: Any) -> Array:
        """Return the activations of the outputs, one row per sample."""
        if not hasattr(self, "coefs_"):
            check_is_fitted(self, "coefs_")
        live = self._live_network()
        dtype = live.architecture.dtype
        if not is_plain(self, X, dtype):
            X = as_features(validated(self, X, accept_sparse="csr", reset=False, dtype=DTYPES))
            check_range(dtype, X=X)
        with limited_threads(self.n_threads):
            return predict(live.network, X, dtype, self._PREDICTION_ROWS)

    def to_sequential(self) -> Sequential:
        """Return a `Sequential` with the fitted weights, to save, to export and to serve.

        Returns
        -------
        Sequential
            Compiled with the loss and the optimizer that are closest to the estimator's. It shares no memory with the
            estimator.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from fastnet.sklearn import MLPClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> model = MLPClassifier(max_iter=20, tol=1.0, random_state=0).fit(X, y).to_sequential()
        >>> model.predict(X).shape, model.class_names
        ((150, 3), ['0', '1', '2'])
        """
        check_is_fitted(self, "coefs_")
        live = self._live_network()
        model = Sequential(live.architecture.layers(), dtype=live.architecture.dtype)
        model.build((live.architecture.units[0],))
        model.set_weights(live.model.get_weights())
        model.compile(optimizers.deserialize(optimizers.serialize(self._optimizer)), self._loss().nearest)
        self._name(model)
        return model

    # --- What the two kinds of estimators differ in ---

    @abstractmethod
    def _validate_input(self, X: Any, y: Any, *, incremental: bool, reset: bool) -> tuple[Any, Array]:
        """Return checked samples and targets; set `n_outputs_`."""

    @abstractmethod
    def _validate_more(self, X: Any, y: Any) -> tuple[Any, Array]:
        """Return samples and targets of `eval_set`, checked against those of training."""

    @abstractmethod
    def _as_targets(self, y: Array) -> Array:
        """Return targets in the form of the core: int64 labels or rows of numbers."""

    @abstractmethod
    def _output_activation(self) -> str:
        """Return scikit-learn's name for the activation of the outputs."""

    def _with_class_weight(self, y: Any, sample_weight: Array | None) -> Array | None:
        """Return the weights of samples, multiplied by those of their classes."""
        del y
        return sample_weight

    def _class_names(self) -> list[str] | None:
        """Return the names of the outputs if they are classes."""
        return None

    # --- State and tags ---

    def __getstate__(self) -> dict[str, Any]:
        """Return the state: parameters and arrays, and the optimizer state instead of the compiled network."""
        state: dict[str, Any] = dict(super().__getstate__())
        live: LiveNetwork | None = state.pop("_live", None)
        if live is not None and live.model._network_is_compiled and self._is_stochastic():
            state["_moments"] = live.network.get_optimizer_state()
        if "_optimizer" in state:  # training changes its learning rate, which must not affect a shallow copy
            state["_optimizer"] = copy.deepcopy(state["_optimizer"])
        return state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _as_weights(sample_weight: Any, X: Any) -> Array:
    weights: Array = _check_sample_weight(without_mask("sample_weight", sample_weight), X, dtype=np.float64)
    return weights


def _as_list(callbacks: Any) -> Sequence[Any]:
    return callbacks if isinstance(callbacks, list | tuple) else [] if callbacks is None else [callbacks]
