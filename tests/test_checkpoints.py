"""Checkpoints as files in a folder: what they are, which are kept, what is refused, Ctrl-C."""

import errno
import json
import math
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastnet as fn
from fastnet.callbacks import BackupAndRestore, CSVLogger, LambdaCallback, ModelCheckpoint
from fastnet.files.checkpoint_file import DamagedError, OtherFormatError, contents_of, read_checkpoint, write_checkpoint
from fastnet.files.checkpoint_folder import CheckpointFolder
from fastnet.files.safetensors import write
from runs import EPOCHS, LABELS, Run, X

# --- The file --------------------------------------------------------------------------------------------------------

STATE: dict[str, Any] = {
    "numbers": [1, -2.5, 0.1, 2**127, True, None, "text", math.inf, -math.inf],
    "arrays": {
        "a.b": np.arange(3),
        "a": {"b": np.array([True, False])},
        "scalar": np.float32(0.1),
        "none": np.empty(0),
    },
}


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    weights = {"layers.0.dense.kernel": np.ones((2, 3), np.float32).T}
    write_checkpoint(tmp_path / "c.safetensors", contents_of({**STATE, "nan": math.nan}, weights))
    state, arrays = read_checkpoint(tmp_path / "c.safetensors")
    assert state["numbers"] == STATE["numbers"]
    assert math.isnan(state["nan"])
    assert_array_equal(state["arrays"]["a.b"], [0, 1, 2])
    assert state["arrays"]["a"]["b"].tolist() == [True, False]
    assert state["arrays"]["scalar"] == float(np.float32(0.1))
    assert state["arrays"]["none"].shape == (0,)
    assert list(arrays) == list(weights)
    assert_array_equal(arrays["layers.0.dense.kernel"], np.ones((3, 2)))


def test_the_safetensors_library_reads_a_checkpoint(tmp_path: Path) -> None:
    run = Run("batch-norm")
    run(BackupAndRestore(tmp_path / "backup", delete_checkpoint=False))
    import safetensors

    path = sorted((tmp_path / "backup").iterdir())[-1]
    with safetensors.safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
        state = json.loads(metadata["state"])
        kernel = file.get_tensor("layers.0.dense.kernel")
        assert file.get_tensor("optimizer.state").size == 2 * (6 * 5 + 5 + 10 + 5 * 3 + 3)
    assert (metadata["format"], metadata["format_version"]) == ("fastnet-checkpoint", "1")
    assert kernel.tobytes() == run()[0][0]
    assert state["position"]["epoch"] == EPOCHS


@pytest.mark.parametrize("value", [object(), {1: 2}, {1, 2}, 1j])
def test_what_json_cannot_hold_is_refused_with_its_place(value: Any) -> None:
    with pytest.raises(TypeError, match=r"state\.callbacks\.1"):
        contents_of({"callbacks": [0, value]}, {})


def test_a_damaged_file_is_told_from_one_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    write_checkpoint(path, contents_of(STATE, {}))
    whole = path.read_bytes()
    for position in range(0, len(whole), 7):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 4]) + whole[position + 1 :])
        with pytest.raises((DamagedError, OtherFormatError)):
            read_checkpoint(path)
        path.write_bytes(whole[:position])
        with pytest.raises(DamagedError):
            read_checkpoint(path)
    write(path, {}, {"format": "fastnet-checkpoint", "format_version": "2", "fastnet_version": "9", "state": "{}"})
    with pytest.raises(OtherFormatError, match="written by fastnet 9 in format version 2"):
        read_checkpoint(path)
    fn.Sequential([fn.Dense(1, input_shape=(2,))]).save(path)
    with pytest.raises(OtherFormatError, match="not a checkpoint"):
        read_checkpoint(path)


# --- The folder ------------------------------------------------------------------------------------------------------


def names(folder: Path) -> list[str]:
    return sorted(path.name.removeprefix("checkpoint-").removesuffix(".safetensors") for path in folder.iterdir())


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, ["000002-000000000", "000003-000000000"]),
        ({"keep": 1}, ["000003-000000000"]),
        ({"keep": 9}, [f"00000{epoch}-000000000" for epoch in (1, 2, 3)]),
        (
            {"save_freq": 2, "keep": 3},
            ["000002-000000000", "000002-000000002", "000002-000000004", "000003-000000000"][1:],
        ),
        ({"seconds": 1e9}, ["000003-000000000"]),
    ],
)
def test_the_last_checkpoints_are_kept(options: dict[str, Any], kept: list[str], tmp_path: Path) -> None:
    Run()(BackupAndRestore(tmp_path / "backup", delete_checkpoint=False, **options))
    assert names(tmp_path / "backup") == kept


