"""The result of a regression, as text and as JSON."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.cli._report import aligned

__all__ = ["RegressionResult", "Residuals"]

Floats = NDArray[np.float64]


class Residuals:
    """Sums over the rows of a regression, which come block by block."""

    def __init__(self) -> None:
        self._rows = 0
        self._absolute: Any = 0.0
        self._squared: Any = 0.0
        self._mean: Any = 0.0
        self._spread: Any = 0.0

    def add(self, true: NDArray[Any], predicted: NDArray[Any]) -> None:
        """Add rows: arrays of shape (n, outputs)."""
        true = true.astype(np.float64)
        error = predicted - true
        self._absolute = self._absolute + np.abs(error).sum(axis=0)
        self._squared = self._squared + np.square(error).sum(axis=0)
        # Combines moments without cancellation: Chan, Golub and LeVeque (1983).
        mean, rows = true.mean(axis=0), self._rows + len(true)
        shift = mean - self._mean
        self._spread = self._spread + np.square(true - mean).sum(axis=0) + shift**2 * self._rows * len(true) / rows
        self._mean = self._mean + shift * len(true) / rows
        self._rows = rows

    def result(self) -> "RegressionResult":
        """Return the errors of all rows."""
        rows = self._rows
        return RegressionResult(rows, self._absolute / rows, self._squared / rows, self._spread / rows)


@dataclass(frozen=True)
class RegressionResult:
    """Result of a regression on rows with targets.

    Attributes
    ----------
    rows : int
        The number of rows.
    absolute, squared : ndarray of shape (outputs,), float64
        The mean absolute and the mean squared error of each output.
    variance : ndarray of shape (outputs,), float64
        The variance of the targets of each output.
    """

    rows: int
    absolute: Floats
    squared: Floats
    variance: Floats

    @property
    def mae(self) -> float:
        """The mean absolute error."""
        return float(self.absolute.mean())

    @property
    def rmse(self) -> float:
        """The root of the mean squared error."""
        return float(np.sqrt(self.squared.mean()))

    @property
    def r2(self) -> float | None:
        """R2, averaged over the outputs as by scikit-learn's `r2_score`; None if it is undefined: for a single row."""
        return float(self._r2_of_outputs().mean()) if self.rows > 1 else None

    def _r2_of_outputs(self) -> Floats:
        constant = self.variance == 0.0
        explained = 1.0 - self.squared / np.where(constant, 1.0, self.variance)
        return np.where(constant, self.squared == 0.0, explained)

    @property
    def score(self) -> float:
        """The figure that tells good models from bad ones."""
        return self.r2 or 0.0

    score_name = "r2"

    def as_json(self) -> dict[str, Any]:
        """Return the result as a JSON-serializable dictionary."""
        return {"task": "regression", "rows": self.rows, **self.figures()}

    def figures(self) -> dict[str, Any]:
        """Return the figures that a model file keeps."""
        r2 = {} if self.r2 is None else {"r2": self.r2}
        return {"mae": self.mae, "rmse": self.rmse, **r2}

    def headline(self, where: str) -> tuple[str, str]:
        """Return the most important figure, and the others; `where` is for "Held-out" or nothing."""
        r2 = "undefined" if self.r2 is None else f"{self.r2:.4f}"
        return f"{where} R2: {r2}".strip(), (
            f"mean absolute error {self.mae:.5g}, root mean squared error {self.rmse:.5g}; {self.rows:,} rows"
        )

    def details(self) -> str:
        """Return what always predicting the mean gives, and the figures of each output if there are several."""
        spread = float(np.sqrt(self.variance.mean()))
        text = f"Always predicting the mean of these rows: R2 0, root mean squared error {spread:.5g}"
        if len(self.absolute) == 1:
            return text
        rows = zip(self._r2_of_outputs(), self.absolute, np.sqrt(self.squared), strict=True)
        table = [[str(output), f"{r2:.4f}", *map("{:.5g}".format, errors)] for output, (r2, *errors) in enumerate(rows)]
        return f"{text}\n\n{aligned([['output', 'R2', 'MAE', 'RMSE'], *table])}"
