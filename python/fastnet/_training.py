"""Compiling, fitting, evaluating and predicting: what a model does with data."""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet._compilation import Compilation
from fastnet._data_adapter import Samples, as_array, as_features, as_samples
from fastnet._validation import check_bool, check_integer, describe, unsupported
from fastnet._weights import Network, Weights
from fastnet.callbacks import Callback, CallbackList, History, Logs, check_verbose, format_logs
from fastnet.losses import Loss
from fastnet.optimizers import Optimizer

_TRAINING_BATCH = 32
# Rows at a time in evaluate and predict, where the number changes only the memory needed.
_PREDICTION_BATCH = 256

_TRAIN_BATCH_HOOKS = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
_TEST_BATCH_HOOKS = ("on_test_batch_begin", "on_test_batch_end")
_PREDICT_BATCH_HOOKS = ("on_predict_batch_begin", "on_predict_batch_end")


class Trainer:
    """The part of a model that trains and predicts. `Sequential` supplies the network."""

    dtype: str
    input_shape: tuple[int, ...] | None
    _network: Network | None
    _weights: Weights
    _generator: np.random.Generator

    def __init__(self) -> None:
        self.history: History | None = None
        self.stop_training = False
        self._compilation: Compilation | None = None
        self._network_is_compiled = False

    def build(self, input_shape: Sequence[int | None]) -> None:
        raise NotImplementedError

    # --- Compiling ---

    def compile(
        self,
        optimizer: str | Optimizer | dict[str, Any] = "rmsprop",
        loss: str | Loss | dict[str, Any] | None = None,
        metrics: str | Sequence[str] | None = None,
        **keywords: Any,
    ) -> None:
        """Choose how the model is trained; the state of an earlier optimizer is dropped.

        Parameters
        ----------
        optimizer : str or Optimizer, default "rmsprop"
            "sgd", "rmsprop" or "adam", or an object of `fastnet.optimizers`.
        loss : str or Loss, optional
            "mse", "binary_crossentropy", "categorical_crossentropy" or "sparse_categorical_crossentropy", or an
            object of `fastnet.losses`. Without one the model can only predict.
        metrics : list of str, optional
            "accuracy" is the share of right answers: of values on the right side of 0.5 when the model has one output,
            else of rows whose largest output is that of the label. "binary_accuracy", "categorical_accuracy" and
            "sparse_categorical_accuracy" say which.
        **keywords
            Keras's `jit_compile`, `run_eagerly`, `steps_per_execution` and `auto_scale_loss` are accepted and change
            nothing.

        Examples
        --------
        >>> import fastnet as fn
        >>> model = fn.Sequential([fn.Dense(10, activation="softmax", input_shape=(784,))])
        >>> model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        """
        self._compilation = Compilation.from_arguments(optimizer, loss, metrics, keywords)
        self._network_is_compiled = False

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer that the model is compiled with."""
        return self._compiled("reading optimizer").optimizer

    @property
    def loss(self) -> Loss | None:
        """The loss that the model is compiled with."""
        return self._compiled("reading loss").loss

    @property
    def metrics_names(self) -> list[str]:
        """The names of what `evaluate` returns, in their order."""
        return ["loss", *self._compiled("reading metrics_names").metrics]

    def get_compile_config(self) -> dict[str, Any] | None:
        """Return what `compile` was told, as a dictionary that JSON can hold, or None before `compile`."""
        return None if self._compilation is None else self._compilation.config

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile with what `get_compile_config` returned."""
        self.compile(**config)

    def _compiled(self, action: str) -> Compilation:
        if self._compilation is None:
            raise AttributeError(f"call compile(optimizer, loss) before {action}")
        return self._compilation

    # --- Data ---

    def _built_network(self, x: Any) -> Network:
        """Return the network, built for the shape of `x` if it was not built before."""
        if self._network is None:
            shape = as_array("x", x).shape
            if len(shape) < 2:
                raise ValueError(f"x must have a row for every sample, as (samples, features); got shape {shape}")
            self.build(shape[1:])
        assert self._network is not None
        return self._network

    def _trainable_network(self, method: str, x: Any) -> Network:
        """Return the network, built and compiled, with the learning rate of the moment."""
        if self._compilation is None or self._compilation.loss is None:
            raise ValueError(f"call compile(optimizer, loss) before {method}()")
        network = self._built_network(x)
        if not self._network_is_compiled:
            self._compilation.apply(network)
            self._network_is_compiled = True
        network.set_learning_rate(self._compilation.optimizer.learning_rate)
        return network

    def _samples(self, x: Any, y: Any, sample_weight: Any, *, of: str = "") -> Samples:
        """Return checked data for a network that is built and compiled; `of` says in messages what they are for."""
        assert self.input_shape is not None
        assert self._network is not None
        assert self.loss is not None
        outputs = self._network.output_size
        return as_samples(x, y, sample_weight, of, self.input_shape, outputs, self.loss, self.dtype)

    def _logs(self, loss: float, metric: float) -> Logs:
        return {"loss": loss, **dict.fromkeys(self.metrics_names[1:], metric)}

    # --- Training ---

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Sequence[Callback] | Callback | None = None,
        validation_split: float = 0.0,
        validation_data: Sequence[Any] | None = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: ArrayLike | None = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Container[int] = 1,
    ) -> History:
        """Train for a number of epochs.

        Ctrl-C ends training after the batch in progress and raises KeyboardInterrupt; the model keeps its weights of
        that moment and `history` holds the epochs before.

        Parameters
        ----------
        x : array_like, shape (n, *input_shape)
            The samples. Arrays of uint8, float32 and float64 are read in place, whatever their strides.
        y : array_like
            The targets: rows of shape (n, outputs); labels 0 to outputs - 1 of shape (n,) or (n, 1) with a categorical
            cross-entropy; values of shape (n,) for one output.
        batch_size : int, default 32
            How many samples make a step. The last batch of an epoch may be shorter.
        epochs : int, default 1
            The number of the epoch to stop before.
        verbose : {"auto", 0, 1, 2}, default "auto"
            0 prints nothing, 1 and "auto" show a bar on a terminal where tqdm is installed and else a line for every
            epoch, 2 prints the lines.
        callbacks : list of Callback, optional
            See `fastnet.callbacks`.
        validation_split : float, default 0.0
            The fraction of the samples, taken from the end before shuffling, to validate with after every epoch.
        validation_data : tuple (x, y) or (x, y, sample_weight), optional
            Samples to validate with; `validation_split` is then not used.
        shuffle : bool, default True
            Whether every epoch takes the samples in a new random order.
        class_weight : dict, optional
            The weight of each label's samples; 1 for labels that it does not have.
        sample_weight : array_like, shape (n,), optional
            What each sample's loss is multiplied by.
        initial_epoch : int, default 0
            The number of the first epoch.
        steps_per_epoch, validation_steps : None
            Only None is available.
        validation_batch_size : int, optional
            How many samples are evaluated at a time.
        validation_freq : int or collection of int, default 1
            Validate after every so many epochs, or after the epochs with these numbers, counted from 1.

        Returns
        -------
        History
            Its `history` maps "loss", "val_loss" and the metrics to lists with one value for every epoch.

        Raises
        ------
        ValueError
            The model is not compiled, or the data do not fit the model or are not finite.
        TypeError
            An argument has the wrong type.

        Examples
        --------
        >>> import numpy as np
        >>> import fastnet as fn
        >>> x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
        >>> model = fn.Sequential([fn.Dense(8, activation="tanh"), fn.Dense(1, activation="sigmoid")], seed=0)
        >>> model.compile(fn.optimizers.Adam(0.1), loss="binary_crossentropy", metrics=["accuracy"])
        >>> history = model.fit(x, [0, 1, 1, 0], epochs=100, verbose=0)
        >>> history.history["accuracy"][-1]
        1.0
        """
        for name, value in {"steps_per_epoch": steps_per_epoch, "validation_steps": validation_steps}.items():
            if value is not None:
                raise unsupported(f"fit({name}={value!r}) is not available")
        batch_size = check_integer("batch_size", _TRAINING_BATCH if batch_size is None else batch_size)
        validation_batch_size = _prediction_batch("validation_batch_size", validation_batch_size)
        initial_epoch = check_integer("initial_epoch", initial_epoch, minimum=0)
        epochs = check_integer("epochs", epochs, minimum=0)
        check_bool("shuffle", shuffle)
        validates = _validation_schedule(validation_freq)
        self._trainable_network("fit", x)
        samples = self._samples(x, y, sample_weight)
        validation = None
        if validation_data is not None:
            validation = self._validation_samples(validation_data)
        elif validation_split:
            samples, validation = samples.split(validation_split)
        if class_weight is not None:
            samples = samples.with_class_weight(class_weight, self.dtype)

        params = {"epochs": epochs, "steps": -(-len(samples) // batch_size), "verbose": check_verbose(verbose)}
        running = CallbackList.for_fit(callbacks, self, params)
        self.history = running.history
        self.stop_training = False
        logs: Logs = {}
        running.call("on_train_begin", logs)
        try:
            for epoch in range(initial_epoch, epochs):
                running.call("on_epoch_begin", epoch, {})
                order = self._generator.permutation(len(samples)) if shuffle else None
                logs = self._train_epoch(samples, order, batch_size, running)
                if validation is not None and validates(epoch + 1):
                    results = self._evaluate(validation, validation_batch_size, running)
                    logs |= {f"val_{name}": value for name, value in results.items()}
                running.call("on_epoch_end", epoch, logs)
                if self.stop_training:
                    break
        finally:
            running.call("on_train_end", logs)
        return running.history

    def _train_epoch(
        self, samples: Samples, order: NDArray[np.int64] | None, batch_size: int, callbacks: CallbackList
    ) -> Logs:
        """Run one epoch and return its running means."""

        def progress(step: int, steps: int, loss: float, metric: float) -> None:
            callbacks.call("on_train_progress", step, steps, self._logs(loss, metric))

        if not callbacks.override(*_TRAIN_BATCH_HOOKS):
            reports = callbacks.override("on_train_progress")
            _, loss, metric = self._step(samples, order, batch_size, progress if reports else None)
            return self._logs(loss, metric)
        if order is None:
            order = np.arange(len(samples))
        mean = _RunningMean()
        for batch, (start, stop) in enumerate(_batches(len(samples), batch_size)):
            callbacks.call("on_train_batch_begin", batch, {})
            mean.add(stop - start, *self._step(samples, order[start:stop], batch_size, None)[1:])
            progress(batch + 1, -(-len(samples) // batch_size), *mean.values)
            callbacks.call("on_train_batch_end", batch, self._logs(*mean.values))
            if self.stop_training:
                break
        return self._logs(*mean.values)

    def _step(
        self, samples: Samples, order: NDArray[np.int64] | None, batch_size: int, progress: Callable[..., None] | None
    ) -> tuple[int, float, float]:
        network = self._trainable_network("fit", samples.x)
        return network.train_epoch(samples.x, samples.y, order, batch_size, samples.weight, progress)

    def _validation_samples(self, validation_data: Sequence[Any]) -> Samples:
        if not isinstance(validation_data, tuple | list) or len(validation_data) not in (2, 3):
            raise ValueError(
                f"validation_data must be (x, y) or (x, y, sample_weight); got {describe(validation_data)}"
            )
        x, y, *weight = validation_data
        return self._samples(x, y, weight[0] if weight else None, of=" of validation_data")

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: ArrayLike | None = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
    ) -> float | list[float] | dict[str, float]:
        """Take one step with all of `x` as one batch, and return the loss and the metrics before the step.

        The arguments are those of `fit`, the result is as that of `evaluate`.
        """
        network = self._trainable_network("train_on_batch", x)
        samples = self._samples(x, y, sample_weight)
        if class_weight is not None:
            samples = samples.with_class_weight(class_weight, self.dtype)
        _, loss, metric = network.train_epoch(samples.x, samples.y, None, len(samples), samples.weight, None)
        return _result(self._logs(loss, metric), return_dict)

    def loss_and_gradients(
        self, x: Any, y: Any, sample_weight: ArrayLike | None = None
    ) -> tuple[float, list[NDArray[Any]]]:
        """Return the loss of the samples and its gradients by the weights; no weight changes.

        Parameters
        ----------
        x, y, sample_weight
            As in `fit`.

        Returns
        -------
        loss : float
            The mean over the samples.
        gradients : list of ndarray
            One array for each array of `get_weights`, of its shape.

        Examples
        --------
        >>> import fastnet as fn
        >>> model = fn.Sequential([fn.Dense(1, input_shape=(2,))], dtype="float64")
        >>> model.set_weights([[[1.0], [2.0]], [0.0]])
        >>> model.compile(loss="mse")
        >>> loss, (by_kernel, by_bias) = model.loss_and_gradients([[1.0, 1.0]], [1.0])
        >>> loss, by_kernel.tolist(), by_bias.tolist()
        (4.0, [[4.0], [4.0]], [4.0])
        """
        network = self._trainable_network("loss_and_gradients", x)
        samples = self._samples(x, y, sample_weight)
        loss, gradients = network.loss_and_gradients(samples.x, samples.y, samples.weight)
        return loss, self._weights.split(gradients)

    # --- Evaluation and prediction ---

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        sample_weight: ArrayLike | None = None,
        steps: int | None = None,
        callbacks: Sequence[Callback] | Callback | None = None,
        return_dict: bool = False,
    ) -> float | list[float] | dict[str, float]:
        """Return the loss and the metrics of samples.

        Parameters
        ----------
        x, y, sample_weight
            As in `fit`.
        batch_size : int, optional
            How many samples are evaluated at a time.
        verbose : {"auto", 0, 1, 2}, default "auto"
            0 prints nothing, the others one line.
        steps : None
            Only None is available.
        callbacks : list of Callback, optional
            See `fastnet.callbacks`.
        return_dict : bool, default False
            Whether to return a dictionary by the names in `metrics_names`.

        Returns
        -------
        float, list of float, or dict
            The loss alone when there are no metrics; else the loss and the metrics in the order of `metrics_names`.
        """
        if steps is not None:
            raise unsupported(f"evaluate(steps={steps!r}) is not available")
        batch_size = _prediction_batch("batch_size", batch_size)
        verbose = check_verbose(verbose)
        self._trainable_network("evaluate", x)
        samples = self._samples(x, y, sample_weight)
        params = {"steps": -(-len(samples) // batch_size), "verbose": verbose}
        logs = self._evaluate(samples, batch_size, CallbackList.of(callbacks, self, params))
        if verbose:
            print(format_logs(logs), flush=True)
        return _result(logs, return_dict)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: ArrayLike | None = None, return_dict: bool = False
    ) -> float | list[float] | dict[str, float]:
        """Return the loss and the metrics of all of `x` as one batch, as `evaluate` does."""
        return self.evaluate(x, y, verbose=0, sample_weight=sample_weight, return_dict=return_dict)

    def _evaluate(self, samples: Samples, batch_size: int, callbacks: CallbackList) -> Logs:
        network = self._trainable_network("evaluate", samples.x)
        callbacks.call("on_test_begin", {})
        mean = _RunningMean()
        by_batch = callbacks.override(*_TEST_BATCH_HOOKS)
        for batch, (start, stop) in enumerate(_batches(len(samples), batch_size if by_batch else len(samples))):
            callbacks.call("on_test_batch_begin", batch, {})
            part = samples.rows(start, stop)
            mean.add(stop - start, *network.evaluate(part.x, part.y, batch_size, part.weight))
            callbacks.call("on_test_batch_end", batch, self._logs(*mean.values))
        logs = self._logs(*mean.values)
        callbacks.call("on_test_end", logs)
        return logs

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        steps: int | None = None,
        callbacks: Sequence[Callback] | Callback | None = None,
    ) -> NDArray[Any]:
        """Return the outputs for samples.

        Parameters
        ----------
        x : array_like, shape (n, *input_shape)
            The samples, none at all included. NaN in a row gives NaN in its outputs.
        batch_size : int, optional
            How many samples are computed at a time.
        verbose : {"auto", 0, 1, 2}, default "auto"
            Accepted as in Keras; nothing is printed.
        steps : None
            Only None is available.
        callbacks : list of Callback, optional
            See `fastnet.callbacks`.

        Returns
        -------
        ndarray of shape (n, outputs)
            In the dtype of the model.
        """
        if steps is not None:
            raise unsupported(f"predict(steps={steps!r}) is not available")
        batch_size = _prediction_batch("batch_size", batch_size)
        network = self._built_network(x)
        assert self.input_shape is not None
        features = as_features("x", x, self.input_shape, self.dtype)
        if not callbacks:
            check_verbose(verbose)
            return network.predict(features, batch_size)
        params = {"steps": -(-len(features) // batch_size), "verbose": check_verbose(verbose)}
        running = CallbackList.of(callbacks, self, params)
        running.call("on_predict_begin", {})
        by_batch = running.override(*_PREDICT_BATCH_HOOKS)
        outputs = []
        for batch, (start, stop) in enumerate(_batches(len(features), batch_size if by_batch else len(features))):
            running.call("on_predict_batch_begin", batch, {})
            outputs.append(network.predict(features[start:stop], batch_size))
            running.call("on_predict_batch_end", batch, {"outputs": outputs[-1]})
        running.call("on_predict_end", {})
        return np.concatenate(outputs)

    def predict_on_batch(self, x: Any) -> NDArray[Any]:
        """Return the outputs for all of `x` as one batch, as `predict` does."""
        return self.predict(x)

    def __call__(self, x: Any, training: bool = False) -> NDArray[Any]:
        """Return the outputs for samples with the least overhead; otherwise the same as `predict`."""
        if training:
            raise unsupported("a call with training=True is not available")
        if type(x) is np.ndarray and x.shape[1:] == self.input_shape and x.ndim == 2 and x.dtype.char in "fdB":
            return self._network.predict(x, _PREDICTION_BATCH)
        return self.predict(x)


class _RunningMean:
    """Means of the loss and the metric over the samples so far."""

    def __init__(self) -> None:
        self._rows = 0
        self._sums = (0.0, 0.0)

    def add(self, rows: int, loss: float, metric: float) -> None:
        self._rows += rows
        self._sums = (self._sums[0] + rows * loss, self._sums[1] + rows * metric)

    @property
    def values(self) -> tuple[float, float]:
        return self._sums[0] / self._rows, self._sums[1] / self._rows


def _batches(rows: int, batch_size: int) -> Iterator[tuple[int, int]]:
    for start in range(0, rows, batch_size):
        yield start, min(start + batch_size, rows)


def _prediction_batch(name: str, value: int | None) -> int:
    return _PREDICTION_BATCH if value is None else check_integer(name, value)


def _result(logs: Logs, return_dict: bool) -> float | list[float] | dict[str, float]:
    if return_dict:
        return logs
    return logs["loss"] if len(logs) == 1 else list(logs.values())


def _validation_schedule(validation_freq: int | Container[int]) -> Callable[[int], bool]:
    """Return whether to validate after an epoch, counted from 1."""
    if isinstance(validation_freq, Container):
        return lambda epoch: epoch in validation_freq
    every = check_integer("validation_freq", validation_freq)
    return lambda epoch: epoch % every == 0
