"""A compiled model and its data: what compile, evaluate and predict do."""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet.callbacks.base import Callback, Logs, say
from fastnet.callbacks.progress import format_logs
from fastnet.callbacks.running import CallbackList, check_verbose
from fastnet.distributed.division import Division
from fastnet.files.stored import StoredDataset
from fastnet.inputs.batches import Batches, as_batches, features_of_batches
from fastnet.inputs.repacking import predict
from fastnet.inputs.samples import Features, Samples, as_features, as_samples, shape_of
from fastnet.inputs.shapes import check_rows
from fastnet.inputs.windows import Data, as_stored, stored_features, stored_samples
from fastnet.layers.calling import refuse_symbolic
from fastnet.layers.weights import Network
from fastnet.losses import Loss
from fastnet.network.compiled import Compiled
from fastnet.optimizers import Optimizer
from fastnet.support.validation import check_bool, check_integer, names_arguments
from fastnet.training.compilation import Compilation, evaluation_batch
from fastnet.training.figures import PREDICTION_BATCH, RunningMean, batches, check_steps, prediction_batch, result
from fastnet.training.predictions import predict_parts

_ALL_ROWS = 2**40  # more than any array has
_OBSERVED_ROWS = 4096  # whose outputs are there at a time for metrics in Python


class Evaluator(Compiled):
    """The part of a model that evaluates and predicts."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        self._compilation: Compilation | None = None
        self._applied: tuple[Network, Compilation] | None = None  # which network was told of which compilation
        super().__init__(*arguments, **keywords)

    # --- Attributes that can be set ---

    _settable = frozenset(["name", "class_names", "feature_names", "feature_ranges", "figures"])

    def _accepted(self, name: str, value: Any) -> Any:
        if callable(value) and callable(getattr(type(self), name, None)):
            return value  # a method of one's own counts
        return super()._accepted(name, value)

    def _refusal(self, name: str) -> str:
        kind = type(self).__name__
        if name in ("optimizer", "loss", "metrics", "weighted_metrics", "loss_weights"):
            return f"{kind}.{name} is what compile() was told: call compile(optimizer, loss, metrics) again"
        if name in ("layers", "weights"):
            return (
                f"{kind}.{name} cannot be set: use " + {"layers": "add() and pop()", "weights": "set_weights()"}[name]
            )
        return super()._refusal(name)

    # --- Compiling ---

    def compile(
        self,
        optimizer: str | Optimizer | dict[str, Any] = "rmsprop",
        loss: str | Loss | dict[str, Any] | None = None,
        metrics: str | Sequence[str] | None = None,
        **keywords: Any,
    ) -> None:
        """Configure training; the optimizer state is reset.

        Parameters
        ----------
        optimizer : str or Optimizer, default "rmsprop"
            The name of an optimizer, or an object of `fastnet.optimizers`, which may follow one of `schedules`.
        loss : str, Loss or function, optional
            The name of a loss, an object of `fastnet.losses`, or a function of targets and predictions that returns the
            loss and its gradient with respect to the predictions. Without one the model can only predict.
        metrics : list of str, Metric or function, optional
            Names, objects of `fastnet.metrics`, or functions of targets and predictions.
            "accuracy" is the share of correct predictions: of values on the correct side of 0.5 for models with one
            output, else of rows whose largest output is that of the label. "binary_accuracy", "categorical_accuracy" and
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
        compilation = Compilation.from_arguments(self.compile, optimizer, loss, metrics, keywords)
        compilation.optimizer._iterations = 0
        self._compilation = compilation

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

    def _is_built(self) -> bool:
        return self._network is not None

    # --- Data ---

    def _built_network(self, x: Any, y: Any = None) -> Network:
        """Return the network, built for the shape of `x`, which has the targets `y`, if it was not built before."""
        if self._network is None:
            shape = x.shape if isinstance(x, StoredDataset) else shape_of("x", x)
            if len(shape) < 2:
                raise ValueError(f"x must have a row for every sample, as (samples, features); got shape {shape}")
            if y is not None:
                check_rows(shape, shape_of("y", y), x)
            self.build(shape[1:])
        assert self._network is not None
        return self._network

    def _trainable_network(self, method: str, x: Any, y: Any = None) -> Network:
        """Return the network, built and compiled; its optimizer knows the number of its steps."""
        if self._compilation is None or self._compilation.loss is None:
            raise ValueError(f"call compile(optimizer, loss) before {method}()")
        network = self._built_network(x, y)
        if not self._network_is_compiled:
            with self._structure:
                if not self._network_is_compiled:
                    self._apply()
        self._compilation.optimizer._count(network.finished_steps)
        return network

    @property
    def _network_is_compiled(self) -> bool:
        """Whether the network was told what the model is compiled with."""
        applied = self._applied
        return applied is not None and applied[0] is self._network and applied[1] is self._compilation

    def _apply(self) -> None:
        """Tell the network what the model is compiled with."""
        network, compilation = self._network, self._compilation
        assert network is not None
        assert compilation is not None
        compilation.apply(network, self._trainable_arrays(), self._output_shape)
        self._applied = network, compilation

    def _features(self, name: str, x: Any) -> Features:
        """Return samples for a network that is built, the columns of a table in the model's order."""
        assert self.input_shape is not None
        return as_features(name, x, self.input_shape, self.dtype, self.feature_names)

    def _samples(
        self,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        of: str = "",
        columns: list[str] | None = None,
        any_sum: bool = False,
        passes: float = 1.0,
        most_rows: float = math.inf,
    ) -> Samples:
        """Return checked data for a network that is built and compiled; `of` says in messages what they are for.

        `columns` are the names of the features where the model does not know them yet; `any_sum` takes rows of targets
        that do not add up to 1; `passes` and `most_rows` tell how much of the data will be read.
        """
        loss = self.loss
        assert self.input_shape is not None
        assert loss is not None
        form = self.input_shape, self._output_shape, loss, self.dtype, columns or self.feature_names, any_sum
        return as_samples(x, y, sample_weight, of, *form, passes, most_rows)

    def _data(self, x: Any, y: Any, weight: Any = None, of: str = "", columns: Any = None, **reads: Any) -> Data:
        """Return data as `_samples` does; those that stay on the disk are checked as their rows are read."""
        stored = as_stored(x, y)
        if stored is None:
            return self._samples(x, y, weight, of=of, columns=columns, **reads)
        assert self.input_shape is not None
        assert self.loss is not None
        form = self.input_shape, self._output_shape, self.loss, self.dtype, columns or self.feature_names
        return stored_samples(stored, weight, of, *form)

    # --- Evaluation and prediction ---

    @names_arguments
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
            As in `fit`, stored data included.
        batch_size : int, optional
            How many samples are evaluated at a time; 32 for a loss that compares or counts the samples of a batch.
        verbose : {"auto", 0, 1, 2}, default "auto"
            0 prints nothing, the others one line.
        steps, callbacks
            How many batches are evaluated, a warning where there are fewer, and a list of `fastnet.callbacks`.
        return_dict : bool, default False
            Whether to return a dictionary by the names in `metrics_names`.

        Returns
        -------
        float, list of float, or dict
            The loss alone when there are no metrics; else the loss and the metrics in the order of `metrics_names`.
        """
        batch_size = evaluation_batch(self._compilation, "batch_size", batch_size)
        steps = None if steps is None else check_integer("steps", steps)
        verbose = check_verbose(verbose)
        source = None if y is not None else as_batches("x", x, self.input_shape, batch_size)
        if source is None or not self._is_built():
            self._trainable_network("evaluate", x if source is None else source.peek()[0], y)
        data = self._data(x, y, sample_weight) if source is None else source
        known = data.steps if isinstance(data, Batches) else -(-len(data) // batch_size)
        params = {"steps": steps if known is None else known, "verbose": verbose}
        logs, done = self._evaluate_any(data, batch_size, CallbackList.of(callbacks, self, params), steps, "", None)
        if not done:
            raise ValueError("x must have at least one batch to evaluate; got none")
        check_steps(done, steps)
        if verbose:
            say(format_logs(logs))
        return result(logs, return_dict)

    @names_arguments
    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: ArrayLike | None = None, return_dict: bool = False
    ) -> float | list[float] | dict[str, float]:
        """Return the loss and the metrics of all of `x` as one batch, as `evaluate` does."""
        rows = evaluation_batch(self._compilation, "batch_size", None, of_training=_ALL_ROWS)
        return self.evaluate(x, y, rows, verbose=0, sample_weight=sample_weight, return_dict=return_dict)

    def _evaluate_any(
        self, data: Data, batch_size: int, callbacks: CallbackList, steps: int | None, of: str, among: Division | None
    ) -> tuple[Logs, int]:
        """Evaluate samples, or the batches of a source, `steps` batches at most; return the figures and how many there were."""
        callbacks.call("on_test_begin", {})
        compilation = self._compiled("evaluating")
        compilation.reset()
        parts: Iterator[Samples]
        if not isinstance(data, Batches):
            by_batch = callbacks.see_test_batches or steps is not None
            some = [data] if isinstance(data, Samples) else data.in_order(batch_size)
            every = (part for samples in some for part in samples.parts(batch_size if by_batch else len(samples)))
            parts = itertools.islice(every, steps)
        else:
            data.start_over()
            among = None  # they need not be the same on all ranks
            parts = (
                self._samples(*batch, of=f" of batch {number}{of}") for number, batch in enumerate(data.epoch(steps), 1)
            )
        mean = RunningMean()
        logs: Logs = {}
        batch = -1
        for batch, part in enumerate(parts):
            callbacks.call("on_test_batch_begin", batch, {})
            mean.add(len(part), *self._figures_of(part, batch_size, among))
            logs = compilation.logs(*mean.values)
            callbacks.call("on_test_batch_end", batch, logs)
        if logs:
            callbacks.call("on_test_end", logs)
        return logs, batch + 1

    def _figures_of(self, samples: Samples, batch_size: int, among: Division | None) -> tuple[float, float]:
        """Return the loss and the core's metric of samples, and let the other metrics see them."""
        network, compilation = self._trainable_network("evaluate", samples.x), self._compiled("evaluating")
        if compilation.observed or compilation.custom_loss is not None:
            step = compilation.rows_at_once(batch_size, _OBSERVED_ROWS)
            custom, outputs_of = RunningMean(), partial(network.predict, batch_size=batch_size)
            for start, stop in batches(len(samples), step):
                part = samples.rows(start, stop)
                outputs = outputs_of(part.x) if among is None else among.predicted(part.x, outputs_of)
                compilation.observe(part.y, outputs, part.weight)
                if compilation.custom_loss is not None:
                    value, _ = compilation.custom_loss.value_and_gradient(part.y, outputs, part.weight)
                    custom.add(stop - start, value, math.nan)
            if compilation.custom_loss is not None:
                return custom.values[0] + self._penalty(), custom.values[1]
        part_of_rank = None if among is None else among.part(len(samples))
        return network.evaluate(samples.x, samples.y, batch_size, samples.weight, part_of_rank)

    @names_arguments
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
        x : array_like, table or sparse matrix, shape (n, *input_shape)
            The samples, none at all included; a data set of `fastnet.datasets.open`, which is read block by block; or a
            generator or loader of batches, x alone or (x, y). The columns of a table are taken by their names, as in
            `fit`. NaN in a row, or a missing value, gives NaN in its outputs. Sparse matrices are read as in `fit`,
            `batch_size` rows at a time.
        batch_size : int, optional
            How many samples are computed at a time.
        verbose : {"auto", 0, 1, 2}, default "auto"
            Accepted as in Keras; nothing is printed.
        steps, callbacks
            As in `evaluate`.

        Returns
        -------
        ndarray of shape (n, *output_shape)
            In the dtype of the model.
        """
        batch_size = prediction_batch("batch_size", batch_size)
        steps = None if steps is None else check_integer("steps", steps)
        if isinstance(x, StoredDataset):
            network = self._built_network(x)
            rows = len(x) if steps is None else min(len(x), steps * batch_size)
            check_steps(-(-rows // batch_size), steps)
            blocks = map(partial(self._features, "x"), stored_features(x, rows, batch_size, self.feature_names))
            return self._predicted(network, blocks, rows, batch_size, verbose, callbacks)
        if (parts := features_of_batches(x)) is not None:
            limited = itertools.islice(parts, steps)
            predicted = [self.predict(part, batch_size, verbose, callbacks=callbacks) for part in limited]
            if not predicted:
                raise ValueError("x must have at least one batch to predict; got none")
            check_steps(len(predicted), steps)
            return np.concatenate(predicted)
        network = self._built_network(x)
        features = self._features("x", x)
        if steps is not None:
            features = features[: steps * batch_size]
            check_steps(-(-len(features) // batch_size), steps)
        if callbacks:
            return self._predicted(network, [features], len(features), batch_size, verbose, callbacks)
        check_verbose(verbose)
        return self._shaped(predict(network, features, self.dtype, batch_size))

    def _predicted(
        self, network: Network, parts: Iterable[Any], rows: int, batch_size: int, verbose: Any, callbacks: Any
    ) -> NDArray[Any]:
        """Return the outputs for rows that come in parts of whole batches, and call the callbacks."""
        running = CallbackList.of(callbacks, self, {"steps": -(-rows // batch_size), "verbose": check_verbose(verbose)})
        outputs = np.empty((rows, *self._output_shape), self.dtype)

        def one(part: Any) -> NDArray[Any]:
            return self._shaped(predict(network, part, self.dtype, batch_size))

        return predict_parts(one, parts, batch_size, running, outputs)

    def _shaped(self, outputs: NDArray[Any]) -> NDArray[Any]:
        shape = self._output_shape
        return outputs if len(shape) == 1 else outputs.reshape(len(outputs), *shape)

    def predict_on_batch(self, x: Any) -> NDArray[Any]:
        """Return the outputs for all of `x` as one batch, as `predict` does."""
        return self.predict(x)

    def __call__(self, x: Any, training: bool | None = False) -> NDArray[Any]:
        """Return what `predict` does with the least overhead; with ``training=True`` what a step of `fit` computes on the way."""
        if training is not False and training is not None and check_bool("training", training):
            return self._called_in_training(x)
        network = self._network
        if network is not None and self._maps_rows and (y := network.predict_rows(x, PREDICTION_BATCH)) is not None:
            return y
        refuse_symbolic(self.name, type(self).__name__, x)
        return self.predict(x)
