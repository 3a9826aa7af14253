"""Models that nobody uses any more leave nothing behind."""

import copy
import gc
import pickle
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet as fn
from fastnet.callbacks import BackupAndRestore, EarlyStopping, History

X = np.random.default_rng(0).normal(size=(64, 6)).astype("f4")
LABELS = np.arange(64) % 3


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    """Python's garbage collector does not run: what is freed is freed because nothing refers to it."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def built() -> fn.Sequential:
    model = fn.Sequential(
        [fn.Dense(5, "relu", input_shape=(6,)), fn.layers.Dropout(0.1), fn.Dense(3, "softmax")], seed=0
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy", "sparse_top_k_categorical_accuracy"])
    return model


def fitted(**arguments: Any) -> fn.Sequential:
    model = built()
    model.fit(X, LABELS, **{"verbose": 0, "validation_split": 0.2, **arguments})
    return model


def loaded(folder: Path) -> fn.Sequential:
    model = fitted()
    model.save(folder / "model.safetensors")
    return fn.load_model(folder / "model.safetensors")


WAYS: dict[str, Callable[[Path], fn.Sequential]] = {
    "built": lambda folder: built(),
    "fitted": lambda folder: fitted(),
    "fitted with a bar": lambda folder: fitted(verbose=1),
    "stopped early": lambda folder: fitted(callbacks=[EarlyStopping(restore_best_weights=True)], epochs=3),
    "backed up": lambda folder: fitted(callbacks=[BackupAndRestore(folder / "backup")], epochs=2),
    "debugged": lambda folder: fitted(debug=True),
    "loaded": loaded,
    "unpickled": lambda folder: pickle.loads(pickle.dumps(fitted())),
    "copied": lambda folder: copy.deepcopy(fitted()),
}


@pytest.mark.filterwarnings("ignore::fastnet.exceptions.DoctorWarning")
@pytest.mark.parametrize("way", WAYS)
def test_a_model_is_freed_with_its_last_reference(way: str, tmp_path: Path) -> None:
    model = WAYS[way](tmp_path)
    model.predict(X)
    model.summary(print_fn=lambda line: None)
    gone = weakref.ref(model)
    del model
    assert gone() is None


def test_training_data_are_freed_with_their_last_reference() -> None:
    class Data(np.ndarray):
        pass

    x, model = X.copy().view(Data), built()
    gone = weakref.ref(x)
    model.fit(x, LABELS, verbose=0, validation_data=(x, LABELS))
    model.evaluate(x, LABELS, verbose=0)
    model.predict(x)
    del x
    assert gone() is None


def test_a_history_outlives_its_name_and_has_its_model() -> None:
    model = built()
    history = model.fit(X, LABELS, epochs=2, verbose=0)
    assert model.history is history
    assert history.model is model
    recorded = history.history
    del history
    assert model.history is not None
    assert model.history.history == recorded
    assert model.history.epoch == [0, 1]
    assert model.history.model is model
    assert model.history is model.history
    assert fitted().fit(X, LABELS, verbose=0).model.history is not None


def test_a_history_of_a_class_of_its_own_stays_one() -> None:
    class Mine(History):
        def __init__(self) -> None:
            super().__init__()
            self.notes = ["begun"]

    model = built()
    model.fit(X, LABELS, verbose=0, callbacks=[Mine()])
    assert type(model.history) is Mine
    assert model.history.notes == ["begun"]
    model.history = None
    assert model.history is None


# ---- The size of a process ------------------------------------------------------------------------------------------

CHURN = """
import os, random, sys, threading
import numpy as np
import fastnet as fn

def size():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

def churn(seed, count):
    "Make models of many sizes, ten of which are there at a time."
    choose = random.Random(seed)
    kept = [None] * 10
    for i in range(count):
        inputs, units = choose.choice([4, 60, 300]), choose.randint(3, 600)
        model = fn.Sequential([fn.Dense(units, "relu", input_shape=(inputs,), kernel_initializer="zeros"), fn.Dense(4)])
        if TRAIN:
            model.compile("adam", "mse")
            model.train_on_batch(np.ones((8, inputs), "f4"), np.ones((8, 4), "f4"))
        model(np.ones((choose.randint(1, 400), inputs), "f4"))
        kept[choose.randrange(10)] = model

sizes = []
for round in range(10):
    if THREADS == 1:
        churn(round, 60)
    else:
        threads = [threading.Thread(target=churn, args=(10 * round + i, 15)) for i in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    sizes.append(size())
print(*sizes)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("train", [False, True], ids=["built", "trained"])
@pytest.mark.parametrize("threads", [1, 4])
def test_a_process_that_makes_many_models_does_not_grow(threads: int, train: bool) -> None:
    program = CHURN.replace("THREADS", str(threads)).replace("TRAIN", str(train))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    sizes = [float(size) for size in done.stdout.split()]
    # MiB. The models that are there at a time take about 20 for each thread.
    assert max(sizes) < 60 + 20 * threads, sizes
    assert max(sizes[5:]) < max(sizes[:5]) + 8, sizes
