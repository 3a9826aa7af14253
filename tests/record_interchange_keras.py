"""Record files that Keras writes and what their models predict, for test_keras_files.py.

usage: KERAS_BACKEND=torch python tests/record_interchange_keras.py      (writes tests/data/keras_*)

Needs keras, torch and h5py. The weights are those that `values` makes of their sizes, but for the variances, which are positive.
"""

import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from record_interchange_torch import values

DATA = Path(__file__).parent / "data"
BATCH = 5
# The layers of each model, by Keras's names and arguments, and the files that are written of it.
MODELS: dict[str, tuple[list[tuple[str, dict[str, Any]]], list[str]]] = {
    "layers": (
        [
            ("Input", {"shape": (2, 2)}),
            ("Rescaling", {"scale": 0.5, "offset": -0.25}),
            ("Flatten", {}),
            ("Normalization", {}),
            ("Dense", {"units": 5, "activation": "relu", "kernel_regularizer": "l2"}),
            ("BatchNormalization", {"epsilon": 0.01}),
            ("Dropout", {"rate": 0.5}),
            ("Dense", {"units": 4, "use_bias": False, "kernel_initializer": "orthogonal"}),
            ("LayerNormalization", {}),
            ("LeakyReLU", {}),
            ("Dense", {"units": 4, "activation": "gelu"}),
            ("PReLU", {}),
            ("GaussianNoise", {"stddev": 0.1}),
            ("Dense", {"units": 3, "activation": "softmax"}),
        ],
        [".keras"],
    ),
    "images": (
        [
            ("Input", {"shape": (6, 6, 2)}),
            ("Conv2D", {"filters": 4, "kernel_size": (3, 2), "padding": "same", "activation": "relu", "groups": 2}),
            ("BatchNormalization", {}),
            ("MaxPooling2D", {}),
            ("DepthwiseConv2D", {"kernel_size": 2, "depth_multiplier": 2, "padding": "same"}),
            ("PReLU", {"shared_axes": [1, 2]}),
            ("SeparableConv2D", {"filters": 3, "kernel_size": 2}),
            ("SpatialDropout2D", {"rate": 0.25}),
            ("Conv2DTranspose", {"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same"}),
            ("ZeroPadding2D", {"padding": ((1, 0), (0, 1))}),
            ("UpSampling2D", {"size": (1, 2), "interpolation": "bilinear"}),
            ("Permute", {"dims": (2, 1, 3)}),
            ("GlobalAveragePooling2D", {"keepdims": True}),
            ("Dense", {"units": 3, "activation": "softmax"}),
        ],
        [".keras"],
    ),
    "small": (
        [
            ("Input", {"shape": (3,)}),
            ("Normalization", {"mean": [1.0, 2.0, 3.0], "variance": [1.0, 4.0, 9.0]}),
            ("Dense", {"units": 4, "activation": "tanh"}),
            ("BatchNormalization", {"center": False}),
            ("Dense", {"units": 2}),
        ],
        [".keras", ".weights.h5", ".h5"],
    ),
}


RESNET_SHAPE = (8, 10, 3)


def resnet() -> Any:
    """Return a functional model of Keras with the blocks of residual networks."""
    import keras
    from keras import layers

    def block(x: Any, filters: int, strides: int) -> Any:
        shortcut = x
        if strides > 1:
            shortcut = layers.Conv2D(filters, 1, strides=strides)(x)
            shortcut = layers.BatchNormalization(epsilon=1e-5)(shortcut)
        y = layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False)(x)
        y = layers.ReLU()(layers.BatchNormalization()(y))
        y = layers.BatchNormalization()(layers.Conv2D(filters, 3, padding="same")(y))
        return layers.Activation("relu")(layers.Add()([shortcut, y]))

    keras.utils.clear_session()
    x = start = layers.Input(RESNET_SHAPE)
    x = block(layers.Conv2D(4, 3, padding="same")(x), 4, 1)
    x = block(x, 6, 2)
    branch = layers.MaxPooling2D(3, strides=2, padding="same")(layers.SeparableConv2D(5, 3, padding="same")(x))
    x = layers.Add()([branch, layers.Conv2D(5, 1, strides=2)(x)])  # the other way round, as in Xception
    end = layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    return with_weights(keras.Model(start, end))


def inputs(shape: tuple[int, ...]) -> np.ndarray:
    """Return samples of a shape."""
    size = int(np.prod(shape))
    return values(BATCH * size, 100).reshape(BATCH, *shape).astype(np.float32)


def made(layers: list[tuple[str, dict[str, Any]]], functional: bool = False) -> Any:
    """Return a compiled model of Keras, sequential or functional."""
    import keras

    keras.utils.clear_session()  # names begin again without numbers
    model = keras.Sequential([getattr(keras.layers, name)(**arguments) for name, arguments in layers])
    if functional:
        model = keras.Model(model.inputs, model.outputs)
    model = with_weights(model)
    model.compile(keras.optimizers.Adam(0.25), "mse", metrics=["mae", keras.metrics.RootMeanSquaredError()])
    return model


def with_weights(model: Any) -> Any:
    """Return a model of Keras with the weights that `values` makes."""
    for number, variable in enumerate(model.weights):
        array = values(int(np.prod(variable.shape)), number).reshape(variable.shape)
        if variable.name != "count":
            variable.assign(np.abs(array) + 0.25 if "variance" in variable.name else array)
    return model


def save(model: Any, path: Path) -> None:
    """Write a model, or its weights, as the name of the file says."""
    if path.name.endswith(".weights.h5"):
        model.save_weights(path)
    else:
        with warnings.catch_warnings(action="ignore"):
            model.save(path)


def compress(path: Path) -> None:
    """Write the members of a zip archive again, compressed: Keras does not compress them."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


if __name__ == "__main__":
    import keras

    outputs = {}
    for name, (layers, endings) in MODELS.items():
        model = made(layers)
        for ending in endings:
            save(model, DATA / f"keras_{name}{ending}")
            if name == "images":
                compress(DATA / f"keras_{name}{ending}")
        outputs[name] = model.predict(inputs(layers[0][1]["shape"]), verbose=0).tolist()
    save(resnet(), DATA / "keras_resnet.keras")
    compress(DATA / "keras_resnet.keras")
    outputs["resnet"] = resnet().predict(inputs(RESNET_SHAPE), verbose=0).tolist()
    text = json.dumps({"keras": keras.__version__, "outputs": outputs}, indent=1)
    (DATA / "keras_outputs.json").write_text(f"{text}\n", encoding="utf-8")
