"""Where the system gives no threads, what would have run beside the program runs in it."""

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import fastnet as fn
from asking import client
from fastnet.callbacks import BackupAndRestore
from fastnet.files import safetensors as _safetensors
from fastnet.files.atomic import Beside
from fastnet.serve import create_app
from fastnet.serve.batching import Batcher

X = np.random.default_rng(0).random((200, 8))


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)


def model() -> fn.Sequential:
    result = fn.Sequential([fn.Dense(50, "relu", input_shape=(8,)), fn.Dense(3, "softmax")], seed=0)
    result.compile("adam", "sparse_categorical_crossentropy")
    return result


def test_a_call_beside_the_program_gives_its_result_and_its_error(request: pytest.FixtureRequest) -> None:
    def fail() -> None:
        raise ValueError("wrong")

    main = threading.get_ident()
    assert Beside(threading.get_ident).result() != main
    with pytest.raises(ValueError, match="wrong"):
        Beside(fail).result()
    request.getfixturevalue("no_threads")
    assert Beside(threading.get_ident).result() == main
    with pytest.raises(ValueError, match="wrong"):
        Beside(fail).result()


def test_large_models_are_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_threads: None) -> None:
    expected = model()
    expected.save(tmp_path / "small.safetensors")
    monkeypatch.setattr(_safetensors, "_LARGE", 0)
    expected.save(tmp_path / "large.safetensors")
    assert (tmp_path / "large.safetensors").read_bytes() == (tmp_path / "small.safetensors").read_bytes()
    np.testing.assert_array_equal(fn.load_model(tmp_path / "large.safetensors").predict(X), expected.predict(X))


def test_training_writes_checkpoints_and_goes_on_from_them(tmp_path: Path, no_threads: None) -> None:
    whole, cut = model(), model()
    whole.fit(X, np.arange(200) % 3, epochs=4, verbose=0)
    for epochs in (2, 4):
        backup = BackupAndRestore(tmp_path, delete_checkpoint=False)
        cut.fit(X, np.arange(200) % 3, epochs=epochs, verbose=0, callbacks=[backup])
        assert list(tmp_path.iterdir())
    np.testing.assert_array_equal(cut.predict(X), whole.predict(X))


def test_a_server_answers(no_threads: None) -> None:
    served = fn.Sequential([fn.Dense(3000, input_shape=(8,)), fn.Dense(3000), fn.Dense(3, "softmax")], seed=0)

    async def ask() -> None:
        async with client(create_app(served)) as asking:
            answers = await asyncio.gather(*(asking.post("/predict", json={"instance": row.tolist()}) for row in X[:4]))
            found = [answer.json()["predictions"][0]["probabilities"] for answer in answers]
            np.testing.assert_allclose(found, served.predict(X[:4]), rtol=1e-5)
            assert (await asking.post("/explain", json={"instance": X[0].tolist()})).status_code == 200

    asyncio.run(ask())


def test_a_thread_is_used_again_when_there_is_one(request: pytest.FixtureRequest) -> None:
    called: list[int] = []

    def predict(rows: np.ndarray) -> np.ndarray:
        called.append(threading.get_ident())
        return rows

    batcher = Batcher(predict, 10)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda thread: (_ for _ in ()).throw(RuntimeError("no thread")))
        asyncio.run(batcher.predict(X[:1]))
    asyncio.run(batcher.predict(X[:1]))
    batcher.close()
    assert called[0] == threading.get_ident()
    assert called[1] != threading.get_ident()
    assert len(called) == 2


# As a user without rights, whom alone the limit concerns. What the work imports is there before, from where that user may
# not read.
LIMITED = """
import os, resource, sys, tempfile, threading
from pathlib import Path
import numpy as np
import fastnet as fn
from fastnet import _core
from fastnet.files import safetensors as _safetensors
from fastnet.callbacks import BackupAndRestore

_safetensors._LARGE = 0
x, y = np.random.default_rng(0).random((4000, 200), "f4"), np.arange(4000) % 3

def work():
    model = fn.Sequential([fn.Dense(300, "relu", input_shape=(200,)), fn.Dense(3, "softmax")], seed=0)
    model.compile("adam", "sparse_categorical_crossentropy")
    with tempfile.TemporaryDirectory() as folder:
        backup = BackupAndRestore(Path(folder) / "backup", delete_checkpoint=False)
        model.fit(x, y, batch_size=500, verbose=0, callbacks=[backup])
        model.save(Path(folder) / "model.safetensors")
        assert (fn.load_model(Path(folder) / "model.safetensors").predict(x) == model.predict(x)).all()
    return fn.gemm(x, x.T).sum(), model.predict(x).sum()

fn.set_num_threads(1)
expected = work()
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
try:
    threading.Thread(target=len, args=("",)).start()
except RuntimeError:
    pass
else:
    sys.exit(77)
fn.set_num_threads(8)
_core.rest_teams(False)
assert work() == expected
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit of threads for each user")
def test_a_user_who_may_start_no_thread_trains_and_saves() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED], capture_output=True, text=True, check=False, timeout=60, cwd="/"
    )
    if done.returncode == 77:
        pytest.skip("the limit of threads does not hold here")
    assert done.returncode == 0, done.stderr[-3000:]
