"""Several Python threads use one model at once: each sees it as it was before or after what another one does."""

import _thread
import copy
import pickle
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet as fn
from fastnet import _core
from fastnet.callbacks import BackupAndRestore
from fastnet.files.checkpoint_folder import CheckpointFolder

SECONDS = 0.4


@pytest.fixture(autouse=True)
def threads_switch_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def at_once(*calls: Callable[[], Any], seconds: float = SECONDS) -> None:
    """Call functions again and again, each in a thread of its own, and raise what one of them raises."""
    end = time.monotonic() + seconds
    errors: list[BaseException] = []

    def repeat(call: Callable[[], Any]) -> None:
        try:
            while time.monotonic() < end and not errors:
                call()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=repeat, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def deep_model(seed: int = 0) -> fn.Sequential:
    layers = [fn.Dense(64, "relu", input_shape=(32,)), fn.layers.BatchNormalization()]
    return fn.Sequential([*layers, *(fn.Dense(64, "relu") for _ in range(4)), fn.Dense(3)], seed=seed)


def filled(model: fn.Sequential, value: float) -> list[np.ndarray]:
    return [np.full_like(array, value) for array in model.get_weights()]


def values_in(arrays: list[np.ndarray]) -> set[float]:
    return {float(value) for array in arrays for value in np.unique(array)}


def writers(model: fn.Sequential, folder: Path) -> dict[str, Callable[[float], Any]]:
    """Return the ways to give a model weights that are all one number."""
    files = {value: [folder / f"{value}.{kind}" for kind in ("safetensors", "weights")] for value in (1.0, 2.0)}
    for value, (whole, weights) in files.items():
        model.set_weights(filled(model, value))
        model.save(whole)
        model.save_weights(weights)
    return {
        "set_weights": lambda value: model.set_weights(filled(model, value)),
        "load_weights": lambda value: model.load_weights(files[value][0]),
        "of weights alone": lambda value: model.load_weights(files[value][1]),
        "skip_mismatch": lambda value: model.load_weights(files[value][0], skip_mismatch=True),
    }


@pytest.mark.parametrize("way", ["set_weights", "load_weights", "of weights alone", "skip_mismatch"])
def test_weights_change_all_at_once(way: str, tmp_path: Path) -> None:
    model = deep_model()
    write = writers(model, tmp_path)[way]
    x = np.ones((4, 32), "f4")
    outputs = set()
    for value in (1.0, 2.0):
        write(value)
        outputs.add(model.predict(x).tobytes())

    def change() -> None:
        write(1.0)
        write(2.0)

    def look() -> None:
        assert len(values_in(model.get_weights())) == 1
        assert model.predict(x).tobytes() in outputs
        assert list(model.activations(x).values())[-1].tobytes() in outputs
        assert len(values_in([*fn.load_model(saved()).get_weights()])) == 1

    def saved() -> Path:
        path = tmp_path / "saved.safetensors"
        model.save(path)
        return path

    at_once(change, look)


def test_a_layer_changes_all_at_once() -> None:
    layer = deep_model().layers[1]
    ones, twos = ([np.full_like(array, value) for array in layer.get_weights()] for value in (1.0, 2.0))

    def change() -> None:
        layer.set_weights(ones)
        layer.set_weights(twos)

    change()
    at_once(change, lambda: [len(values_in(layer.get_weights())) == 1 or pytest.fail("torn")])


def test_weights_that_do_not_fit_change_nothing() -> None:
    model = deep_model()
    before = model.get_weights()
    wrong = filled(model, 7.0)
    wrong[-1] = np.ones(4)
    with pytest.raises(ValueError, match=r"must have shape \(3,\)"):
        model.set_weights(wrong)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("way", ["onnx", "state_dict", "quantize"])
def test_what_is_made_of_a_model_has_the_weights_of_one_moment(way: str, tmp_path: Path) -> None:
    model = fn.Sequential([fn.Dense(16, input_shape=(16,)), *(fn.Dense(16) for _ in range(5))])
    x = np.ones((2, 16), "f4")

    def constants() -> set[float]:
        if way == "onnx":
            pytest.importorskip("onnx")
            model.to_onnx(tmp_path / "model.onnx")
            return values_in(fn.from_onnx(tmp_path / "model.onnx").get_weights())
        if way == "state_dict":
            return values_in(list(model.to_state_dict().values()))
        return {float(one.scale.max()) for one in model.quantize(x).operations if hasattr(one, "zero_point")}

    def change() -> None:
        model.set_weights(filled(model, 1.0))
        model.set_weights(filled(model, 2.0))

    change()
    at_once(change, lambda: [len(constants()) == 1 or pytest.fail("torn")])


