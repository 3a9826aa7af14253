"""The models whose files every version of fastnet leaves behind: `record_written_files.py` writes them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import load_iris

import fastnet as fn
from fastnet import layers
from whole_models import INPUTS, whole_model

EPOCHS = 3


class Written(NamedTuple):
    """A model, samples for it and, of one that can be trained again from them, their targets."""

    model: Any
    x: np.ndarray
    y: np.ndarray | None = None


def samples(*shape: int) -> np.ndarray:
    """Return numbers that are the same everywhere and exact in single precision."""
    return ((np.arange(np.prod(shape)) * 37) % 64 / 16 - 2).reshape(shape)


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def with_weights(model: fn.Sequential, seed: int) -> fn.Sequential:
    """Give a built model weights that are all different, of which variances are positive."""
    rng = np.random.default_rng(seed)
    old = model.get_weights()
    lowest = [0.5 if array.ndim == 1 else -1.0 for array in old]
    model.set_weights([rng.uniform(low, 1.0, array.shape) for low, array in zip(lowest, old, strict=True)])
    return model


def every_layer() -> Written:
    model = whole_model(1)
    schedule = fn.schedules.CosineDecay(0.125, 1000, warmup_target=0.25, warmup_steps=10)
    model.compile(fn.optimizers.AdamW(schedule, clipnorm=1.0), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return Written(model, samples(4, INPUTS))


def dense(dtype: str) -> Written:
    parts = [
        layers.Rescaling(0.5, input_shape=(2,)),
        layers.Dense(3, "relu"),
        layers.Dense(2, "softmax", use_bias=False),
    ]
    model = fn.Sequential(parts, dtype=dtype)
    kernel, last = [[1.0, -2.0, 0.5], [0.25, 3.0, -1.0]], [[1.0, 0.0], [0.0, 1.0], [2.0, -2.0]]
    model.set_weights([np.array(kernel), np.array([0.5, 0.0, -0.5]), np.array(last)])
    model.compile(fn.optimizers.SGD(0.25), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.class_names, model.feature_names = ["no", "yes"], ["x1", "x2"]
    return Written(model, np.array([[2.0, 4.0], [-1.0, 0.5]]))


def images() -> Written:
    """Layers of images, pixels as bytes."""
    parts = [
        layers.Rescaling(1 / 255, input_shape=(12, 12, 2)),
        *(
            layers.RandomFlip(),
            layers.RandomTranslation(0.1, 0.1),
            layers.RandomElasticTransform(),
            layers.Dropout(0.1),
        ),
        layers.ZeroPadding2D(1),
        layers.Conv2D(4, 3, activation="relu", strides=(1, 2), groups=2),
        layers.BatchNormalization(),
        layers.MaxPooling2D(2),
        layers.DepthwiseConv2D(2, depth_multiplier=2, padding="same", activation="relu"),
        layers.SeparableConv2D(4, 3, padding="same"),
        layers.PReLU(shared_axes=[1, 2]),
        layers.UpSampling2D(2, interpolation="bilinear"),
        layers.Conv2DTranspose(3, 2, strides=2),
        layers.Cropping2D(((1, 2), (0, 1))),
        layers.AveragePooling2D(3, padding="same"),
        layers.LayerNormalization(),
        layers.Permute((2, 1, 3)),
        layers.Conv2D(3, 2, dilation_rate=2, padding="same"),
        layers.MaxPooling2D(3),
        layers.Flatten(),
        layers.Dense(3),
    ]
    model = with_weights(fn.Sequential(parts, seed=0), 2)
    model.class_names = ["red", "green", "blue"]
    return Written(model, pixels(2, 12, 12, 2))


def sequences() -> Written:
    parts = [
        layers.Conv1D(4, 3, padding="causal", dilation_rate=2, activation="gelu", input_shape=(9, 2)),
        layers.SpatialDropout1D(0.2),
        layers.MaxPooling1D(2),
        layers.Conv1DTranspose(3, 2, strides=2),
        layers.UpSampling1D(2),
        layers.ZeroPadding1D((1, 0)),
        layers.Cropping1D((0, 2)),
        layers.AveragePooling1D(2),
        layers.GlobalMaxPooling1D(),
        layers.Dense(2),
    ]
    return Written(with_weights(fn.Sequential(parts, dtype="float64"), 3), samples(3, 9, 2))


def nested() -> Written:
    """A model in a model, and blocks with a shortcut of their own."""
    inner = fn.Sequential([layers.Dense(4, "tanh", input_shape=(3,)), layers.Dense(3)], name="inner")
    block = layers.Residual([layers.Dense(5, "relu"), layers.Dense(4)], shortcut=[layers.Dense(4, use_bias=False)])
    model = fn.Sequential([inner, block, layers.Dense(2, "sigmoid")], name="outer")
    model.build((3,))
    return Written(with_weights(model, 4), samples(5, 3))


def preprocessing() -> Written:
    """Statistics of the training data, in bfloat16, with names."""
    x = samples(40, 4) * [1.0, 10.0, 100.0, 0.5] + [0.0, 5.0, -50.0, 0.25]
    scale = layers.Normalization(input_shape=(4,))
    scale.adapt(x)
    model = fn.Sequential([scale, layers.Dense(8, "silu"), layers.Dense(1, "sigmoid")], dtype="mixed_bfloat16", seed=0)
    model.compile("adam", "binary_crossentropy", metrics=["AUC"])
    model.class_names, model.feature_names = ["absent", "present"], ["a", "b", "c", "d"]
    return Written(model, x[:6])


def ensemble() -> Written:
    members = [fn.Sequential([layers.Dense(4, "relu", input_shape=(4,)), layers.Dense(3, "softmax")]) for _ in range(3)]
    return Written(fn.models.ensemble([with_weights(model, seed) for seed, model in enumerate(members)]), samples(4, 4))


def regression() -> Written:
    """A model with a history, figures, ranges of its features, and a receipt from which it can be trained again."""
    x = samples(48, 3)
    y = x @ [1.0, -0.5, 0.25] + 3.0
    model = fn.Sequential([layers.Dense(6, "tanh", input_shape=(3,)), layers.Dense(1)], seed=0)
    model.compile(fn.optimizers.Adam(0.02), "mse", metrics=["mae"])
    model.fit(x, y, batch_size=16, epochs=EPOCHS, validation_split=0.25, verbose=0)
    model.figures["test"] = model.evaluate(x, y, return_dict=True, verbose=0)
    return Written(model, x, y)


def estimator() -> Written:
    """What an estimator of scikit-learn's interface hands over."""
    from fastnet.sklearn import MLPClassifier

    x, y = load_iris(return_X_y=True)
    fitted = MLPClassifier((6,), max_iter=3, tol=0.0, n_iter_no_change=9, random_state=0).fit(x, y)
    return Written(fitted.to_sequential(), x[::30])


def quantized() -> Written:
    return Written(whole_model(1).quantize(samples(4, INPUTS)), samples(4, INPUTS))


def quantized_images() -> Written:
    parts = [
        layers.Rescaling(1 / 255, input_shape=(8, 8, 1)),
        layers.Conv2D(4, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(3),
    ]
    x = pixels(4, 8, 8, 1)
    return Written(with_weights(fn.Sequential(parts), 5).quantize(x), x)


MODELS: dict[str, Callable[[], Written]] = {
    "layers": every_layer,
    "dense_float32": lambda: dense("float32"),
    "dense_float64": lambda: dense("float64"),
    "images": images,
    "sequences": sequences,
    "nested": nested,
    "preprocessing": preprocessing,
    "ensemble": ensemble,
    "regression": regression,
    "estimator": estimator,
    "int8": quantized,
    "int8_images": quantized_images,
}
