"""Names that are not there: those of Keras say what to do instead, others which one may have been meant."""

import copy
import importlib
import pickle
import subprocess
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import fastnet as fn
from fastnet.support import missing_names as _missing_names

MODULES = {"": fn, **{name: getattr(fn, name) for name in _missing_names._NAMES if name in fn.__all__}}


def objects() -> dict[str, Any]:
    model = fn.Sequential([fn.Dense(2, input_shape=(3,))])
    model.compile("adam", "mse")
    return {
        "Evaluator": model,
        "Layer": model.layers[0],
        "Optimizer": fn.optimizers.Adam(),
        "Loss": fn.losses.MeanSquaredError(),
        "Metric": fn.metrics.Mean(),
        "Callback": fn.callbacks.EarlyStopping(),
    }


# ---- Modules --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "name", "instead"),
    [
        (fn, "Model", "the functional API is not a part of fastnet: Sequential([Input("),
        (fn.layers, "Conv3D", "its images have two dimensions; use Keras for this"),
        (fn.layers, "LSTM", "its layers for sequences are Conv1D and its like; use Keras for this"),
        (fn.layers, "Concatenate", "Residual"),
        (fn.losses, "CTC", "use Keras for this"),
        (fn.metrics, "ConcordanceIndex", "use a function of targets and predictions"),
        (fn.optimizers, "Ftrl", "use Keras for this"),
        (fn.callbacks, "SwapEMAWeights", "use an optimizer with use_ema=True"),
        (fn.initializers, "STFT", "use Keras for this"),
        (fn.regularizers, "OrthogonalRegularizer", "use Keras for this"),
        (fn.models, "Functional", "the functional API is not a part of fastnet"),
        (fn.utils, "plot_model", "use model.summary()"),
        (fn.functional, "sparsemax", "use fastnet.activations"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, ModuleType) else str(value),
)
def test_a_name_of_keras_is_not_implemented_and_says_what_to_do(module: ModuleType, name: str, instead: str) -> None:
    with pytest.raises(NotImplementedError) as raised:
        getattr(module, name)
    assert str(raised.value).startswith(f"{module.__name__} has no {name}; {instead}")
    with pytest.raises(NotImplementedError) as imported:
        exec(f"from {module.__name__} import {name}")
    assert isinstance(imported.value, ImportError)
    assert str(imported.value) == str(raised.value)


def test_a_name_of_keras_is_not_there_for_those_who_ask_whether_it_is() -> None:
    assert not hasattr(fn.layers, "LSTM")
    assert getattr(fn, "Model", None) is None
    assert not {"LSTM", "Model"} & {*dir(fn), *dir(fn.layers)}
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("fastnet.layers.LSTM")


@pytest.mark.parametrize(
    ("module", "name", "meant"),
    [
        (fn, "Sequental", "Sequential"),
        (fn.layers, "Dens", "Dense"),
        (fn.losses, "MeanSquareError", "MeanSquaredError"),
        (fn.metrics, "Precison", "Precision"),
        (fn.optimizers, "adm", "Adam"),
        (fn.callbacks, "EarlyStoping", "EarlyStopping"),
        (fn.initializers, "HeNomal", "HeNormal"),
        (fn.regularizers, "L3", None),
        (fn.models, "loadmodel", "load_model"),
        (fn.utils, "to_categorial", "to_categorical"),
        (fn.datasets, "minst", "mnist"),
        (fn.schedules, "CosineDecy", "CosineDecay"),
        (fn.functional, "rleu", "relu"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, ModuleType) else str(value),
)
def test_a_mistyped_name_of_a_module_gets_the_closest(module: ModuleType, name: str, meant: str | None) -> None:
    hint = f"; did you mean {meant!r}?" if meant else ""
    with pytest.raises(AttributeError) as raised:
        getattr(module, name)
    assert str(raised.value) == f"module {module.__name__!r} has no attribute {name!r}{hint}"
    with pytest.raises(ImportError) as imported:
        exec(f"from {module.__name__} import {name}")
    assert str(imported.value) == f"cannot import name {name!r} from {module.__name__!r}{hint}"


def test_a_part_that_is_not_imported_yet_is_named() -> None:
    program = "import fastnet; fastnet.serve"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].endswith("has no attribute 'serve' before import fastnet.serve")


@pytest.mark.parametrize("owner", [fn, fn.layers, fn.Sequential()], ids=["package", "module", "object"])
def test_private_names_are_not_guessed_at(owner: Any) -> None:
    with pytest.raises(AttributeError, match=r"has no attribute '_laers'$"):
        owner._laers  # noqa: B018


# ---- Objects --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("owner", "name", "instead"),
    [
        ("Evaluator", "export", "use to_onnx, to_c or save"),
        ("Evaluator", "to_yaml", "use to_json"),
        ("Evaluator", "add_loss", "give compile a custom loss or metric"),
        ("Evaluator", "metrics", "use metrics_names"),
        ("Evaluator", "predict_classes", "use predict(x).argmax(axis=1)"),
        ("Evaluator", "load_own_variables", "use save and load_model"),
        ("Layer", "add_loss", "use Keras for this"),
        ("Optimizer", "apply_gradients", "use fit or train_on_batch"),
        ("Loss", "call", "call the loss"),
    ],
)
def test_an_attribute_of_keras_is_not_implemented_and_says_what_to_do(owner: str, name: str, instead: str) -> None:
    thing = objects()[owner]
    with pytest.raises(NotImplementedError) as raised:
        getattr(thing, name)
    assert str(raised.value).startswith(f"fastnet: {type(thing).__name__} has no {name}; {instead}")
    assert not hasattr(thing, name)


