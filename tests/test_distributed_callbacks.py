"""Callbacks and checkpoints of `fit` on several ranks, and one decision of all of them to end."""

import time
from pathlib import Path
from typing import Any

import pytest

from fastnet.callbacks import BackupAndRestore, Callback, CSVLogger, EarlyStopping, LambdaCallback, ModelCheckpoint
from fastnet.training.checkpoints import Checkpoints
from ranks import RUNS, SHARDS, Ranks, on
from runs import BATCH, EPOCHS, LABELS, Killed, Run, X
from stored import in_small_blocks  # noqa: F401

# ---- Callbacks -------------------------------------------------------------------------------------------------------


def test_rank_0_alone_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def train(rank: int) -> None:
        folder = tmp_path / str(rank)
        model = Run().model()
        callbacks = [
            CSVLogger(f"{folder}.csv"),
            ModelCheckpoint(f"{folder}.safetensors"),
            BackupAndRestore(folder, delete_checkpoint=False),
            EarlyStopping("loss", min_delta=9.0, verbose=1),
        ]
        model.fit(X, LABELS, verbose=2, epochs=5, callbacks=callbacks)
        model.evaluate(X, LABELS)

    assert Ranks(3, 3, train).result is None
    assert {path.name for path in tmp_path.iterdir()} == {"0", "0.csv", "0.safetensors"}
    lines = capsys.readouterr().out.splitlines()
    first_words = [line.partition(" ")[0] for line in lines]
    # A slow machine gets an estimate of the time, too.
    assert [word for word in first_words if word != "About"] == ["Epoch", "Epoch", "Epoch", "loss:"]


def test_callbacks_see_the_same_on_all_ranks() -> None:
    def train(rank: int) -> Any:
        seen: list[Any] = []
        hooks = {
            "on_epoch_end": lambda epoch, logs: seen.append((epoch, dict(logs))),
            "on_train_batch_end": lambda batch, logs: seen.append((batch, dict(logs))),
        }
        Run(callbacks=lambda: [LambdaCallback(**hooks)])()
        return repr(seen)

    assert Ranks(3, SHARDS, train).result == Ranks(1, SHARDS, train).result


@pytest.mark.parametrize("where", ["on_train_batch_end", "on_train_batch_begin", "on_epoch_end"])
@pytest.mark.parametrize("who", [None, 0, 2])
def test_training_stops_on_all_ranks_where_one_wants_it(where: str, who: int | None) -> None:
    def train(rank: int) -> Any:
        model = Run().model()

        def stop(number: int, logs: Any) -> None:
            if number == 2 and (who is None or rank == who or size == 1):
                model.stop_training = True

        history = model.fit(X, LABELS, batch_size=BATCH, epochs=9, verbose=0, callbacks=LambdaCallback(**{where: stop}))
        return repr(history.history), model.optimizer.iterations, model.get_weights()[0].tobytes()

    size = 1
    alone = Ranks(size, SHARDS, train).result
    size = 3
    assert Ranks(size, SHARDS, train).result == alone
    assert alone[1] == (15 if where == "on_epoch_end" else 3)


def test_a_callback_of_one_rank_may_have_hooks_for_batches() -> None:
    def train(rank: int) -> Any:
        seen: list[int] = []
        own = [LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(batch))] if rank == 1 else []
        outcome = Run(callbacks=lambda: own)()
        assert len(seen) == (EPOCHS * 5 if rank == 1 else 0)
        return outcome

    assert Ranks(2, SHARDS, train).result == on(1, Run())


class Slow(Callback):
    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def on_train_progress(self, step: int, steps: int, logs: Any = None) -> None:
        time.sleep(self.seconds)


def test_when_the_time_of_one_rank_is_over_all_end_after_the_same_step() -> None:
    def train(rank: int) -> Any:
        model = Run().model()
        started = time.perf_counter()
        history = model.fit(X, LABELS, epochs=10**6, verbose=0, max_time=0.3, callbacks=[Slow(0.01 * rank)])
        assert time.perf_counter() - started < 20
        assert history.out_of_time
        return repr(history.history), model.optimizer.iterations, model.get_weights()[0].tobytes()

    assert Ranks(3, SHARDS, train).result[1] > 0


# ---- Checkpoints -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["dropout, momentum", "metrics", "batch by batch", "steps"])
def test_resumed_on_another_number_of_ranks_after_every_checkpoint(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RUNS[case]
    expected = on(1, run)
    save = Checkpoints._save

    def save_and_die(self: Checkpoints, **keywords: Any) -> None:
        save(self, **keywords)
        self.wait()
        raise Killed

    monkeypatch.setattr(Checkpoints, "_save", save_and_die)
    for kills in range(100):
        size = (1, 3, 2, 8, 5)[kills % 5]
        ranks = Ranks(size, SHARDS, lambda rank: run(BackupAndRestore(tmp_path / "backup", save_freq=4)))
        if ranks.errors == [None] * size:
            break
        assert size == 1 or ranks.aborts == ["rank 0 ended with Killed"], ranks.errors
    assert kills > 2
    assert ranks.result == expected


def test_another_number_of_shards_is_refused_on_all_ranks(tmp_path: Path) -> None:
    def train(rank: int) -> Any:
        return Run()(BackupAndRestore(tmp_path, delete_checkpoint=False))

    assert Ranks(2, 8, train).result
    ranks = Ranks(2, 4, train)
    assert not ranks.aborts
    for error in ranks.errors:
        assert "fit.shards was 8, now it is 4" in str(error)
    with pytest.raises(ValueError, match=r"fit.shards was 8, now it is null"):
        train(0)
