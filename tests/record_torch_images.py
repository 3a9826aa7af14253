"""Record what small networks of images and sequences predict in PyTorch, for test_torch_images.py.

usage: python tests/record_torch_images.py     (writes tests/data/torch_images.json)

Needs torch. Weights and inputs are those that `values` makes of their sizes, as in record_interchange_torch.py.
"""

import json
from typing import Any

import numpy as np

from fastnet.interchange.torch.classes import CLASSES, with_classes
from record_interchange_torch import BATCH, DATA, state_of, values

# The code of each network, and the shape of a sample as fastnet takes it.
NETWORKS: list[tuple[str, tuple[int, ...]]] = [
    (
        "Conv2d(1, 4, 5, padding=2), Tanh(), AvgPool2d(2), Conv2d(4, 6, 3), ReLU(), MaxPool2d(2), Flatten(), Linear(24, 5), "
        "Softmax(dim=1)",
        (12, 12, 1),
    ),
    (
        "Sequential(Conv2d(3, 4, 3, padding=1), BatchNorm2d(4), ReLU(), MaxPool2d(2, 2)), Sequential(Conv2d(4, 6, 3, padding=1, "
        "bias=False), BatchNorm2d(6, eps=0.01), ReLU(inplace=True), AdaptiveAvgPool2d((2, 2))), Flatten(), Dropout(), Linear(24, 3)",
        (8, 8, 3),
    ),
    (
        "Conv2d(3, 4, 5, stride=2, padding=2), BatchNorm2d(4, affine=False), ReLU(), MaxPool2d(3, stride=2, padding=1), Conv2d(4, 6, "
        "3, stride=2, padding=1), LeakyReLU(), AdaptiveAvgPool2d(1), Flatten(), Linear(6, 3)",
        (12, 14, 3),
    ),
    (
        "Conv2d(2, 6, 1), Hardsigmoid(), Conv2d(6, 12, 3, padding='same', groups=6), SiLU(), Conv2d(12, 4, 1, groups=2), PReLU(4), "
        "AdaptiveMaxPool2d((1, 1)), Flatten(), LayerNorm(4), Linear(4, 2)",
        (5, 7, 2),
    ),
    (
        "Linear(6, 24), ReLU(), BatchNorm1d(24), Unflatten(1, (6, 2, 2)), ConvTranspose2d(6, 4, 4, stride=2, padding=1), ELU(0.5), "
        "Upsample(scale_factor=2, mode='bilinear'), ConvTranspose2d(4, 1, 3, stride=2, padding=1, output_padding=1), Sigmoid()",
        (6,),
    ),
    (
        "Conv1d(2, 4, 3, stride=2, padding=1), GELU(), BatchNorm1d(4), MaxPool1d(2, ceil_mode=True), ConvTranspose1d(4, 3, 2, "
        "stride=2), AvgPool1d(3, stride=1, padding=1), Softmax(dim=1), ZeroPad1d((1, 2)), Flatten(), Linear(27, 2)",
        (11, 2),
    ),
    (
        "ZeroPad2d((1, -1, 2, 0)), ConstantPad2d((0, 1, 0, 1), float('-inf')), MaxPool2d(2, stride=2), Upsample(scale_factor=(2, 3)), "
        "AvgPool2d(3, stride=1, padding=1, count_include_pad=False), Dropout2d(), Softmax(dim=1)",
        (5, 7, 3),
    ),
    (
        "Conv2d(1, 3, (3, 2), dilation=(2, 1)), Softsign(), Flatten(), PReLU(36), LayerNorm(36), BatchNorm1d(36), Mish(), Linear(36, 4)",
        (8, 4, 1),
    ),
    (
        "ConvTranspose2d(2, 3, (3, 2), stride=(3, 1), padding=(1, 0), output_padding=(2, 0), bias=False), ReLU(), AvgPool2d((2, 3), "
        "stride=2, padding=1), Conv2d(3, 2, 2, stride=3, padding=1), GELU(approximate='tanh'), Flatten(), Linear(12, 3), LogSoftmax(dim=-1)",
        (4, 7, 2),
    ),
    (
        "Conv1d(3, 3, 2, groups=3), ReLU(), ConvTranspose1d(3, 2, 5, padding=3), Upsample(size=10), AdaptiveAvgPool1d(5), "
        "AvgPool1d(2, ceil_mode=True), AdaptiveMaxPool1d(1), Flatten()",
        (8, 3),
    ),
    (
        "Conv2d(2, 4, 3, padding=1, bias=False), BatchNorm2d(4), ReLU(), MaxPool2d(2), Residual(Sequential(Conv2d(4, 4, 3, padding=1), "
        "ReLU(), Conv2d(4, 4, 3, padding=1))), ReLU(), Residual(body=Sequential(Conv2d(4, 6, 3, stride=2, padding=1), BatchNorm2d(6)), "
        "shortcut=Conv2d(4, 6, 1, stride=2)), ReLU(), AdaptiveAvgPool2d(1), Flatten(), Linear(6, 3)",
        (10, 12, 2),
    ),
    (
        "Conv2d(2, 6, 2, stride=2), Residual(Sequential(Conv2d(6, 6, 3, padding=1, groups=6), Permute(0, 2, 3, 1), LayerNorm(6), "
        "Linear(6, 8), GELU(), Linear(8, 6), Permute(0, 3, 1, 2))), Permute(0, 2, 3, 1), Softmax(dim=-1), Flatten(), Linear(54, 4)",
        (6, 6, 2),
    ),
    (
        "Linear(3, 4), Permute(0, 2, 1), LayerNorm(5), Residual(Linear(5, 2), Linear(5, 2)), Softmax(-1), Flatten()",
        (5, 3),
    ),
]


