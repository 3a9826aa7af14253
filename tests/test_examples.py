"""The programs in examples/ run as they stand and reach what they say."""

import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from fastnet.datasets import mnist

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
# What each program is run with, where it prints percentages, and what every one of them must reach.
RUNS = [
    ("mnist_98.py", ["--recipe", "lecture", "--seeds", "2"], r"seed \d+: (\d+\.\d+)%", 98.0),
    ("mnist_98.py", ["--recipe", "fast", "--seeds", "2"], r"seed \d+: (\d+\.\d+)%", 97.9),
    ("gradient_descent.py", ["--iterations", "120"], r"held out: (\d+\.\d)%", 60.0),
    ("softmax_derivative.py", [], r"test images: (\d+\.\d+)%", 92.0),
    ("csv_60000.py", ["--steps", "20"], r"mini-batches with Adam: (\d+\.\d)%", 82.0),
    ("step_by_step.py", ["--iterations", "130"], r"test images: (\d+\.\d+)%", 80.0),
    ("neuron_to_98.py", [], r"784-64-10: (\d+\.\d+)%", 97.2),
    ("embedded.py", [], r"in C: (\d+\.\d+)%", 95.5),
    ("mnist_cnn.py", ["--epochs", "1"], r"seed \d+: (\d+\.\d+)%", 95.5),
    ("deep_residual.py", ["--epochs", "2", "--plot", "deep.png"], r"residual: (\d+\.\d+)%", 92.0),
]
# Those that take 5 to 20 seconds with all of MNIST's training images are run with the first of them.
WITH_FEWER = {"csv_60000.py", "mnist_cnn.py", "deep_residual.py"}
FEWER = 12_000

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fewer_images(mnist_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for FASTNET_DATA with all test images of MNIST and some of the training images."""
    folder = tmp_path_factory.mktemp("fewer")
    for path in shutil.copytree(mnist_dir, folder / "mnist").glob("train-*"):
        path.unlink()
    for name, array in (("images-idx3", mnist.train_images()), ("labels-idx1", mnist.train_labels())):
        header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, FEWER, *array.shape[1:])
        (folder / "mnist" / f"train-{name}-ubyte").write_bytes(header + array[:FEWER].tobytes())
    return folder


def run(name: str | Path, arguments: list[str], folder: Path) -> str:
    program = [sys.executable, str(EXAMPLES / name), *arguments]
    done = subprocess.run(program, capture_output=True, text=True, cwd=folder, timeout=180, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_every_example_is_run() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {name for name, *_ in RUNS} | {
        "keras_convnet.py",
        "keras_lenet.py",
        "keras_slides.py",
        "search_on_a_cluster.py",
    }


@pytest.mark.parametrize(("name", "arguments", "pattern", "percent"), RUNS)
def test_example_reaches_its_accuracy(
    name: str,
    arguments: list[str],
    pattern: str,
    percent: float,
    fewer_images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if name == "embedded.py" and shutil.which("cc") is None:
        pytest.skip("needs a C compiler, cc")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    if name in WITH_FEWER:
        monkeypatch.setenv("FASTNET_DATA", str(fewer_images))
    out = run(name, arguments, tmp_path)
    reached = [float(found) for found in re.findall(pattern, out)]
    assert len(reached) == (2 if "--seeds" in arguments else 1), out
    assert min(reached) >= percent
    if "--plot" in arguments:
        assert (tmp_path / "deep.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("mnist_dir")
def test_the_program_of_the_slides_predicts_the_first_digits(tmp_path: Path) -> None:
    out = run("keras_slides.py", [], tmp_path)
    assert out.splitlines()[-2:] == ["[7 2 1 0 4]", "[7 2 1 0 4]"]
    (accuracy,) = re.findall(r"^loss: .* - accuracy: (\d+\.\d+)$", out, re.MULTILINE)
    assert float(accuracy) > 0.95  # 20 seeds gave 95.4 to 96.8%, and Keras itself is no better


@pytest.mark.parametrize(
    ("name", "epochs", "pattern", "least"),
    [
        ("keras_convnet.py", "epochs = 15", r"Test accuracy: (\d\.\d+)", 0.92),
        ("keras_lenet.py", "epochs=15", r"test accuracy: (\d\.\d+)", 0.85),
    ],
)
def test_a_program_of_keras_learns_in_its_first_epochs(
    name: str,
    epochs: str,
    pattern: str,
    least: float,
    fewer_images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = (EXAMPLES / name).read_text(encoding="utf-8")
    assert program.count(epochs) == 1
    short = tmp_path / name
    short.write_text(program.replace(epochs, re.sub(r"\d+", "2", epochs)), encoding="utf-8")
    monkeypatch.setenv("FASTNET_DATA", str(fewer_images))
    out = run(short, [], tmp_path)
    (accuracy,) = re.findall(pattern, out)
    assert float(accuracy) > least


def test_settings_are_searched_on_a_cluster_of_two_processes(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="needs Dask: pip install 'dask[distributed]'")
    out = run("search_on_a_cluster.py", ["--settings", "6"], tmp_path)
    assert "6 settings, 3 fits each, on 2 workers" in out
    (accuracy,) = re.findall(r"test images: (\d+\.\d)%", out)
    assert float(accuracy) > 96.0
    assert (tmp_path / "digits.safetensors").exists()
    assert "dask worker tcp://HOST:8786" in out


def test_a_gradient_vanishes_in_sigmoids_and_not_in_residual_blocks() -> None:
    import numpy as np

    sys.path.insert(0, str(EXAMPLES))
    try:
        import deep_residual
    finally:
        sys.path.pop(0)
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, size=(100, 784)).astype(np.uint8), rng.integers(0, 10, 100)
    norms = {}
    for name in ("plain", "residual"):
        model = getattr(deep_residual, name)()
        model.compile("sgd", "sparse_categorical_crossentropy")
        norms[name] = deep_residual.kernel_gradients(model, x, y)
        assert len(norms[name]) == 12
    assert norms["plain"][0] < 1e-5 * norms["plain"][-1]
    assert norms["residual"][0] > 0.1 * norms["residual"][-1]
