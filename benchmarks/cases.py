"""The kinds of cases that are measured: products, trainings and predictions of dense networks. See `workloads`."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal


class Named:
    """A case is known by its name and, if it has one, its form."""

    name: str
    form: str

    @property
    def key(self) -> str:
        return f"{self.name}, {self.form}" if self.form else self.name


@dataclass(frozen=True)
class Gemm(Named):
    """C = op(A) op(B) in float32; `transpose` says of A and of B whether it is stored transposed (T) or not (N)."""

    m: int
    n: int
    k: int
    transpose: Literal["NN", "NT", "TN"] = "NN"
    form: str = ""
    target: float | None = 1.0

    @property
    def name(self) -> str:
        return f"{self.m} x {self.n} x {self.k} {self.transpose}"

    @property
    def operations(self) -> float:
        return 2.0 * self.m * self.n * self.k


@dataclass(frozen=True)
class Peak(Named):
    """Fused multiply-adds out of registers: the most that the machine can do."""

    name: str = "fused multiply-adds"
    form: str = ""


ZEROS_SKIPPED = "zeros skipped"
INTEGERS = "8-bit integers"


@dataclass(frozen=True)
class Training(Named):
    """An epoch of a dense network. One output is a sigmoid with binary cross-entropy, more are a softmax with theirs.

    `form` marks a case that computes something cheaper than float32 throughout ("uint8 pixels", "bfloat16") or leaves
    out what is zero (ZEROS_SKIPPED): its row stands beside the plain one. The data "text" are a sparse matrix.
    `few_samples` is the epoch for peers that spend tens of microseconds on any step, and emulate forms that the processor
    does not have.
    Every peer trains `check_epochs` from the same weights in the same order, for as many seeds of the weights as `seeds`
    says, and what comes of it is compared: the loss after the `first_steps`, as later on rounding alone leads the peers
    apart, and the mean accuracy in the end. An epoch's time is that of `in_a_row` of them over their number: what happens
    once a training, as checks of the data, is shared as it is where one trains for long. With `one_cycle` the learning
    rate rises to `learning_rate` in the share `rise` of the steps and falls again within `epochs`, and the unit of
    measurement is the whole training from its first step on. With `by_step` the summary shows the time of a step.
    """

    name: str
    sizes: tuple[int, ...]
    batch: int
    samples: int
    hidden: Literal["relu", "sigmoid"] = "relu"
    optimizer: Literal["sgd", "adam"] = "adam"
    learning_rate: float = 1e-3
    momentum: float = 0.0
    data: Literal["mnist", "xor", "random", "text", "pictures"] = "mnist"
    shuffle: bool = True
    one_cycle: bool = False
    rise: float = 0.3
    epochs: int = 1
    few_samples: int | None = None
    in_a_row: int = 1
    check_epochs: int = 1
    first_steps: int = 100
    accuracy_within: float = 0.005
    test_samples: int = 10_000
    seeds: int = 1
    by_step: bool = False
    form: str = ""
    target: float | None = None

    @property
    def skips_zeros(self) -> bool:
        """Whether the first layer may multiply less than a dense one does."""
        return self.data == "text" or self.form == ZEROS_SKIPPED

    def without_chance(self) -> "Training":
        """The case without what a library draws in its own way, when peers must come to the same."""
        return self

    @property
    def steps(self) -> int:
        """The steps of an epoch."""
        return -(-self.samples // self.batch)

    @property
    def operations(self) -> float:
        """Multiplications and additions of an epoch's matrix products; the first layer has no input gradient."""
        products = [inputs * units for inputs, units in pairwise(self.sizes)]
        return 2.0 * self.samples * (3 * sum(products) - products[0])


@dataclass(frozen=True)
class Prediction(Named):
    """The probabilities of `batch` samples by a ReLU network; with `each_call` calls are timed one by one.

    The form INTEGERS is of a network whose weights a library quantized by itself, after training.
    """

    sizes: tuple[int, ...]
    batch: int
    each_call: bool = False
    hidden: Literal["relu"] = "relu"
    form: str = ""
    target: float | None = None

    @property
    def subject(self) -> str:
        """What the network is called."""
        return "-".join(map(str, self.sizes))

    @property
    def name(self) -> str:
        return f"{self.subject}, {self.batch:,} sample{'s' * (self.batch > 1)}"

    @property
    def operations(self) -> float:
        return 2.0 * self.batch * sum(inputs * units for inputs, units in pairwise(self.sizes))
