"""Dropout and noise: what they draw, that they draw it anywhere, and that prediction leaves them out."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
import reference_layers
from cases import DTYPES, THREADS
from fastnet.layers import Dense, Dropout, GaussianNoise

SIZES = [1, 7, 31, 33, 64, 65, 1000]


def drawn(layer: fn.layers.Layer, x: np.ndarray, *, dtype: str = "float64", steps: int = 0) -> np.ndarray:
    """Return what a layer makes of x in training: the gradient of sum(out) by an identity matrix in front tells it."""
    size = x.shape[1]
    model = fn.Sequential([fn.Input((len(x),)), Dense(size, use_bias=False), layer], dtype=dtype, seed=0)
    model.compile(fn.optimizers.SGD(0.0), "mse")
    model.set_weights([x])
    for _ in range(steps):
        model.train_on_batch(np.eye(len(x)), np.zeros((len(x), size)))
    # With mse, d loss / d out = 2 out / (rows columns), so its gradient by x is 2 out mask / (rows columns).
    loss, (gradient,) = model.loss_and_gradients(np.eye(len(x)), np.zeros_like(x))
    assert np.isfinite(loss)
    return gradient * x.size / 2.0


def mask(rate: float, rows: int, columns: int, *, seed: int, step: int = 1, stream: int = 1) -> np.ndarray:
    kept = [reference_layers.uniform_row(seed, stream, step, row, columns) >= rate for row in range(rows)]
    return np.array(kept) / (1.0 - rate)


def test_the_generator_gives_the_published_answers() -> None:
    # kat_vectors of Random123 1.09, threefry4x32 with 20 rounds
    assert reference_layers.threefry((0, 0, 0, 0), (0, 0, 0, 0), 20) == (0x9C6CA96A, 0xE17EAE66, 0xFC10ECD4, 0x5256A7D8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("columns", SIZES)
def test_dropout_keeps_what_the_generator_says(columns: int, dtype: str) -> None:
    x = np.ones((3, columns))
    seed = 2**40 + 3
    expected = mask(0.25, 3, columns, seed=seed) ** 2  # once on the way forward, once on the way back
    assert_allclose(drawn(Dropout(0.25, seed=seed), x, dtype=dtype), expected, rtol=1e-6)
    later = mask(0.25, 3, columns, seed=seed, step=4) ** 2
    assert_allclose(drawn(Dropout(0.25, seed=seed), x, dtype=dtype, steps=3), later, rtol=1e-6)


@given(rate=st.floats(0.0, 0.99), rows=st.integers(1, 5), columns=st.integers(1, 130), seed=st.integers(0, 2**63 - 1))
def test_dropout_of_any_rate_and_shape_is_that_of_the_reference(
    rate: float, rows: int, columns: int, seed: int
) -> None:
    x = np.ones((rows, columns))
    assert_allclose(drawn(Dropout(rate, seed=seed), x), mask(rate, rows, columns, seed=seed) ** 2, rtol=1e-12)


def test_the_share_that_dropout_drops_is_its_rate() -> None:
    for rate in (0.1, 0.5, 0.9):
        dropped = np.mean(drawn(Dropout(rate, seed=1), np.ones((200, 1000))) == 0.0)
        # 200,000 independent draws: five standard deviations
        assert abs(dropped - rate) < 5.0 * np.sqrt(rate * (1.0 - rate) / 200_000)


def test_rows_columns_steps_and_layers_draw_independent_numbers() -> None:
    first, second = (drawn(Dropout(0.5, seed=seed), np.ones((100, 100))) > 0 for seed in (1, 2))
    later = drawn(Dropout(0.5, seed=1), np.ones((100, 100)), steps=1) > 0
    for a, b in [(first, second), (first, later), (first[1:], first[:-1]), (first[:, 1:], first[:, :-1])]:
        assert abs(np.mean(a == b) - 0.5) < 0.05


def test_two_layers_of_one_model_do_not_drop_the_same() -> None:
    model = fn.Sequential([fn.Input((50,)), Dropout(0.5, seed=1), Dropout(0.5, seed=1), Dense(1)], seed=0)
    model.compile(fn.optimizers.SGD(0.0), "mse")
    _, (by_kernel, _) = model.loss_and_gradients(np.ones((1, 50)), [[1.0]])
    assert 3 < np.count_nonzero(by_kernel) < 25  # about a quarter is kept twice, half if both dropped the same


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_noise_has_the_moments_and_the_quantiles_of_a_normal_distribution(dtype: str) -> None:
    # The gradient of mse by the input is 2 (x + noise) / size.
    model = fn.Sequential([fn.Input((400,)), Dense(1000, use_bias=False), GaussianNoise(0.5, seed=3)], dtype=dtype)
    model.compile(fn.optimizers.SGD(0.0), "mse")
    model.set_weights([np.full((400, 1000), 10.0)])
    _, (gradient,) = model.loss_and_gradients(np.eye(400), np.zeros((400, 1000)))
    noise = (gradient * gradient.size / 2.0 - 10.0) / 0.5
    n = noise.size
    assert abs(noise.mean()) < 5.0 / np.sqrt(n)
    assert abs(noise.std() - 1.0) < 5.0 / np.sqrt(2.0 * n)
    for share, quantile in [
        (0.00135, -3.0),
        (0.02275, -2.0),
        (0.15866, -1.0),
        (0.5, 0.0),
        (0.84134, 1.0),
        (0.99865, 3.0),
    ]:
        assert abs(np.mean(noise < quantile) - share) < 5.0 * np.sqrt(share * (1.0 - share) / n)


@pytest.mark.parametrize("layer", [Dropout(0.5), GaussianNoise(1.0)], ids=["dropout", "noise"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_prediction_and_evaluation_leave_the_layer_out(layer: fn.layers.Layer, dtype: type) -> None:
    x = np.random.default_rng(0).normal(size=(300, 7)).astype(dtype)
    copy = type(layer).from_config(layer.get_config() | {"name": None})
    inner = type(layer).from_config(layer.get_config() | {"name": None})
    with_it = fn.Sequential([fn.Input((7,)), copy, Dense(5, "relu"), inner, Dense(3)], seed=0, dtype=dtype)
    without = fn.Sequential([fn.Input((7,)), Dense(5, "relu"), Dense(3)], dtype=dtype)
    without.set_weights(with_it.get_weights())
    assert_array_equal(with_it.predict(x), without.predict(x))
    assert_array_equal(with_it(x), without(x))
    for model in (with_it, without):
        model.compile("sgd", "mse")
    y = np.zeros((300, 3))
    assert with_it.evaluate(x, y, verbose=0) == without.evaluate(x, y, verbose=0)
    assert with_it.loss_and_gradients(x, y)[0] != without.loss_and_gradients(x, y)[0]


def test_a_last_layer_that_acts_in_training_only_copies_its_input() -> None:
    x = np.arange(6.0).reshape(2, 3)
    for layers in ([Dropout(0.5)], [GaussianNoise(1.0)], [Dropout(0.5), fn.layers.Activation("relu")]):
        model = fn.Sequential([fn.Input((3,)), *layers], dtype="float64")
        assert_array_equal(model.predict(x), x)


@pytest.mark.parametrize("rows", [40, 5000], ids=["few", "in-parts"])
@pytest.mark.usefixtures("teams_of_any_size")
def test_training_draws_the_same_on_any_number_of_threads(rows: int) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(rows, 20)).astype("f4"), rng.normal(size=(rows, 3)).astype("f4")
    results = []
    for threads in THREADS:
        fn.set_num_threads(threads)
        model = fn.Sequential(
            [fn.Input((20,)), Dropout(0.2), Dense(70, "relu"), GaussianNoise(0.1), Dropout(0.5), Dense(3)], seed=5
        )
        model.compile("adam", "mse")
        model.fit(x, y, epochs=2, batch_size=rows, verbose=0)
        results.append(model.get_weights())
    for weights in results[1:]:
        for one, other in zip(weights, results[0], strict=True):
            assert_array_equal(one, other)


def test_batches_one_by_one_draw_what_an_epoch_draws() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 5)), rng.normal(size=(64, 2))
    models = [fn.Sequential([fn.Input((5,)), Dense(9, "tanh"), Dropout(0.5), Dense(2)], seed=1) for _ in range(2)]
    for model in models:
        model.compile("adam", "mse")
    models[0].fit(x, y, batch_size=16, epochs=1, shuffle=False, verbose=0)
    for start in range(0, 64, 16):
        models[1].train_on_batch(x[start : start + 16], y[start : start + 16])
    for one, other in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        assert_array_equal(one, other)


def test_the_same_seed_draws_the_same_and_another_seed_does_not() -> None:
    def trained(seed: int) -> np.ndarray:
        model = fn.Sequential([fn.Input((5,)), Dropout(0.5), Dense(1)], seed=seed)
        model.compile("sgd", "mse")
        model.set_weights([np.ones((5, 1)), np.zeros(1)])
        model.fit(np.ones((8, 5)), np.ones(8), shuffle=False, verbose=0)
        return model.get_weights()[0]

    assert_array_equal(trained(1), trained(1))
    assert (trained(1) != trained(2)).any()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Dropout(1.0), ValueError, "rate must be"),
        (lambda: Dropout(-0.1), ValueError, "rate must be"),
        (lambda: Dropout("half"), TypeError, "rate must be"),
        (lambda: Dropout(0.5, seed=-1), ValueError, "seed must be"),
        (lambda: Dropout(0.5, noise_shape=(2,)), NotImplementedError, "noise_shape"),
        (lambda: GaussianNoise(-1.0), ValueError, "stddev must be"),
    ],
)
def test_bad_arguments_are_refused(make: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()  # type: ignore[operator]


# ---- Masks that are shared ------------------------------------------------------------------------------------------


def kept_in_training(noise_shape: tuple[int | None, ...] | None, shape: tuple[int, ...], rows: int = 3) -> np.ndarray:
    """Return which values a Dropout of half of them keeps."""
    size = int(np.prod(shape))
    layers = [Dense(size, use_bias=False), fn.layers.Reshape(shape), Dropout(0.5, noise_shape, seed=5)]
    model = fn.Sequential([fn.Input((rows,)), *layers], dtype="float64", seed=0)
    model.compile("sgd", "mse")
    model.set_weights([np.ones((rows, size))])
    _, (gradient,) = model.loss_and_gradients(np.eye(rows), np.zeros((rows, *shape)))
    gradient = gradient.reshape(rows, *shape) * gradient.size / 2.0
    assert set(np.unique(gradient)) <= {0.0, 4.0}  # twice 1 / (1 - 0.5)
    return gradient > 0


@pytest.mark.parametrize(
    ("noise_shape", "shape"),
    [
        ((None, 1, 16), (10, 16)),
        ((None, 10, 1), (10, 16)),
        ((None, None, 1), (10, 16)),
        ((None, 1, 1, 8), (3, 4, 8)),
        ((None, 3, 1, 1), (3, 4, 8)),
        ((None, 1, 4, 1), (3, 4, 8)),
        ((None, 1, 4, 8), (3, 4, 8)),
        ((None, 1, 1, 1), (3, 4, 8)),
        ((1, 10, 16), (10, 16)),
        ((1, None, None), (10, 16)),
        ((1, 10, 1), (10, 16)),
        ((1, 1, None, 8), (3, 4, 8)),
        ((1, 1, 1), (10, 16)),
        ((1, 16), (16,)),
    ],
)
def test_a_mask_is_shared_along_axes_of_one(noise_shape: tuple[int | None, ...], shape: tuple[int, ...]) -> None:
    kept = kept_in_training(noise_shape, shape)
    shared = tuple(axis for axis, n in enumerate(noise_shape) if n == 1)
    first = kept.take([0], axis=shared[0])
    for axis in shared[1:]:
        first = first.take([0], axis=axis)
    assert_array_equal(kept, np.broadcast_to(first, kept.shape))
    rows = 1 if noise_shape[0] == 1 else 3
    assert_array_equal(first.reshape(rows, -1), mask(0.5, rows, first.size // rows, seed=5) > 0)


def test_a_mask_of_the_shape_of_samples_is_that_of_no_shape() -> None:
    assert_array_equal(kept_in_training((None, 10, 16), (10, 16)), kept_in_training(None, (10, 16)))
    layer = Dropout(0.5, (None, 1, 16), input_shape=(10, 16))
    assert fn.layers.deserialize(fn.layers.serialize(layer)).noise_shape == (None, 1, 16)


@pytest.mark.parametrize("noise_shape", [(1, 20), (1, 1)])
def test_a_mask_of_a_whole_batch_is_another_one_in_every_step(noise_shape: tuple[int, ...]) -> None:
    model = fn.Sequential([fn.Input((20,)), Dropout(0.5, noise_shape, seed=1), Dense(1, use_bias=False)])
    model.compile("sgd", "mse")
    x, kept = np.ones((6, 20), np.float32), []
    for _ in range(30):
        model.set_weights([np.zeros((20, 1))])
        model.train_on_batch(x, np.ones(6))
        kept.append(model.get_weights()[0][:, 0] > 0)
    assert len({one.tobytes() for one in kept}) > 1
    assert 0.2 < np.mean(kept) < 0.8
    assert_array_equal(model.layers[0](x), x)


def test_a_mask_of_a_whole_batch_is_the_same_on_any_number_of_threads(tmp_path: Path) -> None:
    before, weights = fn.get_num_threads(), []
    x, y = np.random.default_rng(0).normal(size=(300, 8)), np.arange(300) % 3
    try:
        for threads in (1, 2, 3):
            fn.set_num_threads(threads)
            layers = [Dense(64, "relu"), Dropout(0.5, (1, 64)), Dense(3, "softmax")]
            model = fn.Sequential([fn.Input((8,)), *layers], seed=0)
            model.compile("adam", "sparse_categorical_crossentropy")
            model.fit(x, y, batch_size=100, epochs=2, verbose=0)
            weights.append(model.get_weights())
    finally:
        fn.set_num_threads(before)
    for one in weights[1:]:
        for array, expected in zip(one, weights[0], strict=True):
            assert_array_equal(array, expected)
    model.save(tmp_path / "m.keras")
    assert fn.load_model(tmp_path / "m.keras").layers[1].noise_shape == (1, 64)


@pytest.mark.parametrize(
    ("noise_shape", "error", "message"),
    [
        ((None, 1), ValueError, "noise_shape must have None or 1 for the batch, and 1, None or the size for each axis"),
        ((None, 2, 16, 3), ValueError, "noise_shape must have None or 1 for the batch"),
        ((None, 4, 1, 3), NotImplementedError, "axes with a mask of their own must follow each other"),
        ((32, 4, 16, 3), NotImplementedError, "the first value must be None or 1"),
        ((None, "1"), TypeError, "every value of noise_shape must be an integer"),
        (3, TypeError, "noise_shape must be None or a sequence"),
    ],
)
def test_masks_of_other_shapes_are_refused(noise_shape: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        fn.Sequential([Dropout(0.5, noise_shape, input_shape=(4, 16, 3))])
