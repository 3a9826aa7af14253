"""`fastnet train --distributed` on one rank, which needs no MPI; tests/test_mpi.py has more ranks."""

import json
from pathlib import Path

import pytest

import fastnet as fn
from command import Run
from fastnet.distributed.distribution import current
from fastnet.serialization import read_metadata


def test_one_rank_trains_reports_and_is_verified(run: Run, flowers: Path) -> None:
    done = run("train", flowers, "--epochs", 2, "--distributed", "--out", "m", "--threads", 1)
    assert done.status == 0
    assert "\nranks: 1, which share 8 shards of every batch\n" in done.err
    assert " s on 1 rank of 1 thread, " in done.out
    assert json.loads(read_metadata("m")["receipt"])["command"]["arguments"]["shards"] == 8
    assert run("verify", "m", flowers, "--quiet").out.startswith("identical: ")
    assert current() is None


def test_the_shards_decide_the_result_and_are_in_every_record(run: Run, flowers: Path) -> None:
    weights = {}
    for name, options in {"3": ["--distributed", "--shards", 3], "8": ["--distributed"], "no": []}.items():
        done = run("train", flowers, "--epochs", 2, "--quiet", "--json", "--run-dir", name, *options)
        training = done.json["training"]
        assert (training.get("ranks"), training.get("shards")) == ((None, None) if name == "no" else (1, int(name)))
        model = fn.load_model(f"{name}/model.safetensors")
        assert model.receipt is not None
        assert model.receipt["runs"][0]["fit"].get("shards") == training.get("shards")
        weights[name] = model.receipt["weights"]
    assert len(set(weights.values())) == 3
    again = run("train", "--config", "3/config.json", "--quiet", "--out", "again")
    assert again.status == 0
    assert Path("again").read_bytes() == Path("3/model.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shards", 4], "argument --shards: needs --distributed"),
        (["--distributed", "--shards", 0], "argument --shards: "),
    ],
)
def test_shards_that_mean_nothing_are_refused(options: list[object], message: str, run: Run) -> None:
    done = run("train", *options)
    assert (done.status, done.out) == (2, "")
    assert message in done.err


def test_too_many_shards_are_an_error(run: Run) -> None:
    done = run("train", "--distributed", "--shards", 5000)
    assert (done.status, done.err) == (1, "fastnet: error: shards must be at most 4096; got 5000\n")


def test_checkpoints_know_the_shards(run: Run, flowers: Path) -> None:
    command = ["train", flowers, "--quiet", "--checkpoint", "c", "--epochs"]
    assert run(*command, 3, "--distributed", "--out", "m").status == 0
    assert not Path("c").exists()  # they are deleted at the end
