"""ONNX files of models: ``pip install "fastnet-nn[onnx]"``."""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet._core import __version__
from fastnet.files.atomic import atomic_write
from fastnet.files.names import check_name
from fastnet.interchange.checking import check_outputs, in_full_precision, samples_for
from fastnet.interchange.onnx_export.axes import Tensor, of_shape
from fastnet.interchange.onnx_export.graph import Graph
from fastnet.interchange.onnx_export.integers import takes_bytes
from fastnet.interchange.onnx_export.steps import add_operations
from fastnet.operations.making import operations_of
from fastnet.operations.quantizing import Quantized
from fastnet.operations.steps import Activating, Array, Operation, arrays_of
from fastnet.support.validation import check_bool, check_choice, check_integer
from fastnet.training.evaluation import Evaluator
from fastnet.training.trainer import Trainer

__all__ = ["DEFAULT_OPSET", "OLDEST_OPSET", "export_onnx", "export_quantized_onnx"]

# The first with LayerNormalization. What came later, Mish and Gelu as operators of their own, gains no more than a few
# nodes, and runtimes from 2022 on read opset 17.
DEFAULT_OPSET = 17
OLDEST_OPSET = 13
OLDEST_OPSET_OF_STEPS = 19  # of QuantizeLinear in onnx's evaluator
LARGEST = 2**31 - 2**20  # bytes of weights: a message of protobuf has at most 2 GiB
TOLERANCE_OF_STEPS = 0.01  # of a quantized model: see `_steadiest`


def export_onnx(
    model: Trainer,
    path: str | os.PathLike[str],
    opset: int = DEFAULT_OPSET,
    *,
    label: bool = False,
    input_dtype: str | None = None,
) -> None:
    """Write a model as an ONNX file, which onnxruntime and others run.

    The graph has one input, `input`, of shape (batch, ...), and the output `probabilities`, where the last activation
    is a softmax or a sigmoid, or else `output`. The size of the batch is free. Rescaling and normalization are part of
    it, dropout and noise are not, and a batch normalization behind a `Dense` or a convolution is folded into its weights.
    Images have their channels last, as in the model. The metadata have `fastnet_version` and, as JSON, `class_names` and
    `feature_names`.

    Before the file is written, its outputs are compared with the model's. onnxruntime runs it where installed, otherwise
    onnx itself, which is slow for large models.

    Parameters
    ----------
    model : Sequential
        A built model. One in "mixed_bfloat16" is written in float32.
    path : str or os.PathLike
        The file to write, conventionally ``*.onnx``. An earlier file is replaced, in one step.
    opset : int, default 17
        The version of ONNX's operators, from 13 to the newest that the installed onnx knows. Mish is one operator from
        18 on and GELU from 20 on; LayerNormalization from 17 on, all of them in float32 alone.
    label : bool, default False
        Whether there is a second output, `label`, of shape (batch,): the index of the largest output in int64 or, of a
        model with a single sigmoid, whether it is over 0.5.
    input_dtype : {"float32", "float64", "uint8"}, optional
        The dtype of `input`; that of the model by default. With "uint8" the file takes images as they are.

    Raises
    ------
    ImportError
        onnx is not installed.
    ValueError
        The model is not built, its weights need more than 2 GiB, an argument is out of its range, or the output
        allows no label.
    NotImplementedError
        A layer is in float64 and needs an operator that onnxruntime has in float32 alone, such as a convolution.
    RuntimeError
        What the file computes differs from the model by more than 1e-5, or the installed onnxruntime does not run it.
    OSError
        The file cannot be written.

    Examples
    --------
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.Dense(8, "relu", input_shape=(4,)), fn.Dense(3, "softmax")], seed=0)
    >>> model.to_onnx("model.onnx", label=True)
    >>> import onnx
    >>> [output.name for output in onnx.load("model.onnx").graph.output]
    ['probabilities', 'label']
    """
    _check_path(path)
    model._require_built("to_onnx")
    exact = in_full_precision(model)
    _export(exact, operations_of(exact), path, opset, label, input_dtype)


