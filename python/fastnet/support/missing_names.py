"""Errors for missing names: alternatives for names of Keras 3, the closest name for others."""

import opcode
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.util import find_spec
from types import FrameType
from typing import TYPE_CHECKING, Any

from fastnet.support.text import did_you_mean, letters

__all__ = ["FUNCTIONAL_API", "NamesItsAttributes", "error_for", "explain_missing", "instead_of"]


class MissingAttributeError(NotImplementedError, AttributeError):
    """A name of Keras is not implemented; hasattr, and getattr with a default, treat it as missing."""


class MissingImportError(NotImplementedError, ImportError):
    """A name of Keras that a program imports is not implemented."""


class MistypedAttributeError(AttributeError):
    """An object has no such attribute. The closest name is only searched for when the message is read."""

    def __init__(self, owner: object, name: str) -> None:
        super().__init__(f"{type(owner).__name__!r} object has no attribute {name!r}")
        self.name, self._owner = name, owner

    def __str__(self) -> str:
        return f"{self.args[0]}{did_you_mean(self.name, filter(_is_public, dir(self._owner)))}"

    def __reduce__(self) -> Any:
        return AttributeError, (str(self),)


class NamesItsAttributes:
    """Base of objects that suggest alternatives to attributes of Keras, and the closest name to a mistyped one."""

    if not TYPE_CHECKING:  # which would accept any attribute

        def __getattr__(self, name: str) -> Any:
            of_classes = [kind for kind in type(self).__mro__ if name in vars(kind)]
            if of_classes or not _is_public(name):
                return object.__getattribute__(self, name)  # raises the original error, such as that of a property
            for kind in type(self).__mro__:
                if instead := instead_of(kind.__name__, name):
                    raise _named(MissingAttributeError(f"fastnet: {type(self).__name__} has no {name}{instead}"), name)
            raise MistypedAttributeError(self, name)


def explain_missing(module: str) -> None:
    """Let a module suggest alternatives to names of Keras, and the closest name to a mistyped one."""

    def __getattr__(name: str) -> Any:
        raise error_for(module, name)

    vars(sys.modules[module])["__getattr__"] = __getattr__


def error_for(module: str, name: str) -> Exception:
    """Return the error for a missing name of a module, for its `__getattr__`."""
    imports = _is_import_from(sys._getframe(2))
    if not _is_public(name):
        return AttributeError(f"module {module!r} has no attribute {name!r}")
    if instead := instead_of(module.removeprefix("fastnet").removeprefix("."), name):
        text = f"{module} has no {name}{instead}"
        return MissingImportError(text) if imports else _named(MissingAttributeError(text), name)
    if module == "fastnet" and not imports and find_spec(f"fastnet.{name}") is not None:
        hint = f" before import fastnet.{name}"
    else:
        hint = did_you_mean(name, vars(sys.modules[module])["__all__"])
    if imports:
        return ImportError(f"cannot import name {name!r} from {module!r}{hint}", name=module)
    return _named(AttributeError(f"module {module!r} has no attribute {name!r}{hint}"), name)


def _is_public(name: str) -> bool:
    return not name.startswith("_")


def _is_import_from(frame: FrameType) -> bool:
    """Return whether a frame runs ``from ... import ...``, which drops the message of an AttributeError."""
    return frame.f_code.co_code[frame.f_lasti] == opcode.opmap["IMPORT_FROM"]


def _named(error: AttributeError, name: str) -> AttributeError:
    """Return an error with its name set, so that Python adds no suggestion of its own to the message."""
    error.name = name
    return error


# ---- Names of Keras -------------------------------------------------------------------------------------------------

