"""Learning rates that change with every batch, with Keras's names and arguments, and PyTorch's one-cycle.

A schedule is given to an optimizer as its `learning_rate`. The batches are counted from 0 at the first batch after
`compile`; `fit` evaluates the schedule for all batches of an epoch at once and the epoch runs in compiled code. A number
as the learning rate is the constant schedule.
"""

from typing import TYPE_CHECKING

from fastnet.schedules.base import LearningRateSchedule as LearningRateSchedule
from fastnet.schedules.base import learning_rates as learning_rates
from fastnet.schedules.base import schedules as _schedules
from fastnet.schedules.cosine import *
from fastnet.schedules.decay import *
from fastnet.support.missing_names import explain_missing

if not TYPE_CHECKING:  # type checkers take the names from the imports
    __all__ = [*cosine.__all__, *decay.__all__, "LearningRateSchedule", "deserialize", "get", "serialize"]

explain_missing(__name__)

get = _schedules.get
serialize = _schedules.serialize
deserialize = _schedules.deserialize
