"""The benchmark: ratios, reports, the checks that peers compute the same, and a small run from end to end."""

import importlib
import json
import os
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import checks, data, estimator_scores, estimator_units, image_data, report, runner
from benchmarks.cases import INTEGERS, ZEROS_SKIPPED, Prediction, Training
from benchmarks.estimator_cases import ESTIMATORS
from benchmarks.image_cases import (
    COLOR,
    COLOR_STEPS,
    CONVNET_STEPS,
    LENET,
    MNIST_CONVNET,
    Convolution,
    Dense,
    Dropout,
    Flatten,
    ImagePrediction,
    Network,
    Pooling,
)
from benchmarks.peers import fastnet_peer, names
from benchmarks.results import Ratio, Record, Results, Row
from benchmarks.workloads import MOMENTUM, ONE_CYCLE, ONE_SAMPLE, TEXT, WORKLOADS

ROOT = Path(__file__).resolve().parent.parent


def row(peer: str, threads: int, seconds: list[float], case: str = "c") -> Row:
    return Row(peer, threads, case, [{"seconds": value} for value in seconds])


def results(*records: Record) -> Results:
    versions = {"fastnet": "fastnet 1", "numpy": "NumPy 2", "torch": "PyTorch 3"}
    return Results({"date": "today"}, [1, 2], versions, [], False, {record.name: record for record in records})


def test_a_ratio_compares_figures_of_the_same_round() -> None:
    # The second round is slow for both: of the medians' ratio, 3, nothing is left in the paired one.
    ratio = row("numpy", 1, [2.0, 20.0, 6.0]).over(row("fastnet", 1, [1.0, 10.0, 2.0]))
    assert ratio == Ratio(2.0, 2.0, 2.5)


def test_each_side_has_its_best_number_of_threads() -> None:
    rows = [row("fastnet", 1, [4.0]), row("fastnet", 2, [2.0]), row("numpy", 1, [3.0]), row("numpy", 2, [5.0])]
    record = Record("r", rows)
    assert record.ratio("c", "numpy").median == 1.5
    assert record.ratio("c", "numpy", 2).median == 2.5
    assert record.ratio("c", "torch") is None


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [
        (Ratio(1.15, 1.01, 2.0), "win"),
        (Ratio(1.15, 0.99, 2.0), "unclear"),
        (Ratio(1.14, 1.01, 2.0), "even"),
        (Ratio(0.88, 0.5, 0.99), "even"),
        (Ratio(0.86, 0.5, 0.99), "loss"),
        (Ratio(0.86, 0.5, 1.01), "unclear"),
    ],
)
def test_only_clear_differences_are_called_so(ratio: Ratio, verdict: str) -> None:
    assert ratio.verdict == verdict


def test_the_pause_measures_how_busy_the_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    # Two processors idle for half the pause.
    monkeypatch.setattr(runner.os, "cpu_count", lambda: 2)
    moments = iter([100.0, 100.0 + runner.PAUSE])
    monkeypatch.setattr(runner, "idle_seconds", lambda: next(moments))
    assert runner.pause() == pytest.approx(0.5, abs=0.1)


def test_the_best_peer_is_the_fastest_other() -> None:
    record = Record("r", [row("fastnet", 1, [1.0]), row("numpy", 1, [3.0]), row("torch", 1, [2.0])])
    assert record.best_peer("c") == ("torch", Ratio(2.0, 2.0, 2.0))


def test_results_survive_the_file(tmp_path: Path) -> None:
    written = results(Record("gemm", [row("numpy", 1, [3.0])], {"numpy": {"c": {"start": [], "end": [{"loss": 1.0}]}}}))
    written.save(tmp_path / "results.json")
    assert Results.load(tmp_path / "results.json") == written


def momentum(loss: float) -> Results:
    key, form = MOMENTUM.key, replace(MOMENTUM, form="uint8 pixels").key
    rows = [row("fastnet", 1, [0.1, 0.1], key), row("numpy", 1, [0.2, 0.3], key), row("fastnet", 1, [0.05, 0.05], form)]
    found = {peer: {key: {"start": [{"loss": value, "accuracy": 0.9}], "end": [{"loss": 0.2, "accuracy": 0.95}] * 3}}
             for peer, value in (("fastnet", 0.5), ("numpy", loss))}  # fmt: skip
    return results(Record("momentum", rows, found))


def test_a_peer_that_computes_something_else_is_found() -> None:
    assert checks.disagreements(momentum(0.501)) == []
    (line,) = checks.disagreements(momentum(0.52))
    assert line.startswith("**numpy does not agree with fastnet**")
    assert line in report.write(momentum(0.52)).replace("- ", "")


def test_the_report_shows_other_forms_beside_the_plain_one() -> None:
    text = report.body(momentum(0.5), ())
    summary = next(line for line in text.splitlines() if line.startswith(f"| {MOMENTUM.name}"))
    assert "| 100 ms | NumPy 250 ms | 2.50 |" in summary
    assert "2.40 reached" in summary
    marked = next(line for line in text.splitlines() if "beside the others: uint8 pixels" in line)
    assert "| 0.50 (0.50 to 0.50) |" in marked


