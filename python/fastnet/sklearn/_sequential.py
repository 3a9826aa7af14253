"""The base class of estimators around a `Sequential`: parameters, data, training."""

import copy
import numbers
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_array, check_random_state, column_or_1d
from sklearn.utils.validation import check_is_fitted

from fastnet.callbacks import Callback
from fastnet.models import Sequential
from fastnet.sklearn._building import as_inputs, check_arguments, new_model
from fastnet.sklearn._samples import check_range, eval_samples, is_plain, validated
from fastnet.sklearn._threads import limited_threads
from fastnet.support.validation import NamesItsArguments, check_number, without_mask

_ARGUMENT = "build_args__"


class SequentialEstimator(BaseEstimator, NamesItsArguments):  # type: ignore[misc]
    """Base of `FastnetClassifier` and `FastnetRegressor`, which define the meaning of `y`."""

    def __init__(
        self,
        build_fn: Any,
        *,
        epochs: int = 1,
        batch_size: int = 32,
        validation_split: float = 0.0,
        callbacks: Sequence[Callback] | Callback | None = None,
        shuffle: bool = True,
        random_state: Any = None,
        n_threads: int | None = None,
        verbose: str | int = 0,
        warm_start: bool = False,
        build_args: Mapping[str, Any] | None = None,
    ) -> None:
        self.build_fn = build_fn
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation_split = validation_split
        self.callbacks = callbacks
        self.shuffle = shuffle
        self.random_state = random_state
        self.n_threads = n_threads
        self.verbose = verbose
        self.warm_start = warm_start
        self.build_args = build_args

    # --- Parameters ---

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name.

        Parameters
        ----------
        deep : bool, default True
            Whether to include the entries of `build_args`, as ``build_args__<name>``.

        Returns
        -------
        dict
        """
        parameters: dict[str, Any] = super().get_params(deep)
        if deep and isinstance(self.build_args, Mapping):
            parameters |= {f"{_ARGUMENT}{name}": value for name, value in self.build_args.items()}
        return parameters

    def set_params(self, **params: Any) -> Self:
        """Set parameters, and entries of `build_args` as ``build_args__<name>``.

        Parameters
        ----------
        **params
            The values by name.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            There is no such parameter, or `build_fn` has no such argument.
        """
        arguments = {name.removeprefix(_ARGUMENT): params[name] for name in params if name.startswith(_ARGUMENT)}
        super().set_params(**{name: value for name, value in params.items() if not name.startswith(_ARGUMENT)})
        if arguments:
            check_arguments(self.build_fn, arguments)
            self.build_args = {**(self.build_args or {}), **arguments}
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    # --- What `y` means ---

    def _learn_targets(self, y: NDArray[Any], **known: Any) -> None:
        """Record the kind of the targets before the model is built."""
        raise NotImplementedError

    def _ready_model(self, model: Sequential, input_shape: tuple[int, ...]) -> None:
        """Build and compile a model for these targets."""
        raise NotImplementedError

    def _offered(self) -> dict[str, Any]:
        """Return the arguments about the targets for `build_fn`."""
        raise NotImplementedError

    def _encoded(self, model: Sequential, y: NDArray[Any]) -> NDArray[Any]:
        """Return targets in the form of the model."""
        raise NotImplementedError

    def _stratification(self, y: NDArray[Any]) -> NDArray[Any] | None:
        """Return the labels for stratifying the validation split."""
        del y
        return None

    # --- Training ---

    def fit(
        self, X: Any, y: Any, sample_weight: ArrayLike | None = None, *, eval_set: Sequence[Any] | None = None
    ) -> Self:
        """Train a new model, or with `warm_start` the existing one.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n, n_features) or (n, *input_shape)
            The samples. Arrays of float32, float64 and integers, and CSR matrices, are read in place. A model of images
            takes them as rows too, in the order of (height, width, channels).
        y : array_like, shape (n,) or (n, n_outputs)
            The targets.
        sample_weight : array_like, shape (n,), optional
            The relative weight of each sample: weights are divided by their mean, so that a whole number is equivalent
            to this number of copies of the sample in one batch.
        eval_set : tuple (X, y) or (X, y, sample_weight), or a list of one such tuple, optional
            Samples to validate with after every epoch; overrides `validation_split`. In a `Pipeline` they do not pass
            through the earlier steps.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            The data do not fit the model, each other, or earlier data.
        TypeError
            A parameter has the wrong type, or `build_fn` does not return a `Sequential`.
        """
        continues = bool(self.warm_start) and hasattr(self, "model_")
        X, y = self._validated(X, y, reset=not continues)
        if not continues:
            self._learn_targets(y)
        model = self.model_ if continues else self._new_model(X)
        X = as_inputs(model, X)
        targets = self._encoded(model, y)
        weight = self._weights(y, sample_weight)
        validation = None
        if eval_set is not None:
            validation = self._eval_samples(model, eval_set)
        elif check_number("validation_split", self.validation_split, minimum=0.0, below=1.0):
            rows, held_out = self._split(y)
            validation = (X[held_out], targets[held_out], *([] if weight is None else [_relative(weight[held_out])]))
            X, targets, weight = X[rows], targets[rows], None if weight is None else weight[rows]
        weight = None if weight is None else _relative(weight)
        self._train(
            model, X, targets, weight, self.epochs, callbacks=copy.deepcopy(self.callbacks), validation_data=validation
        )
        return self

    def _eval_samples(self, model: Sequential, eval_set: Any) -> tuple[Any, ...]:
        """Return the samples of `eval_set` in the form of the model."""
        X, y, sample_weight = eval_samples(eval_set)
        X, y = self._validated(X, y, reset=False)
        weight = _as_weights(y, sample_weight)
        return (as_inputs(model, X), self._encoded(model, y), *([] if weight is None else [_relative(weight)]))

    def _partial_fit(self, X: Any, y: Any, sample_weight: ArrayLike | None, **known: Any) -> Self:
        """Train one pass over the samples, with unscaled weights; the first call has the `known` targets."""
        first = not hasattr(self, "model_")
        X, y = self._validated(X, y, reset=first)
        if first:
            self._learn_targets(y, **known)
        model = self._new_model(X) if first else self.model_
        self._train(model, as_inputs(model, X), self._encoded(model, y), self._weights(y, sample_weight), 1)
        return self

    def _validated(self, X: Any, y: Any, reset: bool, **checks: Any) -> tuple[Any, NDArray[Any]]:
        """Return samples and targets as arrays, or X as a CSR matrix."""
        X, y = validated(
            self, X, y, reset=reset, accept_sparse="csr", allow_nd=True, multi_output=True, dtype="numeric", **checks
        )
        y = y.toarray() if hasattr(y, "toarray") else y
        return X, column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    def _weights(self, y: NDArray[Any], sample_weight: ArrayLike | None) -> NDArray[Any] | None:
        """Return the checked weights of the samples."""
        return _as_weights(y, sample_weight)

    def _new_model(self, X: Any) -> Sequential:
        seed = self._seed = _seed(self.random_state)
        offered = {"n_features_in": self.n_features_in_, **self._offered(), "random_state": seed}
        model = new_model(self.build_fn, self.build_args, offered, seed)
        self._ready_model(model, X.shape[1:])
        if hasattr(self, "feature_names_in_"):
            model.feature_names = [str(name) for name in self.feature_names_in_]
        self.history_: dict[str, list[float]] = {}
        return model

    def _split(self, y: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return training and validation rows, the same for the same number of rows."""
        by_class = self._stratification(y) if self.shuffle else None
        rows, held_out = train_test_split(
            np.arange(len(y)),
            test_size=float(self.validation_split),
            random_state=self._seed % 2**32,
            shuffle=self.shuffle,
            stratify=by_class,
        )
        return np.sort(rows), np.sort(held_out)

    def _train(
        self, model: Sequential, X: Any, targets: Any, weight: NDArray[Any] | None, epochs: int, **others: Any
    ) -> None:
        with limited_threads(self.n_threads):
            history = model.fit(
                X,
                targets,
                self.batch_size,
                epochs,
                self.verbose,
                shuffle=self.shuffle,
                sample_weight=weight,
                **others,
            )
        for name, values in history.history.items():
            self.history_.setdefault(name, []).extend(values)
        self.model_ = model
        if history.interrupted:
            warnings.warn("Training interrupted by user.", stacklevel=3)

    def _outputs(self, X: Any) -> NDArray[Any]:
        """Return the outputs of the model for samples."""
        check_is_fitted(self, "model_")
        dtype = self.model_.dtype
        if not is_plain(self, X, dtype):
            X = validated(self, X, reset=False, accept_sparse="csr", allow_nd=True, dtype="numeric")
            check_range(dtype, X=self.model_._features("X", as_inputs(self.model_, X)))
        with limited_threads(self.n_threads):
            return self.model_.predict(as_inputs(self.model_, X))


def _as_weights(y: NDArray[Any], sample_weight: ArrayLike | None) -> NDArray[Any] | None:
    if sample_weight is None:
        return None
    weight: NDArray[Any] = check_array(
        without_mask("sample_weight", sample_weight),
        ensure_2d=False,
        dtype=np.float64,
        input_name="sample_weight",
        ensure_min_samples=0,
    )
    if weight.shape != (len(y),):
        raise ValueError(f"sample_weight must have shape ({len(y)},), one weight for every row; got {weight.shape}")
    if (weight < 0).any():
        raise ValueError(f"sample_weight must not be negative; got {weight.min():g}")
    return weight


def _relative(weight: NDArray[Any]) -> NDArray[Any]:
    """Return weights of mean 1."""
    if not (total := weight.sum()):
        raise ValueError("the weights of the samples must not all be zero, neither in training nor in validation")
    relative: NDArray[Any] = weight * (len(weight) / total)
    return relative


def _seed(random_state: Any) -> int:
    """Return the seed of a model: the given integer, else the next number of the generator."""
    if isinstance(random_state, numbers.Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))
