"""Training on data that stay on the disk: the same bits on any number of threads, and after a stop."""

import multiprocessing
import time
from pathlib import Path
from typing import Any

import pytest

import fastnet as fn
from fastnet.callbacks import BackupAndRestore, Callback
from stored import X, fitted, in_small_blocks, model, opened, train, written  # noqa: F401

pytestmark = pytest.mark.usefixtures("in_small_blocks")


@pytest.mark.usefixtures("teams_of_any_size")
def test_the_number_of_threads_changes_no_bit(tmp_path: Path) -> None:
    data, results = opened(tmp_path), []
    for threads in (1, 2, 3, 8):
        fn.set_num_threads(threads)
        results.append(fitted(data))
    assert results == results[:1] * 4
    assert results[0] != fitted(data, made=model(dropout=False))


class StopAt(Callback):
    """Ends training after a step, as a process that is killed does."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self._left = step

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._left -= 1
        if not self._left:
            raise ZeroDivisionError


@pytest.mark.parametrize("arguments", [{}, {"steps_per_epoch": 5, "epochs": 6}, {"shuffle": False}], ids=str)
def test_training_resumes_at_every_step(arguments: dict[str, Any], tmp_path: Path) -> None:
    data, arguments = opened(tmp_path), {"batch_size": 60, "validation_split": 0.1, **arguments}
    expected = fitted(data, **arguments)
    for step in range(1, 2 * 15):
        backup = tmp_path / str(step)
        with pytest.raises(ZeroDivisionError):
            fitted(data, callbacks=[BackupAndRestore(backup, save_freq=step), StopAt(step + 1)], **arguments)
        again = BackupAndRestore(backup, save_freq=1000)
        assert fitted(data, callbacks=[again], **arguments) == expected
        assert again.resumed_from is not None


def test_a_run_on_other_data_is_not_resumed(tmp_path: Path) -> None:
    data, backup = opened(tmp_path), tmp_path / "backup"
    with pytest.raises(ZeroDivisionError):
        fitted(data, callbacks=[BackupAndRestore(backup, save_freq=1), StopAt(3)])
    with pytest.raises(ValueError, match=r"another run: data\.x\.sha256"):
        fitted(fn.datasets.open(written(tmp_path, X[::-1])), callbacks=[BackupAndRestore(backup)])


def test_killed_runs_resume_with_the_same_bits(tmp_path: Path) -> None:
    written(tmp_path)
    context = multiprocessing.get_context("spawn")
    results = []
    for kills in (0, 2):
        folder = tmp_path / str(kills)
        folder.mkdir()
        written(folder)
        for attempt in range(kills + 1):
            receive, send = context.Pipe(duplex=False)
            process = context.Process(target=train, args=(folder, 1 + attempt % 2, send))
            process.start()
            receive.recv()
            if attempt < kills:
                while not any((folder / "backup").glob("*")):
                    time.sleep(0.001)
                process.kill()
            process.join()
        results.append((folder / "result").read_text())
    assert results[0] == results[1]