def test_the_best_is_kept_besides(tmp_path: Path) -> None:
    figures = iter([3.0, 1.0, 2.0, 4.0])
    losses = LambdaCallback(on_test_end=lambda logs: logs.update(loss=next(figures)))
    run = Run(callbacks=lambda: [losses], epochs=4)
    run(BackupAndRestore(tmp_path, delete_checkpoint=False, keep=1, keep_best=True, seconds=1e9))
    assert names(tmp_path) == ["000002-000000000-best", "000004-000000000"]


def interrupted(run: Run, folder: Path, epochs: int = 2, **backup: Any) -> None:
    """Train for some epochs of a run, and leave checkpoints."""

    def stop(epoch: int, logs: Any) -> None:
        if epoch == epochs:
            raise KeyboardInterrupt

    run(LambdaCallback(on_epoch_begin=stop), BackupAndRestore(folder, **backup))


def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path: Path) -> None:
    run = Run("dropout")
    interrupted(run, tmp_path)
    newest = sorted(tmp_path.iterdir())[-1]
    newest.write_bytes(newest.read_bytes()[:-1])
    backup = BackupAndRestore(tmp_path, delete_checkpoint=False, keep=1)
    with pytest.warns(UserWarning, match=r"checkpoint-000002-000000000\.safetensors.*the checkpoint before it"):
        assert run(backup) == run()
    assert backup.resumed_from == str(tmp_path / "checkpoint-000001-000000000.safetensors")
    assert names(tmp_path) == ["000003-000000000"]


def test_damaged_checkpoints_alone_are_an_error(tmp_path: Path) -> None:
    interrupted(Run(), tmp_path, keep=1)
    (path,) = tmp_path.iterdir()
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"no checkpoint in .* is intact"):
        Run()(BackupAndRestore(tmp_path))


def test_a_state_that_lacks_something_is_refused_with_the_name_of_its_file(tmp_path: Path) -> None:
    interrupted(Run(), tmp_path, keep=1)
    (path,) = tmp_path.iterdir()
    whole, arrays = read_checkpoint(path)
    # Metrics are those of an epoch in progress, and there are no best weights before one ends.
    for key in sorted({*whole, *arrays} - {"metrics", "best.weights"}):
        state = {name: part for name, part in whole.items() if name != key}
        write_checkpoint(path, contents_of(state, {name: array for name, array in arrays.items() if name != key}))
        with pytest.raises(ValueError, match=path.name):
            Run()(BackupAndRestore(tmp_path))


