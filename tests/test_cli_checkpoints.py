"""`fastnet train --checkpoint`: Ctrl-C, going on, and what is refused."""

import signal
from pathlib import Path

import pytest

import fastnet as fn
from command import Run, start, write_flowers
from fastnet.cli import train
from fastnet.cli._arguments import parse_arguments


@pytest.fixture
def left(run: Run, flowers: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the checkpoints of a training that was interrupted before its result was printed."""

    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train, "measure", interrupt)
        assert run("train", flowers, "--epochs", 5, "--checkpoint", "left").status == 130
    assert list(Path("left").iterdir())
    return Path("left")


def test_ctrl_c_writes_a_checkpoint_and_says_how_to_go_on(run: Run, tmp_path: Path) -> None:
    arguments = ("train", "digits", "--epochs", 60, "--out", tmp_path / "m.safetensors")
    with start(*arguments, "--checkpoint", "c", "--every", "1h", cwd=tmp_path) as process:
        assert process.stderr is not None
        next(line for line in process.stderr if line.startswith("epoch"))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    line = err.splitlines()[-1]
    assert line.startswith("fastnet: interrupted in epoch ")
    assert "of 60; the same command with --resume continues from here; the best weights so far are in " in line
    (checkpoint,) = Path("c").iterdir()
    done = run(*arguments, "--checkpoint", "c", "--resume", "--threads", 1)
    assert done.status == 0
    assert f"resuming from {Path('c') / checkpoint.name}" in done.err
    assert not Path("c").exists()
    resumed = (tmp_path / "m.safetensors").read_bytes()
    assert run(*arguments).status == 0
    assert (tmp_path / "m.safetensors").read_bytes() == resumed


def test_a_folder_with_checkpoints_needs_a_word(run: Run, flowers: Path, left: Path) -> None:
    done = run("train", flowers, "--epochs", 5, "--checkpoint", left)
    assert done.status == 1
    assert done.err.splitlines()[-1].startswith(
        "fastnet: error: left has checkpoints: --resume continues from the last one"
    )
    assert run("train", flowers, "--epochs", 5, "--checkpoint", left, "--resume").status == 0


def test_resume_begins_where_there_is_no_checkpoint(run: Run, flowers: Path) -> None:
    done = run("train", flowers, "--epochs", 5, "--checkpoint", "new", "--resume", "--out", "a.safetensors")
    assert done.status == 0
    assert "going on" not in done.err
    assert run("train", flowers, "--epochs", 5, "--out", "b.safetensors").status == 0
    assert_same_weights("a.safetensors", "b.safetensors")


def assert_same_weights(first: str, second: str) -> None:
    for a, b in zip(fn.load_model(first).get_weights(), fn.load_model(second).get_weights(), strict=True):
        assert a.tobytes() == b.tobytes()


def test_other_data_are_refused(run: Run, flowers: Path, left: Path) -> None:
    write_flowers(flowers)
    text = flowers.read_text()
    flowers.write_text(text.replace("1.", "2.", 1))
    done = run("train", flowers, "--epochs", 5, "--checkpoint", left, "--resume")
    assert done.status == 1
    assert "is a checkpoint of another run: data.x.sha256 was " in done.err


@pytest.mark.parametrize(
    ("option", "difference"),
    [
        (("--epochs", 6), "epochs was 5, now it is 6"),
        (("--seed", 1), "data.x.sha256 was "),
        (("--lr", 0.5), "learning_rate was 0.003, now it is 0.5"),
        (("--schedule", "cosine"), 'another run: --schedule was "linear", now it is "cosine"'),
        (("--schedule", "one-cycle"), 'another run: --schedule was "linear", now it is "one-cycle"'),
        (("--early-stopping", 3), "another run: --early-stopping was null, now it is 3"),
        (("--hidden", "9,64"), "units was 64, now it is 9"),
        (
            ("--hidden", "9"),
            'model.layers was ["Rescaling", "Dense", "Dense", "Dense"], now it is ["Rescaling", "Dense", "Dense"]',
        ),
    ],
)
def test_other_arguments_are_refused(option: tuple[object, ...], difference: str, run: Run, left: Path) -> None:
    done = run("train", "flowers.csv", "--epochs", 5, "--checkpoint", left, "--resume", *option)
    assert done.status == 1
    assert difference in done.err


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("5m", 300), ("1h", 3600), ("1.5m", 90), ("0.2", 0.2)])
def test_times_have_units(text: str, seconds: float) -> None:
    assert parse_arguments(["train", "--checkpoint", "c", "--every", text]).every == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["0s", "-3", "s", "3x", "5ms", "inf", "", "1d"])
def test_other_times_are_refused(text: str, run: Run) -> None:
    done = run("train", "--checkpoint", "c", f"--every={text}")
    assert done.status == 2
    assert (
        f"argument --every: must be a time above 0 such as 30s, 5m, 1h or a number of seconds; got {text!r}" in done.err
    )


@pytest.mark.parametrize("option", [("--every", "3s"), ("--keep", 3), ("--resume",)])
def test_options_of_checkpoints_need_a_folder(option: tuple[object, ...], run: Run) -> None:
    done = run("train", *option)
    assert done.status == 2
    assert f"argument {option[0]}: needs --checkpoint DIR" in done.err


def test_keep_says_how_many_stay(run: Run, flowers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "measure", lambda *arguments: 1 / 0)
    for number in (1, 3):
        with pytest.raises(ZeroDivisionError):
            run("train", flowers, "--checkpoint", f"c{number}", "--every", "0.0001", "--keep", number, "--epochs", 9)
        assert len(list(Path(f"c{number}").iterdir())) == number