@pytest.mark.parametrize(
    ("owner", "name", "meant"),
    [
        ("Evaluator", "ft", "fit"),
        ("Evaluator", "stop_traning", "stop_training"),
        ("Layer", "unit", "units"),
        ("Optimizer", "learning_rte", "learning_rate"),
        ("Metric", "update_stat", "update_state"),
        ("Callback", "patiance", "patience"),
    ],
)
def test_a_mistyped_attribute_gets_the_closest(owner: str, name: str, meant: str) -> None:
    thing = objects()[owner]
    text = f"{type(thing).__name__!r} object has no attribute {name!r}; did you mean {meant!r}?"
    with pytest.raises(AttributeError) as raised:
        getattr(thing, name)
    assert str(raised.value) == text
    assert str(pickle.loads(pickle.dumps(raised.value))) == text


def test_a_layer_that_is_called_says_what_is_called_instead() -> None:
    with pytest.raises(
        NotImplementedError,
        match=r"'dense' is called on an InputLayer, .*begins with Sequential\(\[Input\(\(2,\)\), Dense",
    ):
        fn.Dense(3)(fn.Input((2,)))


def test_a_traceback_has_one_guess() -> None:
    program = "import fastnet; fastnet.Sequential().{}"
    for name, hint in {"ft": "did you mean 'fit'?", "add_loss": "give compile a custom loss"}.items():
        command = [sys.executable, "-c", program.format(name)]
        last = subprocess.run(command, capture_output=True, text=True, check=False).stderr.splitlines()[-1]
        assert hint in last
        assert last.lower().count("did you mean") == (name == "ft")


def test_an_error_inside_of_a_property_stays_that_error() -> None:
    with pytest.raises(AttributeError, match=r"^call compile\(optimizer, loss\) before reading optimizer$"):
        fn.Sequential().optimizer  # noqa: B018


def test_objects_that_name_their_attributes_are_copied_like_others() -> None:
    for thing in objects().values():
        assert type(copy.copy(thing)) is type(thing)
    model = objects()["Evaluator"]
    same = pickle.loads(pickle.dumps(model))
    assert all((a == b).all() for a, b in zip(same.get_weights(), model.get_weights(), strict=True))


# ---- Layers of a model ----------------------------------------------------------------------------------------------


def test_a_layer_is_found_by_its_name_and_by_its_place() -> None:
    model = fn.Sequential([fn.Dense(3, name="hidden", input_shape=(2,)), fn.Dense(1)])
    assert model.get_layer("hidden") is model.get_layer(name="hidden") is model.get_layer(index=0) is model.layers[0]
    assert model.get_layer(index=-1) is model.layers[1]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda model: model.get_layer("hiden"),
            ValueError,
            r"no layer 'hiden'; the layers are 'hidden', 'dense'; did you",
        ),
        (lambda model: model.get_layer(index=2), ValueError, "index must be at most 1; got 2"),
        (lambda model: model.get_layer(index=-3), ValueError, "index must be at least -2; got -3"),
        (lambda model: model.get_layer(index=0.0), TypeError, "index must be an integer"),
        (lambda model: model.get_layer(), ValueError, "needs a name or an index"),
        (lambda model: model.get_layer("hidden", 0), ValueError, "needs a name or an index"),
    ],
)
def test_a_layer_that_is_not_there_is_refused(
    call: Callable[[fn.Sequential], Any], error: type[Exception], message: str
) -> None:
    model = fn.Sequential([fn.Dense(3, name="hidden", input_shape=(2,)), fn.Dense(1)])
    with pytest.raises(error, match=message):
        call(model)


# ---- The table ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODULES)
def test_the_table_has_no_name_that_is_there(name: str) -> None:
    there = {
        one for names in _missing_names._NAMES[name].values() for one in names.split() if hasattr(MODULES[name], one)
    }
    assert there == set()


def test_every_name_of_the_installed_keras_is_there_or_says_what_to_do() -> None:
    keras = pytest.importorskip("keras")
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)])
    model.compile("adam", "mse")
    theirs = {
        "Evaluator": model,
        "Layer": model.layers[0],
        "Optimizer": model.optimizer,
        "Loss": keras.losses.MeanSquaredError(),
        "Metric": keras.metrics.Mean(),
        "Callback": keras.callbacks.EarlyStopping(),
        **{name: getattr(keras, name) for name in MODULES if name and name != "functional"},
        "functional": keras.activations,
        "": keras,
    }
    ours = {**objects(), **MODULES}
    of_backend = set()
    if keras.backend.backend() == "torch":  # with which models and layers are modules of PyTorch, too
        of_backend = {"torch_params", *dir(pytest.importorskip("torch").nn.Module())}
    untold = [
        f"{owner}.{name}"
        for owner, thing in theirs.items()
        for name in dir(thing)
        if not name.startswith("_") and name not in of_backend and not hasattr(ours[owner], name)
        if _missing_names.instead_of(owner, name) is None
    ]
    # What its objects hold by chance.
    assert set(untold) <= {"Metric.count", "Metric.total", "Callback.best_weights", "Callback.wait", ".src"}
