"""Models as layers of other models, and layers of other models: one set of weights, kept in step."""

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
from fastnet.layers import BatchNormalization, Dense, Dropout, Residual, Softmax

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(64, 5)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)


def base(**options: Any) -> fn.Sequential:
    return fn.Sequential([Dense(8, "relu"), Dense(4, "relu")], **{"name": "base", **options})


def outer(inner: fn.Sequential, **options: Any) -> fn.Sequential:
    model = fn.Sequential([inner, Dense(2, "softmax")], seed=1, **options)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def flat(model: fn.Sequential) -> np.ndarray:
    return np.concatenate([array.ravel() for array in model.get_weights()])


# ---- The model inside -----------------------------------------------------------------------------------------------


def test_a_model_computes_what_its_layers_in_a_row_do() -> None:
    inner = base()
    model = outer(inner)
    model.build((5,))
    row = fn.Sequential([Dense(8, "relu"), Dense(4, "relu"), Dense(2, "softmax")])
    row.build((5,))
    row.set_weights(model.get_weights())
    assert_array_equal(model.predict(X), row.predict(X))
    assert_array_equal(model(X), row.predict(X))


def test_a_nested_model_trains_bit_for_bit_like_its_layers_in_a_row() -> None:
    nested = outer(base())
    row = fn.Sequential([Dense(8, "relu"), Dense(4, "relu"), Dense(2, "softmax")], seed=1)
    row.compile("adam", "sparse_categorical_crossentropy")
    histories = [one.fit(X, Y, epochs=3, verbose=0).history for one in (nested, row)]
    assert histories[0] == histories[1]
    assert_array_equal(flat(nested), flat(row))


def test_a_model_among_the_layers_is_found_as_itself() -> None:
    inner = base()
    model = outer(inner)
    assert model.layers[0] is inner
    assert model.get_layer("base") is inner
    assert model.get_layer(index=0) is inner
    assert fn.Sequential([inner]).layers[0] is inner


def test_models_without_names_are_named_like_layers() -> None:
    encoder, decoder = fn.Sequential([Dense(2)]), fn.Sequential([Dense(5)])
    model = fn.Sequential([encoder, decoder])
    assert model.get_layer("sequential_1") is decoder
    assert decoder.name == "sequential_1"


def test_a_model_in_two_models_has_one_name() -> None:
    shared = fn.Sequential([Dense(4)])
    first = fn.Sequential([fn.Input((4,)), shared, Dense(2)])
    second = fn.Sequential([fn.Input((4,)), fn.Sequential([Dense(4)]), shared, Dense(2)])
    for model in (first, second):
        for layer in model.layers:
            assert model.get_layer(layer.name) is layer
    assert [layer.name for layer in second.layers] == ["sequential_1", "sequential", "dense"]


def test_a_model_that_is_a_layer_keeps_its_name() -> None:
    inner = fn.Sequential([Dense(4)])
    inner.name = "base"
    outer = fn.Sequential([inner])
    assert outer.get_layer("base") is inner
    with pytest.raises(
        AttributeError, match=r"model 'base' is a layer of another model and keeps its name: .*deepcopy"
    ):
        inner.name = "other"
    for copied in (copy.deepcopy(inner), pickle.loads(pickle.dumps(inner))):
        copied.name = "copy"
    with pytest.raises(AttributeError, match="keeps its name"):
        outer.layers[0].name = "other"
    outer.pop()
    inner.name = "free"
    with pytest.raises(TypeError, match="name must be a string; got 5"):
        inner.name = 5  # type: ignore[assignment]


def test_layers_of_two_models_with_one_name_are_refused_with_the_remedy() -> None:
    base, head = (fn.Sequential([Dense(4, input_shape=(4,))]) for _ in range(2))
    message = r"got 'dense' twice: give one of them a name .* or put models as a whole .* Sequential\(\[base, head\]\)"
    with pytest.raises(ValueError, match=message):
        fn.Sequential([*base.layers, *head.layers])
    assert fn.Sequential([base, head]).count_params() == 40