_NONE = "use Keras for this"
FUNCTIONAL_API = (
    "the functional API is not a part of fastnet: Sequential([Input((784,)), Dense(64, 'relu'), Dense(10)]) has layers in a "
    "row, and Residual([Dense(64, 'relu'), Dense(64)]) among them stands for add([x, Dense(64)(Dense(64, 'relu')(x))]); for "
    "other graphs use Keras"
)
# By module and, at the end, by class: the advice, and the names.
_NAMES: Mapping[str, Mapping[str, str]] = {
    "": {
        FUNCTIONAL_API: "Model Function KerasTensor Functional",
        "use NumPy: fastnet takes and returns its arrays": "ops backend tree Variable Operation InputSpec "
        "name_scope StatelessScope SymbolicScope RematScope remat device",
        "use Sequential(dtype=...)": "mixed_precision dtype_policies DTypePolicy FloatDTypePolicy config",
        "use Sequential.quantize": "quantizers Quantizer",
        "use Sequential(seed=...) or fastnet.utils.set_random_seed": "random",
        "use Sequential.save, fastnet.load_model and fastnet.serialization": "saving export",
        "use fastnet.sklearn": "wrappers",
        "use fastnet.layers.Layer": "Layer",
        "use fastnet.losses.Loss": "Loss",
        "use fastnet.metrics.Metric": "Metric",
        "use fastnet.optimizers.Optimizer": "Optimizer",
        "use fastnet.initializers.Initializer": "Initializer",
        "use fastnet.regularizers.Regularizer": "Regularizer",
        "use fastnet.__version__": "version",
        "use NumPy and fastnet.datasets": "preprocessing",
        "use fastnet.distribute": "distribution",
        _NONE: "applications constraints distillation legacy visualization",
    },
    "layers": {
        "its images have two dimensions; use Keras for this": "Conv3D Conv3DTranspose Convolution3D Convolution3DTranspose "
        "MaxPool3D MaxPooling3D AvgPool3D AveragePooling3D GlobalMaxPool3D GlobalMaxPooling3D GlobalAvgPool3D "
        "GlobalAveragePooling3D UpSampling3D ZeroPadding3D Cropping3D SpatialDropout3D",
        "use DepthwiseConv2D and SeparableConv2D for images of height 1": "DepthwiseConv1D SeparableConv1D SeparableConvolution1D",
        "use AveragePooling2D, MaxPooling2D or Keras": "AdaptiveAveragePooling1D AdaptiveAveragePooling2D "
        "AdaptiveAveragePooling3D AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D",
        "its layers for sequences are Conv1D and its like; use Keras for this": "RNN SimpleRNN SimpleRNNCell LSTM LSTMCell GRU GRUCell "
        "ConvLSTM1D ConvLSTM2D ConvLSTM3D Bidirectional TimeDistributed StackedRNNCells Embedding ReversibleEmbedding Masking "
        "Attention AdditiveAttention MultiHeadAttention GroupQueryAttention EinsumDense RepeatVector",
        "Residual adds the output of layers to their input; for other branches use Keras": "Add Average Concatenate Dot Maximum "
        "Minimum Multiply Subtract add average concatenate dot maximum minimum multiply subtract",
        "prepare data with NumPy before fit; Normalization and Rescaling are layers": "CategoryEncoding Discretization Hashing "
        "HashedCrossing IntegerLookup StringLookup TextVectorization MelSpectrogram STFTSpectrogram Resizing CenterCrop "
        "RandomColorDegeneration RandomColorJitter "
        "RandomErasing RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective RandomPosterization "
        "RandomSaturation RandomSharpness RandomShear RandAugment AugMix AutoContrast "
        "ContrastLimitedAdaptiveHistogramEqualization CutMix Equalization MaxNumBoundingBoxes MixUp Solarization Pipeline",
        "use Dropout, GaussianNoise or Keras": "AlphaDropout GaussianDropout",
        "use BatchNormalization, LayerNormalization or Keras": "GroupNormalization RMSNormalization "
        "UnitNormalization SpectralNormalization",
        "Activation('linear') changes nothing": "Identity",
        "kernel_regularizer penalizes weights, or use Keras": "ActivityRegularization",
        _NONE: "Lambda Wrapper InputSpec FlaxLayer JaxLayer TFSMLayer TorchModuleWrapper",
    },
    "losses": {
        _NONE: "CTC ctc",
    },
    "metrics": {
        "use a function of targets and predictions as a metric": "ConcordanceIndex",
    },
    "optimizers": {
        _NONE: "Adafactor Ftrl Lamb LossScaleOptimizer MultiOptimizer OptimizerMap ScheduleFreeAdamW legacy"
    },
    "callbacks": {
        "use ProgressBar": "ProgbarLogger",
        "use an optimizer with use_ema=True": "SwapEMAWeights",
        "use LambdaCallback": "RemoteMonitor",
        "use ModelCheckpoint or BackupAndRestore": "OrbaxCheckpoint",
        "give fit a list of callbacks": "CallbackList",
    },
    "initializers": {
        "use Identity": "IdentityInitializer",
        "use Orthogonal": "OrthogonalInitializer",
        _NONE: "STFT STFTInitializer stft",
    },
    "regularizers": {
        _NONE: "OrthogonalRegularizer orthogonal_regularizer",
    },
    "models": {
        FUNCTIONAL_API: "Model Functional",
    },
    "utils": {
        "use NumPy and fastnet.datasets": "normalize pad_sequences split_dataset array_to_img img_to_array load_img "
        "save_img FeatureSpace pack_x_y_sample_weight unpack_x_y_sample_weight",
        "give fit any object whose __len__ and __getitem__ provide batches": "PyDataset Sequence",
        "use model.summary() and fastnet.plotting": "plot_model model_to_dot",
        "use load_model(path, custom_objects=...)": "custom_object_scope CustomObjectScope "
        "get_custom_objects register_keras_serializable get_registered_name get_registered_object",
        "use get_config and from_config": "serialize_keras_object deserialize_keras_object",
        "use fastnet.callbacks.ProgressBar": "Progbar",
        _NONE: "Config audio_dataset_from_directory image_dataset_from_directory text_dataset_from_directory "
        "timeseries_dataset_from_array bounding_boxes clear_session disable_interactive_logging enable_interactive_logging "
        "is_interactive_logging_enabled get_file get_source_inputs is_keras_tensor legacy standardize_dtype",
    },
    "functional": {
        "use silu, which is the same": "swish",
        "use hard_silu, which is the same": "hard_swish",
        "use fastnet.activations": "get serialize deserialize glu sparsemax threshold",
    },
    # ---- Attributes of objects ----
    "Evaluator": {
        "use get_weights() and set_weights()": "weights variables trainable_weights trainable_variables "
        "non_trainable_weights non_trainable_variables metrics_variables get_state_tree set_state_tree",
        "use input_shape, output_shape, and activations(x) for the outputs of every layer": "input output inputs "
        "outputs input_spec input_dtype",
        "use to_onnx, to_c or save": "export",
        "use to_json": "to_yaml",
        "give compile a custom loss or metric": "add_loss add_metric",
        "use train_on_batch, test_on_batch and predict_on_batch in a custom loop": "train_step test_step predict_step "
        "make_train_function make_test_function make_predict_function train_function test_function predict_function "
        "compute_loss compute_metrics compute_loss_and_updates",
        "use save and load_model": "load_own_variables save_own_variables build_from_config get_build_config",
        "call the model: model(x)": "call stateless_call symbolic_call",
        "use predict(x).argmax(axis=1)": "predict_classes",
        "use predict": "predict_proba predict_generator",
        "use fit": "fit_generator",
        "use metrics_names": "metrics",
        "use evaluate": "evaluate_generator",
        "evaluate and fit reset metrics themselves": "reset_metrics reset_states get_metrics_result",
        _NONE: "activity_regularizer add_variable add_weight autocast call_signature_parameters compiled compute_mask "
        "compute_output_shape compute_output_spec get_quantization_layer_structure jit_compile losses path "
        "quantization_mode quantized_build quantized_call rematerialized_call run_eagerly stateless_compute_loss "
        "steps_per_execution supports_jit supports_masking trainable variable_dtype",
    },
    "Layer": {
        "a layer has its weights once its model is built, or it is called on samples": "kernel bias gamma beta moving_mean moving_variance",
        "use input_shape, output_shape, and model.activations(x) for the outputs of every layer": "input output "
        "input_spec input_dtype",
        "call the layer: layer(x)": "call stateless_call symbolic_call",
        "use that of the model": "built dtype dtype_policy compute_dtype variable_dtype",
        _NONE: "activity_regularizer add_loss add_metric add_variable add_weight autocast bias_constraint build_from_config "
        "call_signature_parameters compute_mask compute_output_spec enable_lora get_build_config kernel_constraint "
        "load_own_variables lora_alpha lora_enabled lora_rank losses metrics metrics_variables path quantization_config "
        "quantization_mode quantize quantized_build quantized_call rematerialized_call save_own_variables supports_jit "
        "supports_masking variable_serialization_spec",
    },
    "Optimizer": {
        "use fit or train_on_batch, which run the steps": "apply apply_gradients minimize update_step stateless_apply build built "
        "scale_loss finalize_variable_values",
        "use the attribute options": "clipnorm clipvalue global_clipnorm ema_momentum ema_overwrite_frequency "
        "gradient_accumulation_steps use_ema weight_decay",
        "use BackupAndRestore, which keeps the state": "variables load_own_variables save_own_variables set_weights "
        "get_weights",
        _NONE: "add_optimizer_variables add_variable add_variable_from_reference assign assign_add assign_sub "
        "loss_scale_factor",
    },
    "Loss": {"call the loss: loss(y_true, y_pred)": "call fn", _NONE: "dtype"},
    "Metric": {
        _NONE: "add_variable add_weight stateless_reset_state stateless_result stateless_update_state variables"
    },
    "Callback": {_NONE: "get_monitor_value monitor_op"},
}


def instead_of(owner: str, name: str, known: Iterable[str] = ()) -> str | None:
    """Return the advice in a message about a name of Keras that fastnet lacks. None if Keras has no such name.

    Parameters
    ----------
    owner : str
        A module, such as "layers", "" for the package itself, or a class.
    name : str
        The name; its case and its punctuation do not matter.
    known : iterable of str
        Names that fastnet has; one of them in another case is not a missing name of Keras.
    """
    if letters(name) in map(letters, known):
        return None
    advice = _by_letters(owner).get(letters(name))
    return advice and f"; {advice}"


@cache
def _by_letters(owner: str) -> dict[str, str]:
    return {letters(name): advice for advice, names in _NAMES.get(owner, {}).items() for name in names.split()}
