"""Small convolutional networks, and the cases in which they are trained and predict.

A network is a list of layers. Images are (height, width, channels), windows move by one pixel, pooling takes maxima. ReLU
follows each layer with weights but the last, which softmax follows. A library that keeps channels first gets the same
network with its weights in that order (`image_data`).
"""

import math
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, replace

from .cases import Prediction, Training

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Convolution:
    filters: int
    size: int
    same: bool = False  # zeros around the image, so that it keeps its size

    def output(self, shape: Shape) -> Shape:
        cut = 0 if self.same else self.size - 1
        return (shape[0] - cut, shape[1] - cut, self.filters)

    def kernel(self, shape: Shape) -> Shape:
        return (self.size, self.size, shape[2], self.filters)


@dataclass(frozen=True)
class Pooling:
    """The maxima of squares that do not overlap."""

    size: int = 2

    def output(self, shape: Shape) -> Shape:
        return (shape[0] // self.size, shape[1] // self.size, shape[2])


@dataclass(frozen=True)
class Flatten:
    def output(self, shape: Shape) -> Shape:
        return (math.prod(shape),)


@dataclass(frozen=True)
class Dropout:
    rate: float

    def output(self, shape: Shape) -> Shape:
        return shape


@dataclass(frozen=True)
class Dense:
    units: int

    def output(self, shape: Shape) -> Shape:  # noqa: ARG002
        return (self.units,)

    def kernel(self, shape: Shape) -> Shape:
        return (shape[0], self.units)


Weighted = Convolution | Dense
Layer = Weighted | Pooling | Flatten | Dropout


@dataclass(frozen=True)
class Network:
    name: str
    shape: Shape  # of an image
    layers: tuple[Layer, ...]

    def stages(self) -> Iterator[tuple[Layer, Shape]]:
        """Each layer with the shape of its input."""
        shape = self.shape
        for layer in self.layers:
            yield layer, shape
            shape = layer.output(shape)

    @property
    def ends(self) -> tuple[int, int]:
        """The number of values of an image, and of classes."""
        last = self.layers[-1]
        assert isinstance(last, Dense)
        return math.prod(self.shape), last.units

    @property
    def products(self) -> list[int]:
        """The multiplications of each layer with weights for one image."""
        layers = [(layer, shape) for layer, shape in self.stages() if isinstance(layer, Weighted)]
        return [math.prod(layer.kernel(shape)) * math.prod(layer.output(shape)[:-1]) for layer, shape in layers]

    def without_dropout(self) -> "Network":
        return replace(self, layers=tuple(layer for layer in self.layers if not isinstance(layer, Dropout)))


@dataclass(frozen=True)
class ImageTraining(Training):
    """An epoch of a convolutional network over images of bytes, which it divides by 255. `sizes` are the network's ends.

    What a peer does before the timing is its own: those that would rather hold float32 divide the images there.
    """

    first_steps: int = 30  # where PyTorch adds the epsilon of Adam leads it apart after some 100
    _: KW_ONLY
    network: Network

    @property
    def operations(self) -> float:
        products = self.network.products
        return 2.0 * self.samples * (3 * sum(products) - products[0])

    def without_chance(self) -> "ImageTraining":
        return replace(self, network=self.network.without_dropout())


@dataclass(frozen=True)
class ImagePrediction(Prediction):
    """The probabilities of `batch` images of float32 by a convolutional network; `sizes` are its ends."""

    _: KW_ONLY
    network: Network

    @property
    def subject(self) -> str:
        return self.network.name

    @property
    def operations(self) -> float:
        return 2.0 * self.batch * sum(self.network.products)


# ---- The networks ---------------------------------------------------------------------------------------------------

LENET = Network(
    "LeNet",
    (28, 28, 1),
    (Convolution(6, 5), Pooling(), Convolution(16, 5), Pooling(), Flatten(), Dense(120), Dense(84), Dense(10)),
)
# The network of Keras's first example of images.
MNIST_CONVNET = Network(
    "mnist_convnet",
    (28, 28, 1),
    (Convolution(32, 3), Pooling(), Convolution(64, 3), Pooling(), Flatten(), Dropout(0.5), Dense(10)),
)
COLOR = Network(
    "32x32x3, 32-32-64-64-128",
    (32, 32, 3),
    (
        *(Convolution(32, 3, same=True), Convolution(32, 3, same=True), Pooling()),
        *(Convolution(64, 3, same=True), Convolution(64, 3, same=True), Pooling()),
        *(Flatten(), Dense(128), Dense(10)),
    ),
)

# ---- The cases ------------------------------------------------------------------------------------------------------

LENET_EPOCH = ImageTraining(
    "LeNet, Adam, batch 64", LENET.ends, batch=64, samples=60_000, seeds=3, network=LENET, target=4.8
)
CONVNET_STEPS = ImageTraining(
    "mnist_convnet, Adam, batch 64, a step",
    MNIST_CONVNET.ends,
    batch=64,
    samples=6_400,
    test_samples=2_000,
    seeds=3,
    accuracy_within=0.02,  # dropout's masks are every library's own
    network=MNIST_CONVNET,
    by_step=True,
    target=2.0,
)
COLOR_STEPS = ImageTraining(
    f"{COLOR.name}, Adam, batch 64, a step",
    COLOR.ends,
    batch=64,
    samples=1_280,
    test_samples=500,
    data="pictures",
    first_steps=8,
    accuracy_within=0.02,  # after 20 steps
    network=COLOR,
    by_step=True,
    target=1.25,
)
LENET_CYCLE = replace(
    LENET_EPOCH,
    name="LeNet, Adam, one cycle to 0.006, batch 64",
    learning_rate=6e-3,
    one_cycle=True,
    rise=0.25,
    epochs=6,
    target=4.25,
)
IMAGE_PREDICTIONS = tuple(
    ImagePrediction(network.ends, batch, each_call=batch == 1, network=network, target=target)
    for network, batch, target in (
        (LENET, 1, 2.2),
        (LENET, 64, 2.5),
        (LENET, 1_000, 2.3),
        (MNIST_CONVNET, 64, 1.35),
        (MNIST_CONVNET, 1_000, 1.15),
    )
)
