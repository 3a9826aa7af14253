"""What a model's receipt says about the runs of `fit` that made its weights, in memory and in its file."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import fastnet as fn
from fastnet.serialization import read_metadata
from fastnet.training import fingerprints
from fastnet.training import receipt as _receipt


def make_model(seed: int | None = 0, dtype: str = "float32") -> fn.Sequential:
    model = fn.Sequential([fn.Dense(4, "relu", input_shape=(3,)), fn.Dense(2, "softmax")], seed=seed, dtype=dtype)
    model.compile(fn.optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


X = np.random.default_rng(0).normal(size=(40, 3))
Y = (X[:, 0] > 0).astype(np.int64)


def sha256(*arrays: Any) -> str:
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()


def fitted(**arguments: Any) -> fn.Sequential:
    model = make_model()
    model.fit(X, Y, verbose=0, **arguments)
    return model


def last_run(model: fn.Sequential) -> dict[str, Any]:
    receipt = model.receipt
    assert receipt is not None
    return receipt["runs"][-1]


# ---- Weights and runs -----------------------------------------------------------------------------------------------


def test_a_model_that_was_never_trained_has_no_receipt(tmp_path: Path) -> None:
    model = make_model()
    assert model.receipt is None
    assert fn.Sequential([fn.Dense(1)]).receipt is None
    model.save(tmp_path / "m")
    assert not {"receipt", "metrics"} & set(read_metadata(tmp_path / "m"))
    assert fn.load_model(tmp_path / "m").receipt is None


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_weights_are_hashed_before_the_first_run_and_now(dtype: str) -> None:
    model = make_model(dtype=dtype)
    initial = sha256(*model.get_weights())
    for _ in range(2):
        model.fit(X, Y, verbose=0)
        receipt = model.receipt
        assert receipt is not None
        assert receipt["initial_weights"] == initial
        assert receipt["weights"] == sha256(*model.get_weights()) != initial
    model.set_weights([np.zeros_like(array) for array in model.get_weights()])
    assert model.receipt["weights"] == sha256(*model.get_weights())


def test_the_receipt_has_the_architecture_and_the_seed() -> None:
    receipt = fitted().receipt
    assert receipt["config"] == make_model().get_config()
    assert receipt["seed"] == 0


def test_a_sweep_of_learning_rates_leaves_no_trace() -> None:
    model, other = make_model(), make_model()
    fn.find_learning_rate(model, X, Y)
    assert model.receipt is None
    assert model.figures == {}
    for one in (model, other):
        one.fit(X, Y, epochs=2, verbose=0)
    assert model.receipt["weights"] == other.receipt["weights"]


def test_a_run_says_what_fit_was_told() -> None:
    run = last_run(fitted(batch_size=8, epochs=5, initial_epoch=2, shuffle=False, class_weight={1: np.float64(2.0)}))
    assert run["fit"] == {
        "batch_size": 8,
        "initial_epoch": 2,
        "epochs": 5,
        "shuffle": False,
        "class_weight": {"1": 2.0},
    }
    assert (run["epochs"], run["first_step"], run["steps"], run["ended"]) == (3, 0, 15, "complete")
    assert run["compile"] == make_model().get_compile_config()


def test_a_run_says_what_it_ran_on() -> None:
    run = last_run(fitted())
    config = fn.show_config(mode="dict")
    assert {name: run[name] for name in ("fastnet", "numpy", "python", "isa")} == {
        "fastnet": config["version"],
        "numpy": config["numpy"],
        "python": config["python"],
        "isa": config["isa"],
    }
    assert run["threads"] == fn.get_num_threads()
    assert run["started"].endswith("+00:00")
    assert run["seconds"] > 0


def test_the_learning_rate_is_that_of_the_beginning() -> None:
    model = fitted(epochs=2)
    model.optimizer.learning_rate = 0.5
    model.fit(X, Y, verbose=0)
    model.compile(fn.optimizers.Adam(fn.schedules.ExponentialDecay(0.1, 10, 0.5)), "sparse_categorical_crossentropy")
    model.fit(X, Y, verbose=0)
    compiled = [run["compile"]["optimizer"] for run in model.receipt["runs"]]
    assert [one["class_name"] for one in compiled] == ["SGD", "SGD", "Adam"]
    assert [one["config"]["learning_rate"] for one in compiled[:2]] == [0.1, 0.5]
    assert compiled[2]["config"]["learning_rate"]["class_name"] == "ExponentialDecay"


def test_callbacks_are_named() -> None:
    run = last_run(
        fitted(epochs=50, callbacks=[fn.callbacks.EarlyStopping("loss", min_delta=100), fn.callbacks.History()])
    )
    assert run["fit"]["callbacks"] == ["EarlyStopping"]
    assert (run["ended"], run["fit"]["epochs"]) == ("stopped", 50)
    assert run["epochs"] < 50


def test_a_run_says_how_it_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stop(fn.callbacks.Callback):
        def __init__(self, error: BaseException) -> None:
            super().__init__()
            self.error = error

        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            raise self.error

    model = make_model()
    model.fit(X, Y, verbose=0, callbacks=[Stop(KeyboardInterrupt())])
    with pytest.raises(ZeroDivisionError):
        model.fit(X, Y, verbose=0, callbacks=[Stop(ZeroDivisionError())])
    model.fit(X, Y, verbose=0, max_time=0.0)
    assert [run["ended"] for run in model.receipt["runs"]] == ["interrupted", "failed", "out of time"]


def test_many_runs_are_added_up() -> None:
    model = make_model()
    for run in range(_receipt.MOST_RUNS + 5):
        model.fit(X, Y, epochs=1 + run % 2, batch_size=20, verbose=0)
    receipt = model.receipt
    assert receipt["earlier"] == {"runs": 5, "epochs": 7, "steps": 14}
    assert len(receipt["runs"]) == _receipt.MOST_RUNS
    assert [run["first_step"] for run in receipt["runs"][:2]] == [14, 18]
    assert receipt["initial_weights"] == sha256(*make_model().get_weights())


def test_the_receipt_is_a_copy() -> None:
    model = fitted()
    model.receipt["runs"][0]["fit"]["epochs"] = 99
    assert last_run(model)["fit"]["epochs"] == 1


# ---- Data -----------------------------------------------------------------------------------------------------------


def test_small_data_are_hashed_as_a_whole() -> None:
    weight = np.arange(40, dtype=np.float32)
    data = last_run(fitted(sample_weight=weight))["data"]
    assert data["x"] == {"shape": [40, 3], "dtype": "float64", "sha256": sha256(X), "rows_hashed": 40, "every": 1}
    assert data["y"] == {"shape": [40], "dtype": "int64", "sha256": sha256(Y), "rows_hashed": 40, "every": 1}
    assert data["sample_weight"]["sha256"] == sha256(weight)
    assert last_run(fitted())["data"]["sample_weight"] is None


@pytest.mark.parametrize("rows", [100, 7_000, 200_003])
def test_large_data_are_hashed_in_evenly_spaced_rows(rows: int) -> None:
    x = np.random.default_rng(0).normal(size=(rows, 3))
    model = make_model()
    model.fit(x, np.zeros(rows, np.int64), batch_size=rows, verbose=0)
    part = last_run(model)["data"]["x"]
    assert part["sha256"] == sha256(x[:: part["every"]])
    assert part["rows_hashed"] == len(x[:: part["every"]])
    assert part["rows_hashed"] * 24 <= fingerprints.SAMPLED_BYTES
    assert (part["every"] > 1) == (x.nbytes > fingerprints.SAMPLED_BYTES)


def test_the_hash_does_not_depend_on_strides() -> None:
    fingerprint = fingerprints.Fingerprint(X).as_dict()
    wide = np.zeros((80, 6))
    wide[::2, ::2] = X
    assert fingerprints.Fingerprint(wide[::2, ::2]).as_dict() == fingerprint
    assert fingerprints.Fingerprint(np.asfortranarray(X)).as_dict() == fingerprint
    assert fingerprints.Fingerprint(X.astype(np.float32)).as_dict()["sha256"] != fingerprint["sha256"]


def test_other_data_have_another_hash() -> None:
    other = X.copy()
    other[17, 1] += 1e-9
    model = make_model()
    model.fit(other, Y, verbose=0)
    assert last_run(model)["data"]["x"]["sha256"] != sha256(X)
    assert last_run(model)["data"]["y"]["sha256"] == sha256(Y)


def test_sparse_samples_are_hashed_by_their_parts() -> None:
    x = scipy.sparse.random(40, 3, 0.5, format="csr", random_state=0)
    model = make_model()
    model.fit(x, Y, verbose=0)
    data = last_run(model)["data"]["x"]
    assert data["shape"] == [40, 3]
    assert data["data"]["sha256"] == sha256(x.data)
    assert data["indices"]["sha256"] == sha256(x.indices)
    assert data["indptr"]["sha256"] == sha256(x.indptr.astype(np.int64))


def test_batches_are_not_hashed_and_the_receipt_says_so() -> None:
    def batches() -> Iterator[tuple[Any, Any]]:
        while True:
            yield X, Y

    model = make_model()
    model.fit(batches(), steps_per_epoch=3, epochs=2, verbose=0)
    run = last_run(model)
    assert run["data"] == {"source": "batches, which are not hashed"}
    assert run["fit"]["steps_per_epoch"] == 3
    assert run["steps"] == 6


def test_validation_is_in_the_receipt() -> None:
    run = last_run(fitted(validation_data=(X[:5], Y[:5])))
    assert run["validation"]["x"]["sha256"] == sha256(X[:5])
    assert "validation_split" not in run["fit"]
    run = last_run(fitted(validation_split=0.25))
    assert run["validation"] is None
    assert run["fit"]["validation_split"] == 0.25
    assert run["data"]["x"]["sha256"] == sha256(X)


# ---- Files ----------------------------------------------------------------------------------------------------------


def test_receipt_and_figures_come_back(tmp_path: Path) -> None:
    model = fitted(epochs=2, validation_split=0.25)
    model.figures["test"] = {"accuracy": np.float32(0.5), "loss": np.nan}
    model.save(tmp_path / "m")
    loaded = fn.load_model(tmp_path / "m")
    receipt = model.receipt
    for run in receipt["runs"]:
        for name in ("threads", "started", "seconds"):
            del run[name]
    assert loaded.receipt == receipt
    assert loaded.figures["last_epoch"] == {name: values[-1] for name, values in model.history.history.items()}
    assert set(loaded.figures["last_epoch"]) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert loaded.figures["test"] == {"accuracy": 0.5, "loss": None}


def test_equal_training_gives_equal_files(tmp_path: Path) -> None:
    threads = fn.get_num_threads()
    try:
        for number in range(1, 4):
            fn.set_num_threads(number)
            fitted(epochs=2).save(tmp_path / f"{number}")
    finally:
        fn.set_num_threads(threads)
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


def test_training_that_goes_on_adds_to_the_receipt_of_the_file(tmp_path: Path) -> None:
    fitted().save(tmp_path / "m")
    model = fn.load_model(tmp_path / "m")
    before = model.receipt
    for _ in range(_receipt.MOST_RUNS):
        model.fit(X, Y, verbose=0)
    receipt = model.receipt
    assert (receipt["seed"], receipt["initial_weights"]) == (0, before["initial_weights"])
    assert receipt["earlier"] == {"runs": 1, "epochs": 1, "steps": 2}
    assert len(receipt["runs"]) == _receipt.MOST_RUNS


def test_figures_are_those_of_the_last_run() -> None:
    model = fitted()
    model.figures["test"] = {"accuracy": 1.0}
    model.fit(X, Y, verbose=0)
    assert list(model.figures) == ["last_epoch"]


def test_figures_that_are_no_dictionary_are_not_saved(tmp_path: Path) -> None:
    model = make_model()
    model.figures = [0.5]  # type: ignore[assignment]
    with pytest.raises(ValueError, match="figures must be a dictionary"):
        model.save(tmp_path / "m")


def test_a_model_whose_loss_is_not_finite_is_saved(tmp_path: Path) -> None:
    model = fn.Sequential([fn.Dense(1, input_shape=(3,))], seed=0)
    model.compile(fn.optimizers.SGD(1e30), "mse")
    with pytest.warns(fn.exceptions.NonFiniteLossWarning):
        model.fit(X, Y, epochs=5, batch_size=1, verbose=0)
    model.save(tmp_path / "m")
    assert fn.load_model(tmp_path / "m").figures["last_epoch"]["loss"] is None


@pytest.mark.parametrize(
    "receipt",
    [
        {"runs": {}},
        {"runs": [1]},
        {"runs": [{"epochs": "3"}]},
        {"runs": [{"steps": [1]}]},
        {"seed": "0"},
        {"initial_weights": 3},
        {"command": []},
        {"earlier": [1]},
        {"earlier": {"runs": "many"}},
    ],
)
def test_a_receipt_that_makes_no_sense_is_refused(receipt: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="receipt must be"):
        _receipt.Receipt.from_dict(receipt)


def test_a_receipt_with_unknown_entries_is_accepted() -> None:
    receipt = _receipt.Receipt.from_dict({"seed": 3, "runs": [{"epochs": 2, "weather": "fine"}], "moon": "full"})
    (run,) = receipt.as_dict("")["runs"]
    assert (run["epochs"], run["steps"], run["weather"]) == (2, 0, "fine")


def test_a_model_that_is_saved_while_it_trains_says_so(tmp_path: Path) -> None:
    fitted(epochs=2, callbacks=[fn.callbacks.ModelCheckpoint(tmp_path / "m")])
    model = fn.load_model(tmp_path / "m")
    run = last_run(model)
    assert (run["fit"]["epochs"], run["ended"]) == (2, None)
    model.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "m").read_bytes()


def test_what_json_cannot_hold_becomes_plain() -> None:
    values = {1: np.float32(0.5), "a": (np.int64(3), None, True), "b": np.inf, "c": {"d": object()}, "e": {4}}
    text = json.dumps(_receipt.json_value(values), allow_nan=False)
    assert json.loads(text) == {"1": 0.5, "a": [3, None, True], "b": None, "c": {"d": "object"}, "e": [4]}
