"""Pictures of filters and of feature maps show the numbers of the model."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastnet as fn
from fastnet import plotting

pytest.importorskip("matplotlib").use("Agg")

IMAGES = np.random.default_rng(0).normal(size=(3, 6, 8, 1)).astype(np.float32)


@pytest.fixture
def axes() -> Any:
    """Axes of a figure that pyplot does not know."""
    from matplotlib.figure import Figure

    return Figure().subplots()


@pytest.fixture
def model() -> fn.Sequential:
    return fn.Sequential(
        [
            fn.Conv2D(5, 3, activation="relu", input_shape=(6, 8, 1)),
            fn.MaxPooling2D(2),
            fn.Conv2D(7, 2, padding="same", name="second"),
            fn.Flatten(),
            fn.Dense(3, "softmax"),
        ],
        seed=0,
    )


def pictures(mosaic: Any, height: int, width: int) -> list[np.ndarray]:
    """Return the pictures of a mosaic, row by row; those of an incomplete last row are NaN."""
    values = np.ma.filled(mosaic, np.nan)
    down, across = (values.shape[0] - 1) // (height + 1), (values.shape[1] - 1) // (width + 1)
    assert values.shape == (down * (height + 1) + 1, across * (width + 1) + 1)
    corners = [(row * (height + 1) + 1, column * (width + 1) + 1) for row in range(down) for column in range(across)]
    return [values[top : top + height, left : left + width] for top, left in corners]


# ---- Filters --------------------------------------------------------------------------------------------------------


def test_filters_of_one_channel_fill_a_square(model: fn.Sequential, axes: Any) -> None:
    drawn = pictures(plotting.plot_filters(model, axes=axes).images[0].get_array(), 3, 3)
    kernel = model.layers[0].kernel
    assert len(drawn) == 6
    for number in range(5):
        assert_array_equal(drawn[number], kernel[:, :, 0, number])
    assert np.isnan(drawn[5]).all()
    assert axes.get_title() == "conv2d: 5 of 5 filters"
    low, high = axes.images[0].get_clim()
    assert high == -low == np.abs(kernel).max()


@pytest.mark.parametrize("layer", [1, -1, "second"])
def test_a_filter_of_several_channels_is_a_row_with_a_picture_for_each(
    layer: int | str, model: fn.Sequential, axes: Any
) -> None:
    drawn = pictures(plotting.plot_filters(model, layer, max_filters=4, axes=axes).images[0].get_array(), 2, 2)
    kernel = model.get_layer("second").kernel
    assert len(drawn) == 4 * 5
    for number, picture in enumerate(drawn):
        assert_array_equal(picture, kernel[:, :, number % 5, number // 5])
    assert axes.get_title() == "second: 4 of 7 filters"


@pytest.mark.parametrize(
    ("layer", "shape", "filters"),
    [
        (fn.layers.DepthwiseConv2D(3, depth_multiplier=2), (6, 8, 3), 6),
        (fn.layers.SeparableConv2D(5, 3, depth_multiplier=2), (6, 8, 3), 6),
        (fn.layers.Conv2DTranspose(4, 3), (6, 8, 2), 4),
        (fn.layers.Conv1D(4, 3), (6, 3), 4),
    ],
)
def test_every_kind_of_convolution_has_filters(
    layer: fn.layers.Layer, shape: tuple[int, ...], filters: int, axes: Any
) -> None:
    model = fn.Sequential([fn.Input(shape), layer], seed=0)
    plotting.plot_filters(model, axes=axes)
    assert axes.get_title().endswith(f": {filters} of {filters} filters")
    values = axes.images[0].get_array().compressed()
    assert sorted(values) == sorted(layer.get_weights()[0].ravel().astype(np.float64))


def test_a_transposed_kernel_has_its_filters_before_its_channels(axes: Any) -> None:
    layer = fn.layers.Conv2DTranspose(4, 3)
    plotting.plot_filters(fn.Sequential([fn.Input((6, 8, 2)), layer], seed=0), axes=axes)
    drawn = pictures(axes.images[0].get_array(), 3, 3)
    assert_array_equal(drawn[3], layer.kernel[:, :, 1, 1])  # the second channel of the second filter


@pytest.mark.parametrize("layer", [2, "dense", "max_pooling2d", True, 0.0])
def test_plot_filters_names_the_convolutions(layer: Any, model: fn.Sequential, axes: Any) -> None:
    with pytest.raises(ValueError, match=r"one of the convolutions \['conv2d', 'second'\]; got"):
        plotting.plot_filters(model, layer, axes=axes)


def test_plot_filters_needs_weights(axes: Any) -> None:
    with pytest.raises(ValueError, match="needs a model with weights"):
        plotting.plot_filters(fn.Sequential([fn.Conv2D(3, 3)]), axes=axes)


def test_plot_weights_is_for_dense_layers(model: fn.Sequential, axes: Any) -> None:
    plotting.plot_weights(model, image_shape=(2 * 3, 7), axes=axes)
    assert axes.get_title() == "dense: weights of 3 of 3 units"
    with pytest.raises(ValueError, match=r"dense layers \['dense'\]; got 'conv2d'"):
        plotting.plot_weights(model, "conv2d", axes=axes)


@pytest.fixture
def residual() -> fn.Sequential:
    block = fn.Residual([fn.Conv2D(3, 3, padding="same"), fn.Conv2D(4, 1)], [fn.Conv2D(4, 1, name="beside")])
    return fn.Sequential([fn.Input((6, 8, 1)), fn.layers.ReLU(), block, fn.Conv2D(2, 2)], seed=0)


@pytest.mark.parametrize(
    ("layer", "title"),
    [
        (0, "conv2d: 3 of 3"),
        (1, "conv2d: 4 of 4"),
        ("beside", "beside: 4 of 4"),
        (-1, "conv2d: 2 of 2"),
        ("conv2d", "conv2d: 3 of 3"),
    ],
)
def test_convolutions_inside_blocks_are_counted(
    layer: int | str, title: str, residual: fn.Sequential, axes: Any
) -> None:
    plotting.plot_filters(residual, layer, axes=axes)
    assert axes.get_title() == f"{title} filters"


# ---- Feature maps ---------------------------------------------------------------------------------------------------


def test_every_image_stands_beside_its_feature_maps(model: fn.Sequential, axes: Any) -> None:
    plotting.plot_feature_maps(model, IMAGES, max_samples=2, axes=axes)
    assert len(axes.images) == 4
    maps = model.activations(IMAGES)["conv2d"]
    for sample, (image, grid) in enumerate(zip(axes.images[::2], axes.images[1::2], strict=True)):
        assert_array_equal(image.get_array(), IMAGES[sample, :, :, 0])
        drawn = pictures(grid.get_array(), 4, 6)
        for channel in range(5):
            assert_array_equal(drawn[channel], maps[sample, :, :, channel])
        assert np.isnan(drawn[5:]).all()
        assert grid.get_clim() == (maps[:2].min(), maps[:2].max())
    assert axes.get_title() == "conv2d: 5 feature maps of 4 x 6"


@pytest.mark.parametrize(
    ("layer", "title"),
    [
        (1, "max_pooling2d: 3 feature maps of 2 x 3"),
        (-1, "second: 3 feature maps of 2 x 3"),
        ("second", "second: 3 feature maps of 2 x 3"),
    ],
)
def test_a_layer_is_chosen_by_index_or_name(layer: int | str, title: str, model: fn.Sequential, axes: Any) -> None:
    plotting.plot_feature_maps(model, IMAGES, layer, max_maps=3, axes=axes)
    assert axes.get_title() == title


def test_images_may_lack_the_axis_of_one_channel(model: fn.Sequential, axes: Any) -> None:
    plotting.plot_feature_maps(model, IMAGES[..., 0], max_samples=1, axes=axes)
    assert_array_equal(axes.images[0].get_array(), IMAGES[0, :, :, 0])


@pytest.mark.parametrize(("layer", "numbers"), [(0, (0, 0)), (1, (0, 0, 1)), ("beside", (1, 0))])
def test_layers_inside_blocks_have_feature_maps(
    layer: int | str, numbers: tuple[int, ...], residual: fn.Sequential, axes: Any
) -> None:
    branch = [residual.layers[1].layers, residual.layers[1].shortcut][numbers[0]]
    x = residual.activations(IMAGES)["re_lu"]
    for number in numbers[1:]:
        alone = fn.Sequential([fn.Input(x.shape[1:]), type(branch[number]).from_config(branch[number].get_config())])
        alone.set_weights(branch[number].get_weights())
        x = alone.predict(x)
    plotting.plot_feature_maps(residual, IMAGES, layer, axes=axes)
    drawn = pictures(axes.images[1].get_array(), 6, 8)
    for channel in range(x.shape[-1]):
        assert_array_equal(drawn[channel], x[0, :, :, channel])


def test_rows_of_pixels_are_images_of_a_given_shape(axes: Any) -> None:
    model = fn.Sequential([fn.Input((48,)), fn.Reshape((6, 8, 1)), fn.Conv2D(2, 3)], seed=0)
    plotting.plot_feature_maps(model, IMAGES[:1].reshape(1, 48), image_shape=(6, 8), axes=axes)
    assert_array_equal(axes.images[0].get_array(), IMAGES[0, :, :, 0])


@pytest.mark.parametrize("layer", [3, "dense", "flatten", None])
def test_plot_feature_maps_names_the_layers_of_images(layer: Any, model: fn.Sequential, axes: Any) -> None:
    with pytest.raises(ValueError, match=r"one of the layers of images \['conv2d', 'max_pooling2d', 'second'\]; got"):
        plotting.plot_feature_maps(model, IMAGES, layer, axes=axes)


def test_there_must_be_an_image(model: fn.Sequential, axes: Any) -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        plotting.plot_feature_maps(model, IMAGES[:0], axes=axes)


@pytest.mark.parametrize("filters", [3, 5])
def test_plot_activations_shows_feature_maps_side_by_side(filters: int, axes: Any) -> None:
    layers = [fn.Conv2D(filters, 3, input_shape=(6, 8, 1)), fn.Flatten(), fn.Dense(3, "softmax")]
    model = fn.Sequential(layers, seed=0)
    plotting.plot_activations(model, IMAGES[:1], axes=axes)
    maps = model.activations(IMAGES[:1])["conv2d"]
    drawn = pictures(axes.images[1].get_array(), 4, 6)
    for channel in range(filters):
        assert_array_equal(drawn[channel], maps[0, :, :, channel])


def test_plot_saliency_draws_images_of_a_convolutional_model(model: fn.Sequential, axes: Any) -> None:
    plotting.plot_saliency(model, IMAGES[..., 0], axes=axes)
    assert axes.images[1].get_array().shape == (6, 8)
