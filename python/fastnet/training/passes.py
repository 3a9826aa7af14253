"""A pass over the training data: the order of the rows, and the windows in which they are read."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fastnet.inputs.batches import Batches
from fastnet.inputs.samples import Samples
from fastnet.inputs.windows import Reading, StoredSamples, Window
from fastnet.training.run import Plan


class Pass:
    """The current pass of a run over its data, which takes one epoch or, with `steps_per_epoch`, several.

    Attributes
    ----------
    order : ndarray of int64, or None
        The order of the samples; of stored samples, the number that it is drawn from; None for their own order.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.order: NDArray[np.int64] | None = None
        self._reading: Reading | None = None

    def start_over(self) -> None:
        """Begin the next pass, whose order is not drawn yet."""
        self.order = None
        self.end_reading()

    def draw(self, generator: "np.random.Generator") -> None:
        """Draw the order, unless it is drawn or the samples are not shuffled."""
        data = self._plan.data
        items = data.items if isinstance(data, Batches) else len(data)
        if self._plan.shuffle and items is not None and self.order is None:
            stored = isinstance(data, StoredSamples)
            self.order = generator.integers(2**63, size=1) if stored else generator.permutation(items)

    def windows(self, data: Samples | StoredSamples, rows: int, passed: int) -> Callable[[int], Window]:
        """Return a function of a step that returns the window with its rows, for an epoch after `passed` batches."""
        size = self._plan.batch_size
        if isinstance(data, Samples):
            order = self.order
            if self._plan.steps is not None:
                order = np.arange(len(data)) if order is None else order
                order = order[passed * size : passed * size + rows]
            whole = Window(data, order, 0, -(-rows // size))
            return lambda step: whole  # noqa: ARG005

        def window_at(step: int) -> Window:
            if self._reading is None:
                key = None if self.order is None else int(self.order[0])
                self._reading = Reading(data, size, key, passed + step)
            window = self._reading.at(passed + step)
            return window._replace(first=window.first - passed, last=window.last - passed)

        return window_at

    def end_reading(self) -> None:
        """End the thread that reads stored samples."""
        if self._reading is not None:
            self._reading.close()
            self._reading = None
