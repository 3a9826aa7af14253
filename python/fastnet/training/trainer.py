"""Training of a compiled model: fit, train_on_batch and the gradients."""

import math
from abc import abstractmethod
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastnet.callbacks.base import Callback
from fastnet.callbacks.history import History, LastHistory
from fastnet.callbacks.running import CallbackList, check_verbose
from fastnet.distributed.distribution import current, together
from fastnet.files.stored import StoredDataset
from fastnet.inputs.batches import Batches, as_batches
from fastnet.inputs.class_weights import as_class_weight, with_class_weight
from fastnet.inputs.ranges import FeatureRange, ranges_of, wider
from fastnet.inputs.samples import Samples
from fastnet.inputs.tables import names_to_learn
from fastnet.inputs.windows import Data
from fastnet.layers.base import Layer
from fastnet.network.layered import Layered
from fastnet.support.validation import (
    check_bool,
    check_integer,
    check_number,
    describe,
    names_arguments,
    refuse_methods,
)
from fastnet.training.compilation import evaluation_batch
from fastnet.training.figures import result
from fastnet.training.receipt import Receipt, RunRecord
from fastnet.training.run import Plan, Position, Run, Watch
from fastnet.training.stepping import Stepper, batch_hook

if TYPE_CHECKING:
    from fastnet.training.fitting import Fitting

_TRAINING_BATCH = 32

# Methods that a class written for Keras may define but nothing calls here, and the alternatives.
_KERAS_METHODS = dict.fromkeys(
    ("call", "compute_loss", "compute_metrics", "predict_step", "test_step", "train_step"),
    "models run in compiled code; pass compile() a custom loss or custom metrics, fit() callbacks, or loop over "
    "train_on_batch() or loss_and_gradients()",
)