def inputs(shape: tuple[int, ...]) -> np.ndarray:
    """Return samples, channels last."""
    size = int(np.prod(shape))
    return values(BATCH * size, 100).reshape(BATCH, *shape).astype(np.float32)


def to_torch(x: np.ndarray) -> np.ndarray:
    """Return samples with their channels first."""
    return np.ascontiguousarray(np.moveaxis(x, -1, 1)) if x.ndim > 2 else x


def code_of(modules: str) -> str:
    """Return the code of a network."""
    return with_classes(f"Sequential({modules})", [kind for kind in CLASSES if f"{kind}(" in modules])


def made(code: str) -> Any:
    """Return a network of PyTorch with its weights."""
    import torch

    namespace = vars(torch.nn) | {"float": float, "torch": torch}
    if code.startswith("import"):
        exec(code, namespace)
        network = namespace["network"].eval()
    else:
        network = eval(code, namespace).eval()
    shapes = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in state_of(shapes).items()})
    return network


def recorded(modules: str, shape: tuple[int, ...]) -> dict[str, Any]:
    """Return a network's code, its tensors and what it predicts, channels last."""
    import torch

    network = made(code_of(modules))
    with torch.no_grad():
        takes_images = any(kind in code_of(modules) for kind in ("Conv", "Pool", "Pad", "Upsample"))
        outputs = network(torch.from_numpy(to_torch(inputs(shape)) if takes_images else inputs(shape))).numpy()
    outputs = np.moveaxis(outputs, 1, -1) if outputs.ndim > 2 else outputs
    shapes = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    return {
        "code": code_of(modules),
        "input_shape": shape,
        "shapes": shapes,
        "outputs": np.round(outputs.astype(float), 7).tolist(),
    }


if __name__ == "__main__":
    import torch

    networks = [recorded(*network) for network in NETWORKS]
    text = json.dumps({"torch": torch.__version__, "networks": networks})
    (DATA / "torch_images.json").write_text(text.replace('{"code"', '\n{"code"') + "\n", encoding="utf-8")
