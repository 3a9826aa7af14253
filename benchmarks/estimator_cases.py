"""The cases of scikit-learn's estimators with their default parameters: what is fitted, and the aims."""

from dataclasses import dataclass

EPOCHS = 5  # of a fit on MNIST: an epoch is a fifth of it


@dataclass(frozen=True)
class Estimator:
    """A unit of work of an estimator; estimator_units.py has it by the name `unit`."""

    name: str
    unit: str
    target: float
    repeats: int = 1  # of a unit
    parts: int = 1  # of a unit's time, of which one is reported
    by_jobs: bool = False  # a search in as many processes as there are threads, with one thread each
    tolerance: float = 1e-6  # of losses and scores; scikit-learn's own differ as much with the number of threads
    rough: bool = True  # whether a rough look takes it, too
    form: str = ""

    @property
    def key(self) -> str:
        return self.name


ESTIMATORS = (
    Estimator("MLPClassifier, MNIST in float64: an epoch of 5", "mnist64", 5, parts=EPOCHS),
    Estimator("MLPClassifier, MNIST in float32: an epoch of 5", "mnist32", 5, parts=EPOCHS, tolerance=1e-3),
    Estimator("MLPClassifier, table of 1,000 x 20: `fit`, 200 epochs", "table", 10),
    Estimator("MLPClassifier, sparse texts, 20,000 x 50,000: an epoch", "text", 5, rough=False),
    Estimator("MLPClassifier, `predict` of one row of MNIST", "mnist_row", 10, repeats=300),
    Estimator("MLPClassifier, `predict` of one row of the table", "table_row", 10, repeats=300),
    Estimator("MLPClassifier, digits: `GridSearchCV(n_jobs=2)` over 12 settings", "grid", 1, by_jobs=True, rough=False),
)