class Trainer(Stepper):
    """The part of a model that trains."""

    _settable = Stepper._settable | {"history", "stop_training"}
    history = LastHistory()

    def __init__(
        self,
        layers: "Iterable[Layer | Layered] | None" = None,
        *,
        seed: int | None = None,
        dtype: DTypeLike = "float32",
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        refuse_methods(type(self), _KERAS_METHODS)
        super().__init__(layers, seed=seed, dtype=dtype, name=name, trainable=trainable)
        self._receipt = Receipt(None if seed is None else int(seed))
        self.history = None
        self.stop_training = False
        self.figures: dict[str, Any] = {}
        self.feature_ranges: list[FeatureRange] | None = None

    @property
    def receipt(self) -> dict[str, Any] | None:
        """Record of how the weights were trained, saved with the model; None before the first `fit`.

        A JSON-serializable dictionary. "config" is the architecture and "seed" the seed of the model. "initial_weights"
        and "weights" are the SHA-256 hashes of the weights before the first run and now. "runs" has an entry for each
        run of `fit`: hashes of its data, the arguments of `fit` and `compile`, versions, the instruction set, and, in
        the process that trained, the number of threads and the time. docs/receipts.md explains every entry.

        Examples
        --------
        >>> import fastnet as fn
        >>> model = fn.Sequential([fn.Dense(1, input_shape=(2,))], seed=0)
        >>> model.compile("sgd", "mse")
        >>> history = model.fit([[0.0, 1.0], [1.0, 0.0]], [0.0, 1.0], epochs=3, verbose=0)
        >>> run = model.receipt["runs"][0]
        >>> model.receipt["seed"], run["epochs"], run["data"]["x"]["shape"], run["fit"]["batch_size"]
        (0, 3, [2, 2], 32)
        """
        if not len(self._receipt):
            return None
        return {"config": self.get_config(), **self._receipt.as_dict(self._weights.sha256())}

    @names_arguments
    @together
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
        *,
        max_time: float | None = None,
        debug: bool = False,
    ) -> History:
        """Train for a number of epochs.

        Ctrl-C and the end of `max_time` end training: the model gets its best weights, and the history of the finished
        epochs is returned. `max_time` lets the current batch finish, and the history gets the figures of the epoch that
        it cuts, over the batches so far; other callbacks see finished epochs only. Ctrl-C aborts a long batch, which then changes no
        weight, and a validation. The best weights are those of the epoch with the lowest validation loss. Without
        validation, they are the current weights, unless an earlier epoch had a lower loss than the current one so far.

        Parameters
        ----------
        x : array_like, table, sparse matrix, StoredDataset or source of batches
            The samples, shape (n, *input_shape). Arrays of float32, float64 and integers, also memory-mapped ones, are
            read in place. Layouts that are slow to gather from, such as Fortran order, are copied once; the copy is
            never larger than the array. Other types are converted.

            Tables of pandas, polars and pyarrow must have columns of numbers. Their names become the feature names:
            from then on the model selects the columns of tables by name, in any order, and refuses tables with other
            columns. Arrays, and columns without names, are taken by position. A matrix or array of scipy.sparse is
            never made dense as a whole; CSR is read in place, other formats are converted to CSR.

            A `fastnet.datasets.StoredDataset`, which has the targets, is read from the disk block by block, and so are
            memory-mapped arrays of more than 1 GiB. Its rows are shuffled within windows of 64 MB, of blocks in random
            order; a NaN is found when its row is read.

            Without `y`, a source of (x, y) or (x, y, sample_weight): a generator of batches, an object that can be
            iterated in every epoch, or one with a length whose items are samples or batches. An item is a sample if its
            x has the model's `input_shape` or, before the model is built, if its y is a single number.
        y : array_like, optional
            The targets: arrays of shape (n, *output_shape); labels 0 to outputs - 1 of shape (n,) or (n, 1) with a categorical
            cross-entropy; values of shape (n,) for one output.
        batch_size : int, default 32
            The number of samples per step. The last batch of an epoch may be smaller.
        epochs : int, default 1
            The epoch to stop before, counted from 0; with `initial_epoch` 0, the number of epochs.
        verbose : {"auto", 0, 1, 2}, default "auto"
            0 prints nothing; 1 and "auto" show a progress bar on a terminal if tqdm is installed, else a line for every
            epoch; 2 prints a line for every epoch.
        callbacks : list of Callback, optional
            See `fastnet.callbacks`.
        validation_split : float, default 0.0
            The fraction of the samples, taken from the end before shuffling, to validate with after every epoch.
        validation_data : tuple (x, y) or (x, y, sample_weight), or StoredDataset, optional
            Samples to validate with; overrides `validation_split`.
        shuffle : bool, default True
            Whether to shuffle the samples before every epoch; those on the disk as described above.
        class_weight : dict, optional
            The weight of the samples of each label; labels that are missing have weight 1.
        sample_weight : array_like, shape (n,), optional
            A factor for the loss of each sample.
        initial_epoch : int, default 0
            The number of the first epoch.
        steps_per_epoch : int, optional
            The number of batches per epoch; required for a generator that does not end. As in Keras, an epoch continues
            where the previous one stopped. It ends with the data at the latest; then the data start over, in a new
            order if they are shuffled. That is a warning, and so is an exhausted generator, which ends training.
        validation_steps : int, optional
            The maximum number of batches per validation, each time from the first one.
        validation_batch_size : int, optional
            The number of samples that are evaluated at a time; that of `batch_size` where the loss depends on it.
        validation_freq : int or collection of int, default 1
            Validate after every this many epochs, or after the epochs with these numbers, counted from 1.
        max_time : float, optional
            Seconds after which training ends, at the end of the batch in progress or 2 ms later.
        debug : bool, default False
            Whether to look for problems. Findings of `fastnet.doctor`, before the first epoch and after every epoch,
            become a `fastnet.exceptions.DoctorWarning` with their code. So do the layer, epoch and batch where NaN or
            infinity first appears. Batches are then run one by one, with the same results.

        Returns
        -------
        History
            Its `history` maps "loss", "val_loss", the metrics and, if there is a schedule, "learning_rate" to lists
            with one value per epoch.

        Raises
        ------
        ValueError
            The model is not compiled, the data do not fit the model or are not finite, or there is no batch.
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
        batch_size = check_integer("batch_size", _TRAINING_BATCH if batch_size is None else batch_size)
        check_bool("shuffle", shuffle)
        source = None if y is not None else as_batches("x", x, self.input_shape, batch_size)
        span = range(
            check_integer("initial_epoch", initial_epoch, minimum=0), check_integer("epochs", epochs, minimum=0)
        )
        steps = None if steps_per_epoch is None else check_integer("steps_per_epoch", steps_per_epoch)
        watch = self._watch(x, y, validation_data, shuffle) if check_bool("debug", debug) else None
        if source is None:
            if y is None and x is not None and not isinstance(x, StoredDataset):
                raise ValueError("y is missing: got None, and x yields no batches of (x, y)")
            self._trainable_network("fit", x, y)
            names = self.feature_names or names_to_learn("x", x)
            rows = math.inf if steps is None else len(span) * steps * batch_size
            data: Data = self._data(x, y, sample_weight, columns=names, passes=len(span), most_rows=rows)
        else:
            names = self.feature_names or _names_in(validation_data)
            data = self._batches(source, class_weight, sample_weight)
        self._warn_of_frozen()
        given, validation = data, None
        if validation_data is not None:
            validation = self._validation_samples(validation_data, batch_size, names, len(span))
        elif validation_split:
            if isinstance(data, Batches):
                raise ValueError("validation_split needs x to be an array; with batches give validation_data")
            data, validation = data.split(validation_split)
        if class_weight is not None and not isinstance(data, Batches):
            class_weight = as_class_weight(class_weight)
            weighted = partial(self._weighted, class_weight=class_weight)
            data = weighted(data) if isinstance(data, Samples) else data.with_weights(partial(weighted, some=True))
        plan = Plan(
            data,
            validation,
            batch_size,
            span,
            shuffle,
            steps,
            None if validation_steps is None else check_integer("validation_steps", validation_steps),
            evaluation_batch(self._compilation, "validation_batch_size", validation_batch_size, batch_size),
            _validation_schedule(validation_freq),
            None if max_time is None else check_number("max_time", max_time, minimum=0.0),
            watch,
            None if (distribution := current()) is None else distribution.shards,
        )
        params = {"epochs": epochs, "steps": plan.steps_per_epoch, "verbose": check_verbose(verbose)}
        running = CallbackList.for_fit(callbacks, self, params, validates=validation is not None)
        self.history = history = running.history
        others = {
            "validation_split": validation_split if validation_data is None else None,
            "class_weight": class_weight,
            "steps_per_epoch": steps_per_epoch,
            "validation_steps": validation_steps,
            "max_time": max_time,
            "callbacks": running.names,
            "shards": plan.shards,
        }
        self._learn_names(names)
        self.feature_ranges = wider(ranges_of(data, self.input_shape), self.feature_ranges)
        record, plan = RunRecord(self, plan, given, others), plan.without_given()
        del given, data, validation  # such as a table x that has been copied
        from fastnet.training.fitting import Fitting  # here, since programs that only predict need none of it

        fitting = Fitting(Run(self, plan, running, history, Position(span.start)))
        return self._recorded(record, fitting, history)

    def _recorded(self, record: RunRecord, fitting: "Fitting", history: History) -> History:
        """Train, and record the run in the receipt."""
        self._receipt.begin(record, self)
        failed = True
        try:
            fitting.run()
            failed = False
        finally:
            record.end(self, history, failed)
        last = {name: values[-1] for name, values in history.history.items()}
        self.figures = {"last_epoch": last} if last else {}
        return history

    @abstractmethod
    def _watch(self, x: Any, y: Any, validation_data: Any, shuffle: bool) -> Watch:
        """Return the observer of a run with `debug`; it warns at once of problems found before training."""

    def _weighted(self, samples: Samples, class_weight: dict[int, float], *, some: bool = False) -> Samples:
        """Return samples with the weights of their classes; `some` are a part of the data."""
        assert self._network is not None
        assert self.loss is not None
        if len(self._output_shape) > 1:
            raise ValueError(f"class_weight needs one label for every sample; outputs have shape {self._output_shape}")
        return with_class_weight(samples, class_weight, self.loss, self._network.output_size, self.dtype, some=some)

    def _batches(self, source: Batches, class_weight: Any, sample_weight: Any) -> Batches:
        """Refuse arguments that do not go with batches, and build the model for the first batch if needed."""
        for name, value in {"class_weight": class_weight, "sample_weight": sample_weight}.items():
            if value is not None:
                raise ValueError(f"{name} needs x to be an array; batches bring weights as (x, y, sample_weight)")
        if not self.built:
            self._built_network(source.peek()[0])
        self._trainable_network("fit", None)
        return source

    def _validation_samples(self, validation_data: Any, batch_size: int, names: list[str] | None, passes: int) -> Data:
        if isinstance(validation_data, StoredDataset):
            return self._data(validation_data, None, of=" of validation_data", columns=names)
        of_batches = isinstance(validation_data, list) and all(isinstance(item, tuple) for item in validation_data)
        if of_batches or not (isinstance(validation_data, tuple | list) and len(validation_data) in (2, 3)):
            source = as_batches("validation_data", validation_data, self.input_shape, batch_size)
            if source is not None:
                return source
            raise ValueError(
                f"validation_data must be (x, y), (x, y, sample_weight) or batches of them; got {describe(validation_data)}"
            )
        x, y, *weight = validation_data
        weights = weight[0] if weight else None
        return self._data(x, y, weights, of=" of validation_data", columns=names, passes=passes)

    @names_arguments
    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: ArrayLike | None = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
    ) -> float | list[float] | dict[str, float]:
        """Run one training step with `x` as one batch, and return the loss and the metrics before the step.

        The arguments are those of `fit`, the result is that of `evaluate`.
        """
        self._trainable_network("train_on_batch", x, y)
        self._warn_of_frozen()
        samples = self._training_samples(x, y, sample_weight)
        if class_weight is not None:
            samples = self._weighted(samples, as_class_weight(class_weight))
        compilation = self._compiled("training")
        compilation.reset()
        _, loss, metric, *_ = self._step(samples, None, len(samples), None, 0.0)
        return result(compilation.logs(loss, metric), return_dict)

    def loss_and_gradients(
        self, x: Any, y: Any, sample_weight: ArrayLike | None = None
    ) -> tuple[float, list[NDArray[Any]]]:
        """Return the loss of the samples and its gradients with respect to the weights; no weight changes.

        Parameters
        ----------
        x, y, sample_weight
            As in `fit`. Rows of targets that do not sum to 1 are accepted, too; their sum is their weight.

        Returns
        -------
        loss : float
            The mean over the samples.
        gradients : list of ndarray
            One array for each of `trainable_weights`, of its shape.

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
        network = self._trainable_network("loss_and_gradients", x, y)
        samples = self._samples(x, y, sample_weight, any_sum=True)
        compilation = self._compiled("training")
        hook = batch_hook(compilation, samples, None, observe=False)
        y = compilation.core_targets(samples.y)
        loss, gradients = network.loss_and_gradients(samples.x, y, samples.weight, hook)
        assert self._with_gradients is not None
        return loss, self._with_gradients.views(gradients)


def _names_in(validation_data: Any) -> list[str] | None:
    """Return the column names of the validation data, which training batches must match."""
    samples = validation_data[0] if isinstance(validation_data, tuple) and validation_data else None
    return names_to_learn("x of validation_data", samples)


def _validation_schedule(validation_freq: int | Container[int]) -> Callable[[int], bool]:
    """Return a predicate for whether to validate after an epoch, counted from 1."""
    if not isinstance(validation_freq, int) and isinstance(validation_freq, Container):
        return lambda epoch: epoch in validation_freq
    every = check_integer("validation_freq", validation_freq)
    return lambda epoch: epoch % every == 0
