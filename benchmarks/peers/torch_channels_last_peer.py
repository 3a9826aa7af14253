"""PyTorch with images in the memory format channels_last. It takes part with images alone."""

from collections.abc import Callable

import numpy as np
import torch

from ..data import Samples, Weights
from ..image_cases import ImagePrediction, ImageTraining
from . import base, torch_peer


class Library(base.Library):
    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self.plain = torch_peer.Library(threads)

    def version(self) -> str:
        return self.plain.version().replace("PyTorch", "PyTorch/channels_last")

    def image_trainer(self, case: ImageTraining, data: Samples) -> base.Trainer:
        return torch_peer.ImageTrainer(case, data, torch.channels_last)

    def image_predictor(self, case: ImagePrediction, weights: Weights, x: np.ndarray) -> Callable[[], torch.Tensor]:
        return torch_peer.image_predictor(case, weights, x, torch.channels_last)