def export_quantized_onnx(
    model: Evaluator,
    operations: Sequence[Operation],
    path: str | os.PathLike[str],
    opset: int = DEFAULT_OPSET,
    *,
    label: bool = False,
    input_dtype: str | None = None,
) -> None:
    """Write a quantized model with these operations as an ONNX file; see `QuantizedModel.to_onnx`."""
    _check_path(path)
    _export(model, operations, path, opset, label, input_dtype)


def _check_path(path: str | os.PathLike[str]) -> None:
    """Refuse a name of another format, and every name where onnx is not installed."""
    if find_spec("onnx") is None:
        raise ImportError('to_onnx needs onnx: pip install "fastnet-nn[onnx]"')
    check_name(path, "to_onnx", "ONNX", instead={"safetensors": "save writes a model file"})


def _export(
    model: Evaluator,
    operations: Sequence[Operation],
    path: str | os.PathLike[str],
    opset: int,
    label: bool,
    input_dtype: str | None,
) -> None:
    """Check the arguments, and the file that they ask for, and write it."""
    import onnx

    newest = onnx.defs.onnx_opset_version()
    opset = check_integer("opset", opset, minimum=OLDEST_OPSET, maximum=newest)
    check_bool("label", label)
    if input_dtype is not None:
        check_choice("input_dtype", input_dtype, ["float32", "float64", "uint8"])
    size = sum(array.nbytes for operation in operations for array in arrays_of(operation).values())
    if size > LARGEST:
        raise ValueError(f"the weights have {size / 2**30:.1f} GiB; an ONNX file holds at most 2: use save()")
    proto = _model_proto(model, operations, opset, label, input_dtype or model.dtype)
    file = proto.SerializeToString()
    onnx.checker.check_model(file, full_check=True)
    if _is_quantized(operations) and opset < OLDEST_OPSET_OF_STEPS and find_spec("onnxruntime") is None:
        proto = _model_proto(model, operations, OLDEST_OPSET_OF_STEPS, label, input_dtype or model.dtype)
    _check(model, operations, proto, file, label, input_dtype or model.dtype)
    with atomic_write(path) as stream:
        stream.write(file)


def _metadata(model: Evaluator) -> dict[str, str]:
    names = {"class_names": model.class_names, "feature_names": model.feature_names}
    texts = {key: json.dumps(value) for key, value in names.items() if value is not None}
    return {"fastnet_version": __version__, **texts}


def _model_proto(model: Evaluator, operations: Sequence[Operation], opset: int, label: bool, input_dtype: str) -> Any:
    """Return the model as ONNX has it."""
    from onnx import TensorProto, helper

    graph = Graph(opset, model.dtype)
    last = operations[-1] if operations else None
    activation = last.function if isinstance(last, Activating) else "linear"
    name = "probabilities" if activation in ("softmax", "sigmoid") else "output"
    first = _add_input(graph, model, input_dtype, operations)
    x = _add_output(graph, model, add_operations(graph, operations, first), name)
    outputs = [helper.make_tensor_value_info(x, _type(model.dtype), ["batch", *_shape(model.output_shape)])]
    if label:
        _add_label(graph, model, activation, x)
        outputs.append(helper.make_tensor_value_info("label", TensorProto.INT64, ["batch"]))
    inputs = [helper.make_tensor_value_info("input", _type(input_dtype), ["batch", *_shape(model.input_shape)])]
    opsets = [helper.make_opsetid("", opset)]
    proto = helper.make_model(
        helper.make_graph(graph.nodes, model.name or "model", inputs, outputs, graph.constants),
        opset_imports=opsets,
        ir_version=max(8, helper.find_min_ir_version_for(opsets)),
        producer_name="fastnet",
        producer_version=__version__,
    )
    helper.set_model_props(proto, _metadata(model))
    return proto


