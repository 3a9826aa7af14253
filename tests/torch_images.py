"""Convolutional networks of PyTorch, in the style of torchvision, small enough for tests."""

import torch
from torch import nn

__all__ = ["NETWORKS", "built"]


class Flow(nn.Module):
    """Layers in a row."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


class Basic(nn.Module):
    """The block of ResNet-18, with a convolution of 1 x 1 in its shortcut where sizes change."""

    def __init__(self, channels: int, filters: int, stride: int = 1) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(channels, filters, 3, stride, 1, bias=False),
            nn.BatchNorm2d(filters),
            nn.ReLU(),
            nn.Conv2d(filters, filters, 3, 1, 1, bias=False),
            nn.BatchNorm2d(filters),
        )
        changes = stride > 1 or channels != filters
        self.shortcut = (
            nn.Sequential(nn.Conv2d(channels, filters, 1, stride, bias=False), nn.BatchNorm2d(filters))
            if changes
            else nn.Identity()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.inner(x) + self.shortcut(x))


class Bottleneck(Basic):
    """The block of ResNet-50."""

    def __init__(self, channels: int, filters: int, stride: int = 1) -> None:
        super().__init__(channels, filters, stride)
        narrow = filters // 4
        self.inner = nn.Sequential(
            nn.Conv2d(channels, narrow, 1, bias=False),
            nn.BatchNorm2d(narrow),
            nn.ReLU(),
            nn.Conv2d(narrow, narrow, 3, stride, 1, bias=False),
            nn.BatchNorm2d(narrow),
            nn.ReLU(),
            nn.Conv2d(narrow, filters, 1, bias=False),
            nn.BatchNorm2d(filters),
        )


class Inverted(nn.Module):
    """The block of MobileNetV2 and, without squeeze and excitation, of MobileNetV3."""

    def __init__(self, channels: int, filters: int, stride: int, kernel: int, activation: type[nn.Module]) -> None:
        super().__init__()
        wide = 3 * channels
        self.inner = nn.Sequential(
            nn.Conv2d(channels, wide, 1, bias=False),
            nn.BatchNorm2d(wide),
            activation(),
            nn.Conv2d(wide, wide, kernel, stride, kernel // 2, groups=wide, bias=False),
            nn.BatchNorm2d(wide),
            activation(),
            nn.Conv2d(wide, filters, 1, bias=False),
            nn.BatchNorm2d(filters),
        )
        self.adds = stride == 1 and channels == filters

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.inner(x) if self.adds else self.inner(x)


class Pooled(nn.Module):
    """Features, their mean over the image, and a classifier."""

    def __init__(self, features: nn.Module, channels: int) -> None:
        super().__init__()
        self.features = features
        self.classifier = nn.Linear(channels, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.adaptive_avg_pool2d(self.features(x), 1)
        return self.classifier(torch.flatten(x, 1))


def lenet() -> nn.Module:
    return Flow(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.Tanh(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.Tanh(),
        nn.Linear(120, 10),
        nn.Softmax(1),
    )


def vgg() -> nn.Module:
    return Flow(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 12, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(12, 12, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(),
        nn.ReLU(),
        nn.Linear(12 * 8 * 7, 10),
    )


def resnet() -> nn.Module:
    stem = nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
    return Pooled(nn.Sequential(*stem, Basic(8, 8), Basic(8, 16, 2), Basic(16, 16), Bottleneck(16, 32, 2)), 32)


def mobilenet(activation: type[nn.Module] = nn.ReLU6) -> nn.Module:
    stem = nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), activation()
    blocks = Inverted(8, 8, 1, 3, activation), Inverted(8, 12, 2, 5, activation), Inverted(12, 12, 1, 3, activation)
    return Pooled(nn.Sequential(*stem, *blocks), 12)


def autoencoder() -> nn.Module:
    return Flow(
        nn.ZeroPad2d((1, 2, 0, 1)),
        nn.Conv2d(3, 6, 3, 2, dilation=1),
        nn.PReLU(6),
        nn.ConvTranspose2d(6, 4, 3, 2, 1, output_padding=1),
        nn.Hardtanh(),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=2),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.LeakyReLU(0.1),
        nn.ConvTranspose2d(4, 2, 2, 2),
        nn.Sigmoid(),
    )


def sequences() -> nn.Module:
    return Flow(
        nn.Conv1d(3, 6, 5, padding=2),
        nn.ELU(),
        nn.MaxPool1d(3, 2, 1),
        nn.Conv1d(6, 6, 3, groups=6),
        nn.AvgPool1d(2, 2, 1),
        nn.ConvTranspose1d(6, 4, 4, 2, 1),
        nn.BatchNorm1d(4),
        nn.Flatten(),
        nn.Linear(4 * 14, 5),
    )


# Of every network, what makes it and the shape of its samples.
NETWORKS = {
    "lenet": (lenet, (1, 28, 28)),
    "vgg": (vgg, (3, 33, 28)),
    "resnet": (resnet, (3, 65, 48)),
    "mobilenet": (mobilenet, (3, 33, 40)),
    "mobilenet v3": (lambda: mobilenet(nn.Hardswish), (3, 32, 30)),
    "autoencoder": (autoencoder, (3, 13, 9)),
    "sequences": (sequences, (3, 27)),
}


def built(name: str) -> tuple[nn.Module, torch.Tensor]:
    """Return a network in evaluation, with statistics other than those it begins with, and some samples."""
    torch.manual_seed(0)
    make, shape = NETWORKS[name]
    module = make()
    x = torch.randn(4, *shape)
    for parameter in module.parameters():
        if parameter.ndim == 1:  # biases, scales and slopes that are not all alike
            parameter.data += 0.2 * torch.rand_like(parameter)
    module.train()
    for _ in range(3):
        module(x * 2.0 + 0.5)
    return module.eval(), x
