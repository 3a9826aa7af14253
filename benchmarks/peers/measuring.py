"""How a case is measured in a peer's process: made ready, checked, and timed in short units."""

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

import numpy as np

from .. import data, estimator_units
from ..cases import INTEGERS, Gemm, Peak, Prediction, Training
from ..estimator_cases import Estimator
from ..image_cases import ImagePrediction, ImageTraining
from ..table_cases import Table
from ..workloads import Case
from .base import Library, Trainer

UNIT = 0.015  # seconds that a unit takes at least
Values = dict[str, float]


@dataclass
class Prepared:
    """A case that is ready: `measure(round)` takes one unit; `checks` says what work led to, see `checked`."""

    measure: Callable[[int], Values]
    checks: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def timed(work: Callable[[], Any], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - start) / repeats


def repeats_for(work: Callable[[], Any], compiles: bool) -> int:
    """How often to repeat the work for a unit, from a second call: the first one warms up."""
    seconds = timed(work, 1)
    if compiles or seconds < 0.3:
        seconds = timed(work, 1)
    if seconds < UNIT:
        seconds = timed(work, max(1, int(0.3 * UNIT / seconds)))
    return max(1, round(UNIT / seconds))


@singledispatch
def prepare(case: Case, library: Library, check: bool) -> Prepared:
    raise NotImplementedError


@prepare.register
def _(case: Peak, library: Library, check: bool) -> Prepared:  # noqa: ARG001
    library.peak()
    return Prepared(lambda _: {"gflops": library.peak()})


@prepare.register
def _(case: Gemm, library: Library, check: bool) -> Prepared:
    a, b = data.factors(case.m, case.n, case.k, case.transpose)
    work, result = library.gemm(case, a, b)
    repeats = repeats_for(work, library.compiles)
    if check:
        rows = [0, case.m - 1]
        left = (a.T if case.transpose[0] == "T" else a)[rows]
        expected = left @ (b.T if case.transpose[1] == "T" else b)
        np.testing.assert_allclose(result()[rows], expected, rtol=1e-3)
    return Prepared(lambda _: {"seconds": timed(work, repeats)})


@prepare.register
def _(case: Training, library: Library, check: bool) -> Prepared:
    if case.data == "text" and not library.sparse:
        raise NotImplementedError
    few = min(case.samples, case.few_samples or case.samples)
    count = few if library.slow_steps else case.samples
    samples = data.samples(case, count)
    trainer = make_trainer(library, case, samples)
    if case.one_cycle:
        whole_training(case, trainer, samples, 0)
        return Prepared(lambda seed: whole_training(case, trainer, samples, seed))
    checks = checked(case, library, few) if check and case.check_epochs else {}
    trainer.reset(data.weights_of(case, 0))

    def train() -> None:
        trainer.train(case.in_a_row, case.shuffle)

    repeats = repeats_for(train, library.compiles)
    return Prepared(lambda _: {"seconds": timed(train, repeats) / case.in_a_row * case.samples / count}, checks)


def make_trainer(library: Library, case: Training, samples: data.Samples) -> Trainer:
    return library.image_trainer(case, samples) if isinstance(case, ImageTraining) else library.trainer(case, samples)


def checked(case: Training, library: Library, count: int) -> dict[str, list[Values]]:
    """Train on samples in the order in which they lie, and return how good the network is afterwards.

    "start" is after the first steps, without dropout: later on rounding alone leads the peers apart. "end" is after all
    `count` samples, from the initial weights of each seed.
    """

    def train(case: Training, count: int, seeds: int) -> list[Values]:
        samples = data.samples(case, count)
        trainer = make_trainer(library, case, samples)
        results = []
        for seed in range(seeds):
            trainer.reset(data.weights_of(case, seed))
            trainer.train(case.check_epochs, shuffle=False)
            results.append(data.quality(trainer.weights(), case, samples))
        return results

    start = train(case.without_chance(), min(count, case.first_steps * case.batch), 1)
    return {"start": start, "end": train(case, count, case.seeds)}


def whole_training(case: Training, trainer: Trainer, samples: data.Samples, seed: int) -> Values:
    """Time all epochs from fresh weights on; a first call, before the rounds, has compiled what needs it."""
    trainer.reset(data.weights_of(case, seed))
    seconds = timed(lambda: trainer.train(case.epochs, shuffle=True), 1)
    accuracy = data.quality(trainer.weights(), case, samples)["accuracy"]
    time.sleep(0.2)  # until NumPy's threads, which computed it, spin no more
    return {"seconds": seconds, "accuracy": accuracy}


@prepare.register
def _(case: Prediction, library: Library, check: bool) -> Prepared:
    weights, rng = data.weights_of(case, 0), np.random.default_rng(1)
    if isinstance(case, ImagePrediction):
        x = rng.random((case.batch, *case.network.shape), dtype=np.float32)
        work = library.image_predictor(case, weights, x)
    else:
        x = rng.random((case.batch, case.sizes[0]), dtype=np.float32)
        work = library.predictor(case, weights, x)
    repeats = repeats_for(work, library.compiles)
    if check:
        rows, tolerance = slice(100), 0.05 if case.form == INTEGERS else 1e-4
        found = np.atleast_2d(work())[rows]
        if library.logits:
            found = data.softmax(found)
        np.testing.assert_allclose(found, data.probabilities(case, weights, x[rows]), atol=tolerance)
    if not case.each_call:
        return Prepared(lambda _: {"seconds": timed(work, repeats)})
    return Prepared(lambda _: latencies(work, min(5_000, max(500, 3 * repeats))))


def latencies(work: Callable[[], Any], calls: int) -> Values:
    """The median and the 99th percentile of the times of single calls."""
    clock = time.perf_counter
    times = np.empty(calls)
    for i in range(calls):
        start = clock()
        work()
        times[i] = clock() - start
    return {"seconds": float(np.median(times)), "p99": float(np.quantile(times, 0.99))}


@prepare.register
def _(case: Estimator, library: Library, check: bool) -> Prepared:
    if library.estimators is None or (case.by_jobs and library.threads == 1):
        raise NotImplementedError
    estimator_units.quiet()
    unit = estimator_units.UNITS[case.unit](importlib.import_module(library.estimators))
    found = estimator_units.facts(unit())
    return Prepared(lambda _: {"seconds": timed(unit, case.repeats) / case.parts}, {"end": [found]} if check else {})


@prepare.register
def _(case: Table, library: Library, check: bool) -> Prepared:  # noqa: ARG001
    estimator_units.quiet()
    try:
        work = library.fit(case)
    except ImportError:  # of the library that reads the data
        raise NotImplementedError from None
    work()
    return Prepared(lambda _: {"seconds": timed(work, 1) / case.unit.epochs})
