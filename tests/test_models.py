"""Sequential: building, weights, compiling, configurations and what it shows of itself."""

import json
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastnet as fn
from fastnet.layers import Activation, BatchNormalization, Dense, Flatten, Input, Rescaling
from toy import LABELS, RNG, X, assert_same, classifier, regressor

# --- Building --------------------------------------------------------------------------------------------------------


def test_a_model_with_an_input_shape_is_built_at_once() -> None:
    model = fn.Sequential([Dense(5, input_shape=(4,)), Dense(3)])
    assert model.built
    assert (model.input_shape, model.output_shape) == ((4,), (3,))
    assert [array.shape for array in model.get_weights()] == [(4, 5), (5,), (5, 3), (3,)]
    assert model.count_params() == 43


def test_a_model_without_an_input_shape_is_built_by_its_first_data() -> None:
    for use in (
        lambda model: model.fit(X, LABELS, verbose=0),
        lambda model: model.evaluate(X, LABELS, verbose=0),
        lambda model: model.predict(X),
        lambda model: model(X),
        lambda model: model.train_on_batch(X, LABELS),
        lambda model: model.loss_and_gradients(X, LABELS),
        lambda model: model.build((4,)),
        lambda model: model.build((None, 4)),
    ):
        model = classifier(input_shape=None)
        assert not model.built
        assert model.get_weights() == []
        use(model)
        assert model.input_shape == (4,)


def test_the_same_seed_gives_the_same_weights_however_the_model_is_built() -> None:
    at_once, later, added = classifier(), classifier(input_shape=None), fn.Sequential(seed=0)
    later.build((4,))
    for layer in (Input((4,)), Dense(5, activation="tanh"), Dense(3, activation="softmax")):
        added.add(layer)
    assert_same(at_once, later)
    assert_same(at_once, added)


def test_different_seeds_give_different_weights() -> None:
    first, second = (fn.Sequential([Dense(3, input_shape=(4,))], seed=seed) for seed in (0, 1))
    assert (first.get_weights()[0] != second.get_weights()[0]).any()


def test_without_a_seed_the_global_one_decides() -> None:
    models = []
    for _ in range(2):
        fn.utils.set_random_seed(3)
        model = fn.Sequential([Dense(3, input_shape=(4,)), Dense(3, activation="softmax")])
        model.compile("sgd", "categorical_crossentropy")
        model.fit(X, LABELS, epochs=2, verbose=0)
        models.append(model)
    assert_same(*models)


def test_layers_are_named_as_in_keras() -> None:
    model = fn.Sequential([Dense(2), Dense(2), Activation("relu"), Dense(2, name="out"), Dense(2)])
    assert [layer.name for layer in model.layers] == ["dense", "dense_1", "activation", "out", "dense_2"]


def test_layers_that_are_added_and_removed_leave_the_other_weights() -> None:
    model = fn.Sequential([Dense(5, input_shape=(4,)), Dense(3)], seed=0)
    weights = model.get_weights()
    last = model.pop()
    assert model.output_shape == (5,)
    model.add(Dense(7, activation="relu"))
    assert [array.shape for array in model.get_weights()] == [(4, 5), (5,), (5, 7), (7,)]
    for now, then in zip(model.get_weights(), weights[:2], strict=False):
        assert_array_equal(now, then)
    model.pop()
    model.add(last)  # with the weights that it had
    for now, then in zip(model.get_weights(), weights, strict=True):
        assert_array_equal(now, then)


def test_a_model_can_be_emptied_and_filled_again() -> None:
    model = fn.Sequential([Dense(5, input_shape=(4,))])
    model.pop()
    assert model.layers == []
    assert not model.built
    model.add(Dense(2))
    assert [array.shape for array in model.get_weights()] == [(4, 2), (2,)]


def test_layers_of_a_model_that_could_not_be_made_can_be_used_again() -> None:
    layers = [Input((2, 2)), BatchNormalization(axis=1)]
    with pytest.raises(NotImplementedError, match="only the last axis"):
        fn.Sequential(layers)
    assert fn.Sequential([layers[0], Flatten(), layers[1]]).output_shape == (4,)


