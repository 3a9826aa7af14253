"""Record what small networks of PyTorch predict, for test_state_dict.py.

usage: python tests/record_interchange_torch.py     (writes tests/data/torch_networks.json and torch_bfloat16.safetensors)

Needs torch and safetensors. The weights and the inputs are those that `values` makes of their sizes; the entry has the names and the
shapes of the tensors and the outputs in evaluation.
"""

import json
from pathlib import Path

import numpy as np

from fastnet.functional.activations.table import ACTIVATIONS

INPUTS, BATCH = 4, 5
DATA = Path(__file__).parent / "data"
BFLOAT16 = DATA / "torch_bfloat16.safetensors"

# PyTorch's modules, of which some have another default of their parameter.
HIDDEN = {
    name: facts.torch.format(alpha=facts.parameter[1] if facts.parameter else None)
    for name, facts in ACTIVATIONS.items()
    if facts.torch and name != "softmax"
} | {
    "leaky_relu": "LeakyReLU()",
    "elu": "ELU()",
    "log_softmax": "LogSoftmax(1)",
    "linear": "Identity()",
}
# The modules of a network, and the arguments of from_state_dict that belong to them.
NETWORKS = [
    *[([f"Linear({INPUTS}, 6)", module, "Linear(6, 3)"], {"activation": name}) for name, module in HIDDEN.items()],
    (["Linear(4, 3)", "Softmax(1)"], {"activation": None, "output_activation": "softmax"}),
    (
        ["Linear(4, 6, bias=False)", "ReLU()", "Linear(6, 6)", "Tanh()", "Linear(6, 2)"],
        {"activation": ["relu", "tanh"]},
    ),
    (["Linear(4, 6)", "PReLU()", "Linear(6, 6)", "PReLU(6)", "Linear(6, 2)"], {"activation": "prelu"}),
    (["Linear(4, 6)", "BatchNorm1d(6)", "ReLU()", "Dropout()", "Linear(6, 2)"], {"activation": "relu"}),
    (["Linear(4, 6)", "ReLU()", "BatchNorm1d(6, affine=False)", "Linear(6, 2)"], {"activation": "relu"}),
    (["LayerNorm(4)", "Linear(4, 6)", "LayerNorm(6)", "GELU()", "Linear(6, 2)"], {"activation": "gelu"}),
    (["BatchNorm1d(4)", "Linear(4, 6)", "SiLU()", "Linear(6, 2)", "LayerNorm(2)"], {"activation": "silu"}),
    (["Linear(4, 6)", "LayerNorm(6, eps=0.01)", "ReLU()", "Linear(6, 2)"], {"activation": "relu", "epsilon": 0.01}),
]


def values(size: int, seed: int) -> np.ndarray:
    """Return numbers between -1 and 1 that look random and are exact in single precision."""
    return np.round(1024.0 * (np.sin(np.arange(1, size + 1) * (12.9898 + seed)) * 437.5 % 2.0 - 1.0)) / 1024.0


def inputs() -> np.ndarray:
    """Return the samples."""
    return values(BATCH * INPUTS, 100).reshape(BATCH, INPUTS).astype(np.float32)


def state_of(shapes: dict[str, list[int]]) -> dict[str, np.ndarray]:
    """Return the state dict that a network of such tensors gets."""
    state = {}
    for seed, (name, shape) in enumerate(shapes.items()):
        array = values(int(np.prod(shape)), seed).reshape(shape).astype(np.float32)
        positive, counting = name.endswith("running_var"), name.endswith("num_batches_tracked")
        state[name] = np.array(7) if counting else np.abs(array) + np.float32(0.25) if positive else array
    return state


def recorded(modules: list[str], arguments: dict[str, object]) -> dict[str, object]:
    import torch

    network = torch.nn.Sequential(*[eval(f"torch.nn.{module}", {"torch": torch}) for module in modules]).eval()
    shapes = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in state_of(shapes).items()})
    with torch.no_grad():
        outputs = network(torch.from_numpy(inputs()))
    return {"modules": modules, "arguments": arguments, "shapes": shapes, "outputs": outputs.tolist()}


if __name__ == "__main__":
    import safetensors.torch
    import torch

    entries = [recorded(modules, arguments) for modules, arguments in NETWORKS]
    lines = ",\n".join(json.dumps(entry) for entry in entries)
    text = f'{{"torch": "{torch.__version__}",\n"networks": [\n{lines}\n]}}\n'
    (DATA / "torch_networks.json").write_text(text, encoding="utf-8")
    state = state_of(entries[0]["shapes"])  # of 11 bits: in bfloat16 they are others
    safetensors.torch.save_file({name: torch.from_numpy(array).bfloat16() for name, array in state.items()}, BFLOAT16)