def test_operations_of_an_epoch() -> None:
    # A kernel of 3 x 4 on 10 samples: forward and its gradient; one of 4 x 2 has an input gradient as well.
    assert Training("t", (3, 4, 2), batch=5, samples=10).operations == 2 * 10 * (2 * 12 + 3 * 8)


def test_the_learning_rate_rises_to_its_peak_and_falls() -> None:
    rates = data.one_cycle(ONE_CYCLE, 100)
    assert rates[0] == pytest.approx(0.009 / 25)
    assert rates[29] == rates.max() == 0.009
    assert rates[-1] == pytest.approx(0.009 / 25e4)


def test_keys_of_a_workload_differ() -> None:
    for workload in WORKLOADS.values():
        keys = [case.key for case in workload.cases]
        assert len(keys) == len(set(keys)), workload.name


def test_the_first_peer_is_fastnet() -> None:
    assert names()[0] == "fastnet"
    assert {
        "numpy",
        "torch",
        "torch_channels_last",
        "tensorflow",
        "jax",
        "sklearn",
        "onnxruntime",
        "litert",
        "python",
    } < set(names())


def ask(requests: list[dict], *process: str) -> list[dict]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.peers", *process],
        input="".join(json.dumps(request) + "\n" for request in requests),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": process[1]},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("peer", ["fastnet", "python", "sklearn"])
def test_a_peer_trains_as_the_reference_does(peer: str) -> None:
    """One sample a step, from the same weights in the same order, against a few lines of NumPy in float64."""
    workload = {"prepare": "one_sample", "quick": True, "check": True}
    first, prepared, measured = ask([workload, {"measure": 0}], peer, "1")
    assert first["version"]
    assert prepared["failures"] == {}
    (found,) = prepared["checks"][ONE_SAMPLE.key]["end"]
    assert found["loss"] == pytest.approx(one_sample_loss(), rel=1e-4)
    assert measured["values"][ONE_SAMPLE.key]["seconds"] > 0


def one_sample_loss() -> float:
    samples = data.samples(ONE_SAMPLE, ONE_SAMPLE.few_samples)
    w1, b1, w2, b2 = (weight.astype(float) for weight in data.initial_weights(ONE_SAMPLE.sizes, 0))
    for x, y in zip(samples.x.astype(float), samples.y, strict=True):
        h = 1 / (1 + np.exp(-(x @ w1 + b1)))
        dz = 1 / (1 + np.exp(-(h @ w2 + b2))) - y
        dh = (w2 @ dz) * h * (1 - h)
        w2 -= 0.5 * np.outer(h, dz)
        b2 -= 0.5 * dz
        w1 -= 0.5 * np.outer(x, dh)
        b1 -= 0.5 * dh
    return data.quality([w1, b1, w2, b2], ONE_SAMPLE, samples)["loss"]


def test_zeros_of_images_are_multiplied_in_all_rows_but_the_one_that_says_so() -> None:
    """A zero times an infinite weight is NaN; zeros that are skipped leave no trace of it."""
    weights = data.initial_weights((784, 64, 10), 0)
    weights[0][783] = np.inf
    x = np.zeros((64, 784), np.float32)
    samples = data.Samples(x, np.zeros(64, np.int64), x, np.zeros(64, np.int64))
    for form, multiplied in (("", True), ("uint8 pixels", True), (ZEROS_SKIPPED, False)):
        trainer = fastnet_peer.Trainer(replace(MOMENTUM, form=form), samples)
        trainer.reset(weights)
        assert np.isnan(trainer.model.predict(x)).all() == multiplied


@pytest.mark.parametrize(("peer", "takes_part"), [("fastnet", True), ("sklearn", True), ("python", False)])
def test_peers_that_know_sparse_matrices_train_on_texts(peer: str, takes_part: bool) -> None:
    _, prepared = ask([{"prepare": "text", "quick": True, "check": True}], peer, "1")
    assert prepared["failures"] == {}
    assert [len(found["end"]) for found in prepared["checks"].values()] == [TEXT.seeds] * takes_part


def test_a_product_is_checked_and_timed() -> None:
    _, prepared, measured, _ = ask(
        [{"prepare": "gemm", "quick": True, "check": True}, {"measure": 0}, {"release": "gemm"}], "fastnet", "1"
    )
    assert prepared["failures"] == {}
    assert "64 x 64 x 64 NT" in measured["values"]


def test_a_peer_that_is_not_installed_says_so(tmp_path: Path) -> None:
    (tmp_path / "sklearn.py").write_text("raise ModuleNotFoundError('No module named sklearn')")
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.argv[1:] = ['sklearn', '1']; "
         "from benchmarks.peers.__main__ import main; main()"],
        capture_output=True, text=True, cwd=ROOT, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout) == {"missing": "No module named sklearn"}


