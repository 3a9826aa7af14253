"""PyTorch as a good user writes it for a small network: no DataLoader, batches selected into one array, fused optimizers."""

import contextlib
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ..cases import Gemm, Prediction, Training
from ..data import Samples, Weights, scaled
from ..image_cases import Convolution, Dense, Dropout, Flatten, ImagePrediction, ImageTraining, Network, Pooling
from ..image_data import channels_first, channels_last, rows_channels_first
from . import base

Array = np.ndarray


def make_model(sizes: tuple[int, ...], hidden: str) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, units in pairwise(sizes):
        layers += [nn.Linear(inputs, units), nn.ReLU() if hidden == "relu" else nn.Sigmoid()]
    return nn.Sequential(*layers[:-1])


@torch.no_grad()
def set_weights(model: nn.Sequential, weights: Weights) -> None:
    """PyTorch keeps kernels as (units, inputs)."""
    for parameter, weight in zip(model.parameters(), weights, strict=True):
        parameter.copy_(torch.from_numpy(weight.T.copy()))


def make_image_model(network: Network, memory_format: torch.memory_format) -> nn.Sequential:
    layers: list[nn.Module] = []
    for layer, shape in network.stages():
        match layer:
            case Convolution(filters, size, same):
                layers += [nn.Conv2d(shape[2], filters, size, padding="same" if same else "valid"), nn.ReLU()]
            case Pooling(size):
                layers.append(nn.MaxPool2d(size))
            case Flatten():
                layers.append(nn.Flatten())
            case Dropout(rate):
                layers.append(nn.Dropout(rate))
            case Dense(units):
                layers += [nn.Linear(shape[0], units), nn.ReLU()]
    return nn.Sequential(*layers[:-1]).to(memory_format=memory_format)


@torch.no_grad()
def set_image_weights(model: nn.Sequential, network: Network, weights: Weights) -> None:
    for parameter, weight in zip(model.parameters(), channels_first(network, weights), strict=True):
        parameter.copy_(torch.from_numpy(weight))


class Trainer(base.Trainer):
    def __init__(self, case: Training, data: Samples) -> None:
        self.case = case
        self.model = self.make_model()
        self.x, self.y = torch.from_numpy(data.x), torch.from_numpy(data.y)
        if case.sizes[-1] == 1:
            self.y = self.y[:, None].float()
        self.loss = F.cross_entropy if case.sizes[-1] > 1 else F.binary_cross_entropy_with_logits
        self.batch_x = torch.empty((case.batch, case.sizes[0]))
        self.batch_y = torch.empty((case.batch, *self.y.shape[1:]), dtype=self.y.dtype)

    def make_model(self) -> nn.Sequential:
        return make_model(self.case.sizes, self.case.hidden)

    def set_weights(self, weights: Weights) -> None:
        set_weights(self.model, weights)

    def reset(self, weights: Weights) -> None:
        case, parameters = self.case, self.model.parameters()
        self.set_weights(weights)
        if case.optimizer == "adam":
            self.optimizer = torch.optim.Adam(parameters, case.learning_rate, fused=True)
        else:
            self.optimizer = torch.optim.SGD(parameters, case.learning_rate, case.momentum, fused=True)
        self.schedule = None
        if case.one_cycle:
            steps = case.epochs * case.steps
            self.schedule = torch.optim.lr_scheduler.OneCycleLR(
                self.optimizer, case.learning_rate, steps, pct_start=case.rise, cycle_momentum=False
            )

    def weights(self) -> Weights:
        return [parameter.detach().numpy().T for parameter in self.model.parameters()]

    def epoch(self, shuffle: bool) -> None:
        if not self.case.shuffle:
            for begin in range(0, len(self.x), self.case.batch):
                self.step(self.x[begin : begin + self.case.batch], self.y[begin : begin + self.case.batch])
            return
        order = torch.randperm(len(self.x)) if shuffle else torch.arange(len(self.x))
        for indices in order.split(self.case.batch):
            x, y = self.batch_x[: len(indices)], self.batch_y[: len(indices)]
            torch.index_select(self.x, 0, indices, out=x)
            torch.index_select(self.y, 0, indices, out=y)
            self.step(x, y)

    def step(self, x: torch.Tensor, y: torch.Tensor) -> None:
        bfloat16 = self.case.form == "bfloat16"
        with torch.autocast("cpu", torch.bfloat16) if bfloat16 else contextlib.nullcontext():
            loss = self.loss(self.model(x), y)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        if self.schedule is not None:
            self.schedule.step()


