"""The classifier."""

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    check_classification_targets,
    type_of_target,
    unique_labels,
)

from fastnet.schedules import LearningRateSchedule
from fastnet.sklearn._base import BaseMultilayerPerceptron
from fastnet.sklearn._network import Array
from fastnet.sklearn._samples import DTYPES, refuse_nan, validated, weights_of_classes


class MLPClassifier(ClassifierMixin, BaseMultilayerPerceptron):  # type: ignore[misc]
    """A multilayer perceptron for classes, with the parameters and the numerics of scikit-learn's class of this name.

    For the same `random_state` it draws the same initial weights and takes the samples in the same order. In float64
    the weights agree up to rounding errors.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        The number of units of each hidden layer.
    activation : str, or list of str, default="relu"
        The activation of the hidden layers, or of each one: "identity", "logistic", "tanh", "relu", or another name of
        `fastnet.functional`, such as "leaky_relu", "gelu" or "silu".
    solver : str or Optimizer, default="adam"
        "lbfgs", which minimizes the loss of all samples with scipy; "sgd", "adam" and the other optimizers of
        `fastnet.optimizers`, by name, such as "adamw", "nadam" or "rmsprop", or as an object with its own learning rate and
        settings.
    alpha : float, default=0.0001
        The strength of the L2 penalty: ``alpha / 2 * sum(w**2)`` over all kernels, divided by the number of samples in the
        batch or by the sum of their weights.
    batch_size : int or "auto", default="auto"
        The number of samples in a step of the stochastic solvers; "auto" is ``min(200, n_samples)``.
    learning_rate : {"constant", "invscaling", "adaptive"}, default="constant"
        With the solver "sgd": `learning_rate_init` throughout; divided by ``(t_ + 1)**power_t`` after every epoch; or divided
        by 5 whenever the loss or the validation score no longer improves.
    learning_rate_init : float, default=0.001
        The initial learning rate of the stochastic solvers.
    power_t : float, default=0.5
        The exponent of "invscaling".
    max_iter : int, default=200
        The maximum number of epochs, or of iterations of "lbfgs".
    shuffle : bool, default=True
        Whether to shuffle the samples in every epoch.
    random_state : int, RandomState instance or None, default=None
        Determines the initial weights, the held-out samples, the order of samples and the masks of dropout.
    tol : float, default=1e-4
        The smallest improvement of the loss or the score.
    verbose : bool, default=False
        Whether to print the progress.
    warm_start : bool, default=False
        Whether `fit` starts from the weights of the previous fit.
    momentum : float, default=0.9
        The momentum of "sgd".
    nesterovs_momentum : bool, default=True
        Whether to use Nesterov's momentum.
    early_stopping : bool, default=False
        Whether to stop when the score on held-out samples no longer improves, and keep the weights with the best score.
    validation_fraction : float, default=0.1
        The fraction of the samples held out by `early_stopping`, unless `fit` is given an `eval_set`.
    beta_1, beta_2, epsilon : float, default=0.9, 0.999, 1e-8
        Parameters of the solvers "adam", "adamw", "adamax" and "nadam".
    n_iter_no_change : int, default=10
        The number of epochs without improvement after which training ends.
    max_fun : int, default=15000
        The maximum number of evaluations of the loss by "lbfgs".
    dropout : float or list of float, default=0.0
        The fraction of the outputs of all hidden layers, or of each one, that a training step drops.
    batch_norm : bool, default=False
        Whether each hidden layer has batch normalization before the activation.
    weight_decay : float, default=0.0
        A step subtracts ``learning_rate * weight_decay * w`` from all weights w; with "sgd", ``weight_decay * w`` is
        added to the gradient.
    schedule : LearningRateSchedule or None, default=None
        A schedule of `fastnet.schedules` that sets the learning rate of every step instead of `learning_rate_init`.
    callbacks : list of Callback or None, default=None
        Objects of `fastnet.callbacks`, of which `fit` makes copies. Their logs have the "loss" of every epoch and, with
        validation, "val_loss" and the score; their model is the trained `Sequential`. Callbacks of scikit-learn 1.9 are
        set by `set_callbacks`.
    class_weight : dict, list of dict, "balanced" or None, default=None
        The weight of the samples of each class, for multi-label targets of each label; "balanced" gives all classes
        equal weight.
    n_threads : int or None, default=None
        The number of threads; None follows `fastnet.set_num_threads` and the machine.
    dtype : {"float32", "float64"} or None, default=None
        The dtype of weights and computations. None is float32 for samples of float32, else float64.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes, or the indices of the labels.
    loss_ : float
        The loss of the last epoch, with the penalty: the mean over its batches.
    best_loss_ : float or None
        The smallest loss of an epoch; None with `early_stopping`.
    loss_curve_ : list of float
        The loss of every epoch.
    validation_scores_ : list of float or None
        The score of every epoch on the validation samples, with `early_stopping`.
    best_validation_score_ : float or None
        The best validation score.
    validation_loss_curve_ : list of float
        The loss of every epoch on `eval_set`, with the penalty.
    history_ : dict of list of float
        "loss" and, with validation, "val_loss" and "val_accuracy" of every epoch, as in Keras.
    t_ : int
        The number of samples seen in training.
    coefs_, intercepts_ : list of ndarray
        The kernel, shape (inputs, units), and the bias of each layer. The network computes with these arrays, not
        copies.
    batch_norms_ : list of list of ndarray
        Gamma, beta, moving mean and moving variance of each hidden layer, with `batch_norm`.
    n_features_in_ : int
        The number of features.
    feature_names_in_ : ndarray of str
        The names of the columns, if all of them are strings.
    n_iter_ : int
        The number of epochs, or of iterations of "lbfgs".
    n_layers_ : int
        The number of layers, the input included.
    n_outputs_ : int
        The number of outputs.
    out_activation_ : str
        The activation of the outputs.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.model_selection import train_test_split
    >>> from fastnet.sklearn import MLPClassifier
    >>> X, y = make_classification(n_samples=100, random_state=1)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=1)
    >>> clf = MLPClassifier(random_state=1, max_iter=300).fit(X_train, y_train)
    >>> clf.predict_proba(X_test[:1]).round(3)
    array([[0.038, 0.962]])
    >>> clf.predict(X_test[:5])
    array([1, 0, 1, 0, 1])
    """

    class_weight: Any

    _SCORE: ClassVar[str] = "accuracy"
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseMultilayerPerceptron._parameter_constraints,
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
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
        class_weight: Any = None,
        n_threads: int | None = None,
        dtype: Any = None,
    ) -> None:
        self._keep_parameters(locals())

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, eval_set: Any = None, callbacks: Any = None) -> Self:
        """Train on samples and their classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples. Arrays of float32, float64 and integers are read in place; a sparse matrix is never made dense.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            The classes, or a column of 0 and 1 for each label.
        sample_weight : array-like of shape (n_samples,), optional
            The weights of the samples in the loss.
        eval_set : tuple (X, y) or (X, y, sample_weight), or a list of one such tuple, optional
            Validation samples for every epoch; `early_stopping` uses their score.
        callbacks : list of Callback, optional
            In addition to those of the constructor.

        Returns
        -------
        self : MLPClassifier

        Raises
        ------
        ValueError
            The data do not fit, or the weights are no longer finite.
        """
        return self._fit(X, y, sample_weight, incremental=False, eval_set=eval_set, callbacks=callbacks)

    @available_if(BaseMultilayerPerceptron._check_solver)  # type: ignore[untyped-decorator]
    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train for one more epoch.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.
        classes : array-like of shape (n_classes,), optional
            All classes that occur in any call; required in the first call.

        Returns
        -------
        self : MLPClassifier
        """
        if _check_partial_fit_first_call(self, classes):
            binarizer = LabelBinarizer()
            self._label_binarizer = binarizer.fit(y if type_of_target(y).startswith("multilabel") else classes)
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> Array:
        """Return the most probable class of each sample, or the labels with a probability above 0.5.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
        """
        outputs = self._outputs(X)
        refuse_nan(outputs)
        return self._classes_of(outputs)

    def predict_proba(self, X: Any) -> Array:
        """Return the probabilities of the classes, or of the labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        outputs = self._outputs(X)
        return np.concatenate([1 - outputs, outputs], axis=1) if self.n_outputs_ == 1 else outputs

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithms of what `predict_proba` returns."""
        probabilities = self.predict_proba(X)
        return np.log(probabilities, out=probabilities)

    # --- What the base asks for ---

    def _validate_input(self, X: Any, y: Any, *, incremental: bool, reset: bool) -> tuple[Any, Array]:
        X, y = self._validated(X, y, reset=reset)
        if reset and not incremental:
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        else:
            self._check_kind(y)
            self._check_classes(unique_labels(y))
        self.n_outputs_ = 1 if self._label_binarizer.y_type_ == "binary" else len(self.classes_)
        return X, y

    def _validated(self, X: Any, y: Any, *, reset: bool) -> tuple[Any, Array]:
        X, y = validated(self, X, y, accept_sparse="csr", multi_output=True, dtype=DTYPES, reset=reset)
        check_classification_targets(y)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return X, y

    def _check_kind(self, y: Any) -> None:
        """Refuse multi-label targets for a network with classes, and classes for one with labels."""
        labels = self._label_binarizer.y_type_.startswith("multilabel")
        if labels != (y.ndim == 2):
            expected = f"{len(self.classes_)} columns of 0 and 1" if labels else "one class for each sample"
            raise ValueError(f"y must have {expected}, as in the previous fit; got shape {y.shape}")

    def _check_classes(self, classes: Array) -> None:
        """Refuse classes for which the network has no output."""
        if self.warm_start:
            if set(classes) != set(self.classes_):
                raise ValueError(
                    "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                    f"Previously got {self.classes_}, `y` has {classes}"
                )
        elif len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {classes}."
            )

    def _validate_more(self, X: Any, y: Any) -> tuple[Any, Array]:
        X, y = self._validated(X, y, reset=False)
        self._check_kind(y)
        if y.ndim == 1 and len(unknown := np.setdiff1d(y, self.classes_)):
            raise ValueError(f"eval_set has classes that y does not have: {unknown.tolist()}")
        return X, y

    def _as_targets(self, y: Array) -> Array:
        if self._output_activation() == "softmax":
            return np.searchsorted(self.classes_, y).astype(np.int64, copy=False)
        return np.asarray(self._label_binarizer.transform(y)).astype(np.uint8)

    def _output_activation(self) -> str:
        return "softmax" if self._label_binarizer.y_type_ == "multiclass" else "logistic"

    def _classes_of(self, outputs: Array) -> Array:
        """Return the classes for activations of the outputs."""
        classes: Array = self.classes_
        found: Array
        if self.out_activation_ == "softmax":
            found = classes.take(outputs.argmax(axis=1))
        elif self.n_outputs_ == 1 and len(classes) == 2:
            found = classes.take((outputs[:, 0] > 0.5).view(np.int8))
        else:
            found = self._label_binarizer.inverse_transform(outputs[:, 0] if self.n_outputs_ == 1 else outputs)
        return found

    def _score_outputs(self, outputs: Array, y: Array, sample_weight: Array | None) -> float:
        return float(accuracy_score(y, self._classes_of(outputs), sample_weight=sample_weight))

    def _with_class_weight(self, y: Any, sample_weight: Array | None) -> Array | None:
        if self.class_weight is None:
            return sample_weight
        of_class = weights_of_classes(self.class_weight, self.classes_, y)
        return of_class if sample_weight is None else of_class * sample_weight

    def _class_names(self) -> list[str]:
        names = [str(name) for name in self.classes_]
        return (
            names if len(names) > 1 else [*names, f"not {names[0]}"]
        )  # the single output of a single class needs a counterpart

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