def _type(dtype: str) -> int:
    from onnx import TensorProto

    return int({"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE, "uint8": TensorProto.UINT8}[dtype])


def _shape(shape: tuple[int, ...] | None) -> tuple[int, ...]:
    assert shape is not None
    return shape


def _add_input(graph: Graph, model: Evaluator, input_dtype: str, operations: Sequence[Operation]) -> Tensor:
    """Add what makes numbers in the dtype of the model from the input, unless the first operation takes bytes."""
    x = "input"
    if input_dtype == "uint8" and operations and takes_bytes(operations[0]):
        return replace(Tensor.of(x, _shape(model.input_shape)), is_steps=True)
    if input_dtype != model.dtype:
        x = graph.add("Cast", x, to=_type(model.dtype))
    return Tensor.of(x, _shape(model.input_shape))


def _add_output(graph: Graph, model: Evaluator, x: Tensor, name: str) -> str:
    """Give the result the shape of the model's output, and its name."""
    x = of_shape(graph, x, _shape(model.output_shape))
    if graph.nodes and graph.nodes[-1].output[0] == x.name:
        graph.nodes[-1].output[0] = name
        return name
    return graph.add("Identity", x.name, output=name)  # of a model that computes nothing


def _add_label(graph: Graph, model: Evaluator, activation: str, x: str) -> None:
    from onnx import TensorProto

    shape = _shape(model.output_shape)
    if len(shape) != 1 or (shape[0] == 1 and activation != "sigmoid"):
        raise ValueError(f"label=True needs a row of several outputs, or one sigmoid; got {shape} of {activation}")
    if shape[0] > 1:
        graph.add("ArgMax", x, axis=1, keepdims=0, output="label")
        return
    over = graph.add("Cast", graph.add("Greater", x, graph.scalar(0.5)), to=TensorProto.INT64)
    graph.add("Reshape", over, graph.constant("label_shape", np.array([-1], np.int64)), output="label")


# ---- The check ------------------------------------------------------------------------------------------------------


def _check(
    model: Evaluator, operations: Sequence[Operation], proto: Any, file: bytes, label: bool, input_dtype: str
) -> None:
    """Compare the outputs of the file with the model's; refuse it where they differ."""
    shape = _shape(model.input_shape)
    x = samples_for(operations, int(np.prod(shape)), model.dtype)
    if input_dtype == "uint8":
        x = np.clip(np.rint(x), 0, 255)
    x = x.astype(input_dtype).reshape(len(x), *shape)
    outputs, *labels = _outputs(proto, file, x)
    predictions = model.predict(x, verbose=0)
    if _is_quantized(operations):
        check_outputs("ONNX file", *_steadiest(outputs, predictions), TOLERANCE_OF_STEPS)
    else:
        check_outputs("ONNX file", outputs, predictions)
    if label:
        rows = outputs.reshape(len(outputs), -1)
        expected = rows.argmax(axis=1) if rows.shape[1] > 1 else (rows[:, 0] > 0.5).astype(np.int64)
        check_outputs("label of the ONNX file", labels[0], expected)


def _is_quantized(operations: Sequence[Operation]) -> bool:
    return any(isinstance(operation, Quantized) for operation in operations)


def _steadiest(outputs: Array, predictions: Array) -> tuple[Array, Array]:
    """Return the outputs and the predictions of the three quarters of the samples that differ least.

    In the others a value half way between two steps may have been rounded up by the one and down by the other, so that
    they differ by a step. Of 400 models of the tests none differed by more than 0.002 in the rest.
    """
    if outputs.shape != predictions.shape:
        return outputs, predictions
    with np.errstate(invalid="ignore"):  # infinities are equal, or they are not, in what is returned
        differences = np.abs(outputs - predictions).reshape(len(outputs), -1).max(axis=1, initial=0.0)
    steady = np.argsort(differences)[: 3 * len(outputs) // 4]
    return outputs[steady], predictions[steady]


def _outputs(proto: Any, file: bytes, x: NDArray[Any]) -> list[NDArray[Any]]:
    """Return what the file computes for such samples: onnxruntime's answer, or that of onnx where there is none."""
    try:
        import onnxruntime
    except ImportError:
        from onnx.reference import ReferenceEvaluator

        return [np.asarray(output) for output in ReferenceEvaluator(proto).run(None, {"input": x})]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        return [np.asarray(output) for output in session.run(None, {"input": x})]
    except Exception as error:  # the exceptions of onnxruntime have no public base class
        reason = " ".join(str(error).split())
        raise RuntimeError(f"onnxruntime {onnxruntime.__version__} does not run the ONNX file: {reason}") from error
