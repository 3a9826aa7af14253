"""Random networks of everything that fastnet has, with random weights and data. Nothing here needs PyTorch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastnet as fn
from fastnet import _core, layers, losses, optimizers, schedules
from fastnet.regularizers import L1, L1L2, L2

Array = NDArray[Any]
Random = np.random.Generator


@dataclass(frozen=True)
class Case:
    """A compiled model, its data in the form that it is given, and how it trains."""

    seed: int
    model: fn.Sequential
    x: Any
    y: Array
    weight: Array | None
    batch_size: int

    @property
    def dense_x(self) -> Array:
        """The samples as an array, where they are a sparse matrix."""
        return self.x.toarray() if hasattr(self.x, "toarray") else self.x


# ---- Layers ----------------------------------------------------------------------------------------------------------

ACTIVATIONS = (*_core.activation_names(),)  # those of whole rows last


def chance(random: Random, probability: float) -> bool:
    return bool(random.random() < probability)


def pick(random: Random, *choices: Any) -> Any:
    return choices[random.integers(len(choices))]


def activation(random: Random) -> str:
    return str(pick(random, *ACTIVATIONS) if chance(random, 0.2) else pick(random, *ACTIVATIONS[:-2]))


def regularizer(random: Random) -> Any:
    l1, l2 = random.uniform(0, 0.02, 2)
    return pick(random, None, None, None, L1(l1), L2(l2), L1L2(l1, l2))


def dense(random: Random, units: int) -> fn.Dense:
    return fn.Dense(
        units,
        activation(random),
        use_bias=chance(random, 0.85),
        kernel_regularizer=regularizer(random),
        bias_regularizer=regularizer(random),
    )


def normalized(random: Random) -> dict[str, Any]:
    return {"epsilon": pick(random, 1e-3, 1e-5, 0.1), "center": chance(random, 0.7), "scale": chance(random, 0.7)}


def residual(random: Random, size: int, depth: int) -> list[layers.Layer]:
    inner, width = random_layers(random, size, int(random.integers(1, 4)), depth + 1)
    return [layers.Residual([*inner, *([] if width == size else [dense(random, size)])])]


# By class: layers that take rows of `size` numbers. Dropout and noise draw nothing here: what they draw has tests of its own.
LAYERS: dict[str, Callable[[Random, int, int], list[layers.Layer]]] = {
    "Dense": lambda random, size, depth: [dense(random, pick(random, 1, 2, 3, 4, 5, 7, 8, 10, 15, 16, 17, 31, 33, 64))],
    "Activation": lambda random, size, depth: [layers.Activation(activation(random))],
    "ReLU": lambda random, size, depth: [layers.ReLU(negative_slope=pick(random, 0.0, 0.01, 0.3, 1.5))],
    "LeakyReLU": lambda random, size, depth: [layers.LeakyReLU(pick(random, 0.0, 0.01, 0.3, 1.5))],
    "ELU": lambda random, size, depth: [layers.ELU(pick(random, 0.0, 0.5, 1.0, 2.0))],
    "Softmax": lambda random, size, depth: [layers.Softmax()],
    "PReLU": lambda random, size, depth: [layers.PReLU()],
    "BatchNormalization": lambda random, size, depth: [
        layers.BatchNormalization(momentum=pick(random, 0.0, 0.5, 0.9, 0.99), **normalized(random))
    ],
    "LayerNormalization": lambda random, size, depth: [layers.LayerNormalization(**normalized(random))],
    "Rescaling": lambda random, size, depth: [layers.Rescaling(random.normal(), pick(random, 0.0, random.normal()))],
    "Normalization": lambda random, size, depth: [
        layers.Normalization(mean=random.normal(size=size), variance=random.uniform(0.2, 2.0, size))
    ],
    "Dropout": lambda random, size, depth: [layers.Dropout(0.0)],
    "GaussianNoise": lambda random, size, depth: [layers.GaussianNoise(0.0)],
    "Flatten": lambda random, size, depth: [layers.Flatten()],
    "Reshape": lambda random, size, depth: [layers.Reshape((1, size)), layers.Flatten()],
    "Residual": residual,
}
_OFTEN = ("Dense",) * 6 + ("BatchNormalization", "LayerNormalization", "Residual", "Residual")


def random_layers(random: Random, size: int, count: int, depth: int = 0) -> tuple[list[layers.Layer], int]:
    """Return layers for rows of `size` numbers, and the size of their output."""
    chosen: list[layers.Layer] = []
    for _ in range(count):
        name = pick(random, *LAYERS, *_OFTEN)
        if name == "Residual" and depth == 2:
            name = "Dense"
        chosen += LAYERS[name](random, size, depth)
        size = chosen[-1].units if isinstance(chosen[-1], fn.Dense) else size
    return chosen, size


# ---- Losses ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Targets:
    """How a loss is tried: behind which last activations, on what targets, with which arguments."""

    draw: Callable[[Random, int, int], Array]
    activations: tuple[str, ...] = ACTIVATIONS
    arguments: Callable[[Random], dict[str, Any]] = lambda random: {}
    classes: bool = False  # at least two outputs


def numbers(random: Random, rows: int, outputs: int) -> Array:
    return random.normal(size=(rows, outputs))


def counts(random: Random, rows: int, outputs: int) -> Array:
    return random.poisson(2.0, (rows, outputs)).astype(float)


def sizes(random: Random, rows: int, outputs: int) -> Array:
    return random.exponential(1.0, (rows, outputs))


def bits(random: Random, rows: int, outputs: int) -> Array:
    soft = random.random((rows, outputs))
    return soft if chance(random, 0.3) else np.rint(soft)


def signs(random: Random, rows: int, outputs: int) -> Array:
    return random.choice([pick(random, -1.0, 0.0), 1.0], (rows, outputs))


def labels(random: Random, rows: int, outputs: int) -> Array:
    return random.integers(0, outputs, rows)


def one_hot(random: Random, rows: int, outputs: int) -> Array:
    return np.eye(outputs)[labels(random, rows, outputs)]


def distributions(random: Random, rows: int, outputs: int) -> Array:
    soft = random.dirichlet(np.ones(outputs), rows)
    return soft if chance(random, 0.4) else one_hot(random, rows, outputs)


POSITIVE = ("sigmoid", "softplus", "exponential", "softmax")
# Some activations have outputs that are equal, between which the largest is no smooth choice.
FLAT = ("relu", "relu6", "thresholded_relu", "hard_sigmoid", "hard_silu", "hard_tanh", "hard_shrink", "soft_shrink")
DISTINCT = tuple(name for name in ACTIVATIONS if name not in (*FLAT, "sparse_sigmoid", "sparse_plus"))


def smoothing(random: Random) -> dict[str, Any]:
    return {"label_smoothing": random.uniform(0, 0.4)} if chance(random, 0.4) else {}


def focal(random: Random) -> dict[str, Any]:
    return {"gamma": pick(random, 0.0, 1.0, 2.0, 2.5), "alpha": pick(random, 0.25, 0.7), **smoothing(random)}


LOSSES: dict[str, Targets] = {
    "MeanSquaredError": Targets(numbers),
    "MeanAbsoluteError": Targets(numbers),
    "MeanAbsolutePercentageError": Targets(numbers),
    "MeanSquaredLogarithmicError": Targets(sizes),
    "Huber": Targets(numbers, arguments=lambda random: {"delta": pick(random, 0.1, 1.0, 2.0)}),
    "LogCosh": Targets(numbers),
    "Quantile": Targets(numbers, arguments=lambda random: {"quantile": pick(random, 0.1, 0.5, 0.9)}),
    "CosineSimilarity": Targets(numbers, classes=True),
    "Poisson": Targets(counts, POSITIVE),
    "Hinge": Targets(signs),
    "SquaredHinge": Targets(signs),
    "CategoricalHinge": Targets(one_hot, DISTINCT, classes=True),
    "KLDivergence": Targets(distributions, (*POSITIVE, "hard_sigmoid", "tanh", "relu"), classes=True),
    "BinaryCrossentropy": Targets(bits, (*POSITIVE, "hard_sigmoid", "tanh", "linear"), smoothing),
    "BinaryFocalCrossentropy": Targets(
        bits,
        (*POSITIVE, "hard_sigmoid"),
        lambda random: {**focal(random), "apply_class_balancing": chance(random, 0.5)},
    ),
    "CategoricalCrossentropy": Targets(distributions, POSITIVE, smoothing, classes=True),
    "CategoricalFocalCrossentropy": Targets(distributions, POSITIVE, focal, classes=True),
    "SparseCategoricalCrossentropy": Targets(labels, POSITIVE, classes=True),
    "CategoricalGeneralizedCrossEntropy": Targets(
        labels, POSITIVE, lambda random: {"q": pick(random, 0.3, 0.5, 0.9)}, classes=True
    ),
    "Dice": Targets(bits, ("sigmoid", "hard_sigmoid", "softmax"), lambda random: {"axis": [1]}),
    "Tversky": Targets(
        bits,
        ("sigmoid", "hard_sigmoid", "softmax"),
        lambda random: {"alpha": pick(random, 0.2, 1.0), "beta": pick(random, 0.5, 1.5), "axis": [1]},
    ),
}
FROM_LOGITS = ("BinaryCrossentropy", "CategoricalCrossentropy", "SparseCategoricalCrossentropy")
REDUCTIONS = ("sum_over_batch_size",) * 4 + ("sum", "mean_with_sample_weight")


def random_loss(random: Random, name: str) -> tuple[losses.Loss, str]:
    """Return a loss and the activation of the output that it is tried behind."""
    logits = name in FROM_LOGITS and chance(random, 0.4)
    arguments = LOSSES[name].arguments(random) | ({"from_logits": True} if logits else {})
    loss = getattr(losses, name)(reduction=pick(random, *REDUCTIONS), **arguments)
    return loss, "linear" if logits else pick(random, *LOSSES[name].activations)


# ---- Optimizers ------------------------------------------------------------------------------------------------------


def adam(random: Random) -> dict[str, Any]:
    return {
        "beta_1": pick(random, 0.9, 0.5, 0.0),
        "beta_2": pick(random, 0.999, 0.9),
        "epsilon": pick(random, 1e-7, 1e-3),
        "amsgrad": chance(random, 0.3),
    }


def without_amsgrad(random: Random) -> dict[str, Any]:
    return {key: value for key, value in adam(random).items() if key != "amsgrad"}


OPTIMIZERS: dict[str, Callable[[Random], dict[str, Any]]] = {
    "SGD": lambda random: {
        "momentum": pick(random, 0.0, 0.5, 0.9),
        "nesterov": chance(random, 0.4),
        "dampening": pick(random, 0.0, 0.0, 0.5, 0.9),
    },
    "RMSprop": lambda random: {
        "rho": pick(random, 0.9, 0.5),
        "momentum": pick(random, 0.0, 0.9),
        "epsilon": pick(random, 1e-7, 1e-3),
        "centered": chance(random, 0.4),
    },
    "Adagrad": lambda random: {"initial_accumulator_value": pick(random, 0.1, 0.01)},
    "Adadelta": lambda random: {"rho": pick(random, 0.95, 0.5), "epsilon": pick(random, 1e-7, 1e-3)},
    "Adam": adam,
    "AdamW": adam,
    "Adamax": without_amsgrad,
    "Nadam": without_amsgrad,
    "Lion": lambda random: {"beta_2": pick(random, 0.99, 0.5)},
    "Muon": lambda random: {
        "momentum": pick(random, 0.95, 0.5),
        "nesterov": chance(random, 0.5),
        "ns_steps": pick(random, 1, 3, 5),
        "adam_lr_ratio": pick(random, 1.0, 0.3),
    },
}


def random_options(random: Random) -> dict[str, Any]:
    """Return what any optimizer takes beside its own hyperparameters."""
    options: dict[str, Any] = {}
    if chance(random, 0.3):
        options["weight_decay"] = pick(random, 0.004, 0.1)
    if chance(random, 0.4):
        options[pick(random, "clipnorm", "clipvalue", "global_clipnorm")] = 10 ** random.uniform(-3, 0)
    if chance(random, 0.15):
        options |= {"use_ema": True, "ema_momentum": pick(random, 0.5, 0.99)}
        options |= {"ema_overwrite_frequency": 2} if chance(random, 0.5) else {}
    if chance(random, 0.15):
        options["gradient_accumulation_steps"] = pick(random, 2, 3)
    return options


def random_optimizer(random: Random, name: str) -> optimizers.Optimizer:
    rate: Any = 10 ** random.uniform(-3, -1)
    if chance(random, 0.2):
        rate = schedules.ExponentialDecay(rate, int(random.integers(1, 5)), random.uniform(0.3, 0.99))
    return getattr(optimizers, name)(rate, **OPTIMIZERS[name](random), **random_options(random))


# ---- Whole cases -----------------------------------------------------------------------------------------------------

INPUTS = (1, 2, 3, 5, 8, 13, 16, 20, 33, 64, 100, 600, 1100)
BATCHES = (1, 2, 3, 7, 16, 31, 32, 50, 300, 5000)  # the last is computed in parts


def random_rows(random: Random) -> tuple[tuple[int, ...], list[layers.Layer]]:
    """Return the shape of rows of numbers, and layers for them."""
    inputs = pick(random, *INPUTS)
    return (inputs,), random_layers(random, inputs, int(random.integers(0, 6)))[0]


def random_case(
    seed: int,
    drawn: Callable[[Random], tuple[tuple[int, ...], list[layers.Layer]]] = random_rows,
    batches: tuple[int, ...] = BATCHES,
) -> Case:
    """Return a network of layers. Losses and optimizers take turns, so that few seeds have them all."""
    random = np.random.default_rng(seed)
    loss, last = random_loss(random, list(LOSSES)[seed % len(LOSSES)])
    optimizer = random_optimizer(random, list(OPTIMIZERS)[(seed + seed // len(LOSSES)) % len(OPTIMIZERS)])
    targets = LOSSES[type(loss).__name__]
    several = targets.classes or last in ("softmax", "log_softmax")
    outputs = int(random.integers(2, 12)) if several else pick(random, 1, 1, 2, 3, 5, 10, 17)
    shape, chosen = drawn(random)
    joined = chance(random, 0.7)
    output = [fn.Dense(outputs, last if joined else None), *([] if joined else [layers.Activation(last)])]
    model = fn.Sequential([fn.Input(shape), *chosen, *output], seed=seed, dtype="float64")
    freeze_some(random, chosen)
    model.compile(optimizer, loss)
    set_random_weights(random, model)
    batch_size = pick(random, *batches)
    rows = 3 * batch_size - (int(random.integers(0, batch_size)) if chance(random, 0.3) else 0)
    return Case(
        seed,
        model,
        random_samples(random, rows, shape),
        targets.draw(random, rows, outputs),
        random.uniform(0.1, 3.0, rows) if chance(random, 0.3) else None,
        batch_size,
    )


def freeze_some(random: Random, chosen: list[layers.Layer]) -> None:
    """Take layers out of training, those of blocks that train, too; never the output."""
    for layer in chosen:
        layer.trainable = not chance(random, 0.15)
        if isinstance(layer, layers.Residual) and layer.trainable:
            freeze_some(random, layer.layers)


def set_random_weights(random: Random, model: fn.Sequential) -> None:
    """Make all weights random, those too that begin as zeros and ones; vectors stay positive, as variances must."""
    for layer in model.layers:
        if not isinstance(layer, layers.Normalization):
            layer.set_weights(
                [
                    weight + 0.1 * random.normal(size=weight.shape)
                    if weight.ndim > 1
                    else np.abs(weight + 0.3 * random.normal(size=weight.shape)) + 0.05
                    for weight in layer.get_weights()
                ]
            )


def random_samples(random: Random, rows: int, shape: tuple[int, ...]) -> Any:
    x = random.normal(size=(rows, *shape))
    kind = pick(random, "float64", "float64", "float64", "float32", "uint8", "sparse")
    if kind == "float32" or len(shape) > 1:  # of images, whole numbers are often equal, and none is sparse
        return x.astype("float32" if kind == "float32" else "float64")
    if kind == "uint8":
        return random.integers(0, 4, x.shape).astype(np.uint8)
    if kind == "sparse":
        import scipy.sparse

        return scipy.sparse.csr_matrix(x * (random.random(x.shape) < 0.15))
    return x
