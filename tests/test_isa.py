"""Every instruction set of this machine gives the numbers of the baseline, within rounding.

Each runs in a process of its own, as the environment variable FASTNET_ISA is read once: this file is that program too.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastnet as fn
import reference
import reference_activations
from cases import activation, dense, random_weights, rescaling, sequential, takes_input
from fastnet import _core

AVAILABLE = fn.show_config(mode="dict")["available_isas"]
FORMS = ("dense", "compressed")  # of the first layer's input
LAYERS = [rescaling(0.5, 0.1), dense(37, "tanh"), dense(50, "leaky_relu"), activation("sigmoid"), dense(3, "softmax")]

# Units of dense networks, first the inputs, and how many rows a step has, and the bits that they had before the products
# of one column, those of weights whose rows lie a multiple of a page apart, and small steps got ways of their own. Only
# sums of products count: what compilers make of
# the formulas of other activations, losses and optimizers is not the same for all of them.
RECORDED = (
    *[((784, 64, 10), 100), ((20, 100, 1), 100), ((4, 16, 16, 2), 100), ((40, 1024, 1024, 3), 100)],
    *[((2, 4, 1), 1), ((4, 16, 16, 2), 1), ((4, 16, 16, 2), 3), ((8, 16, 2), 16), ((5, 3, 7), 4)],
)
BITS = {
    "baseline": {
        "784-64-10/100": "bb6e7acfa6e7a3a2",
        "20-100-1/100": "ead063476d4435b5",
        "4-16-16-2/100": "09ed82eb2a0e8fe5",
        "40-1024-1024-3/100": "b3e30083e1504303",
        "2-4-1/1": "32737f662c6eb9af",
        "4-16-16-2/1": "732f6fc10911b92f",
        "4-16-16-2/3": "72a8371607adc03d",
        "8-16-2/16": "9853537c8402054c",
        "5-3-7/4": "c7501c6baf30a5ce",
    },
    "avx2": {
        "784-64-10/100": "bc8f834fe318ea7a",
        "20-100-1/100": "d9d47b55a97fadcc",
        "4-16-16-2/100": "08d7d16f9271046c",
        "40-1024-1024-3/100": "22456f5b4c68642b",
        "2-4-1/1": "8b07c48ea273640a",
        "4-16-16-2/1": "83427c026e43b54d",
        "4-16-16-2/3": "02391d20e7396dc7",
        "8-16-2/16": "8a217ed8d7d05783",
        "5-3-7/4": "2fe2e97b35354d3f",
    },
}


def numbers(*shape: int) -> np.ndarray:
    """Return an array of values between -1/2 and 1/2 that look arbitrary and are the same on every machine."""
    size = int(np.prod(shape))
    return ((np.arange(size) * 7919 % 1009 / 1009 - 0.5).astype(np.float32)).reshape(shape)


def recorded(units: tuple[int, ...], batch_size: int) -> np.ndarray:
    """Return the weights of a network after two epochs of 232 rows, and predictions of 1, 7 and 232."""
    layers = [*(fn.Dense(n, "relu") for n in units[1:-1]), fn.Dense(units[-1])]
    model = fn.Sequential([fn.Input((units[0],)), *layers])
    model.set_weights([numbers(*w.shape) / np.float32(np.sqrt(len(w))) for w in model.get_weights()])
    model.compile(fn.optimizers.SGD(2.0**-6), loss="mse")
    x = numbers(232, units[0])
    model.fit(x, numbers(232, units[-1]), batch_size=batch_size, epochs=2, shuffle=False, verbose=0)
    predictions = [model.predict(x[:rows], verbose=0) for rows in (1, 7, 232)]
    return np.concatenate([values.ravel() for values in (*model.get_weights(), *predictions)])


def deep(dtype: str) -> fn.Sequential:
    """Return a model of the layers that keep something for the way back."""
    inner = [fn.LayerNormalization(), fn.Dense(37, "gelu"), fn.Dropout(0.3, seed=1), fn.Dense(37, "mish")]
    layers = [fn.Residual(inner), fn.BatchNormalization(), fn.PReLU(), fn.GaussianNoise(0.1, seed=2)]
    return fn.Sequential([fn.Input((37,)), *layers, fn.Dense(3, "softmax")], dtype=dtype, seed=0)


def of_images(dtype: str) -> list[np.ndarray]:
    """Return predictions of a network for images, and the weights of another one after training."""
    layers, rng = fn.layers, np.random.default_rng(2)
    x, labels = rng.normal(size=(100, 9, 8, 3)).astype(dtype), rng.integers(0, 3, size=100)
    sharp = [layers.Conv2D(5, 3, strides=2, padding="same", activation="relu"), layers.MaxPooling2D(2)]
    smooth = [
        layers.Conv2D(20, 3, padding="same", activation="tanh"),
        layers.AveragePooling2D(2),
        layers.DepthwiseConv2D(3, padding="same", use_bias=False),
        layers.BatchNormalization(),
        layers.Conv2DTranspose(5, 3, strides=2, activation="tanh"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(3, "softmax"),
    ]
    predicting, trained = (fn.Sequential([fn.Input((9, 8, 3)), *some], dtype=dtype, seed=0) for some in (sharp, smooth))
    trained.compile("sgd", loss="sparse_categorical_crossentropy")
    trained.fit(x, labels, batch_size=32, epochs=3, shuffle=False, verbose=0)
    return [predicting.predict(x, verbose=0), *trained.get_weights()]


def augmented(dtype: str) -> list[np.ndarray]:
    """Return what layers make of images in a step of training."""
    layers, rng = fn.layers, np.random.default_rng(3)
    x = rng.normal(size=(4, 13, 11, 1)).astype(dtype)
    changes = [
        layers.RandomTranslation(0.4, 0.3, seed=1),
        layers.RandomRotation(0.5, "constant", seed=2),
        layers.RandomZoom(0.4, fill_mode="wrap", seed=3),
        layers.RandomZoom(0.4, fill_mode="nearest", interpolation="nearest", seed=4),
        layers.RandomContrast(0.5, (-2, 2), seed=5),
        layers.RandomBrightness(0.5, (-2, 2), seed=6),
    ]
    results: list[np.ndarray] = []

    def kept(_true: np.ndarray, predicted: np.ndarray) -> float:
        results.append(predicted.copy())
        return 0.0

    for change in changes:
        for channels in (1, 3):
            once = change.from_config(change.get_config())
            model = fn.Sequential([once, fn.PReLU("ones"), fn.Flatten()], dtype=dtype)
            model.compile("sgd", "mse", metrics=[kept])
            images = np.repeat(x, channels, axis=-1)
            model.train_on_batch(images, images.reshape(4, -1))
    return results


def compute() -> dict[str, np.ndarray]:
    """Return the results of fixed operations, by a name that tells the dtype and the kind."""
    results: dict[str, np.ndarray] = {}
    for dtype in ("float32", "float64"):
        rng = np.random.default_rng(1)
        for m, n, k in ((1, 1, 1), (3, 5, 7), (33, 65, 129), (100, 10, 784), (260, 300, 500)):
            a, b = rng.normal(size=(m, k)).astype(dtype), rng.normal(size=(k, n)).astype(dtype)
            results[f"{dtype} gemm {m} {n} {k}"] = fn.gemm(a, b)
            results[f"{dtype} gemm transposed {m} {n} {k}"] = fn.gemm(b.T, a.T).T
            if dtype == "float32":
                results[f"{dtype} bfloat16 {m} {n} {k}"] = fn.gemm(a, b, compute_dtype="bfloat16")
                results[f"{dtype} bfloat16 transposed {m} {n} {k}"] = fn.gemm(b.T, a.T, compute_dtype="bfloat16").T
        if dtype == "float32":
            ties = ((np.arange(0x7F00, dtype=np.uint32) << 16) | 0x8000).view(np.float32)[:, None]
            results[f"{dtype} bfloat16 ties"] = fn.gemm(ties, np.ones((1, 1), np.float32), compute_dtype="bfloat16")
        x, gradient = rng.normal(scale=5.0, size=(2, 500, 37)).astype(dtype)
        for name in ("relu", "leaky_relu", "sigmoid", "tanh", "softmax"):
            out = getattr(fn, name)(x)
            results[f"{dtype} activation {name}"] = out
            results[f"{dtype} backward {name}"] = getattr(fn.functional, f"{name}_backward")(gradient, out)
        near = np.clip(x, -4, 4)  # where no exponent is large, whose rounding would count
        for name in reference_activations.ACTIVATIONS:
            out = _core.activation(name, near, 1.0)
            results[f"{dtype} activation {name}"] = out
            kept = near if takes_input(name) else out
            results[f"{dtype} backward {name}"] = _core.activation_backward(name, gradient, kept, 1.0)
        labels = rng.integers(0, 3, size=500)
        for optimizer in ("sgd", "adam", "rmsprop", "nadam"):
            if optimizer == "nadam":
                model = deep(dtype)
            else:
                model = sequential(LAYERS, 37, dtype=dtype)
                random_weights(model)
            model.compile(optimizer, loss="sparse_categorical_crossentropy")
            history = model.fit(x, labels, batch_size=64, epochs=3, shuffle=False, verbose=0).history
            results[f"{dtype} training loss {optimizer}"] = np.array(history["loss"])
            results[f"{dtype} training weights {optimizer}"] = np.concatenate([w.ravel() for w in model.get_weights()])
            results[f"{dtype} training predictions {optimizer}"] = model.predict(x, verbose=0)
        for number, array in enumerate(of_images(dtype)):
            results[f"{dtype} training images {number}"] = array
        for number, array in enumerate(augmented(dtype)):
            results[f"{dtype} augmented {number}"] = array
        few = np.where(rng.random((300, 600)) < 0.1, rng.normal(size=(300, 600)), 0).astype(dtype)
        for form in FORMS:
            for units in (3, 37, 300):
                model = sequential([dense(units, "tanh"), dense(3, "softmax")], 600, dtype=dtype)
                model.compile("sgd", loss="sparse_categorical_crossentropy")
                model._network.set_input_form(form)  # type: ignore[union-attr]
                model.fit(few, labels[:300], batch_size=100, epochs=2, shuffle=False, verbose=0)
                weights = np.concatenate([w.ravel() for w in model.get_weights()])
                results[f"{dtype} training {form} {units}"] = weights
    for units_of_layers, batch_size in RECORDED:
        name = f"{'-'.join(map(str, units_of_layers))}/{batch_size}"
        results[f"float32 training recorded {name}"] = recorded(units_of_layers, batch_size)
    return results


def run_python(arguments: list[Any], isa: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "FASTNET_ISA": isa},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, np.ndarray]]:
    folder = tmp_path_factory.mktemp("isa")
    loaded = {}
    for isa in AVAILABLE:
        done = run_python([Path(__file__), folder / f"{isa}.npz"], isa)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == isa
        loaded[isa] = dict(np.load(folder / f"{isa}.npz"))
    return loaded


def tolerance(name: str) -> float:
    """Return the accepted difference relative to the largest entry, in units of eps."""
    kind = name.split()[1]
    if (
        kind == "gemm"
    ):  # two sums of k terms, each off by k eps / 2 of the sum of magnitudes, itself some 20 times larger
        return 20.0 * int(name.rsplit(maxsplit=1)[-1])
    if kind in (
        "bfloat16",
        "augmented",
    ):  # products are exact, and each term is rounded once, fused or not; or none is fused
        return 0.0
    if kind == "training":  # two runs, each as near to the exact one as the tests of training ask: 1e-5 in float32
        return 160.0 if "float32" in name else 9000.0
    return 32.0  # the tests of the activations hold each to this


@pytest.mark.parametrize("isa", [isa for isa in AVAILABLE if isa != "baseline"])
def test_results_are_those_of_the_baseline(isa: str, results: dict[str, dict[str, np.ndarray]]) -> None:
    assert results[isa].keys() == results["baseline"].keys()
    for name, expected in results["baseline"].items():
        eps = np.finfo(name.split()[0]).eps
        error = np.abs(results[isa][name] - expected).max() / np.abs(expected).max()
        assert error <= tolerance(name) * eps, f"{name}: {error / eps} eps"


@pytest.mark.parametrize("isa", AVAILABLE)
def test_products_and_activations_are_those_of_the_reference(
    isa: str, results: dict[str, dict[str, np.ndarray]]
) -> None:
    for dtype in ("float32", "float64"):
        rng = np.random.default_rng(1)
        for m, n, k in ((1, 1, 1), (3, 5, 7), (33, 65, 129), (100, 10, 784), (260, 300, 500)):
            a, b = rng.normal(size=(m, k)).astype(dtype), rng.normal(size=(k, n)).astype(dtype)
            # Higham's bound, as in the tests of gemm
            bound = (k + 3) * np.finfo(dtype).eps * reference.gemm(np.abs(a), np.abs(b))
            assert (np.abs(results[isa][f"{dtype} gemm {m} {n} {k}"] - reference.gemm(a, b)) <= bound).all()
            assert (np.abs(results[isa][f"{dtype} gemm transposed {m} {n} {k}"] - reference.gemm(a, b)) <= bound).all()
        x = rng.normal(scale=5.0, size=(2, 500, 37)).astype(dtype)[0].astype(np.float64)
        for name in ("sigmoid", "tanh"):
            np.testing.assert_allclose(
                results[isa][f"{dtype} activation {name}"],
                reference.ACTIVATIONS[name][0](x),
                rtol=3 * np.finfo(dtype).eps,  # 2 ulp of the result and one of float64's own
            )


@pytest.mark.parametrize("isa", AVAILABLE)
def test_skipping_zeros_changes_no_bit(isa: str, results: dict[str, dict[str, np.ndarray]]) -> None:
    for name, expected in results[isa].items():
        if FORMS[0] in name:
            assert_array_equal(results[isa][name.replace(*FORMS)], expected)


@pytest.mark.parametrize("isa", [isa for isa in AVAILABLE if isa in BITS])
def test_dense_networks_have_the_bits_that_they_always_had(isa: str, results: dict[str, dict[str, np.ndarray]]) -> None:
    found = {
        name.rsplit(maxsplit=1)[-1]: hashlib.sha256(values).hexdigest()[:16]
        for name, values in results[isa].items()
        if "recorded" in name
    }
    assert found == BITS[isa]


def test_the_best_instruction_set_is_chosen_when_none_is_named() -> None:
    done = run_python(["-c", "import fastnet as fn; print(fn.show_config(mode='dict')['isa'])"], "")
    assert done.stdout.strip() == AVAILABLE[-1], done.stderr


def test_baseline_is_always_there_and_comes_first() -> None:
    assert AVAILABLE[0] == "baseline"
    assert_array_equal(np.unique(AVAILABLE), sorted(AVAILABLE))


def test_unknown_instruction_set_is_refused_with_the_names_that_work() -> None:
    done = run_python(["-c", "import fastnet"], "mmx")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(("ImportError", "ValueError"))
    assert "FASTNET_ISA" in last
    assert "'mmx'" in last
    assert all(isa in last for isa in AVAILABLE)


if __name__ == "__main__":
    np.savez(sys.argv[1], **compute())  # type: ignore[arg-type]
    print(fn.show_config(mode="dict")["isa"])