def test_saving_and_loading_are_measured_beside_copying_and_reading() -> None:
    command = [sys.executable, "-m", "benchmarks.files", "--megabytes", "0.1", "--rounds", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    saving, loading = done.stdout.splitlines()
    assert saving.startswith("save 0 MB: ")
    assert loading.startswith("load 0 MB: ")
    assert "speed relative to that" in saving


def test_predictions_in_8_bit_integers_are_those_of_a_quantized_model() -> None:
    case = Prediction((784, 64, 64, 10), 16)
    weights = data.initial_weights(case.sizes, 0)
    x = np.random.default_rng(1).random((case.batch, 784), dtype=np.float32)
    library = fastnet_peer.Library(1)
    plain, integers = (library.predictor(replace(case, form=form), weights, x)() for form in ("", INTEGERS))
    assert 1e-6 < np.abs(integers - plain).max() < 0.05


def test_estimators_that_disagree_are_found() -> None:
    def compared(loss: float, epochs: int = 3) -> list[str]:
        sides = {"fastnet": {"loss": 0.5, "epochs": 3}, "sklearn": {"loss": loss, "epochs": epochs}}
        found = {peer: {ESTIMATORS[0].key: {"end": [facts]}} for peer, facts in sides.items()}
        return checks.disagreements(results(Record("estimators", [], found)))

    assert compared(0.5 + 1e-9) == []
    assert compared(0.5 + 1e-4) != []
    assert compared(0.5, epochs=4) != []


def test_units_of_estimators_come_to_the_same_in_both_libraries() -> None:
    found = []
    for module in ("fastnet.sklearn", "sklearn.neural_network"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            work = estimator_units.UNITS["table_row"](importlib.import_module(module))
        found.append(estimator_units.facts(work()))
    assert found[0] == found[1]


@pytest.mark.slow
@pytest.mark.parametrize("data", ["iris", "diabetes"])
def test_scores_are_those_of_scikit_learn(data: str) -> None:
    found = estimator_scores.compare(data, scaled=True, seeds=range(2))
    assert found.ours == pytest.approx(found.theirs, abs=1e-9)


# ---- Images ---------------------------------------------------------------------------------------------------------


def test_a_network_of_images_counts_its_products() -> None:
    # 28 - 24 - 12 - 8 - 4: five by five windows of 1 and 6 channels, then 256 values.
    assert LENET.products == [24 * 24 * 25 * 6, 8 * 8 * 25 * 6 * 16, 256 * 120, 120 * 84, 84 * 10]
    assert LENET.ends == (784, 10)


def test_weights_with_channels_first_compute_the_same_and_come_back() -> None:
    network = Network("n", (6, 5, 2), (Convolution(3, 3, same=True), Pooling(), Flatten(), Dense(4), Dense(2)))
    weights = image_data.initial_weights(network, 0)
    turned = image_data.channels_first(network, weights)
    assert [weight.shape for weight in turned] == [(3, 2, 3, 3), (3,), (4, 18), (4,), (2, 4), (2,)]
    image = np.random.default_rng(0).standard_normal((3, 2, 3))  # what is flattened: three rows of two pixels
    assert image.transpose(2, 0, 1).ravel() @ turned[2].T == pytest.approx(image.ravel() @ weights[2])
    for back, weight in zip(image_data.channels_last(network, turned), weights, strict=True):
        assert np.array_equal(back, weight)


@pytest.mark.parametrize("network", [MNIST_CONVNET, COLOR], ids=["valid", "same"])
def test_the_reference_of_images_predicts_as_fastnet_does(network: Network) -> None:
    case = ImagePrediction(network.ends, 3, network=network)
    weights = data.weights_of(case, 0)
    x = np.random.default_rng(1).random((3, *network.shape), dtype=np.float32)
    found = fastnet_peer.Library(1).image_predictor(case, weights, x)()
    np.testing.assert_allclose(found, data.probabilities(case, weights, x), atol=1e-5)


def test_steps_of_images_are_checked_without_dropout_and_shown_by_the_step() -> None:
    assert not any(isinstance(layer, Dropout) for layer in CONVNET_STEPS.without_chance().network.layers)
    record = Record("convnet", [row("fastnet", 1, [1.0], CONVNET_STEPS.key), row("torch", 1, [3.0], CONVNET_STEPS.key)])
    line = next(line for line in report.body(results(record), ()).splitlines() if CONVNET_STEPS.name in line)
    assert "| 10.0 ms | PyTorch 30.0 ms |" in line  # of 100 steps


@pytest.mark.slow
def test_a_peer_trains_on_images() -> None:
    _, prepared, measured = ask([{"prepare": "color", "quick": True, "check": True}, {"measure": 0}], "fastnet", "1")
    assert prepared["failures"] == {}
    assert measured["values"][COLOR_STEPS.key]["seconds"] > 0


def test_a_peer_without_convolutions_takes_no_part_with_images() -> None:
    _, prepared = ask([{"prepare": "color", "quick": True, "check": True}], "numpy", "1")
    assert prepared == {"checks": {}, "failures": {}}
