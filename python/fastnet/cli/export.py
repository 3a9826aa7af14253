"""``fastnet export``: a model in the format of another program."""

import argparse
from pathlib import Path

from fastnet.cli._output import check_output, describe_size, note, output_path, print_json
from fastnet.models import Sequential
from fastnet.serialization import load_model

__all__ = ["run"]

SUFFIXES = {"onnx": ".onnx", "c": ".c", "keras": ".keras", "state-dict": ".state.safetensors"}
FORMATS = {"onnx": "ONNX", "c": "C", "keras": "Keras", "state-dict": "safetensors"}


def run(arguments: argparse.Namespace) -> int:
    """Write a model as ONNX, as C, for Keras or as a state dict of PyTorch, next to its file unless a name is given."""
    out = arguments.out or str(Path(arguments.model).with_suffix(SUFFIXES[arguments.to]))
    if out != "-":
        check_output(out, inputs=[arguments.model], formats=[FORMATS[arguments.to]])
    with output_path(out, f"model{SUFFIXES[arguments.to]}") as path:
        assert path is not None
        return _export(arguments, path, "standard output" if out == "-" else out)


def _export(arguments: argparse.Namespace, out: str, shown: str) -> int:
    """Write the file, and say how it was checked."""
    model = load_model(arguments.model, compile=arguments.to == "keras")  # the one format with the configuration
    if isinstance(model, Sequential):
        check = _write(model, arguments.to, out)
    elif arguments.to == "c":
        check = model.to_c(out)
    elif arguments.to == "onnx":
        model.to_onnx(out)
        check = "checked: its outputs are those of the model, to a step of 8 bits"
    else:
        raise ValueError(
            f"{arguments.model} is quantized, which only --to c and onnx write: export the model of floats"
        )
    size = Path(out).stat().st_size
    if arguments.json:
        print_json(
            "export", {"model": arguments.model, "to": arguments.to, "file": shown, "bytes": size, "check": check}
        )
    else:
        note(f"{shown}: {describe_size(size)}; {check}", arguments.quiet)
    return 0


def _write(model: Sequential, language: str, out: str) -> str:
    """Write the file, and return a description of how it was checked against the model."""
    if language == "c":
        return model.to_c(out)
    if language == "onnx":
        model.to_onnx(out)
        return "checked: its outputs equal those of the model"
    if language == "keras":
        model.save(out)
        return "the layers, the weights and the compile configuration of the model"
    from fastnet.interchange.state_dict import save_state_dict

    save_state_dict(model, out)
    return "the weights of the model"