def test_what_a_kill_left_behind_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".fastnet-0123abcd.tmp").write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("mine")
    Run()(BackupAndRestore(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (Run("dropout"), r"model\.layers was .*Dense.*, now it is .*Dropout"),
        (Run("dense", "sgd"), r"compile\.optimizer\.class_name was \"Adam\", now it is \"SGD\""),
        (Run(optimizer=lambda: fn.optimizers.Adam(0.02)), r"learning_rate was 0\.01, now it is 0\.02"),
        (Run(dtype="float64"), r"model\.dtype was \"float32\", now it is \"float64\""),
        (Run(batch_size=11), r"fit\.batch_size was 10, now it is 11"),
        (Run(data=lambda: (X[:40], LABELS[:40])), r"fit\.x was \"44 rows\", now it is \"40 rows\""),
        (Run(sample_weight=np.ones(44)), r"fit\.x was \"44 rows\", now it is \"44 rows with weights\""),
        (Run(validation=None), r"fit\.validation_data was \"20 rows\", now it is null"),
        (Run(data=lambda: (X + 1, LABELS)), r"data\.x\.sha256 was .*, now it is "),
        (Run(callbacks=lambda: [fn.callbacks.EarlyStopping()]), r"fit\.callbacks was .*, now it is .*EarlyStopping"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(other: Run, difference: str, tmp_path: Path) -> None:
    interrupted(Run(), tmp_path)
    with pytest.raises(ValueError, match=difference):
        other(BackupAndRestore(tmp_path))


def test_the_files_of_models_are_equal_too(tmp_path: Path) -> None:
    def trained(*callbacks: fn.callbacks.Callback) -> bytes:
        model = Run("dropout").model()
        model.fit(X, LABELS, epochs=3, verbose=0, callbacks=list(callbacks))
        model.save(tmp_path / "model.safetensors")
        return (tmp_path / "model.safetensors").read_bytes()

    def stop(epoch: int, logs: Any) -> None:
        raise RuntimeError("the end")

    stopping = LambdaCallback(on_epoch_end=stop)
    with pytest.raises(RuntimeError, match="the end"):
        trained(BackupAndRestore(tmp_path / "backup", save_freq=1), stopping)
    assert trained(BackupAndRestore(tmp_path / "backup")) == trained()


@pytest.mark.parametrize("optimizer", ["adam", "average", "accumulation"])
def test_a_run_may_go_on_for_more_epochs(optimizer: str, tmp_path: Path) -> None:
    for epochs in (2, 3):
        run = Run(optimizer=optimizer, epochs=epochs)
        assert run(BackupAndRestore(tmp_path, delete_checkpoint=False)) == run()
    assert run(backup := BackupAndRestore(tmp_path)) == run()  # with nothing left to do
    assert backup.resumed_from is not None
    assert backup.seconds_before > 0.0
    assert not tmp_path.exists()


def test_the_model_of_an_interrupted_run_goes_on_itself(tmp_path: Path) -> None:
    run = Run(
        optimizer="momentum", callbacks=lambda: [fn.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)]
    )
    model = run.model()
    stop = LambdaCallback(on_epoch_end=lambda epoch, logs: signal.raise_signal(signal.SIGINT) if epoch == 1 else None)
    for more in ([stop], []):
        history = model.fit(
            *(X, LABELS, 10, 3, 0), [*run.callbacks(), *more, BackupAndRestore(tmp_path)], 0.0, (X[:20], LABELS[:20])
        )
        assert history.interrupted == bool(more)
    assert ([array.tobytes() for array in model.get_weights()], repr(history.history)) == run()


def test_models_without_a_seed_go_on_with_the_numbers_that_they_drew(tmp_path: Path) -> None:
    run = Run("dropout", seed=None)
    whole = run(BackupAndRestore(tmp_path / "whole", save_freq=2, keep=100, delete_checkpoint=False))
    for path in sorted((tmp_path / "whole").iterdir()):
        folder = tmp_path / path.stem
        folder.mkdir()
        (folder / path.name).write_bytes(path.read_bytes())
        assert run(BackupAndRestore(folder)) == whole


# --- Time and Ctrl-C -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_batch", [False, True])
def test_ctrl_c_writes_a_checkpoint_at_the_end_of_the_step(by_batch: bool, tmp_path: Path) -> None:
    times = 5 if by_batch else 300
    x, y = np.tile(X, (times, 1)), np.tile(LABELS, times)

    def press(epoch: int, logs: Any) -> None:
        signal.raise_signal(signal.SIGINT)

    def run(*more: Any) -> Run:
        batches = [LambdaCallback(on_train_batch_end=lambda batch, logs: None)] if by_batch else []
        fit = {"batch_size": 1, "epochs": 2, "max_time": 1e9}  # with a limit progress is reported every 2 ms
        return Run("dropout", data=lambda: (x, y), callbacks=lambda: [*more, *batches], **fit)

    before = signal.getsignal(signal.SIGINT)
    run(LambdaCallback(on_epoch_begin=press))(BackupAndRestore(tmp_path, seconds=1e9))
    assert signal.getsignal(signal.SIGINT) is before
    (path,) = tmp_path.iterdir()
    state, _ = read_checkpoint(path)
    assert state["position"]["epoch"] == 0
    assert 0 < state["position"]["steps"] < len(x)
    assert run()(BackupAndRestore(tmp_path)) == run()()


@pytest.mark.parametrize("options", [{"seconds": 1e9}, {"save_freq": 1}, {}])
@pytest.mark.parametrize("hook", ["on_train_batch_end", "on_test_begin", "on_test_batch_end"])
def test_ctrl_c_in_a_validation_ends_it_at_once_and_training_goes_on_before_it(
    hook: str, options: dict[str, Any], tmp_path: Path
) -> None:
    calls: list[str] = []

    def press(*_: Any) -> None:
        calls.append(hook)
        if hook == "on_test_begin" or len(calls) == 5:  # the last batch of an epoch, the fifth of a validation
            signal.raise_signal(signal.SIGINT)

    validation = np.tile(X, (10, 1)), np.tile(LABELS, 10)
    run = Run(
        "batch-norm",
        validation=lambda: validation,
        metrics=lambda: ["accuracy", fn.metrics.F1Score("macro")],
        validation_batch_size=50,
    )
    before = signal.getsignal(signal.SIGINT)
    run.callbacks = lambda: [LambdaCallback(**{hook: press})]
    run(BackupAndRestore(tmp_path, **options))
    assert signal.getsignal(signal.SIGINT) is before
    assert len(calls) == (1 if hook == "on_test_begin" else 5), "it was not at once"
    state, _ = read_checkpoint(sorted(tmp_path.iterdir())[-1])
    assert (state["position"]["epoch"], state["position"]["steps"]) == (0, 5)
    run.callbacks = list
    assert run(BackupAndRestore(tmp_path)) == run()


def test_a_long_epoch_pauses_at_a_step_that_is_asked_for(tmp_path: Path) -> None:
    reports: list[int] = []
    count = LambdaCallback(on_train_progress=lambda step, steps, logs: reports.append(step))
    rows = 10**5
    while not reports:  # until an epoch is long enough for its progress to be reported
        rows *= 2
        x, y = np.resize(X, (rows, 6)), np.resize(LABELS, rows)
        backup = BackupAndRestore(tmp_path / str(rows), save_freq=rows // 4 - 1, delete_checkpoint=False)
        Run("dropout").model().fit(x, y, 4, verbose=0, callbacks=[count, backup])
    assert f"000000-{rows // 4 - 1:09d}" in names(tmp_path / str(rows))


def test_the_end_of_the_time_leaves_a_checkpoint(tmp_path: Path) -> None:
    long = Run("dropout", epochs=10**6, max_time=0.05)
    long(BackupAndRestore(tmp_path, seconds=1e9))
    (path,) = tmp_path.iterdir()
    state, _ = read_checkpoint(path)
    assert state["seconds"] >= 0.05
    done = state["position"]["epoch"] + 1
    assert Run("dropout", epochs=done)(BackupAndRestore(tmp_path)) == Run("dropout", epochs=done)()


def test_time_that_was_used_up_before_is_over(tmp_path: Path) -> None:
    long = Run(epochs=10**6, max_time=0.05)
    results = [long(BackupAndRestore(tmp_path, seconds=1e9)) for _ in range(2)]
    assert results[0] == results[1]


def test_a_folder_that_cannot_be_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Run()(BackupAndRestore(tmp_path / "file"))


def test_a_full_disk_does_not_end_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any, **keywords: Any) -> None:
        raise OSError(errno.ENOSPC, "cannot write checkpoint: no space left on device")

    monkeypatch.setattr(CheckpointFolder, "write", fail)
    with pytest.warns(RuntimeWarning, match="no space left on device; training continues without this checkpoint"):
        assert Run()(BackupAndRestore(tmp_path)) == Run()()


# --- Arguments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"save_freq": 0}, ValueError, "save_freq must be"),
        ({"save_freq": "batch"}, TypeError, "save_freq must be"),
        ({"seconds": -1}, ValueError, "seconds must be"),
        ({"seconds": 1, "save_freq": 3}, ValueError, "seconds or save_freq, not both; got 1 and 3"),
        ({"keep": 0}, ValueError, "keep must be"),
        ({"keep_best": 1}, TypeError, "keep_best must be"),
        ({"delete_checkpoint": None}, TypeError, "delete_checkpoint must be"),
    ],
)
def test_arguments_are_checked(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        BackupAndRestore("backup", **options)


def test_one_backup_is_enough(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at most one BackupAndRestore; got 2"):
        Run()(BackupAndRestore(tmp_path), BackupAndRestore(tmp_path))


# --- Other callbacks that write --------------------------------------------------------------------------------------


def test_a_csv_log_has_every_epoch_once(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    run = Run(callbacks=lambda: [CSVLogger(log)], epochs=5)
    run()
    whole = log.read_text()
    interrupted(run, tmp_path / "backup", epochs=3, save_freq=7)  # a step of epoch 2 is the last that is kept
    assert len(log.read_text().splitlines()) == 4
    run(BackupAndRestore(tmp_path / "backup"))
    assert log.read_text() == whole
    interrupted(run, tmp_path / "backup")
    log.unlink()
    with pytest.raises(ValueError, match="lacks rows"):
        run(BackupAndRestore(tmp_path / "backup"))


@pytest.mark.parametrize("stops", [False, True])
def test_model_checkpoints_keep_the_last_and_the_best(stops: bool, tmp_path: Path) -> None:
    figures = [3.0, 1.0, 2.0, 4.0, 5.0]

    def run() -> Run:
        rest = iter(figures)
        losses = LambdaCallback(on_test_end=lambda logs: logs.update(loss=next(rest)))
        keep = ModelCheckpoint(tmp_path / "{epoch}-{val_loss:.0f}.safetensors", keep=2)
        return Run(callbacks=lambda: [losses, keep], epochs=5)

    if stops:
        interrupted(run(), tmp_path / "backup", epochs=4)
        del figures[:4]
    run()(BackupAndRestore(tmp_path / "backup"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2-1.safetensors", "4-4.safetensors", "5-5.safetensors"]


def test_keep_of_model_checkpoints_is_checked() -> None:
    with pytest.raises(ValueError, match="keep must be"):
        ModelCheckpoint("model.safetensors", keep=0)
