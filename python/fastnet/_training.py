"""Training of a compiled model: fit, train_on_batch and the gradients."""

from collections.abc import Callable, Container, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet._data_adapter import Samples
from fastnet._evaluation import Evaluator, RunningMean, batches, prediction_batch, result
from fastnet._validation import check_bool, check_integer, describe, unsupported
from fastnet._weights import Weights
from fastnet.callbacks import Callback, CallbackList, History, Logs, check_verbose

if TYPE_CHECKING:
    from numpy.random import Generator

_TRAINING_BATCH = 32

_TRAIN_BATCH_HOOKS = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")


class Trainer(Evaluator):
    """The part of a model that trains. `Sequential` supplies the network, its weights and the random generator."""

    _weights: Weights
    _generator: "Generator"

    def __init__(self) -> None:
        super().__init__()
        self.history: History | None = None
        self.stop_training = False

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
        x : array_like or sparse matrix, shape (n, *input_shape)
            The samples. Arrays of uint8, float32 and float64 are read in place, whatever their strides. A matrix or array
            of scipy.sparse is never made dense as a whole; CSR is read in place, other formats are converted to it.
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
            Its `history` maps "loss", "val_loss", the metrics and, when it follows a schedule, "learning_rate" to
            lists with one value for every epoch.

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
        validation_batch_size = prediction_batch("validation_batch_size", validation_batch_size)
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
                if self.optimizer.scheduled:
                    logs["learning_rate"] = self.optimizer.learning_rate
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
        mean = RunningMean()
        for batch, (start, stop) in enumerate(batches(len(samples), batch_size)):
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
        optimizer = self.optimizer
        steps = -(-len(samples if order is None else order) // batch_size)
        rates = optimizer.learning_rates(steps)
        try:
            return network.train_epoch(samples.x, samples.y, order, batch_size, samples.weight, progress, rates)
        finally:
            optimizer._iterations = network.finished_steps

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
        self._trainable_network("train_on_batch", x)
        samples = self._samples(x, y, sample_weight)
        if class_weight is not None:
            samples = samples.with_class_weight(class_weight, self.dtype)
        _, loss, metric = self._step(samples, None, len(samples), None)
        return result(self._logs(loss, metric), return_dict)

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
            One array for each array of `get_weights` that is trained, of its shape.

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
        return loss, self._weights.split_gradients(gradients)


def _validation_schedule(validation_freq: int | Container[int]) -> Callable[[int], bool]:
    """Return whether to validate after an epoch, counted from 1."""
    if isinstance(validation_freq, Container):
        return lambda epoch: epoch in validation_freq
    every = check_integer("validation_freq", validation_freq)
    return lambda epoch: epoch % every == 0
