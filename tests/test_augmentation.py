"""Layers that change images at random in training, against Keras's formulas in NumPy."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
import reference_augmentation as ref
from fastnet.layers import (
    Layer,
    PReLU,
    RandomBrightness,
    RandomContrast,
    RandomCrop,
    RandomElasticTransform,
    RandomFlip,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
    Rescaling,
)

Array = np.ndarray
SEED = 2**40 + 7
RNG = np.random.default_rng(0)
SIZES = [(1, 1), (7, 7), (1, 9), (31, 5), (28, 28)]
LAYERS: list[Callable[[], Layer]] = [
    lambda: RandomFlip(seed=SEED),
    lambda: RandomTranslation(0.3, (-0.1, 0.4), "wrap", seed=SEED),
    lambda: RandomRotation(0.2, "constant", fill_value=0.5, seed=SEED),
    lambda: RandomZoom((-0.3, 0.5), 0.2, "nearest", "nearest", seed=SEED),
    lambda: RandomCrop(5, 4, seed=SEED),
    lambda: RandomContrast(0.5, (-1, 2), seed=SEED),
    lambda: RandomBrightness((-0.2, 0.6), (0, 1), seed=SEED),
    lambda: RandomElasticTransform((0.5, 1), value_range=(-9, 9), seed=SEED),
]
NAMES = [type(make()).__name__ for make in LAYERS]


def images(shape: Sequence[int], rows: int = 3, dtype: str = "float64") -> Array:
    return RNG.random((rows, *shape)).astype(dtype)


def trained_through(layers: list[Layer], x: Array, dtype: str = "float64", steps: int = 0, batch: int = 0) -> Array:
    """Return what layers make of samples in a step of training, after some others."""
    seen: list[Array] = []

    def observed(_true: Array, predicted: Array) -> float:
        seen.append(predicted.copy())
        return 0.0

    # Something that can be trained, and does nothing at first.
    slopes = PReLU("ones", shared_axes=[1, 2, 3])
    model = fn.Sequential([fn.Input(x.shape[1:]), *layers, slopes, fn.Flatten()], dtype=dtype, seed=3)
    model.compile(fn.optimizers.SGD(0.0), "mse", metrics=[observed])
    y = np.zeros((len(x), *(model.output_shape or ())), dtype)
    for _ in range(steps + 1):
        model.train_on_batch(x, y)
    return seen[-1].reshape(-1, *(slopes.output_shape or ()))


def bounds(factor: Any) -> tuple[float, float]:
    return (-factor, factor) if isinstance(factor, float) else factor


def expected(name: str, given: list[Any], x: Array, how: dict[str, Any], step: int = 1) -> Array:
    """Return what a layer with these factors makes of samples, as its first layer."""
    ranges = [bounds(factor) for factor in given]
    results = []
    for row, image in enumerate(x):
        drawn = ref.factors(ranges, SEED, 0, step, row)
        if name == "zoom" and len(drawn) == 1:
            drawn *= 2
        results.append(getattr(ref, name)(image, *drawn, **how))
    return np.array(results)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("fill_mode", ref.FILL_MODES)
@pytest.mark.parametrize(
    ("name", "cls", "given"),
    [
        ("translation", RandomTranslation, [0.3, (-0.5, 1.0)]),
        ("rotation", RandomRotation, [(-1.0, 0.9)]),
        ("zoom", RandomZoom, [(-0.9, 1.0), 0.4]),
        ("zoom", RandomZoom, [0.5]),
    ],
)
def test_images_are_moved_as_the_formulas_say(
    name: str, cls: Any, given: list[Any], fill_mode: str, interpolation: str, size: tuple[int, int], dtype: str
) -> None:
    how = {"fill_mode": fill_mode, "interpolation": interpolation, "fill_value": 0.75}
    for channels in (1, 3, 17):
        x = images((*size, channels), dtype=dtype)
        layer = cls(*given, **how, seed=SEED)
        y = trained_through([layer], x, dtype, steps=1)
        reference = expected(name, given, x, how, step=2)
        if interpolation == "bilinear":
            assert_allclose(y, reference, atol=2e-5 if dtype == "float32" else 1e-12)
        else:  # but where a position is as near to two pixels as it can be
            assert np.mean(y == reference) > 0.99
        if min(size) > 1:
            assert np.abs(y - x).max() > 0.1


@pytest.mark.parametrize("fill_mode", ["reflect", "wrap"])
def test_float32_has_the_bits_of_the_formulas(fill_mode: str) -> None:
    how = {"fill_mode": fill_mode, "interpolation": "bilinear", "fill_value": 0.1}
    x = images((28, 27, 1), 8, "float32")
    y = trained_through([RandomTranslation(0.3, 0.2, **how, seed=SEED)], x, "float32")
    assert_array_equal(y, expected("translation", [0.3, 0.2], x, how).astype(np.float32))


def test_the_first_layer_takes_bytes_as_they_are() -> None:
    x = RNG.integers(0, 256, (5, 28, 28, 1), dtype=np.uint8)
    how = {"fill_mode": "nearest", "interpolation": "bilinear"}
    y = trained_through([RandomRotation(0.1, **how, seed=SEED), Rescaling(1 / 255)], x, "float32")
    assert_allclose(y, expected("rotation", [0.1], x.astype(np.float64), how) / 255, atol=1e-5)
    assert_array_equal(trained_through([RandomFlip(seed=SEED)], x[:, ::-1], "float32").sum(), x.sum())


@pytest.mark.parametrize("mode", ["horizontal", "vertical", "horizontal_and_vertical"])
@pytest.mark.parametrize("channels", [1, 3])
def test_flips_are_of_half_the_images_in_each_direction(mode: str, channels: int) -> None:
    x = np.tile(images((4, 5, channels), 1), (400, 1, 1, 1))
    y = trained_through([RandomFlip(mode, seed=SEED)], x)
    ways = [x, x[:, ::-1], x[:, :, ::-1], x[:, ::-1, ::-1]]
    shares = [np.mean([np.array_equal(a, b) for a, b in zip(y, way, strict=True)]) for way in ways]
    wanted = {"horizontal": [2, 0, 2, 0], "vertical": [2, 2, 0, 0], "horizontal_and_vertical": [1, 1, 1, 1]}[mode]
    assert sum(shares) == 1.0
    assert_allclose(shares, np.array(wanted) / 4, atol=0.1)


def test_crops_are_from_anywhere_in_training_and_from_the_middle_in_prediction() -> None:
    x = np.tile(np.arange(7 * 6 * 2.0).reshape(1, 7, 6, 2), (600, 1, 1, 1))
    y = trained_through([RandomCrop(4, 5, seed=SEED)], x)
    places = {}
    for crop in y:
        top, left = divmod(int(crop[0, 0, 0]) // 2, 6)
        assert_array_equal(crop, x[0, top : top + 4, left : left + 5])
        places[top, left] = places.get((top, left), 0) + 1
    assert len(places) == 4 * 2
    assert min(places.values()) > 600 / 8 / 2
    model = fn.Sequential([fn.Input((7, 6, 2)), RandomCrop(4, 5)], dtype="float64")
    assert_array_equal(model.predict(x[:2]), x[:2, 1:5, 0:5])
    by_input = model.jacobian(x[0])
    assert by_input.sum() == 4 * 5 * 2
    assert by_input[0, 0, 0, 1, 0, 0] == 1.0


@pytest.mark.parametrize("channels", [1, 2, 19])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_levels_are_changed_as_the_formulas_say(channels: int, dtype: str) -> None:
    x = images((5, 7, channels), 4, dtype)
    (shares,) = np.array([[ref.factors([(0.0, 1.0)], SEED, 0, 1, row)[0] for row in range(4)]])
    shares = shares[:, None, None, None]
    mean = x.mean(axis=(1, 2), keepdims=True)
    y = trained_through([RandomContrast((0.25, 0.5), (0.1, 0.8), seed=SEED)], x, dtype)
    assert_allclose(y, np.clip((x - mean) * (0.75 + 0.75 * shares) + mean, 0.1, 0.8), atol=1e-6)
    y = trained_through([RandomBrightness((-0.5, 0.25), (0.8, 0.1), seed=SEED)], x, dtype)
    assert_allclose(y, np.clip(x + 0.7 * (-0.5 + 0.75 * shares), 0.1, 0.8), atol=1e-6)


def normals_of(shape: tuple[int, int], row: int) -> Array:
    """Return the normal numbers that a layer draws, as the noise that another one adds."""
    count = 64 + 2 * shape[0] * shape[1]
    model = fn.Sequential([fn.Input((count,)), fn.GaussianNoise(1.0, seed=SEED), fn.Dense(1)], dtype="float64")
    model.compile(fn.optimizers.SGD(0.0), "mse")
    model.layers[1].set_weights([np.ones((count, 1)), np.zeros(1)])
    rows = row + 1
    # The gradient of mse by the kernel is 2 error x, with an error that a second target tells.
    zeros = np.zeros((rows, count))
    found = []
    for at in range(rows):
        weight = np.eye(rows)[at]
        gradients = [
            model.loss_and_gradients(zeros, np.full((rows, 1), target), weight)[1][0].ravel() for target in (0.0, 1.0)
        ]
        found.append((gradients[0] - gradients[1]) * rows / 2)
    return np.asarray(found[row][64:].reshape(2, *shape))


@pytest.mark.parametrize("fill_mode", ref.FILL_MODES)
@pytest.mark.parametrize(("alpha", "sigma"), [(None, None), (3.0, 2.5), (2.0, 0.0)])
def test_elastic_deformations_are_smoothed_noise(fill_mode: str, alpha: float | None, sigma: float | None) -> None:
    x, row = images((9, 12, 2), 3), 2
    how = {"fill_mode": fill_mode, "fill_value": 0.25, "interpolation": "bilinear"}
    layer = RandomElasticTransform((1, 1), (0.5, 1), value_range=(0.2, 0.9), **how, alpha=alpha, sigma=sigma, seed=SEED)
    scale = ref.factors([(1, 1), (0, 1), (0.5, 1.0)], SEED, 0, 1, row)[2]
    own = (0.1 * 12 if alpha is None else alpha) * scale, (0.05 * 9 if sigma is None else sigma) * scale
    reference = np.clip(ref.elastic(x[row], normals_of((9, 12), row), *own, **how), 0.2, 0.9)
    assert_allclose(trained_through([layer], x)[row], reference, atol=1e-12)


def test_the_factor_of_elastic_deformations_is_a_probability() -> None:
    x = np.tile(images((6, 6, 1), 1), (500, 1, 1, 1))
    for factor, share in (((0.3, 0.3), 0.3), (1.0, 0.5), (0.0, 0.0), ((1, 1), 1.0)):
        layer = RandomElasticTransform(factor, (1, 1), value_range=(0, 1), seed=SEED)
        moved = np.any(trained_through([layer], x) != x, axis=(1, 2, 3))
        assert abs(moved.mean() - share) < 0.1


def test_factors_are_uniform_and_of_every_sample_and_step() -> None:
    ramp = np.broadcast_to(np.arange(64.0)[:, None], (64, 64))[None, :, :, None]
    x = np.tile(ramp, (300, 1, 1, 1))
    moved = [
        trained_through([RandomTranslation((-0.25, 0.5), 0.0, seed=SEED)], x, steps=steps)[:, 32, 0, 0]
        for steps in (0, 1)
    ]
    for drawn in moved:
        shares = (32 - drawn) / 64
        assert -0.25 <= shares.min() < -0.23
        assert 0.48 < shares.max() < 0.5
        assert abs(shares.mean() - 0.125) < 5 * 0.75 / np.sqrt(12 * 300)
        assert len(np.unique(shares)) > 290
    assert abs(np.corrcoef(*moved)[0, 1]) < 0.2


@pytest.mark.parametrize("make", LAYERS, ids=NAMES)
def test_prediction_and_evaluation_leave_the_layer_out(make: Callable[[], Layer]) -> None:
    x = images((9, 9, 2), 20)
    is_crop = isinstance(make(), RandomCrop)
    instead = [fn.layers.Cropping2D(((2, 2), (2, 3)))] if is_crop else []
    models = [
        fn.Sequential([fn.Input((9, 9, 2)), *first, fn.Conv2D(3, 3, activation="relu"), *last], dtype="float64", seed=1)
        for first, last in (([make()], [fn.Flatten()]), (instead, [fn.Flatten()]))
    ]
    assert_array_equal(models[0].predict(x), models[1].predict(x))
    for model in models:
        model.compile("sgd", "mse")
    y = np.zeros((20, *(models[0].output_shape or ())))
    assert models[0].evaluate(x, y, verbose=0) == models[1].evaluate(x, y, verbose=0)


@pytest.mark.parametrize("make", LAYERS, ids=NAMES)
def test_the_gradient_of_a_layer_before_is_that_of_differences(make: Callable[[], Layer]) -> None:
    x = images((7, 9, 2), 4)
    model = fn.Sequential(
        [fn.Input((7, 9, 2)), fn.Conv2D(3, 3, padding="same", activation="tanh"), make(), fn.Flatten(), fn.Dense(2)],
        dtype="float64",
        seed=0,
    )
    model.compile(fn.optimizers.SGD(0.0), "mse")
    y = RNG.normal(size=(4, 2))
    kernel, *others = model.get_weights()
    _, gradients = model.loss_and_gradients(x, y)
    direction = RNG.normal(size=kernel.shape)
    step = 1e-6

    def loss(distance: float) -> float:
        model.set_weights([kernel + distance * direction, *others])
        return model.loss_and_gradients(x, y)[0]

    assert_allclose((gradients[0] * direction).sum(), (loss(step) - loss(-step)) / (2 * step), rtol=2e-5)


def fitted(threads: int = 1, shards: int = 0, epochs: int = 3) -> fn.Sequential:
    """Return a model that was trained on changed images."""
    fn.set_num_threads(threads)
    rng = np.random.default_rng(5)
    x, y = rng.integers(0, 256, (70, 9, 8, 1), dtype=np.uint8), rng.integers(0, 3, 70)
    changed = [make() for make in LAYERS if make().compute_output_shape((9, 8, 1)) == (9, 8, 1)]
    layers = [Rescaling(1 / 255), *changed, RandomCrop(7, 8), fn.Conv2D(3, 3, activation="relu"), fn.Flatten()]
    model = fn.Sequential([fn.Input((9, 8, 1)), *layers, fn.Dense(3, "softmax")], seed=2)
    model.compile("adam", "sparse_categorical_crossentropy")
    if shards:
        with fn.distribute(shards=shards):
            model.fit(x, y, epochs=epochs, batch_size=32, verbose=0)
    else:
        model.fit(x, y, epochs=epochs, batch_size=32, verbose=0)
    return model


@pytest.mark.usefixtures("teams_of_any_size")
def test_the_bits_do_not_depend_on_threads() -> None:
    one, *others = (fitted(threads).get_weights() for threads in (1, 2, 3))
    for weights in others:
        for a, b in zip(one, weights, strict=True):
            assert_array_equal(a, b)


@pytest.mark.usefixtures("teams_of_any_size")
def test_shards_draw_what_the_whole_batch_does() -> None:
    whole, parts = fitted().get_weights(), fitted(2, shards=4).get_weights()
    for a, b in zip(whole, parts, strict=True):
        assert_allclose(a, b, rtol=1e-4, atol=1e-5)


# ---- Arguments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", LAYERS, ids=NAMES)
def test_a_configuration_is_json_and_makes_an_equal_layer(make: Callable[[], Layer]) -> None:
    layer = make()
    again = fn.layers.deserialize(json.loads(json.dumps(fn.layers.serialize(layer))))
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()
    assert list(again.descriptions((9, 9, 2))) == list(layer.descriptions((9, 9, 2)))


def test_default_names_and_arguments_are_those_of_keras() -> None:
    assert RandomElasticTransform.default_name() == "random_elastic_transform"
    assert RandomFlip().get_config()["mode"] == "horizontal_and_vertical"
    assert RandomRotation(0.1).get_config() == {
        "factor": [-0.1, 0.1],
        "fill_mode": "reflect",
        "interpolation": "bilinear",
        "fill_value": 0.0,
        "seed": None,
        "data_format": "channels_last",
        "name": "random_rotation",
    }
    assert RandomTranslation(-0.1, (0.2, -0.3)).get_config()["width_factor"] == [0.2, -0.3]
    assert RandomZoom(0.2).get_config()["width_factor"] is None
    assert RandomBrightness(0.2).value_range == (0.0, 255.0)
    assert RandomContrast([0.3, 0.1]).factor == (0.1, 0.3)
    assert RandomElasticTransform(0.3).factor == (0.0, 0.3)
    assert RandomRotation(0.1, bounding_box_format=None).factor == (-0.1, 0.1)


def test_a_factor_can_be_set_until_the_layer_is_built() -> None:
    translation, zoom, rotation = RandomTranslation(0.1, 0.1), RandomZoom(0.1), RandomRotation(0.1)
    translation.width_factor, zoom.width_factor, rotation.factor = (0.0, 0.3), 0.2, 0.4  # type: ignore[assignment]
    described = [layer.description((8, 8, 1)) for layer in (translation, zoom, rotation)]
    assert [(one["width_lower"], one["width_upper"]) for one in described] == [(0.0, 0.3), (-0.2, 0.2), (0.0, 0.0)]
    assert (described[1]["proportional"], described[2]["lower"]) == (False, -0.4)
    with pytest.raises(ValueError, match="height_factor must be above -1"):
        zoom.height_factor = -1.0
    fn.Sequential([fn.Input((8, 8, 1)), zoom])
    with pytest.raises(AttributeError, match="cannot change after the layer is built"):
        zoom.height_factor = 0.2


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: RandomFlip("sideways"), ValueError, "mode must be one of 'horizontal', 'vertical'"),
        (lambda: RandomTranslation(1.5, 0.1), ValueError, "height_factor must be at least -1 and at most 1; got 1.5"),
        (lambda: RandomTranslation(0.1, (0.1, 0.2, 0.3)), ValueError, "width_factor must be a number or 2 numbers"),
        (lambda: RandomRotation("0.1"), TypeError, "factor must be a number"),
        (lambda: RandomRotation(float("nan")), ValueError, "factor must be"),
        (lambda: RandomRotation(0.1, "mirror"), ValueError, "fill_mode must be one of 'reflect', 'constant'"),
        (lambda: RandomRotation(0.1, interpolation="cubic"), ValueError, "interpolation must be one of"),
        (lambda: RandomRotation(0.1, data_format="channels_first"), NotImplementedError, "channels_first"),
        (lambda: RandomRotation(0.1, fill_value=float("inf")), ValueError, "fill_value must be"),
        (lambda: RandomZoom((-1, 0.5)), ValueError, "height_factor must be above -1"),
        (lambda: RandomContrast(-0.1), ValueError, "factor must be at least 0 and at most 1"),
        (lambda: RandomContrast(0.1, 255), ValueError, "value_range must be 2 numbers"),
        (lambda: RandomBrightness(0.1, (0, 1, 2)), ValueError, "value_range must be a number or 2 numbers"),
        (lambda: RandomElasticTransform(fill_mode="mirror"), NotImplementedError, "mirror"),
        (lambda: RandomElasticTransform(scale=2), ValueError, "scale must be at least 0 and at most 1"),
        (lambda: RandomElasticTransform(alpha=-1), ValueError, "alpha must be at least 0"),
        (lambda: fn.Sequential([RandomCrop(5, 3, input_shape=(4, 4, 1))]), ValueError, "5 x 3 pixels of images"),
        (lambda: fn.Sequential([RandomFlip(input_shape=(28, 28))]), ValueError, r"Reshape\(\(28, 28, 1\)\)"),
    ],
)
def test_what_does_not_fit_is_refused(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_images_that_are_too_large_are_refused_not_computed() -> None:
    with pytest.raises(ValueError, match="is too large"):
        fn.Sequential([fn.Input((30_000, 30_000, 3)), RandomRotation(0.5)])
