"""Any `Sequential` as an estimator of scikit-learn."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels

from fastnet import functional
from fastnet.callbacks import Callback
from fastnet.models import Sequential
from fastnet.sklearn._building import compile_with, make_weights, output_count
from fastnet.sklearn._samples import refuse_nan, weights_of_classes
from fastnet.sklearn._sequential import SequentialEstimator
from fastnet.utils import to_categorical

_MULTILABEL = "multilabel-indicator"


class FastnetClassifier(ClassifierMixin, SequentialEstimator):  # type: ignore[misc]
    """A classifier of scikit-learn around any `Sequential`.

    Parameters
    ----------
    build_fn : callable or Sequential
        A function that returns a new `Sequential` for every `fit`. It is called with `build_args` and with those of
        these arguments that it accepts:

        - ``n_features_in``, the number of columns of `X`;
        - ``n_classes``, the number of classes, or of labels for multi-label targets;
        - ``target_type``: "binary", "multiclass" or "multilabel-indicator";
        - ``random_state``, the seed, an integer.

        The last layer has a unit for each class, or a single one for two classes. A model that is not compiled is compiled
        with Adam, and with "binary_crossentropy" for a single unit and for multi-label targets, else with
        "sparse_categorical_crossentropy". A model that is compiled without a loss keeps its optimizer.

        Or a `Sequential` as a template for new models: with its architecture and configuration, and new weights. The
        template is not changed.
    epochs : int, default 1
        The number of passes of `fit` over the samples.
    batch_size : int, default 32
        The number of samples per step.
    validation_split : float, default 0.0
        The fraction of the samples held out for validation after every epoch: stratified by class, or with
        ``shuffle=False`` the last ones.
    callbacks : list of Callback, optional
        See `fastnet.callbacks`. `fit` uses copies of them.
    class_weight : dict, "balanced" or None
        The weight of the samples of each class, as in scikit-learn.
    shuffle : bool, default True
        Whether to shuffle the samples before every epoch.
    random_state : int, RandomState or None
        An integer gives the same model each time: it is the seed of the model's weights, dropout and order of samples,
        unless `build_fn` passes another seed to the `Sequential`.
    n_threads : int, optional
        The maximum number of threads for training and prediction.
    verbose : {0, 1, 2, "auto"}, default 0
        As in `Sequential.fit`.
    warm_start : bool, default False
        Whether another `fit` trains the existing model for `epochs` more.
    build_args : dict, optional
        Arguments for `build_fn`. A search can set each as ``build_args__<name>``.

    Attributes
    ----------
    model_ : Sequential
        The trained model, with the names of the classes and of the features. ``model_.save`` writes it to a file.
    classes_ : ndarray
        The labels, sorted; for multi-label targets the indices of the columns.
    history_ : dict of list of float
        The history of `Sequential.fit`; with `warm_start` and `partial_fit`, of all fits together.
    target_type_ : str
        The `target_type` for `build_fn`.
    n_features_in_ : int
        The number of columns of `X`.
    feature_names_in_ : ndarray of str
        Their names, if `X` was a table.

    Examples
    --------
    >>> import fastnet as fn
    >>> from fastnet.sklearn import FastnetClassifier
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> def build(n_classes, units=16):
    ...     return fn.Sequential([fn.Dense(units, "relu"), fn.Dropout(0.2), fn.Dense(n_classes, "softmax")])
    >>> classifier = FastnetClassifier(build, epochs=100, random_state=0)
    >>> pipeline = make_pipeline(StandardScaler(), classifier)
    >>> search = GridSearchCV(pipeline, {"fastnetclassifier__build_args__units": [2, 32]}, cv=3)
    >>> x, y = load_wine(return_X_y=True)
    >>> search.fit(x, y).best_params_
    {'fastnetclassifier__build_args__units': 32}
    >>> bool(search.best_score_ > 0.93)
    True
    """

    def __init__(
        self,
        build_fn: Any,
        *,
        epochs: int = 1,
        batch_size: int = 32,
        validation_split: float = 0.0,
        callbacks: Sequence[Callback] | Callback | None = None,
        class_weight: Mapping[Any, float] | str | None = None,
        shuffle: bool = True,
        random_state: Any = None,
        n_threads: int | None = None,
        verbose: str | int = 0,
        warm_start: bool = False,
        build_args: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            build_fn,
            epochs=epochs,
            batch_size=batch_size,
            validation_split=validation_split,
            callbacks=callbacks,
            shuffle=shuffle,
            random_state=random_state,
            n_threads=n_threads,
            verbose=verbose,
            warm_start=warm_start,
            build_args=build_args,
        )
        self.class_weight = class_weight

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    # --- Labels ---

    def _learn_targets(self, y: NDArray[Any], **known: Any) -> None:
        classes = known.get("classes")
        check_classification_targets(y)
        kind = type_of_target(y)
        if kind == "multiclass-multioutput":
            raise ValueError(
                "y must have one label for each sample, or be an array of 0 and 1; got several labels of many"
            )
        self.classes_: NDArray[Any] = unique_labels(y if classes is None else classes)
        if kind == _MULTILABEL:
            self.target_type_ = _MULTILABEL
            return
        if len(self.classes_) < 2:
            raise ValueError(f"y must have at least 2 classes; got 1 class, {self.classes_[0]}")
        self.target_type_ = "binary" if len(self.classes_) == 2 else "multiclass"

    def _offered(self) -> dict[str, Any]:
        return {"n_classes": len(self.classes_), "target_type": self.target_type_}

    def _ready_model(self, model: Sequential, input_shape: tuple[int, ...]) -> None:
        classes = len(self.classes_)
        accepted = [1, 2] if self.target_type_ == "binary" else [classes]
        make_weights(model, input_shape, accepted, f"y with {classes} classes")
        logistic = self.target_type_ == _MULTILABEL or output_count(model) == 1
        compile_with(model, "binary_crossentropy" if logistic else "sparse_categorical_crossentropy", ["accuracy"])
        model.class_names = [str(label) for label in self.classes_]

    def _encoded(self, model: Sequential, y: NDArray[Any]) -> NDArray[Any]:
        classes = len(self.classes_)
        if (y.ndim == 2) != (self.target_type_ == _MULTILABEL) or (y.ndim == 2 and y.shape[1] != classes):
            expected = f"(n, {classes})" if self.target_type_ == _MULTILABEL else "(n,)"
            raise ValueError(f"y must have shape {expected}, as before; got {y.shape}")
        if self.target_type_ == _MULTILABEL:
            return y
        if len(unknown := np.setdiff1d(y, self.classes_)):
            raise ValueError(f"y must have labels of classes_, {self.classes_}; got {unknown}")
        codes = np.searchsorted(self.classes_, y)
        by_label = output_count(model) == 1 or (model.loss is not None and model.loss.takes_labels)
        return codes if by_label else to_categorical(codes, classes)

    def _stratification(self, y: NDArray[Any]) -> NDArray[Any] | None:
        return None if self.target_type_ == _MULTILABEL else y

    def _weights(self, y: NDArray[Any], sample_weight: ArrayLike | None) -> NDArray[Any] | None:
        weight = super()._weights(y, sample_weight)
        if self.class_weight is None:
            return weight
        by_class = weights_of_classes(self.class_weight, self.classes_, y)
        return by_class if weight is None else weight * by_class

    # --- Training and prediction ---

    def partial_fit(
        self, X: Any, y: Any, sample_weight: ArrayLike | None = None, classes: ArrayLike | None = None
    ) -> Self:
        """Train the model for one pass over these samples, without callbacks and validation.

        Parameters
        ----------
        X, y
            As in `fit`.
        sample_weight : array_like, shape (n,), optional
            A factor for the loss of each sample.
        classes : array_like, optional
            All labels that occur in any call; required in the first call.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            The first call lacks `classes`, a later one has others, `y` has a label that is not among them, or
            `class_weight` is "balanced".
        """
        first = not hasattr(self, "model_")
        if first and classes is None:
            raise ValueError(
                "classes must be passed on the first call to partial_fit: all labels that occur in any call"
            )
        if isinstance(self.class_weight, str):
            raise ValueError(
                f"class_weight={self.class_weight!r} needs all samples at once, which partial_fit does not have"
            )
        if not first and classes is not None and not np.array_equal(unique_labels(classes), self.classes_):
            raise ValueError(f"classes must be those of the first call, {self.classes_}; got {classes}")
        return self._partial_fit(X, y, sample_weight, classes=classes)

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Return the probability of each class.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n, n_features) or (n, *input_shape)
            The samples.

        Returns
        -------
        ndarray, shape (n, n_classes)
            In the dtype of the model, in the order of `classes_`. The outputs of the model are interpreted as
            probabilities, or as logits if its loss has ``from_logits=True``.
        """
        outputs = self._outputs(X)
        single = outputs.shape[1] == 1 and self.target_type_ != _MULTILABEL
        if self.model_.loss is not None and self.model_.loss.from_logits:
            logistic = single or self.target_type_ == _MULTILABEL
            outputs = functional.sigmoid(outputs) if logistic else functional.softmax(outputs)
        return np.hstack([1 - outputs, outputs]) if single else outputs

    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """Return the natural logarithm of `predict_proba`."""
        with np.errstate(divide="ignore"):
            logarithms: NDArray[Any] = np.log(self.predict_proba(X))
        return logarithms

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable label of each sample.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n, n_features) or (n, *input_shape)
            The samples.

        Returns
        -------
        ndarray, shape (n,) or (n, n_classes)
            Labels of `classes_`; for multi-label targets 1 if the probability is above 0.5, else 0.
        """
        probabilities = self.predict_proba(X)
        refuse_nan(probabilities)
        if self.target_type_ == _MULTILABEL:
            return (probabilities > 0.5).astype(np.int64)
        labels: NDArray[Any] = self.classes_[probabilities.argmax(axis=1)]
        return labels


class FastnetRegressor(RegressorMixin, SequentialEstimator):  # type: ignore[misc]
    """A regressor of scikit-learn around any `Sequential`.

    Parameters
    ----------
    build_fn : callable or Sequential
        A function that returns a new `Sequential` for every `fit`. It is called with `build_args` and with those of
        these arguments that it accepts:

        - ``n_features_in``, the number of columns of `X`;
        - ``n_outputs``, the number of values to predict per sample, which is the number of units of the last layer;
        - ``random_state``, the seed, an integer.

        A model that is not compiled is compiled with Adam and "mse". A model that is compiled without a loss keeps its
        optimizer.

        Or a `Sequential` as a template for new models: with its architecture and configuration, and new weights. The
        template is not changed.
    epochs, batch_size, callbacks, shuffle, random_state, n_threads, verbose, warm_start, build_args
        As in `FastnetClassifier`.
    validation_split : float, default 0.0
        The fraction of the samples held out for validation after every epoch: drawn at random, or with
        ``shuffle=False`` the last ones.

    Attributes
    ----------
    model_ : Sequential
        The trained model. ``model_.save`` writes it to a file.
    n_outputs_ : int
        The number of predicted values per sample.
    history_, n_features_in_, feature_names_in_
        As in `FastnetClassifier`.

    Examples
    --------
    >>> import fastnet as fn
    >>> from fastnet.sklearn import FastnetRegressor
    >>> from sklearn.datasets import make_regression
    >>> x, y = make_regression(200, 5, random_state=0)
    >>> model = fn.Sequential([fn.Dense(32, "relu"), fn.Dense(1)])
    >>> model.compile(fn.optimizers.Adam(0.01), "mae")
    >>> regressor = FastnetRegressor(model, epochs=100, random_state=0).fit(x[:150], y[:150])
    >>> bool(regressor.score(x[150:], y[150:]) > 0.9)
    True
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _validated(self, X: Any, y: Any, reset: bool, **checks: Any) -> tuple[Any, NDArray[Any]]:
        return super()._validated(X, y, reset, y_numeric=True, **checks)

    def _learn_targets(self, y: NDArray[Any], **known: Any) -> None:
        del known
        self.n_outputs_ = 1 if y.ndim == 1 else y.shape[1]
        self._y_dtype = np.dtype(np.float32 if y.dtype == np.float32 else np.float64)

    def _offered(self) -> dict[str, Any]:
        return {"n_outputs": self.n_outputs_}

    def _ready_model(self, model: Sequential, input_shape: tuple[int, ...]) -> None:
        make_weights(model, input_shape, [self.n_outputs_], f"y with {self.n_outputs_} columns")
        compile_with(model, "mse", [])

    def _encoded(self, model: Sequential, y: NDArray[Any]) -> NDArray[Any]:
        del model
        columns = 1 if y.ndim == 1 else y.shape[1]
        if columns != self.n_outputs_:
            raise ValueError(f"y must have {self.n_outputs_} columns, as before; got shape {y.shape}")
        return y

    def partial_fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Train the model for one pass over these samples, without callbacks and validation.

        Parameters
        ----------
        X, y
            As in `fit`.
        sample_weight : array_like, shape (n,), optional
            A factor for the loss of each sample.

        Returns
        -------
        self
        """
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the predicted values.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n, n_features) or (n, *input_shape)
            The samples.

        Returns
        -------
        ndarray, shape (n,) or (n, n_outputs)
            float64, as scikit-learn's regressors return, or float32 for a model of float32 that was trained on values of
            float32. The digits are those of the model's dtype.
        """
        outputs = self._outputs(X)
        outputs = outputs.astype(np.result_type(outputs.dtype, self._y_dtype), copy=False)
        return outputs[:, 0] if self.n_outputs_ == 1 else outputs