def test_training_the_outer_model_trains_the_inner_one() -> None:
    inner = base()
    model = outer(inner)
    model.fit(X, Y, epochs=2, verbose=0)
    hidden = inner.predict(X)
    kernel, bias = model.layers[1].get_weights()
    scores = np.exp(hidden @ kernel + bias)
    assert_allclose(model.predict(X), scores / scores.sum(axis=1, keepdims=True), atol=1e-6)


def test_training_the_inner_model_changes_every_model_that_has_it() -> None:
    inner = base(seed=3)
    models = [outer(inner), outer(inner)]
    for model in models:
        model.build((5,))
    inner.compile("sgd", "mse")
    inner.fit(X, np.zeros((64, 4)), verbose=0)
    for model in models:
        assert_array_equal(model.get_weights()[0], inner.get_weights()[0])


def test_every_step_of_train_on_batch_reaches_the_inner_model() -> None:
    inner = base()
    model = outer(inner)
    for _ in range(3):
        model.train_on_batch(X, Y)
        assert_array_equal(inner.get_weights()[1], model.get_weights()[1])


def test_weights_are_the_same_however_deep_the_model_is_and_whoever_writes_them() -> None:
    inner = base()
    middle = outer(inner)
    model = fn.Sequential([middle, Softmax()])
    model.build((5,))
    sibling = fn.Sequential([inner, Dense(1)])
    sibling.build((5,))
    writers: list[Any] = [
        lambda: setattr(inner.layers[0], "kernel", np.full((5, 8), 1.0)),
        lambda: middle.set_weights([np.full_like(array, 2.0) for array in middle.get_weights()]),
        lambda: model.set_weights([np.full_like(array, 3.0) for array in model.get_weights()]),
        lambda: sibling.set_weights([np.full_like(array, 4.0) for array in sibling.get_weights()]),
        lambda: inner.layers[0].set_weights([np.full((5, 8), 5.0), np.zeros(8)]),
    ]
    for number, write in enumerate(writers, 1):
        write()
        for one in (inner, middle, model, sibling):
            assert one.get_weights()[0].min() == one.get_weights()[0].max() == number


def test_a_trained_classifier_gets_a_softmax_behind_it() -> None:
    logits = fn.Sequential([fn.Input((5,)), Dense(3)], seed=0)
    probable = fn.Sequential([logits, Softmax()])
    assert probable.built
    scores = np.exp(logits.predict(X))
    assert_allclose(probable.predict(X), scores / scores.sum(axis=1, keepdims=True), rtol=1e-5)


def test_a_callback_sees_the_inner_model_as_it_is_after_each_epoch() -> None:
    inner = base()
    model = outer(inner)
    same = []
    callback = fn.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: same.append((inner.get_weights()[0] == model.get_weights()[0]).all())
    )
    model.fit(X, Y, epochs=3, verbose=0, callbacks=[callback])
    assert same == [True, True, True]


# ---- Freezing -------------------------------------------------------------------------------------------------------


def test_a_frozen_model_inside_stays_as_it_is() -> None:
    inner = base()
    model = outer(inner)
    model.fit(X, Y, verbose=0)
    inner.trainable = False
    assert [array.shape for array in model.trainable_weights] == [(4, 2), (2,)]
    before, head = flat(inner), model.layers[1].kernel
    model.fit(X, Y, epochs=2, verbose=0)
    assert_array_equal(flat(inner), before)
    assert not (model.layers[1].kernel == head).all()
    inner.trainable = True
    model.fit(X, Y, verbose=0)
    assert not (flat(inner) == before).all()


def test_one_layer_of_the_inner_model_can_be_frozen() -> None:
    inner = base()
    model = outer(inner)
    model.fit(X, Y, verbose=0)
    inner.layers[0].trainable = False
    first, second = (layer.kernel for layer in inner.layers)
    model.fit(X, Y, verbose=0)
    assert_array_equal(inner.layers[0].kernel, first)
    assert not (inner.layers[1].kernel == second).all()


