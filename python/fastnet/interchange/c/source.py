"""A model as one self-contained C99 file."""

import os
from typing import Literal

from fastnet.files.atomic import atomic_write
from fastnet.files.names import check_name
from fastnet.interchange.c.check import CompilerTooSlowError, check_by_compiling, check_by_computing, find_compiler
from fastnet.interchange.c.file import CFile
from fastnet.interchange.c.model import ModelInC, to_be_written
from fastnet.support.validation import describe
from fastnet.training.trainer import Trainer

__all__ = ["export_c", "write_c"]


def export_c(
    model: Trainer,
    path: str | os.PathLike[str],
    *,
    name: str = "model",
    check: bool | Literal["auto"] = "auto",
) -> str:
    """Write a model to one C99 file: its weights, its forward pass, and a test.

    The file needs no library but that of C, and of that only <math.h>, where an activation does. It allocates no memory. Its
    declarations are ``void NAME_predict(const float *input, float *output)`` and, where the outputs are classes,
    ``int NAME_classify(const float *input)``, which returns the index of a class, and ``NAME_class_names``.

    Parameters
    ----------
    model : Sequential
        A built model. Dropout and noise, which prediction has no use for, are left out. A model of "float64" gives
        functions of double.
    path : str or os.PathLike
        The file to write.
    name : str, default "model"
        What all names in the file begin with: a letter, then letters, digits and underscores.
    check : {"auto", True, False}, default "auto"
        The file is held against the model before it is written, on 16 samples. With True the file is compiled and run,
        by the compiler that the environment variable CC names, or by cc, gcc or clang. With "auto" the operations are
        computed by fastnet, with the numbers that are read back from the file's text, where there is no such compiler.

    Returns
    -------
    str
        How the file was checked, and the largest difference.

    Raises
    ------
    ValueError
        The model is not built, its weights are not finite, its class names are not as many as its outputs, or `name` is
        no name of C.
    RuntimeError
        An output differs from the model's by more than 1e-5, in units of the largest output or of 1; or `check` is True
        and there is no C compiler. No file is written then.
    OSError
        The file cannot be written.

    Examples
    --------
    >>> from pathlib import Path
    >>> import fastnet as fn
    >>> from fastnet.interchange.c.source import export_c
    >>> model = fn.Sequential([fn.Dense(3, activation="softmax", input_shape=(4,))], seed=0)
    >>> how = export_c(model, "flowers.c", name="flowers")
    >>> "int flowers_classify(const float *input);" in Path("flowers.c").read_text()
    True
    """
    return write_c(to_be_written(model), path, name, check)


def write_c(model: ModelInC, path: str | os.PathLike[str], name: str, check: bool | str) -> str:
    """Write a model, and return how the file was checked: see `export_c`."""
    if check not in (True, False, "auto"):
        raise ValueError(f"check must be True, False or 'auto'; got {describe(check)}")
    check_name(path, "to_c", "C", instead={"safetensors": "save writes a model file"})
    source = CFile(model, name).text()
    how = _checked(source, model, name, check)
    with atomic_write(path, "w") as file:
        file.write(source)
    return how


def _checked(source: str, model: ModelInC, name: str, check: bool | str) -> str:
    if not check:
        return "not checked"
    reason = "no C compiler was found"
    compiler = find_compiler()
    if compiler is not None:
        try:
            return f"compiled with {compiler[0]} and run: {check_by_compiling(source, compiler)}"
        except CompilerTooSlowError as error:
            reason = str(error)
    if check != "auto":
        raise RuntimeError(f"the C export cannot be compiled and run: {reason}; check='auto' does without")
    result = check_by_computing(source, model, name)
    return f"computed by fastnet with the numbers of the file: {result} ({reason})"
