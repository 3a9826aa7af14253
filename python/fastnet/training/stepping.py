"""Training steps: passing settings and data to the network, and its results back."""

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.distributed.batches import Observer
from fastnet.inputs.samples import Samples
from fastnet.inputs.tables import names_to_learn
from fastnet.layers.weights import Network, Weights
from fastnet.network.layered import Layered
from fastnet.network.settings import Place, Settings
from fastnet.training.compilation import Compilation
from fastnet.training.evaluation import Evaluator
from fastnet.training.sharding import Sharding


class Stepper(Evaluator, Layered):
    """The part of a model that takes single steps."""

    stop_training: bool

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        self._places: list[Place] = []
        self._frozen_note: str | None = None
        self._with_gradients: Weights | None = None  # `_trained_weights` as of the last `_update_layers`
        self._known_settings: Settings | None = None
        super().__init__(*arguments, **keywords)

    def _trainable_network(self, method: str, x: Any, y: Any = None) -> Network:
        network = super()._trainable_network(method, x, y)
        if self._weights.changes.pending:
            with self._structure:
                self._update_layers(network)
        return network

    def _update_layers(self, network: Network) -> None:
        """Pass changed settings of the layers to the network."""
        self._weights.changes.pending = False
        described = self._descriptions(layer.input_shape or () for layer in self._layers)
        network.update_layers([self._for_core(description, seed=0) for _, _, description in described])
        self._places = list(self._all_places())
        self._frozen_note = self._note_of_frozen()
        self._with_gradients = self._trained_weights()
        self._known_settings = self._settings()

    def _note_of_frozen(self) -> str | None:
        """Return a sentence about weights that may be frozen by mistake, if there are any."""
        switches = [(path, layer) for path, layer, name in self._places if name == "trainable"]
        willing = [path for path, layer in switches if layer.trainable and layer.count_params()]
        if not any(self._trained()):
            held = f": its own trainable is False, which holds for {willing[0]!r}, too" if willing else ""
            return f"The model does not have any trainable weights{'' if self.trainable else held}."
        for block in (path for path, layer in switches if not layer.trainable):
            for path in willing:
                if path.startswith(f"{block}."):
                    return f"Layer {path!r} is not trained, though its trainable is True: that of {block!r} is False."
        return None

    def _warn_of_frozen(self) -> None:
        """Warn of weights that may be frozen by mistake."""
        if self._frozen_note is not None:
            warnings.warn(self._frozen_note, UserWarning, stacklevel=3)

    # --- Settings: what can change at any time ---

    def _settings(self) -> "Settings":
        """Return the current settings; `_update_layers` must have run."""
        return Settings(self._places, self.trainable, [getattr(layer, name) for _, layer, name in self._places])

    def _apply_settings(self, settings: Mapping[str, Mapping[str, Any]]) -> None:
        """Restore settings that `Settings.as_dict` returned."""
        if (trainable := settings.get("", {}).get("trainable", True)) != self.trainable:
            self.trainable = trainable
        for path, layer, name in self._all_places():
            default = True if name == "trainable" else getattr(layer, name)
            value = settings.get(path, {}).get(name, default)
            if value != getattr(layer, name):
                setattr(layer, name, value)

    # --- Steps ---

    def _learn_names(self, names: list[str] | None) -> None:
        """Name the features of the model, unless they have names."""
        if names is not None and self.feature_names is None:
            self.feature_names = names

    def _training_samples(self, x: Any, y: Any, sample_weight: Any = None, *, of: str = "") -> Samples:
        """Return checked training data; its column names become the feature names if the model has none."""
        names = self.feature_names or names_to_learn(f"x{of}", x)
        samples = self._samples(x, y, sample_weight, of=of, columns=names)
        self._learn_names(names)
        return samples

    def _trainable_arrays(self) -> list[tuple[str, int, tuple[int, ...]]]:
        """Return the path, such as "dense/kernel", the offset and the shape of every array that is trained."""
        return [
            (f"{layer.name}/{slot.name}", slot.offset, slot.shape)
            for layer, part in zip(self._layers, self._parts, strict=True)
            for slot in part.slots
            if slot.trainable
        ]

    def _use_average(self) -> None:
        """Give the weights the values of their moving average, if the optimizer keeps one."""
        assert self._network is not None
        self._network.use_average()
        self._weights.changes.spread()

    def _step(
        self,
        samples: Samples,
        order: NDArray[np.int64] | None,
        batch_size: int,
        progress: Callable[..., bool] | None,
        interval: float,
        rates: float | NDArray[np.float64] | None = None,
        done: tuple[int, float, float, int] | None = None,
        end: int | None = None,
        window: tuple[int, int] | None = None,
        sharding: Sharding | None = None,
    ) -> tuple[int, float, float, int, tuple[float, float]]:
        """Run the steps of an epoch after those that are `done` and before `end`; with `sharding`, this rank's part.

        `window` is the step that begins with the first sample, and the number of samples in the epoch, if the samples
        are some of them. Return how many steps are done, the means of loss and metric, the first bad step, and the sums of the means.
        """
        network = self._trainable_network("fit", samples.x)
        compilation = self._compiled("training")
        optimizer = compilation.optimizer
        rows = len(samples if order is None else order)
        if rates is None:
            rates = optimizer.learning_rates(-(-rows // batch_size))
        join: Callable[[Observer], Observer] | None = None
        if sharding is not None:
            first = 0 if done is None else (done[0] - (window[0] if window else 0)) * batch_size
            join = partial(sharding.joined, rows, batch_size, first, network.output_size, self.dtype)
        hook = batch_hook(compilation, samples, order, join=join)
        try:
            return network.train_epoch(
                *(
                    samples.x,
                    compilation.core_targets(samples.y),
                    order,
                    batch_size,
                    samples.weight,
                    progress,
                    rates,
                    interval,
                    hook,
                    done,
                    end,
                ),
                window=window,
                **({} if sharding is None else sharding.for_core),
            )
        finally:
            optimizer._count(network.finished_steps)
            self._weights.changes.spread()


def batch_hook(
    compilation: Compilation,
    samples: Samples,
    order: NDArray[np.int64] | None,
    *,
    observe: bool = True,
    join: Callable[[Observer], Observer] | None = None,
) -> Callable[[int, NDArray[Any]], tuple[float, NDArray[Any]] | None] | None:
    """Return the callback for the outputs of every batch, if a custom loss or a metric needs them.

    If it is called with parts of a batch, `join` wraps the observer of whole batches.
    """
    custom = compilation.custom_loss
    observes = observe and bool(compilation.observed)
    if custom is None and not observes:
        return None

    def targets_of(first: int, outputs: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any] | None]:
        rows: Any = slice(first, first + len(outputs))
        return samples.labels_and_rows(rows if order is None else order[rows])

    def observe_batch(first: int, outputs: NDArray[Any]) -> None:
        y, weight = targets_of(first, outputs)
        compilation.observe(y, outputs, weight)

    observer = join(observe_batch) if observes and join is not None else observe_batch

    def hook(first: int, outputs: NDArray[Any]) -> tuple[float, NDArray[Any]] | None:
        if observes:
            observer(first, outputs)
        if custom is None:
            return None
        y, weight = targets_of(first, outputs)
        return custom.value_and_gradient(y, outputs, weight)

    return hook
