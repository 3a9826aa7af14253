"""Small models that have, together, every layer, optimizer, schedule, loss and metric that a file can hold."""

from collections.abc import Iterator
from itertools import cycle

import numpy as np

import fastnet as fn
from fastnet import layers, losses, metrics, optimizers, regularizers, schedules

INPUTS = 6

OPTIMIZERS = [
    lambda rate: optimizers.SGD(rate, momentum=0.9, nesterov=True, clipnorm=1.0),
    lambda rate: optimizers.SGD(rate, dampening=0.5, momentum=0.5, weight_decay=1e-4, gradient_accumulation_steps=2),
    lambda rate: optimizers.Adam(rate, amsgrad=True, clipvalue=0.5),
    lambda rate: optimizers.AdamW(rate, global_clipnorm=1.0),
    optimizers.Adamax,
    optimizers.Nadam,
    optimizers.Lion,
    lambda rate: optimizers.RMSprop(rate, centered=True, momentum=0.1),
    lambda rate: optimizers.Adagrad(rate, use_ema=True, ema_overwrite_frequency=3),
    optimizers.Adadelta,
    lambda rate: optimizers.Muon(rate, exclude_layers=["out"]),
]
SCHEDULES = [
    lambda: 0.125,
    lambda: schedules.ExponentialDecay(0.1, 10, 0.9, staircase=True),
    lambda: schedules.InverseTimeDecay(0.1, 10, 0.9),
    lambda: schedules.InverseScaling(0.1),
    lambda: schedules.PiecewiseConstantDecay([5, 10], [0.1, 0.05, 0.01]),
    lambda: schedules.PolynomialDecay(0.1, 10, power=2.0),
    lambda: schedules.CosineDecay(0.0, 100, warmup_target=0.1, warmup_steps=10),
    lambda: schedules.CosineDecayRestarts(0.1, 10),
    lambda: schedules.OneCycle(0.1, 100),
]
LOSSES = [
    "sparse_categorical_crossentropy",
    lambda: losses.CategoricalCrossentropy(label_smoothing=0.1),
    lambda: losses.Huber(delta=0.5),
    "mse",
    lambda: losses.CategoricalFocalCrossentropy(gamma=1.5),
    "kl_divergence",
    lambda: losses.BinaryCrossentropy(label_smoothing=0.2),
    "log_cosh",
]
METRICS = [
    ["accuracy"],
    [metrics.TopKCategoricalAccuracy(k=2), "categorical_accuracy"],
    [metrics.Precision(class_id=1), metrics.Recall(), metrics.F1Score(average="macro")],
    ["mse", metrics.RootMeanSquaredError(), metrics.R2Score()],
    [metrics.AUC(), "mae"],
]


def every_layer() -> list[layers.Layer]:
    """Return layers of every class, for samples of `INPUTS` numbers."""
    inner = layers.Residual([layers.LayerNormalization(scale=False), layers.Dense(5, "gelu")])
    return [
        layers.Normalization(mean=np.arange(INPUTS), variance=np.full(INPUTS, 4.0), input_shape=(INPUTS,)),
        layers.Reshape((2, -1)),
        layers.Rescaling(0.5, -0.25),
        layers.Flatten(),
        layers.Dense(5, "tanh", kernel_regularizer=regularizers.L1L2(0.1, 0.2), bias_regularizer="l2"),
        layers.BatchNormalization(momentum=0.9),
        layers.ReLU(negative_slope=0.01),
        layers.Residual([layers.Dense(4, "silu", use_bias=False), layers.PReLU("ones"), layers.Dense(5), inner]),
        layers.Dropout(0.25, seed=3),
        layers.GaussianNoise(0.5),
        layers.LeakyReLU(0.1),
        layers.ELU(0.5),
        layers.Activation("softplus"),
        layers.LayerNormalization(epsilon=0.1),
        layers.Dense(3, kernel_initializer="he_normal", bias_initializer=fn.initializers.Constant(0.5), name="out"),
        layers.Softmax(),
    ]


def whole_model(seed: int, dtype: str = "float32") -> fn.Sequential:
    """Return a built model of every layer, with weights that are all different, and names."""
    model = fn.Sequential(every_layer(), seed=seed, dtype=dtype, name=f"whole {seed}")
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        named = zip(layer.weight_names, layer.get_weights(), strict=True)
        # A variance must be positive; kernels of both signs keep the outputs apart.
        layer.set_weights([rng.uniform(-1.5 if "kernel" in name else 0.5, 1.5, old.shape) for name, old in named])
    model.class_names = ["cat", "größer 犬", 'a "quoted" one']
    model.feature_names = [f"feature {number}" for number in range(INPUTS)]
    return model


def whole_models() -> Iterator[fn.Sequential]:
    """Yield models that are compiled with every optimizer, schedule, loss and metric, and trained a little."""
    x = np.random.default_rng(0).normal(size=(8, INPUTS))
    labels = np.arange(8) % 3
    options = zip(OPTIMIZERS, cycle(SCHEDULES), cycle(LOSSES), cycle(METRICS))
    for number, (optimizer, schedule, loss, chosen) in enumerate(options):
        model = whole_model(number, dtype=("float32", "float64", "mixed_bfloat16")[number % 3])
        given = loss if isinstance(loss, str) else loss()
        model.compile(optimizer(schedule()), given, metrics=chosen, weighted_metrics=chosen[:1])
        model.fit(x, labels if str(given).startswith("sparse") else np.eye(3)[labels], epochs=1, verbose=0)
        yield model
