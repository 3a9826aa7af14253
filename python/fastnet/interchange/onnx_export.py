"""ONNX files of models: ``pip install "fastnet-nn[onnx]"``."""

import json
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet._core import __version__
from fastnet.files.atomic import atomic_write
from fastnet.files.names import check_name
from fastnet.interchange.checking import check_outputs, in_full_precision, sample_inputs
from fastnet.interchange.onnx_axes import Tensor, of_shape
from fastnet.interchange.onnx_graph import Graph
from fastnet.interchange.onnx_steps import add_operations
from fastnet.operations.making import operations_of
from fastnet.operations.steps import Activating
from fastnet.support.validation import check_bool, check_choice, check_integer
from fastnet.training.trainer import Trainer

__all__ = ["DEFAULT_OPSET", "OLDEST_OPSET", "export_onnx"]

# The first with LayerNormalization. What came later, Mish and Gelu as operators of their own, gains no more than a few
# nodes, and runtimes from 2022 on read opset 17.
DEFAULT_OPSET = 17
OLDEST_OPSET = 13
LARGEST = 2**31 - 2**20  # bytes of weights: a message of protobuf has at most 2 GiB


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
    try:
        import onnx
    except ImportError:
        raise ImportError('to_onnx needs onnx: pip install "fastnet-nn[onnx]"') from None

    check_name(path, "to_onnx", "ONNX", instead={"safetensors": "save writes a model file"})
    model._require_built("to_onnx")
    newest = onnx.defs.onnx_opset_version()
    opset = check_integer("opset", opset, minimum=OLDEST_OPSET, maximum=newest)
    check_bool("label", label)
    if input_dtype is not None:
        check_choice("input_dtype", input_dtype, ["float32", "float64", "uint8"])
    size = model.count_params() * np.dtype(model.dtype).itemsize
    if size > LARGEST:
        raise ValueError(f"the weights have {size / 2**30:.1f} GiB; an ONNX file holds at most 2: use save()")
    exact = in_full_precision(model)
    proto = _model_proto(exact, opset, label, input_dtype or exact.dtype, _metadata(model))
    file = proto.SerializeToString()
    onnx.checker.check_model(file, full_check=True)
    _check(exact, proto, file, label, input_dtype or exact.dtype)
    with atomic_write(path) as stream:
        stream.write(file)


def _metadata(model: Trainer) -> dict[str, str]:
    names = {"class_names": model.class_names, "feature_names": model.feature_names}
    texts = {key: json.dumps(value) for key, value in names.items() if value is not None}
    return {"fastnet_version": __version__, **texts}


def _model_proto(model: Trainer, opset: int, label: bool, input_dtype: str, metadata: dict[str, str]) -> Any:
    """Return the model as ONNX has it."""
    from onnx import TensorProto, helper

    graph = Graph(opset, model.dtype)
    operations = operations_of(model)
    last = operations[-1] if operations else None
    activation = last.function if isinstance(last, Activating) else "linear"
    name = "probabilities" if activation in ("softmax", "sigmoid") else "output"
    x = _add_output(graph, model, add_operations(graph, operations, _add_input(graph, model, input_dtype)), name)
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
    helper.set_model_props(proto, metadata)
    return proto


def _type(dtype: str) -> int:
    from onnx import TensorProto

    return int({"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE, "uint8": TensorProto.UINT8}[dtype])


def _shape(shape: tuple[int, ...] | None) -> tuple[int, ...]:
    assert shape is not None
    return shape


def _add_input(graph: Graph, model: Trainer, input_dtype: str) -> Tensor:
    """Add what makes numbers in the dtype of the model from the input."""
    x = "input"
    if input_dtype != model.dtype:
        x = graph.add("Cast", x, to=_type(model.dtype))
    return Tensor.of(x, _shape(model.input_shape))


def _add_output(graph: Graph, model: Trainer, x: Tensor, name: str) -> str:
    """Give the result the shape of the model's output, and its name."""
    x = of_shape(graph, x, _shape(model.output_shape))
    if graph.nodes and graph.nodes[-1].output[0] == x.name:
        graph.nodes[-1].output[0] = name
        return name
    return graph.add("Identity", x.name, output=name)  # of a model that computes nothing


def _add_label(graph: Graph, model: Trainer, activation: str, x: str) -> None:
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


def _check(model: Trainer, proto: Any, file: bytes, label: bool, input_dtype: str) -> None:
    """Compare the outputs of the file with the model's; refuse it where they differ."""
    x = sample_inputs(model)
    if input_dtype == "uint8":
        x = np.clip(np.rint(x), 0, 255)
    x = x.astype(input_dtype).reshape(len(x), *_shape(model.input_shape))
    outputs, *labels = _outputs(proto, file, x)
    check_outputs("ONNX file", outputs, model.predict(x, verbose=0))
    if label:
        rows = outputs.reshape(len(outputs), -1)
        expected = rows.argmax(axis=1) if rows.shape[1] > 1 else (rows[:, 0] > 0.5).astype(np.int64)
        check_outputs("label of the ONNX file", labels[0], expected)


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
