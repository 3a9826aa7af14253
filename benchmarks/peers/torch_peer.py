"""PyTorch as a good user writes it for a small network: no DataLoader, batches selected into one array, fused optimizers."""

import contextlib
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ..data import Samples, Weights
from ..workloads import Gemm, Prediction, Training
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


class Trainer(base.Trainer):
    def __init__(self, case: Training, data: Samples) -> None:
        self.case = case
        self.model = make_model(case.sizes, case.hidden)
        self.x, self.y = torch.from_numpy(data.x), torch.from_numpy(data.y)
        if case.sizes[-1] == 1:
            self.y = self.y[:, None].float()
        self.loss = F.cross_entropy if case.sizes[-1] > 1 else F.binary_cross_entropy_with_logits
        self.batch_x = torch.empty((case.batch, case.sizes[0]))
        self.batch_y = torch.empty((case.batch, *self.y.shape[1:]), dtype=self.y.dtype)

    def reset(self, weights: Weights) -> None:
        case, parameters = self.case, self.model.parameters()
        set_weights(self.model, weights)
        if case.optimizer == "adam":
            self.optimizer = torch.optim.Adam(parameters, case.learning_rate, fused=True)
        else:
            self.optimizer = torch.optim.SGD(parameters, case.learning_rate, case.momentum, fused=True)
        self.schedule = None
        if case.one_cycle:
            steps = case.epochs * case.steps
            self.schedule = torch.optim.lr_scheduler.OneCycleLR(
                self.optimizer, case.learning_rate, steps, cycle_momentum=False
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
