"""Quantized models: 8-bit integers, computed in the core."""

import copy
import itertools
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal, NoReturn

import numpy as np

from fastnet._core import Network32
from fastnet.inputs.ranges import FeatureRange
from fastnet.inputs.samples import check_finite
from fastnet.models.quantized_network import network_of
from fastnet.operations import steps
from fastnet.operations.endings import last_functions
from fastnet.operations.making import operations_of
from fastnet.operations.quantizing import Quantized, quantize_operations
from fastnet.operations.steps import Array, Operation, arrays_of
from fastnet.support.html import html_table, html_text
from fastnet.support.text import visible
from fastnet.support.validation import unsupported
from fastnet.training.evaluation import Evaluator
from fastnet.training.trainer import Trainer

_NO_DERIVATIVES = "a quantized model rounds and has no derivatives: use the model that it was made from"
_NOT_LEARNING = "a quantized model cannot be trained: fit the model that it was made from, and quantize it again"


def quantize(model: Trainer, calibration_data: Any) -> "QuantizedModel":
    """Return a model with matrix multiplications and convolutions in 8-bit integers.

    Those with fewer than 4 inputs, convolutions in groups, as of `DepthwiseConv2D`, and transposed ones stay in float32.

    Parameters
    ----------
    model : Sequential
        A built model; it is not changed.
    calibration_data : array_like, table or sparse matrix, shape (n, *input_shape)
        Samples like those that the model will predict, at least one, conventionally a few hundred of the training data.
        They determine the range of the inputs of each matrix multiplication. Values outside of it are clipped later.

    Returns
    -------
    QuantizedModel

    Raises
    ------
    ValueError
        The model is not built; there are no samples, or they do not fit the model or are not finite; the outputs of a
        layer are not finite; or a layer has more than 65,536 inputs.
    TypeError
        `calibration_data` does not hold real numbers.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.Dense(32, "relu", input_shape=(16,)), fn.Dense(3, "softmax")], seed=0)
    >>> x = np.random.default_rng(0).random((100, 16))
    >>> small = fn.quantization.quantize(model, x)
    >>> bool(np.abs(small.predict(x) - model.predict(x)).max() < 0.02)
    True
    """
    model._require_built("quantize")
    assert model.input_shape is not None
    assert model.output_shape is not None
    samples = model._features("calibration_data", calibration_data)
    if len(samples) == 0:
        raise ValueError("calibration_data must have at least one row; got none")
    check_finite("calibration_data", samples, "float32", model.feature_names)
    if model.dtype == "float64":
        _check_differences("calibration_data", samples)
    operations = quantize_operations(operations_of(model), samples, int(np.prod(model.input_shape)))
    quantized = QuantizedModel(operations, model.input_shape, model.output_shape, model.name)
    quantized._compilation = copy.deepcopy(model._compilation)
    quantized.class_names, quantized.feature_names = copy.copy(model.class_names), copy.copy(model.feature_names)
    quantized.feature_ranges = copy.copy(model.feature_ranges)
    if (receipt := model.receipt) is not None:
        del receipt["config"]  # the operations say the same in a shorter file
        quantized.receipt = receipt
    return quantized


def _check_differences(name: str, samples: Any) -> None:
    """Refuse a column whose values collapse in float32, the dtype of a quantized model's inputs."""
    if not isinstance(samples, np.ndarray) or samples.dtype != np.float64:
        return
    width, lost = np.ptp(samples, axis=0), np.abs(samples - samples.astype(np.float32)).max(axis=0)
    rounding = 2.0**-50 * np.abs(samples).max(axis=0)  # the rounding errors of a constant column
    if (column := np.flatnonzero((lost > width / 64) & (width > rounding))).size:
        raise ValueError(
            f"{name} has values in column {column[0]} that are equal in float32, the dtype of the quantized inputs"
        )