# All weights of this model are the number of its steps, bit for bit, whenever none is in progress.
def counting_model() -> tuple[fn.Sequential, np.ndarray, np.ndarray]:
    model = fn.Sequential([fn.Dense(256, input_shape=(256,), kernel_initializer="zeros")])
    model.compile(fn.optimizers.SGD(256.0), "mae")
    return model, np.ones((64, 256), "f4"), np.full((64, 256), 1e9, "f4")


@pytest.mark.parametrize("way", ["pickle", "copy", "checkpoint"])
def test_a_copy_has_weights_and_optimizer_of_one_moment(way: str, tmp_path: Path) -> None:
    model, x, y = counting_model()
    model.fit(x, y, verbose=0)
    folder = CheckpointFolder(tmp_path, keep=2) if way == "checkpoint" else None

    def check() -> None:
        if way == "checkpoint":
            other = BackupAndRestore(tmp_path, save_freq=1, delete_checkpoint=False)
            model.fit(x, y, batch_size=16, epochs=2, verbose=0, callbacks=[other])
            assert folder is not None
            _, state, arrays = folder.newest()
            assert set(np.unique(arrays["layers.0.dense.kernel"])) == {state["optimizer"]["steps"]}
            for path in tmp_path.iterdir():
                path.unlink()
            return
        made = pickle.loads(pickle.dumps(model)) if way == "pickle" else copy.deepcopy(model)
        assert values_in(made.get_weights()) == {made._network.finished_steps}
        assert made._network.finished_steps > 0

    at_once(check, lambda: model.fit(x, y, batch_size=8, verbose=0))


@pytest.mark.parametrize("seed", range(10))
def test_threads_that_find_a_model_unbuilt_build_one_network(seed: int) -> None:
    model = fn.Sequential([fn.Dense(50, "relu"), fn.layers.BatchNormalization(), fn.Dense(3)], seed=seed)
    x = np.ones((2, 40), "f4")
    outputs = []
    start = threading.Barrier(4)

    def predict() -> None:
        start.wait()
        outputs.append(model.predict(x).tobytes())

    threads = [threading.Thread(target=predict) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(outputs) == {model.predict(x).tobytes()}
    assert len(outputs) == 4
    for layer in model.layers:
        layer.set_weights([np.zeros_like(array) for array in layer.get_weights()])
    assert values_in(model.get_weights()) == {0.0}


def test_the_last_compile_counts() -> None:
    model, x, y = counting_model()
    for _ in range(50):
        threads = [
            threading.Thread(target=lambda: model.compile("adam", "mse")),
            threading.Thread(target=lambda: model.fit(x[:8], y[:8], verbose=0)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        model.fit(x[:8], y[:8], verbose=0)
        slots = model._network.get_optimizer_state()[1].size // model.count_params()
        assert (type(model.optimizer).__name__, slots) == ("Adam", 2)
        model.compile(fn.optimizers.SGD(1.0), "mae")
        model.fit(x[:8], y[:8], verbose=0)


def test_layers_come_and_go_while_others_predict() -> None:
    model = deep_model()
    x = np.ones((4, 32), "f4")
    shapes = set()

    def change() -> None:
        model.add(fn.Dense(5))
        model.pop()

    def look() -> None:
        shapes.add(model.predict(x).shape)
        model.summary(print_fn=lambda line: None)
        pickle.loads(pickle.dumps(model))

    at_once(change, look, lambda: model(x))
    assert shapes <= {(4, 3), (4, 5)}
    assert model.predict(x).shape == (4, 3)


def test_ctrl_c_ends_waiting_for_a_model_that_another_thread_uses() -> None:
    network = _core.Network32(3, [{"type": "dense", "units": 2}])
    sgd = {"learning_rate": 0.1, "momentum": 0.0, "dampening": 0.0, "nesterov": 0.0, "weight_decay": 0.0}
    network.compile("mse", "", "sgd", sgd)
    used, free = threading.Event(), threading.Event()
    x = np.ones((1000, 3), "f4")

    def use(*_: Any) -> None:
        used.set()
        free.wait(10)

    user = threading.Thread(target=network.train_epoch, args=(x, x[:, :2], None, 1, None, use, None, 0.0))
    user.start()
    assert used.wait(10)
    threading.Timer(0.1, _thread.interrupt_main).start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        network.get_parameters()
    assert time.monotonic() - start < 2
    free.set()
    user.join()
    assert network.get_parameters().shape == (8,)
