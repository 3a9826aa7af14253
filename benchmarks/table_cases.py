"""The cases of data as people have them: a CSV of pixels in Kaggle's layout, as libraries read it."""

from dataclasses import dataclass
from itertools import product

CONTIGUOUS = "contiguous uint8"  # what the others are compared with
PANDAS_ARRAY = "np.array(pd.read_csv(...))"  # as most notebooks have it: int64 and column-major
AS_READ = (
    PANDAS_ARRAY,
    "pd.read_csv(...)",
    "pl.read_csv(...)",
    "pyarrow.csv.read_csv(...)",
    "np.loadtxt(...)",  # float64
    "contiguous int64",
    "contiguous float32",
)
WITHIN = 1.5  # times as long as contiguous uint8, at most
EPOCHS = 5


@dataclass(frozen=True)
class Unit:
    """A fit of 784-10-10 with momentum on 41,000 rows; the first epoch, in which they are read, is part of it."""

    name: str
    batch: int
    epochs: int = EPOCHS
    estimator: bool = False  # of MLPClassifier, not of Sequential
    target: float | None = 1 / WITHIN  # of the time of contiguous uint8 to this


FULL_BATCH = Unit(f"full batch, an epoch of {EPOCHS}", 41_000)
UNITS = (
    Unit("full batch, one epoch", 41_000, 1, target=None),
    FULL_BATCH,
    Unit("batches of 128, one epoch", 128, 1, target=None),
    Unit(f"batches of 128, an epoch of {EPOCHS}", 128),
    Unit(f"MLPClassifier, batches of 128, an epoch of {EPOCHS}", 128, estimator=True),
)


@dataclass(frozen=True)
class Table:
    data: str
    unit: Unit
    form: str = ""

    @property
    def key(self) -> str:
        return f"{self.unit.name}, {self.data}"

    @property
    def rough(self) -> bool:
        """Whether a rough look takes it, too."""
        return self.unit is FULL_BATCH


TABLES = tuple(Table(data, unit) for data, unit in product((CONTIGUOUS, *AS_READ), UNITS))