class QuantizedModel(Evaluator):
    """A model in 8-bit integers, as returned by `Sequential.quantize` and `fastnet.load_model`.

    It predicts and evaluates like the model that it was made from, with the same methods, but cannot be trained. The
    outputs are float32. The outputs of a row with a value that is not finite are NaN.

    Parameters
    ----------
    operations : list of Operation
        The steps of a prediction.
    input_shape, output_shape : tuple of int
        The shapes of one sample.
    name : str
        The name of the model.

    Attributes
    ----------
    class_names, feature_names : list of str or None
        As in the model that it was made from.
    feature_ranges : list or None
        As in the model that it was made from.
    figures : dict
        Figures to save with the model; empty at first.
    receipt : dict or None
        The receipt of the model that it was made from, without its architecture.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> x = np.random.default_rng(0).random((100, 16))
    >>> model = fn.Sequential([fn.Dense(32, "relu", input_shape=(16,)), fn.Dense(3, "softmax")], seed=0)
    >>> small = model.quantize(x)
    >>> small.save("small.safetensors")
    >>> bool((fn.load_model("small.safetensors").predict(x) == small.predict(x)).all())
    True
    """

    _settable = Evaluator._settable | {"receipt"}

    def __init__(
        self,
        operations: Sequence[Operation],
        input_shape: tuple[int, ...],
        output_shape: tuple[int, ...],
        name: str = "sequential",
    ) -> None:
        super().__init__()
        self.name = name
        self.dtype = "float32"  # of the outputs
        self.compute_dtype = "int8"
        self.class_names: list[str] | None = None
        self.feature_names: list[str] | None = None
        self.feature_ranges: list[FeatureRange] | None = None
        self.figures: dict[str, Any] = {}
        self.receipt: dict[str, Any] | None = None
        self.input_shape: tuple[int, ...] = input_shape
        self._output_shape = output_shape
        self._maps_rows = len(input_shape) == len(output_shape) == 1
        self._network: Network32 = network_of(operations, int(np.prod(input_shape)))
        arrays = [list(arrays_of(operation).values()) for operation in operations]
        for array in itertools.chain(*arrays):  # a change would not reach the network
            array.flags.writeable = False
        self._sizes = [(sum(a.size for a in some), sum(a.nbytes for a in some)) for some in arrays]
        # The compiled network keeps the kernels in its own layout; a copy here would double the memory.
        self._operations = [
            replace(operation, kernel=np.empty((0, *operation.kernel.shape), np.int8))
            if isinstance(operation, Quantized)
            else operation
            for operation in operations
        ]

    @property
    def operations(self) -> list[Operation]:
        """The steps of a prediction, with copies of the kernels."""
        kernels = self._network.quantized_kernels()
        return [
            replace(operation, kernel=kernels[i].reshape(operation.kernel.shape[1:]))
            if isinstance(operation, Quantized)
            else operation
            for i, operation in enumerate(self._operations)
        ]

    @property
    def last_activation(self) -> str:
        """The activation of the outputs; of an ensemble, that of all its models."""
        functions = last_functions(self._operations)
        return functions.pop() if len(functions) == 1 else "linear"

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of one sample of the output."""
        return self._output_shape

    def build(self, input_shape: Sequence[int | None] | None = None) -> None:
        """Do nothing: a quantized model is built."""

    def fit(self, *arguments: Any, **keywords: Any) -> NoReturn:
        """Raise NotImplementedError: a quantized model cannot be trained."""
        raise NotImplementedError(_NOT_LEARNING)

    def train_on_batch(self, *arguments: Any, **keywords: Any) -> NoReturn:
        """Raise NotImplementedError: a quantized model cannot be trained."""
        raise NotImplementedError(_NOT_LEARNING)

    def jacobian(self, x: Any) -> NoReturn:
        """Raise NotImplementedError: a quantized model has no derivatives."""
        raise NotImplementedError(_NO_DERIVATIVES)

    def input_gradients(self, x: Any, y: Any, sample_weight: Any = None) -> NoReturn:
        """Raise NotImplementedError: a quantized model has no derivatives."""
        raise NotImplementedError(_NO_DERIVATIVES)

    def _called_in_training(self, x: Any) -> Array:
        del x
        raise unsupported("a call of a quantized model with training=True is not available")

    def _trainable_arrays(self) -> list[tuple[str, int, tuple[int, ...]]]:
        return []

    def summary(self, print_fn: Callable[[str], Any] | None = None) -> None:
        """Print a table of the operations, the sizes of their outputs and the bytes of their arrays.

        Parameters
        ----------
        print_fn : callable, optional
            Called with every line, instead of `print`.

        Examples
        --------
        >>> import numpy as np
        >>> import fastnet as fn
        >>> model = fn.Sequential([fn.Dense(64, activation="relu", input_shape=(784,)), fn.Dense(10)])
        >>> model.quantize(np.ones((1, 784))).summary()
        Model: "sequential", quantized
        Layer            Operation                    Outputs        Bytes
        dense            QuantizedMultiplication           64       50,688
        dense            Activating(relu)                  64            0
        dense_1          QuantizedMultiplication           10          720
        51,408 bytes
        """
        lines = [
            f'Model: "{visible(self.name)}", quantized',
            f"{'Layer':<16} {'Operation':<24} {'Outputs':>11} {'Bytes':>12}",
        ]
        for layer, kind, size, _, in_bytes in self.rows():
            lines.append(f"{visible(layer):<16} {kind:<24} {size:>11,} {in_bytes:>12,}")
        for line in [*lines, f"{self.size_in_bytes:,} bytes"]:
            (print_fn or print)(line)

    def _repr_html_(self) -> str:
        """Return the HTML for notebooks: the table of `summary`."""
        rows = [(layer, kind, f"{size:,}", f"{in_bytes:,}") for layer, kind, size, _, in_bytes in self.rows()]
        table = html_table(("Layer", "Operation", "Outputs", "Bytes"), rows)
        return f"<div><b>{html_text(self.name)}</b>, quantized{table}{self.size_in_bytes:,} bytes</div>"

    def rows(self) -> list[tuple[str, str, int, int, int]]:
        """Return layer, kind, and numbers of outputs, parameters and bytes of every operation."""
        rows = []
        for operation, (count, in_bytes) in zip(self._operations, self._sizes, strict=True):
            kind = type(operation).__name__ + (
                f"({operation.function})" if isinstance(operation, steps.Activating) else ""
            )
            rows.append((operation.layer, kind, operation.size, count, in_bytes))
        return rows

    def count_params(self) -> int:
        """Return the number of values in all arrays."""
        return sum(count for count, _ in self._sizes)

    @property
    def size_in_bytes(self) -> int:
        """The size of all arrays in bytes."""
        return sum(in_bytes for _, in_bytes in self._sizes)

    def save(self, path: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Write the model to one safetensors file, which `fastnet.load_model` reads.

        Parameters
        ----------
        path : str or os.PathLike
            The file to write, conventionally ``*.safetensors``.
        overwrite : bool, default True
            Whether an existing file may be replaced.

        Raises
        ------
        ValueError
            If `path` is the name of another format.
        FileExistsError
            If `path` exists and `overwrite` is False.
        OSError
            If the file cannot be written; an earlier file is not changed.
        """
        from fastnet.models.quantized_file import save_quantized

        save_quantized(self, self.operations, self.receipt, path, overwrite)

    def to_c(self, path: str | os.PathLike[str], *, name: str = "model", check: bool | Literal["auto"] = "auto") -> str:
        """Write the model to one C99 file, with a byte for each weight: see `fastnet.interchange.c.source.export_c`.

        Inputs and outputs are floats. The integers are those of the model, bit for bit, unless something is between them
        that libraries of C round in their own ways, such as tanh.

        Parameters
        ----------
        path : str or os.PathLike
            The file to write.
        name : str, default "model"
            What all names in the file begin with.
        check : {"auto", True, False}, default "auto"
            Whether the file is compiled and run before it is written, on 16 samples. Outputs may differ from the model's by
            1%, in units of the largest or of 1: where tanh is rounded in another way, an input may become the next integer.

        Returns
        -------
        str
            How the file was checked, and the largest difference.

        Examples
        --------
        >>> from pathlib import Path
        >>> import numpy as np
        >>> import fastnet as fn
        >>> x = np.random.default_rng(0).random((100, 16))
        >>> model = fn.Sequential([fn.Dense(8, "relu", input_shape=(16,)), fn.Dense(3, "softmax")], seed=0)
        >>> how = model.quantize(x).to_c("small.c", name="small")
        >>> "static const int8_t small_kernel_0[128]" in Path("small.c").read_text()
        True
        """
        from fastnet.interchange.c.model import quantized_to_be_written
        from fastnet.interchange.c.source import write_c
        from fastnet.interchange.c.text import in_comment

        def predict(operations: Sequence[Operation], x: Array) -> Array:
            return QuantizedModel(operations, (x.shape[1],), self.output_shape).predict(x, verbose=0)

        lines = [f"{in_comment(layer)} ({kind}) -> {size}" for layer, kind, size, _, _ in self.rows()]
        return write_c(quantized_to_be_written(self, self.operations, lines, predict), path, name, check)

    def to_onnx(
        self,
        path: str | os.PathLike[str],
        opset: int = 17,
        *,
        label: bool = False,
        input_dtype: str | None = None,
    ) -> None:
        """Write the model as an ONNX file, with its products and convolutions in 8-bit integers.

        Each of them stands between QuantizeLinear and DequantizeLinear, with the model's own integers: kernels of uint8
        with zero point 128 and a scale for each unit or filter, inputs of uint8 with a zero point, biases of int32. Input,
        outputs and metadata are those of the file that `Sequential.to_onnx` writes. It is run and compared with the model
        first. Where a value lies half way between two steps, the two may differ by a step.

        Parameters
        ----------
        path : str or os.PathLike
            The file to write, conventionally ``*.onnx``. An earlier file is replaced, in one step.
        opset : int, default 17
            The version of ONNX's operators, from 13 to the newest that the installed onnx knows.
        label : bool, default False
            Whether there is a second output, `label`: see `Sequential.to_onnx`.
        input_dtype : {"float32", "float64", "uint8"}, optional
            The dtype of `input`, float32 by default. Where the first product has steps of 1 from 0, as for pixels, bytes
            go into it as they are.

        Raises
        ------
        ImportError
            onnx is not installed.
        ValueError
            An argument is out of its range, or the output allows no label.
        RuntimeError
            What the file computes differs from the model by more than 0.01 in a quarter of the samples, or the installed
            onnxruntime does not run it.
        OSError
            The file cannot be written.

        Examples
        --------
        >>> import numpy as np
        >>> import fastnet as fn
        >>> model = fn.Sequential([fn.Dense(32, "relu", input_shape=(16,)), fn.Dense(3, "softmax")], seed=0)
        >>> model.quantize(np.random.default_rng(0).random((100, 16))).to_onnx("small.onnx")
        >>> import onnx
        >>> [node.op_type for node in onnx.load("small.onnx").graph.node][:5]
        ['QuantizeLinear', 'DequantizeLinear', 'DequantizeLinear', 'DequantizeLinear', 'Gemm']
        """
        from fastnet.interchange.onnx_export.file import export_quantized_onnx

        export_quantized_onnx(self, self.operations, path, opset, label=label, input_dtype=input_dtype)

    def __repr__(self) -> str:
        return (
            f"<QuantizedModel {self.name!r}: {self.input_shape} -> {self.output_shape}, {self.size_in_bytes:,} bytes>"
        )
