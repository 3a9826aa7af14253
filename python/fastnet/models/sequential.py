"""The model: a sequence of layers, trained, evaluated, saved and exported."""

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import DTypeLike, NDArray

from fastnet.files.stored import StoredDataset
from fastnet.layers import Layer
from fastnet.network.nested import MODEL_CLASS
from fastnet.network.summary import summary_html, summary_lines
from fastnet.support.validation import check_bool, reject_keywords
from fastnet.training.inspection import Inspector

if TYPE_CHECKING:
    from fastnet.models.quantized import QuantizedModel


_WATCHED_ROWS = 2000  # of stored data, in which `fit(debug=True)` looks for problems


class Sequential(Inspector):
    """A model that is a sequence of layers.

    Parameters
    ----------
    layers : list of Layer or Sequential, optional
        The layers, from input to output. If the first one is an `Input` or has an `input_shape`, the weights are
        created at once; otherwise they are created for the first data that the model sees. Other models, and layers of
        other models that have weights, share these with the model: training one of them trains the other.
    seed : int, optional
        The seed of the initial weights and of the order of training samples. The same seed gives bitwise identical
        results on any number of threads.
    dtype : {"float32", "float64", "mixed_bfloat16"}, default "float32"
        The dtype of weights and computations. With "mixed_bfloat16", as in Keras, everything is float32, but the
        operands of matrix multiplications, forward and backward, are first rounded to bfloat16. If
        `fastnet.show_config` says that bfloat16 is native, wide layers train in little more than half the time.
        Convolutions are computed in float32.
    name : str, default "sequential"
        Optional name.
    trainable : bool, default True
        Whether training changes the model; see the attribute.

    Attributes
    ----------
    input_shape, output_shape : tuple of int or None
        The shapes of one sample, without the batch dimension; None until they are known.
    dtype : str
        The dtype of weights, gradients and predictions: "float32" or "float64".
    dtype_policy : str
        The argument `dtype`.
    compute_dtype : str
        The dtype of the operands of matrix multiplications: `dtype`, or "bfloat16".
    history : History or None
        The history of the last `fit`, even if it was interrupted; saved with the model.
    stop_training : bool
        Set it in a callback to end `fit`.
    receipt : dict or None
        How the weights were trained: data, arguments and versions of every `fit`; saved with the model.
    figures : dict
        Figures of merit, saved with the model: "last_epoch" has the loss and the metrics of the last epoch of `fit`;
        add others as ``model.figures["test"] = model.evaluate(x, y, return_dict=True)``.
    class_names : list of str or None
        The class of each output, saved with the model; for a single sigmoid both classes, its output being the second.
    feature_names : list of str or None
        The name of each input, saved with the model. `fit` takes them from a table; they then select columns of tables.
    feature_ranges : list of tuple or None
        The minimum, the median and the maximum of each input in training, saved with the model. `fit` takes them from
        at most 10,000 evenly spaced rows of at most 100 features; of batches, images and sparse rows there are none.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.Dense(8, activation="relu"), fn.Dense(3, activation="softmax")], seed=0)
    >>> model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    >>> x = np.eye(3).repeat(20, axis=0)
    >>> y = np.arange(3).repeat(20)
    >>> history = model.fit(x, y, epochs=100, verbose=0)
    >>> model.predict(np.eye(3)).argmax(axis=1)
    array([0, 1, 2])
    """

    def __init__(
        self,
        layers: "Iterable[Layer | Sequential] | None" = None,
        *,
        seed: int | None = None,
        dtype: DTypeLike = "float32",
        name: str | None = None,
        trainable: bool = True,
        **keywords: Any,
    ) -> None:
        reject_keywords(type(self), keywords, {})
        super().__init__(layers, seed=seed, dtype=dtype, name=name, trainable=trainable)

    def _watch(self, x: Any, y: Any, validation_data: Any, shuffle: bool) -> Any:
        from fastnet.diagnostics.doctor import Watch

        if isinstance(x, StoredDataset):
            x, y = x.sample(_WATCHED_ROWS)
        return Watch(self, x, y, validation_data, shuffle)

    # --- Summary ---

    def summary(
        self,
        line_length: int | None = None,
        print_fn: Callable[[str], Any] | None = None,
        *,
        expand_nested: bool = False,
        show_trainable: bool = False,
        **keywords: Any,
    ) -> None:
        """Print a table of the layers, their output shapes, their numbers of parameters and their FLOPs.

        Parameters
        ----------
        line_length : int, optional
            The width of the table; by default 65 characters, or more where names or shapes need them.
        print_fn : callable, optional
            Called with every line, instead of `print`.
        expand_nested : bool, default False
            Whether the layers of models among the layers have rows of their own, below that of their model.
        show_trainable : bool, default False
            Whether a column says which layers are trained.

        Notes
        -----
        FLOPs are the floating-point operations of one prediction for one sample: a multiplication and an addition count
        as 2, an activation as 1 for every value, however it is computed. A training step takes about three times as
        many: the backward pass has two matrix multiplications for each one in the forward pass.

        Examples
        --------
        >>> import fastnet as fn
        >>> model = fn.Sequential([fn.Dense(64, activation="relu", input_shape=(784,)), fn.Dense(10)])
        >>> model.summary()  # doctest: +NORMALIZE_WHITESPACE
        Model: "sequential"
        _________________________________________________________________
         Layer (type)                Output Shape     Param #    FLOPs
        =================================================================
         dense (Dense)               (None, 64)       50,240     100,480
         dense_1 (Dense)             (None, 10)       650        1,290
        =================================================================
        Total params: 50,890 (198.79 KB)
        Trainable params: 50,890 (198.79 KB)
        Non-trainable params: 0 (0.00 B)
        FLOPs per sample: 101,770
        _________________________________________________________________
        """
        keras_defaults = {"positions": None, "layer_range": None}
        reject_keywords(self.summary, keywords, keras_defaults)
        with self._structure:
            lines = summary_lines(
                self,
                line_length,
                show_trainable=check_bool("show_trainable", show_trainable),
                expand=check_bool("expand_nested", expand_nested),
            )
        for line in lines:
            (print_fn or print)(line)

    def _repr_html_(self) -> str:
        """Return the HTML for notebooks: the table of `summary`."""
        with self._structure:
            return summary_html(self)

    # --- Files ---

    def to_json(self, **options: Any) -> str:
        """Return the architecture as JSON text for `fastnet.models.model_from_json`; options are those of `json.dumps`."""
        import json

        return json.dumps({"class_name": MODEL_CLASS, "config": self.get_config()}, **options)

    def save(self, path: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Write the model to one safetensors file, or for Keras and others: see `fastnet.serialization.save_model`."""
        from fastnet.models.saving import save_model

        save_model(self, path, overwrite=overwrite)

    def save_weights(self, path: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Write the weights alone, to safetensors or for Keras: see `fastnet.serialization.save_weights`."""
        from fastnet.models.saving import save_weights

        save_weights(self, path, overwrite=overwrite)

    def load_weights(self, path: str | os.PathLike[str], skip_mismatch: bool = False) -> None:
        """Read weights from a file of `save_weights`, `save` or Keras: see `fastnet.serialization.load_weights`."""
        from fastnet.models.saving import load_weights

        load_weights(self, path, skip_mismatch=skip_mismatch)

    def to_state_dict(self) -> dict[str, NDArray[Any]]:
        """Return the weights as a PyTorch state dict: see `fastnet.interchange.state_dict.to_state_dict`."""
        from fastnet.interchange.state_dict import to_state_dict

        return to_state_dict(self)

    def to_onnx(
        self,
        path: str | os.PathLike[str],
        opset: int = 17,
        *,
        label: bool = False,
        input_dtype: str | None = None,
    ) -> None:
        """Write the model as an ONNX file: see `fastnet.interchange.onnx_export.file.export_onnx`."""
        from fastnet.interchange.onnx_export.file import export_onnx

        export_onnx(self, path, opset, label=label, input_dtype=input_dtype)

    def to_c(self, path: str | os.PathLike[str], *, name: str = "model", check: bool | Literal["auto"] = "auto") -> str:
        """Write the model as one C99 file for small devices: see `fastnet.interchange.c.source.export_c`."""
        from fastnet.interchange.c.source import export_c

        return export_c(self, path, name=name, check=check)

    def quantize(self, calibration_data: Any) -> "QuantizedModel":
        """Return a model in 8-bit integers, a quarter of the size: see `fastnet.quantization.quantize`."""
        from fastnet.models.quantized import quantize

        return quantize(self, calibration_data)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for `pickle` and `copy`: see `fastnet.training.copying`."""
        from fastnet.training.copying import state_of

        return state_of(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        from fastnet.training.copying import restore

        restore(self, state)