class ImageTrainer(Trainer):
    """Batches are selected as rows and seen as images in either order of the axes."""

    case: ImageTraining

    def __init__(self, case: ImageTraining, data: Samples, memory_format: torch.memory_format) -> None:
        self.memory_format = memory_format
        images = scaled(data.x)
        if memory_format == torch.contiguous_format:
            images = rows_channels_first(images)
        super().__init__(case, data._replace(x=images.reshape(len(images), -1)))

    def make_model(self) -> nn.Sequential:
        return make_image_model(self.case.network, self.memory_format)

    def set_weights(self, weights: Weights) -> None:
        set_image_weights(self.model, self.case.network, weights)

    def weights(self) -> Weights:
        return channels_last(self.case.network, [p.detach().contiguous().numpy() for p in self.model.parameters()])

    def step(self, x: torch.Tensor, y: torch.Tensor) -> None:
        height, width, channels = self.case.network.shape
        if self.memory_format == torch.contiguous_format:
            images = x.view(-1, channels, height, width)
        else:
            images = x.view(-1, height, width, channels).permute(0, 3, 1, 2)
        super().step(images, y)


def image_predictor(
    case: ImagePrediction, weights: Weights, x: Array, memory_format: torch.memory_format
) -> Callable[[], torch.Tensor]:
    model = make_image_model(case.network, memory_format).eval()
    set_image_weights(model, case.network, weights)
    samples = torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(memory_format=memory_format)

    @torch.inference_mode()
    def predict() -> torch.Tensor:
        return model(samples).softmax(1)

    return predict


class Library(base.Library):
    statement = "import torch"
    forms = ("", "bfloat16")
    slow_steps = True

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        torch.set_num_threads(threads)
        torch.set_num_interop_threads(1)

    def version(self) -> str:
        mkl = "MKL" if torch.backends.mkl.is_available() else "no MKL"
        return f"PyTorch {torch.__version__} (oneDNN, {mkl}, {torch.backends.cpu.get_cpu_capability()})"

    def gemm(self, case: Gemm, a: Array, b: Array) -> tuple[Callable[[], object], Callable[[], Array]]:
        left, right, out = torch.from_numpy(a), torch.from_numpy(b), torch.empty((case.m, case.n))
        left = left.t() if case.transpose[0] == "T" else left
        right = right.t() if case.transpose[1] == "T" else right
        mm = torch.mm
        return lambda: mm(left, right, out=out), out.numpy

    def trainer(self, case: Training, data: Samples) -> Trainer:
        return Trainer(case, data)

    def predictor(self, case: Prediction, weights: Weights, x: Array) -> Callable[[], torch.Tensor]:
        model, samples = make_model(case.sizes, "relu").eval(), torch.from_numpy(x)
        set_weights(model, weights)

        @torch.inference_mode()
        def predict() -> torch.Tensor:
            return model(samples).softmax(1)

        return predict

    def image_trainer(self, case: ImageTraining, data: Samples) -> Trainer:
        if case.one_cycle:  # minutes; with channels last it is faster
            raise NotImplementedError
        return ImageTrainer(case, data, torch.contiguous_format)

    def image_predictor(self, case: ImagePrediction, weights: Weights, x: Array) -> Callable[[], torch.Tensor]:
        return image_predictor(case, weights, x, torch.contiguous_format)
