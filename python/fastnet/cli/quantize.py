"""``fastnet quantize``: a model in 8-bit integers."""

import argparse
from pathlib import Path

import numpy as np

from fastnet.cli._data import load_for_model
from fastnet.cli._output import check_output, describe_size, note, print_json
from fastnet.models import Sequential
from fastnet.serialization import load_model
from fastnet.support.config import set_num_threads

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Write a quantized model, next to the file of the model unless a name is given."""
    out = arguments.out or str(Path(arguments.model).with_suffix(".int8.safetensors"))
    check_output(out, inputs=[arguments.model, arguments.data], formats=["safetensors"])
    if arguments.threads:
        set_num_threads(arguments.threads)
    model = load_model(arguments.model)
    if not isinstance(model, Sequential):
        raise ValueError(f"{arguments.model} is quantized already")
    assert model.input_shape is not None
    x = load_for_model(arguments, model, with_labels=False, of_training=True).x
    rows = np.linspace(0, len(x) - 1, min(arguments.rows, len(x))).astype(np.int64)
    x = x[rows].reshape(-1, *model.input_shape)
    quantized = model.quantize(x)
    quantized.save(out)
    expected, outputs = model.predict(x, verbose=0), quantized.predict(x, verbose=0)
    difference = float(np.sqrt(np.mean((outputs - expected) ** 2)))
    before, after = (Path(file).stat().st_size for file in (arguments.model, out))
    if arguments.json:
        files = {"model": arguments.model, "data": arguments.data, "file": out, "bytes": after}
        print_json("quantize", {**files, "rows": len(x), "root_mean_square_difference": difference})
    else:
        sizes = f"{describe_size(after)} instead of {describe_size(before)}"
        note(f"{out}: {sizes}; its outputs differ by {difference:.2g} (root mean square)", arguments.quiet)
    return 0
