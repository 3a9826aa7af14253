"""File names and formats: nothing is written under the name of another format."""

import os
from collections.abc import Mapping

__all__ = [
    "EXPORTS",
    "MODEL_FORMATS",
    "check_model_name",
    "check_name",
    "check_tensors_name",
    "check_weights_name",
    "format_of",
    "hint_for",
    "is_keras_weights_name",
]

_SUFFIXES = {
    "safetensors": (".safetensors",),
    "Keras": (".keras",),
    "HDF5": (".h5", ".hdf5"),
    "ONNX": (".onnx",),
    "C": (".c", ".h"),
    "NumPy": (".npz", ".npy"),
    "PyTorch": (".pt", ".pth", ".ckpt", ".bin"),
    "pickle": (".pkl", ".pickle", ".joblib"),
    "TensorFlow": (".tflite", ".pb"),
    "JSON": (".json",),
    "YAML": (".yaml", ".yml"),
    "CSV": (".csv",),
    "Parquet": (".parquet",),
    "HTML": (".html", ".htm"),
    "PDF": (".pdf",),
    "Excel": (".xlsx", ".xls"),
    "zip": (".zip",),
    "gzip": (".gz", ".tgz"),
    "compressed": (".bz2", ".xz", ".zst", ".tar"),
}
_FORMATS = {suffix: name for name, suffixes in _SUFFIXES.items() for suffix in suffixes}

EXPORTS = ("ONNX", "C", "Keras")  # other formats for which `Sequential.save` calls a method of the model
MODEL_FORMATS = ("safetensors", *EXPORTS)
_WRITTEN_BY = {
    "ONNX": "to_onnx writes ONNX",
    "C": "to_c writes C",
    "NumPy": "numpy.savez(path, *model.get_weights()) writes the weights for NumPy",
    "PyTorch": "torch.save takes what to_state_dict returns",
    "pickle": "pickle.dump(model, file) writes a pickle",
    "JSON": "json.dump takes what get_config returns",
    "HDF5": "save writes *.keras, and save_weights *.weights.h5, for Keras",
}


def format_of(path: str | os.PathLike[str]) -> str | None:
    """Return the format that a file name implies: "Keras" for ``m.keras``; None for other names."""
    from pathlib import Path  # not at the top: it would add 2 ms to `import fastnet`

    return _FORMATS.get(Path(path).suffix.lower())


def check_name(
    path: str | os.PathLike[str], method: str, *formats: str, instead: Mapping[str, str] | None = None
) -> None:
    """Refuse a file name that implies a format other than those that a method writes.

    Parameters
    ----------
    path : str or os.PathLike
    method : str
        The method that writes, for the message.
    formats : str
        The formats that it writes, its own first.
    instead : mapping of str to str, optional
        Hints for other formats.

    Raises
    ------
    ValueError
        The message says what to call.
    """
    promised = format_of(path)
    if promised is None or promised in formats:
        return
    from pathlib import Path

    own = _SUFFIXES[formats[0]][0]
    other = f", or {instead[promised]}" if instead and promised in instead else ""
    raise ValueError(
        f"{method} writes {' or '.join(formats)} files, not {promised} files such as {os.fspath(path)}: "
        f"use {Path(path).with_suffix(own).name}{other}"
    )


def hint_for(path: str | os.PathLike[str]) -> str:
    """Return a hint on how to read a file that is not a model file, by its name; empty without one."""
    return "; fastnet.from_onnx reads ONNX" if format_of(path) == "ONNX" else ""


def check_model_name(path: str | os.PathLike[str], method: str = "save") -> None:
    """Refuse a file name of a format that `Sequential.save` does not write."""
    check_name(path, method, *MODEL_FORMATS, instead=_WRITTEN_BY)


def check_weights_name(path: str | os.PathLike[str], method: str = "save_weights") -> None:
    """Refuse a file name of a format that `Sequential.save_weights` does not write."""
    if not is_keras_weights_name(path):
        check_tensors_name(path, method)


def check_tensors_name(path: str | os.PathLike[str], method: str) -> None:
    """Refuse a file name of a format other than safetensors."""
    check_name(path, method, "safetensors", instead=_WRITTEN_BY)


def is_keras_weights_name(path: str | os.PathLike[str]) -> bool:
    """Return whether a file name is that of weights of Keras, ``*.weights.h5``."""
    return os.fspath(path).lower().endswith(".weights.h5")