def test_a_frozen_batch_normalization_inside_keeps_its_moving_averages() -> None:
    inner = fn.Sequential([Dense(4), BatchNormalization()], name="base")
    model = outer(inner)
    model.fit(X, Y, verbose=0)
    inner.trainable = False
    before = inner.layers[1].moving_mean
    model.fit(X, Y, verbose=0)
    assert_array_equal(inner.layers[1].moving_mean, before)
    inner.trainable = True
    model.fit(X, Y, verbose=0)
    assert not (inner.layers[1].moving_mean == before).all()


# ---- Layers of another model ----------------------------------------------------------------------------------------


def test_layers_of_another_model_are_shared() -> None:
    whole = fn.Sequential([fn.Input((5,)), Dense(8, "relu"), Dense(4, "relu"), Dense(2)], seed=0)
    features = fn.Sequential(whole.layers[:-1])
    assert features.layers[0] is whole.layers[0]
    hidden = features.predict(X)
    assert hidden.shape == (64, 4)
    kernel, bias = whole.layers[-1].get_weights()
    assert_allclose(whole.predict(X), hidden @ kernel + bias, atol=1e-5)
    whole.compile("sgd", "mse")
    whole.fit(X, np.zeros((64, 2)), verbose=0)
    assert_array_equal(features.get_weights()[0], whole.get_weights()[0])
    features.compile("sgd", "mse")
    features.fit(X, np.zeros((64, 4)), verbose=0)
    assert_array_equal(features.get_weights()[2], whole.get_weights()[2])


def test_new_layers_take_names_that_shared_ones_leave() -> None:
    whole = fn.Sequential([fn.Input((5,)), Dense(5), Dense(5)])
    model = fn.Sequential([fn.Input((5,)), Dense(5), *whole.layers, Dense(1)])
    assert [layer.name for layer in model.layers] == ["dense_2", "dense", "dense_1", "dense_3"]


def test_a_block_can_be_shared() -> None:
    whole = fn.Sequential([fn.Input((5,)), Residual([Dense(5)]), Dense(2)], seed=0)
    part = fn.Sequential(whole.layers[:1])
    whole.set_weights([np.ones_like(array) for array in whole.get_weights()])
    assert_allclose(part.predict(np.ones((1, 5))), [[7.0] * 5])


def test_layers_lent_to_another_model_cannot_be_removed_while_that_is_there() -> None:
    whole = fn.Sequential([fn.Input((5,)), Dense(8), Dense(2)])
    part = fn.Sequential(whole.layers[:1])
    with pytest.raises(ValueError, match=r"pop\(\) cannot change model 'sequential': another model has layers of it"):
        whole.pop()
    with pytest.raises(ValueError, match=r"add\(\) cannot change model"):
        whole.add(Dense(1))
    assert part.pop() is whole.layers[0]
    whole.pop()
    assert whole.output_shape == (8,)
    whole.add(Dense(3))
    del part
    assert whole.predict(X).shape == (64, 3)


# ---- Copies and files -----------------------------------------------------------------------------------------------


def test_a_copy_shares_nothing_with_the_original() -> None:
    inner = base()
    model = outer(inner)
    model.fit(X, Y, verbose=0)
    twin = copy.deepcopy(model)
    assert_array_equal(twin.predict(X), model.predict(X))
    assert_array_equal(twin.layers[0].predict(X), inner.predict(X))
    before = flat(inner)
    twin.fit(X, Y, verbose=0)
    assert_array_equal(flat(inner), before)
    assert_array_equal(twin.layers[0].get_weights()[0], twin.get_weights()[0])
    model.fit(X, Y, verbose=0)
    assert_array_equal(twin.predict(X), model.predict(X))  # with the optimizer's state of the original


