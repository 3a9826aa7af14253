"""Cross-validated scores of fastnet's estimators and scikit-learn's on the data sets that come with scikit-learn.

usage: python -m benchmarks.estimator_scores

Writes ESTIMATORS.md. How long they take is a part of RESULTS.md.
"""

import datetime as dt
import statistics
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import sklearn
from sklearn import datasets, neural_network
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastnet
import fastnet.sklearn

DATA = {
    "digits": datasets.load_digits,
    "breast cancer": datasets.load_breast_cancer,
    "wine": datasets.load_wine,
    "iris": datasets.load_iris,
    "diabetes": datasets.load_diabetes,  # the only one of numbers, whose score is R^2
}
FOLDS = 5


class Comparison(NamedTuple):
    data: str
    scaled: bool
    ours: list[float]  # a mean over the folds for each seed
    theirs: list[float]

    @property
    def standard_error(self) -> float:
        """That of scikit-learn's mean over the seeds."""
        return statistics.stdev(self.theirs) / len(self.theirs) ** 0.5

    @property
    def difference(self) -> float:
        return statistics.mean(self.ours) - statistics.mean(self.theirs)


def compare(data: str, scaled: bool, seeds: Iterable[int]) -> Comparison:
    """Cross-validate estimators with default parameters; a seed draws the folds and the weights."""
    x, y = DATA[data](return_X_y=True)
    numbers = data == "diabetes"

    def score(module: Any, seed: int) -> float:
        model = (module.MLPRegressor if numbers else module.MLPClassifier)(random_state=seed)
        folds = (KFold if numbers else StratifiedKFold)(FOLDS, shuffle=True, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # 200 epochs do not suffice for all
            pipeline = make_pipeline(StandardScaler(), model) if scaled else model
            return float(np.mean(cross_val_score(pipeline, x, y, cv=folds)))

    pairs = [(score(fastnet.sklearn, seed), score(neural_network, seed)) for seed in seeds]
    return Comparison(data, scaled, *(list(side) for side in zip(*pairs, strict=True)))


def report(seeds: Iterable[int] = range(5)) -> str:
    """Return the page with the table of all data sets."""
    seeds = list(seeds)
    lines = [
        "# Scores of estimators beside scikit-learn's\n",
        "Made by `python -m benchmarks.estimator_scores`; how fast they are is in [RESULTS.md](RESULTS.md), for each kind of "
        f"processor. fastnet {fastnet.__version__}, scikit-learn {sklearn.__version__}, {dt.datetime.now(dt.UTC).date()}.\n",
        f"Means of {FOLDS}-fold cross-validation over {len(seeds)} seeds, which draw folds and weights, with default "
        "parameters: accuracy, and R^2 for diabetes. The standard error is that of scikit-learn's mean over the seeds.\n",
        "| | fastnet | scikit-learn | difference | standard error |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for data in DATA:
        for scaled in (True, False):
            found = compare(data, scaled, seeds)
            lines.append(
                f"| {data}, {'scaled' if scaled else 'as it is'} | {statistics.mean(found.ours):.4f} | "
                f"{statistics.mean(found.theirs):.4f} | {found.difference:+.1e} | {found.standard_error:.1e} |"
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("ESTIMATORS.md").write_text(report(), encoding="utf-8")
