"""The section of a report about a network of images or sequences: its first filters, and what they make of images."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnet.layers import Conv1D, Layer
from fastnet.models import Sequential
from fastnet.plotting.convolutions import convolutions_of, draw_feature_maps, draw_filters, filters_of, maps_across
from fastnet.reports._pictures import Picture, draw
from fastnet.reports._samples import some_rows
from fastnet.reports._section import Section, count

if TYPE_CHECKING:
    from fastnet.quantization import QuantizedModel

_MOST_SAMPLES = 4
_MOST_PICTURES = 64  # of filters or feature maps
_WIDTH = 8.5  # inches: within the page's column
_TITLE = 0.4  # inches


def sections(
    model: "Sequential | QuantizedModel", x: Any, samples: int, image_shape: tuple[int, ...] | None
) -> list[Section]:
    """Return the section about the first convolution; none for other models."""
    layer = next(iter(convolutions_of(model)), None) if isinstance(model, Sequential) else None
    if layer is None:
        return []
    assert isinstance(model, Sequential)
    if isinstance(layer, Conv1D):
        # Without what they make of samples: a feature map of a sequence is a curve, and of dozens in one picture none is seen.
        text = f"The filters of {layer.name}, red above zero and blue below: a row for each channel, a column for each step."
        return [Section("First convolution", text, [_filters(layer)])]
    if image_shape is None:
        return []
    rows = np.linspace(0, samples - 1, min(samples, _MOST_SAMPLES)).astype(np.int64)
    images = some_rows(model, x, rows).reshape(len(rows), *(model.input_shape or ()))
    return [
        Section(
            "First convolution",
            f"The filters of {layer.name}, red above zero and blue below, and what they make of "
            f"{count(len(rows), 'sample')} of the data. Bright is high.",
            [_filters(layer), _maps(model, layer, images, image_shape)],
        )
    ]


def _filters(layer: Layer) -> Picture:
    filters, channels, height, width = filters_of(layer).shape
    shown = min(filters, max(1, _MOST_PICTURES // channels))
    across = channels if channels > 1 else math.ceil(math.sqrt(shown))
    down = -(-shown * channels // across)
    cell = min(0.45, 6.0 / across)  # inches
    weights = f"{height} x {width} weights" + (f", a row of {channels} channels each" if channels > 1 else "")
    if isinstance(layer, Conv1D):
        weights = f"{count(height, 'channel')} of {count(width, 'step')}"
    return draw(
        lambda axes, _: draw_filters(layer, shown, axes),
        f"{shown} of {count(filters, 'filter')} of the layer {layer.name}, {weights}.",
        size=(max(3.2, cell * across + 1.0), max(2.0, cell * height / width * down + _TITLE)),
    )


def _maps(model: Sequential, layer: Layer, images: Any, image_shape: tuple[int, ...]) -> Picture:
    height, width, filters = layer.output_shape or (1, 1, 1)
    shown = min(filters, _MOST_PICTURES)
    across = maps_across(shown, height, width)
    tall = image_shape[0] / image_shape[1]
    wide = tall * across * width / (-(-shown // across) * height)  # of the maps of a sample, which are as tall as it is
    sample = min(_WIDTH / (1.2 + wide), 1.7 / tall)  # inches, its width
    return draw(
        lambda axes, _: draw_feature_maps(model, images, layer, image_shape, shown, axes),
        f"{count(len(images), 'sample')}, and beside each {shown} of {count(filters, 'feature map')} of the layer "
        f"{layer.name}, {height} x {width} pixels.",
        size=(max(3.2, sample * (1.2 + wide)), sample * tall * 1.1 * len(images) + _TITLE),
    )