def test_files_keep_the_model_inside_and_its_name(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    inner = fn.Sequential([Dense(8, "relu"), BatchNormalization(), Dropout(0.5)], name="base")
    model = outer(fn.Sequential([inner, Dense(3)], name="middle"))
    model.fit(X, Y, epochs=2, verbose=0)
    inner.trainable = False
    model.save(tmp_path / "m.safetensors")
    names = load_file(tmp_path / "m.safetensors").keys()
    assert "layers.0.middle.0.base.0.dense.kernel" in names
    again = fn.load_model(tmp_path / "m.safetensors")
    assert_array_equal(again.predict(X), model.predict(X))
    middle = again.get_layer("middle")
    assert_array_equal(middle.predict(X), model.layers[0].predict(X))
    assert [middle.trainable, middle.get_layer("base").trainable] == [True, False]
    model.save_weights(tmp_path / "w.safetensors")
    model.set_weights([np.zeros_like(array) for array in model.get_weights()])
    model.load_weights(tmp_path / "w.safetensors")
    assert_array_equal(inner.get_weights()[0], again.get_weights()[0])


@pytest.mark.parametrize("change", ["name", "dtype", "missing", "depth"])
def test_a_file_with_a_damaged_model_inside_is_refused(change: str, tmp_path: Path) -> None:
    from fastnet.network.checks import check_architecture, expected_shapes

    model = outer(base())
    model.build((5,))
    config = model.get_config()
    inside = config["layers"][0]["config"]
    if change == "name":
        inside["name"] = 3
    elif change == "dtype":
        inside["dtype"] = "float64"
    elif change == "missing":
        del inside["layers"]
    else:
        inside["layers"] = [{"class_name": "Dense", "config": {"units": 1}}] * 10_001
    with pytest.raises(ValueError, match=r"name|dtype|lacks the entry 'layers'|at most 10000 layers"):
        check_architecture(config) or expected_shapes(config)


def test_training_resumes_bit_for_bit_with_a_model_inside(tmp_path: Path) -> None:
    def train(epochs: int, folder: str) -> tuple[fn.Sequential, fn.Sequential]:
        inner = base(seed=2)
        model = outer(inner)
        backup = fn.callbacks.BackupAndRestore(tmp_path / folder, delete_checkpoint=False)
        model.fit(X, Y, epochs=epochs, verbose=0, callbacks=[backup])
        return model, inner

    train(2, "a")
    resumed, inner = train(4, "a")
    assert_array_equal(flat(resumed), flat(train(4, "b")[0]))
    assert_array_equal(inner.get_weights()[0], resumed.get_weights()[0])


@pytest.mark.parametrize("suffix", ["keras", "onnx", "c"])
def test_exports_have_the_layers_inside(suffix: str, tmp_path: Path) -> None:
    if suffix == "keras":
        pytest.importorskip("h5py")
    if suffix == "onnx":
        pytest.importorskip("onnx")
    model = outer(fn.Sequential([base(), Residual([Dense(4)])], name="middle"))
    model.build((5,))
    path = tmp_path / f"m.{suffix}"
    model.save(path)
    if suffix == "keras":
        assert_allclose(fn.load_model(path).predict(X), model.predict(X), rtol=1e-5)
    elif suffix == "onnx":
        assert_allclose(fn.from_onnx(path).predict(X), model.predict(X), rtol=1e-5)
    else:
        assert path.read_text(encoding="utf-8").count("(Dense") == 3


def test_a_quantized_model_has_the_layers_inside() -> None:
    model = outer(base())
    model.fit(X, Y, epochs=3, verbose=0)
    assert_allclose(model.quantize(X).predict(X), model.predict(X), atol=0.05)


# ---- Inspection -----------------------------------------------------------------------------------------------------


def test_the_summary_has_one_row_for_a_model_or_one_for_each_of_its_layers() -> None:
    model = outer(base())
    model.build((5,))
    for expand, names in {
        False: ["base (Sequential)", "dense (Dense)"],
        True: ["  dense (Dense)", "  dense_1 (Dense)"],
    }.items():
        lines: list[str] = []
        model.summary(print_fn=lines.append, expand_nested=expand)
        text = "\n".join(lines)
        assert all(f" {name} " in text for name in names)
        assert ("dense_1" in text) == expand
        assert f"Total params: {5 * 8 + 8 + 8 * 4 + 4 + 4 * 2 + 2}" in text


def test_pictures_are_drawn_of_the_layers_inside() -> None:
    pytest.importorskip("matplotlib")
    inner = fn.Sequential(
        [fn.Conv2D(2, 3, activation="relu", name="first"), fn.Conv2D(3, 3, name="second")], name="base"
    )
    model = fn.Sequential([fn.Input((8, 8, 1)), inner, fn.Flatten(), Dense(2)], seed=0)
    for axes in (
        fn.plotting.plot_filters(model),
        fn.plotting.plot_feature_maps(model, np.ones((1, 8, 8, 1)), "second"),
    ):
        assert all(one.has_data() for one in np.ravel(axes))


def test_a_server_tells_of_the_layers_inside_by_their_paths() -> None:
    from fastnet.serve.predictor import Predictor

    inner = base()
    model = outer(fn.Sequential([inner], name="middle"))
    model.build((5,))
    predictor = Predictor(model)
    names = ["middle/base/dense", "middle/base/dense_1", "dense"]
    assert [layer["name"] for layer in predictor.describe()["layers"]] == names
    layers = predictor.explain(X[:1])["layers"]
    assert [layer["name"] for layer in layers] == names
    assert_allclose(layers[1]["output"], inner.predict(X[:1])[0], atol=1e-6)


def test_gradients_and_activations_are_found_under_the_name_of_the_model() -> None:
    inner = base()
    model = outer(inner)
    model.build((5,))
    assert_allclose(model.activations(X)["base"], inner.predict(X), atol=1e-6)
    gradients = model.gradients(X, Y)
    assert list(gradients["base"]) == ["0.dense.kernel", "0.dense.bias", "1.dense_1.kernel", "1.dense_1.bias"]
    assert fn.doctor(model, X, Y) is not None


# ---- What is refused ------------------------------------------------------------------------------------------------


def test_the_same_layer_twice_is_refused() -> None:
    inner = base()
    with pytest.raises(ValueError, match="layer 'dense' is in the model already"):
        fn.Sequential([inner, inner])
    inner.build((5,))
    with pytest.raises(ValueError, match="layer 'dense' is in the model already"):
        fn.Sequential([inner, *inner.layers])
    with pytest.raises(ValueError, match="layer 'dense' is in the model already"):
        inner.add(inner)


def test_models_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="model 'base' has dtype 'float64'"):
        fn.Sequential([base(dtype="float64")])
    with pytest.raises(ValueError, match="model 'empty' has no layers"):
        fn.Sequential([fn.Sequential(name="empty")])
    inner = base()
    inner.build((7,))
    with pytest.raises(ValueError, match=r"input_shape \(7,\); .* input is \(5,\)"):
        fn.Sequential([fn.Input((5,)), Dense(5), inner])
    double = fn.Sequential([fn.Input((5,)), Dense(2)], dtype="float64")
    with pytest.raises(ValueError, match="layer 'dense' is in a model of dtype 'float64'"):
        fn.Sequential(double.layers)


def test_a_seed_of_the_outer_model_is_that_of_an_inner_one_without() -> None:
    weights = [flat(m) for m in (outer(base()), outer(base())) if m.build((5,)) is None]
    assert_array_equal(*weights)
    own = [outer(base(seed=seed)) for seed in (4, 4, 5)]
    for model in own:
        model.build((5,))
    assert_array_equal(own[0].get_weights()[0], own[1].get_weights()[0])
    assert not (own[0].get_weights()[0] == own[2].get_weights()[0]).all()