def test_a_layer_that_does_not_fit_is_not_added() -> None:
    model = fn.Sequential([Rescaling(2.0, input_shape=(2, 2))])
    with pytest.raises(NotImplementedError, match="only the last axis"):
        model.add(BatchNormalization(axis=1))
    assert len(model.layers) == 1


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: fn.Sequential(["dense"]),
            TypeError,
            r"layers must be objects of fastnet.layers or models; got 'dense' \(str\)",
        ),
        (lambda: fn.Sequential(Dense(2)), TypeError, "layers must be a list of layers; got Dense"),
        (lambda: fn.Sequential(name=3), TypeError, r"name must be a string; got 3 \(int\)"),
        (lambda: fn.Sequential([Dense(2), Input((3,))]), ValueError, "Input must be the first layer; got it after 1"),
        (lambda: fn.Sequential([Dense(2, name="a"), Dense(2, name="a")]), ValueError, "different names; got 'a' twice"),
        (lambda: fn.Sequential([Input((3,)), Dense(2, input_dim=4)]), ValueError, r"shape \(3,\), .* \(4,\)"),
        (
            lambda: fn.Sequential([Dense(2, input_dim=3), Dense(2, input_dim=3)]),
            ValueError,
            r"\(3,\); its input is \(2,\)",
        ),
        (
            lambda: fn.Sequential(dtype="float16"),
            ValueError,
            "dtype must be one of 'float32', 'float64', 'mixed_bfloat16'; got 'float16'",
        ),
        (lambda: fn.Sequential(seed="a"), TypeError, "seed must be an integer"),
        (lambda: fn.Sequential(trainable="no"), TypeError, r"trainable must be True or False; got 'no' \(str\)"),
        (lambda: fn.Sequential(layer=[]), TypeError, "unexpected keyword argument 'layer'"),
        (lambda: fn.Sequential().build((3,)), ValueError, "the model has no layers"),
        (lambda: fn.Sequential([Dense(2)]).build(), ValueError, "needs an input_shape"),
        (lambda: fn.Sequential([Dense(2)]).build((None, None)), NotImplementedError, "must be known"),
        (lambda: fn.Sequential([Dense(2, input_dim=3)]).build((4,)), ValueError, r"input_shape \(3,\); got \(4,\)"),
        (lambda: fn.Sequential().pop(), ValueError, "no layers to remove"),
        (lambda: fn.Sequential([Dense(2)]).count_params(), ValueError, r"before count_params\(\)"),
        (lambda: fn.Sequential([Dense(2)]).set_weights([]), ValueError, r"before set_weights\(\)"),
    ],
)
def test_models_that_cannot_be_are_refused(make: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_a_layer_without_weights_belongs_to_one_model() -> None:
    layer = Dense(2, name="shared")
    fn.Sequential([layer])
    with pytest.raises(ValueError, match=r"layer 'shared' is in a model already, .* a copy with Dense.from_config"):
        fn.Sequential([layer])


def test_weights_go_in_and_out_of_the_whole_model() -> None:
    model = classifier()
    weights = [np.full(array.shape, number) for number, array in enumerate(model.get_weights())]
    model.set_weights(weights)
    for now, given in zip(model.get_weights(), weights, strict=True):
        assert_array_equal(now, given)
    assert_array_equal(model.layers[1].get_weights()[0], weights[2])
    with pytest.raises(ValueError, match=r"weights must be 4 arrays \(kernel of layer 'dense' \(4, 5\), .*; got 1"):
        model.set_weights(weights[:1])


# --- Compiling -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"optimizer": "ftrl"}, NotImplementedError, "the optimizer 'ftrl' is not available; use Keras"),
        ({"loss": "crossentropy"}, ValueError, "loss must be one of"),
        ({"metrics": ["f1"]}, ValueError, "metric must be one of .*; got 'f1'"),
        ({"metrics": ["ConcordanceIndex"]}, NotImplementedError, "'ConcordanceIndex' is not available"),
        ({"metrics": 3}, TypeError, r"metrics must be a list of names, metrics or functions; got 3 \(int\)"),
        ({"loss_weights": [1.0]}, NotImplementedError, r"compile\(\) supports only loss_weights=None"),
        ({"learning_rate": 0.1}, TypeError, r"compile\(\) got an unexpected keyword argument 'learning_rate'"),
    ],
)
def test_wrong_arguments_of_compile_are_refused(arguments: dict[str, Any], error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        fn.Sequential([Dense(2)]).compile(**arguments)


def test_how_keras_runs_a_model_is_accepted() -> None:
    model = regressor()
    model.compile("sgd", "mse", run_eagerly=True, jit_compile="auto", steps_per_execution=8, auto_scale_loss=True)


@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch", "loss_and_gradients"])
def test_a_model_that_is_not_compiled_only_predicts(method: str) -> None:
    model = fn.Sequential([Dense(1)])
    for _ in range(2):
        with pytest.raises(ValueError, match=r"call compile\(optimizer, loss\) before"):
            getattr(model, method)(X, X[:, 0])
        model.compile("sgd")  # and neither is one without a loss
    assert model.predict(X).shape == (30, 1)


def test_compiling_again_starts_with_fresh_moments() -> None:
    momentum = fn.optimizers.SGD(0.1, momentum=0.9)
    first, second = classifier(), classifier()
    for model in (first, second):
        model.compile(momentum, "categorical_crossentropy")
        model.train_on_batch(X, LABELS)
    first.compile(momentum, "categorical_crossentropy")
    steps = [model.get_weights()[0] for model in (first, second)]
    first.train_on_batch(X, LABELS)
    second.train_on_batch(X, LABELS)
    assert_array_equal(*steps)
    assert np.abs(first.get_weights()[0] - steps[0]).max() < np.abs(second.get_weights()[0] - steps[1]).max()


def test_compile_configuration_compiles_again() -> None:
    model = classifier()
    config = json.loads(json.dumps(model.get_compile_config()))
    assert config["optimizer"]["class_name"] == "SGD"
    assert config["optimizer"]["config"]["learning_rate"] == 0.1
    assert (config["loss"], config["metrics"]) == ("sparse_categorical_crossentropy", ["accuracy"])
    again = fn.Sequential.from_config(model.get_config())
    assert again.get_compile_config() is None
    again.compile_from_config(config)
    assert again.get_compile_config() == model.get_compile_config()


@pytest.mark.parametrize(
    ("outputs", "metric", "expected"),
    [(1, "accuracy", 0.75), (2, "accuracy", 0.5), (2, "binary_accuracy", 0.75), (2, "categorical_accuracy", 0.5)],
)
def test_accuracy_is_binary_with_one_output(outputs: int, metric: str, expected: float) -> None:
    model = fn.Sequential([Input((outputs,)), Rescaling(1.0)])
    model.compile("sgd", "binary_crossentropy", metrics=[metric])
    p, y = [[0.9, 0.2], [0.7, 0.8]], [[1, 0], [1, 0]]  # one of four is on the wrong side of 0.5, one of two rows
    if outputs == 1:
        p, y = np.reshape(p, (4, 1)), np.reshape(y, 4)
    assert model.evaluate(p, y, verbose=0, return_dict=True)[metric] == expected


def test_metrics_of_both_families_stand_beside_each_other() -> None:
    model = regressor(2)
    model.compile("sgd", "mse", metrics=["binary_accuracy", "accuracy"])
    y = np.eye(2)[LABELS % 2]
    figures = model.evaluate(X, y, verbose=0, return_dict=True)
    p = model.predict(X)
    assert figures["binary_accuracy"] == pytest.approx(np.mean((p > 0.5) == y))
    assert figures["accuracy"] == pytest.approx(np.mean(p.argmax(1) == y.argmax(1)))


def test_a_categorical_loss_needs_two_outputs() -> None:
    model = regressor()
    model.compile("sgd", "categorical_crossentropy")
    with pytest.raises(
        ValueError, match="categorical_crossentropy needs at least 2 output units; with 1 use binary_cr"
    ):
        model.fit(X, LABELS)


# --- Description -----------------------------------------------------------------------------------------------------


def test_the_configuration_is_json_and_makes_an_equal_model() -> None:
    model = fn.Sequential(
        [Input((2, 2)), Flatten(), Rescaling(1 / 255), Dense(3, activation=fn.leaky_relu), fn.LeakyReLU(), Dense(2)],
        dtype="float64",
        name="mine",
    )
    config = json.loads(json.dumps(model.get_config()))
    again = fn.Sequential.from_config(config)
    assert again.get_config() == model.get_config()
    assert (again.name, again.dtype, again.input_shape) == ("mine", "float64", (2, 2))
    again.set_weights(model.get_weights())
    x = RNG.normal(size=(5, 2, 2))
    assert_array_equal(again.predict(x), model.predict(x))


def test_a_model_that_is_not_built_has_a_configuration() -> None:
    model = fn.Sequential([Dense(3)])
    assert model.get_config()["input_shape"] is None
    assert not fn.Sequential.from_config(model.get_config()).built


def test_the_summary_lists_layers_shapes_and_parameters() -> None:
    lines: list[str] = []
    classifier().summary(print_fn=lines.append)
    assert lines[0] == 'Model: "sequential"'
    assert lines[4].split() == ["dense", "(Dense)", "(None,", "5)", "25", "50"]
    assert lines[5].split() == ["dense_1", "(Dense)", "(None,", "3)", "18", "36"]
    assert "Total params: 43 (172.00 B)" in lines
    assert {len(line) for line in lines if set(line) <= {"=", "_"}} == {65}


def test_the_summary_of_a_model_that_is_not_built_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    fn.Sequential([Dense(3, name="a" * 60)]).summary(line_length=40)
    line = capsys.readouterr().out.splitlines()[4]
    assert line == f" {'a' * 60} (Dense) ? 0 (unbuilt) ?"


def test_a_model_shows_its_shapes() -> None:
    assert repr(classifier()) == "<Sequential 'sequential': 4 -> 5 -> 3>"
    assert repr(fn.Sequential([Flatten(input_shape=(2, 3))])) == "<Sequential 'sequential': 2x3 -> 6>"
    assert repr(fn.Sequential([Dense(3)])) == "<Sequential 'sequential', 1 layers, not built>"


def test_a_saved_model_predicts_the_same(tmp_path: Any) -> None:
    model = classifier()
    model.class_names = ["a", "b", "c"]
    model.save(tmp_path / "model.safetensors")
    again = fn.load_model(tmp_path / "model.safetensors")
    assert_array_equal(again.predict(X), model.predict(X))
    assert again.class_names == ["a", "b", "c"]
    assert again.evaluate(X, LABELS, verbose=0) == model.evaluate(X, LABELS, verbose=0)


def test_a_call_gives_outputs_of_the_shape_that_predict_gives() -> None:
    model = fn.Sequential([fn.Input((6,)), fn.Dense(4), fn.Reshape((2, 2))], seed=0)
    x = np.ones((3, 6), np.float32)
    assert model(x).shape == (3, 2, 2)
    assert_array_equal(model(x), model.predict(x))
    model.pop()
    assert model(x).shape == (3, 4)
