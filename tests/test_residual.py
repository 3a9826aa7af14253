"""Residual blocks: values and gradients against NumPy, nesting, activations at their edges, weights and files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
from cases import THREADS
from fastnet.layers import Activation, BatchNormalization, Dense, Dropout, Flatten, LayerNormalization, Residual

STEP = 1e-6
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(6, 5)), RNG.normal(size=(6, 2))

# Every place where a block can begin and end: at the input, at an activation of its own or of the layer before, at
# another block, at a layer that prediction leaves out.
BLOCKS: dict[str, Any] = {
    "first": lambda: [Residual([Dense(5, "tanh")]), Dense(2)],
    "last": lambda: [Dense(2), Residual([Dense(3, "tanh"), Dense(2)])],
    "softmax-in-front": lambda: [Dense(5, "softmax"), Residual([Dense(5)]), Dense(2)],
    "activation-inside-first": lambda: [Dense(5), Residual([Activation("tanh"), Dense(5)]), Dense(2)],
    "activation-behind": lambda: [Dense(5), Residual([Dense(5)]), Activation("tanh"), Dense(2)],
    "softmax-behind": lambda: [Residual([Dense(5)]), Activation("softmax"), Dense(2)],
    "nested": lambda: [Residual([Residual([Dense(5, "tanh")]), Residual([Dense(5, "sigmoid")]), Dense(5)]), Dense(2)],
    "nested-at-the-same-place": lambda: [Dense(5, "tanh"), Residual([Residual([Residual([Dense(5, "tanh")])])]), Dense(2)],
    "in-a-row": lambda: [Dense(5, "tanh"), *(Residual([LayerNormalization(), Dense(5, "tanh")]) for _ in range(3)), Dense(2)],
    "batch-normalization": lambda: [Dense(5), Residual([BatchNormalization(), Dense(5, "tanh")]), Dense(2)],
    "behind-dropout": lambda: [Dropout(0.3), Residual([Dense(5, "tanh")]), Dropout(0.3), Residual([Dropout(0.2), Dense(5)]), Dense(2)],
    "no-weights": lambda: [Dense(5), Residual([Activation("tanh")]), Dense(2)],
    "behind-flatten": lambda: [Flatten(), Residual([Dense(5), Dense(5, "tanh")]), Dense(2)],
    "shortcut": lambda: [Dense(4, "tanh"), Residual([Dense(3, "tanh"), Dense(6)], [Dense(6)]), Dense(2)],
    "shortcut-first": lambda: [Residual([Dense(3, "tanh")], [Dense(3, "sigmoid"), BatchNormalization()]), Dense(2)],
    "shortcut-last": lambda: [Dense(4, "tanh"), Residual([Dense(2)], [Dense(3), Activation("softmax"), Dense(2)])],
    "shortcut-of-activations": lambda: [Dense(4), Residual([Dense(4)], [Activation("tanh")]), Activation("tanh"), Dense(2)],
    "shortcut-without-weights": lambda: [Dense(4), Residual([Activation("sigmoid")], [Activation("tanh")]), Dense(2)],
    "shortcuts-nested": lambda: [Residual([Residual([Dense(4)], [Dense(4, "tanh")]), Dense(3)], [Residual([Dense(5, "tanh")]), Dense(3)]), Dense(2)],
    "shortcut-behind-dropout": lambda: [Dropout(0.3), Residual([Dropout(0.2), Dense(3)], [Dropout(0.3), Dense(3)]), Dense(2)],
    "behind-rescaling": lambda: [fn.layers.Rescaling(0.5), Residual([Dense(5, "tanh")]), Dense(2)],
}  # fmt: skip


def model_of(name: str, **options: Any) -> fn.Sequential:
    model = fn.Sequential([fn.Input((5,)), *BLOCKS[name]()], seed=1, **{"dtype": "float64", **options})
    model.compile(fn.optimizers.SGD(0.1), "mse")
    return model


def forward(layers: list[fn.layers.Layer], x: np.ndarray) -> np.ndarray:
    """Run layers of any kind in prediction, one by one: a block through its own definition, y = g(x) + f(x)."""
    for layer in layers:
        if isinstance(layer, Residual):
            x = forward(layer.shortcut, x) + forward(layer.layers, x)
        else:
            alone = fn.Sequential([type(layer).from_config(layer.get_config())], dtype="float64")
            alone.build(x.shape[1:])
            alone.set_weights(layer.get_weights())
            x = alone.predict(x)
    return x


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_adds_its_input_to_its_output(name: str) -> None:
    model = model_of(name)
    expected = forward(model.layers, X)
    assert_allclose(model.predict(X), expected, rtol=1e-12, atol=1e-14)
    assert_allclose(model(X[:1]), expected[:1], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", BLOCKS)
def test_gradients_are_the_slopes_of_the_loss(name: str) -> None:
    model = model_of(name)
    _, gradients = model.loss_and_gradients(X, Y)
    weights = model.get_weights()
    trainable = [i for i, slot in enumerate(model._weights.slots) if slot.trainable]
    for gradient, array in zip(gradients, (weights[i] for i in trainable), strict=True):
        slopes = np.empty_like(array)
        for index in np.ndindex(array.shape):
            kept, losses = array[index], []
            for moved in (kept + STEP, kept - STEP):
                array[index] = moved
                model.set_weights(weights)
                losses.append(model.loss_and_gradients(X, Y)[0])  # in training mode, as the gradients
            array[index] = kept
            slopes[index] = (losses[0] - losses[1]) / (2.0 * STEP)
        assert_allclose(gradient, slopes, rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.usefixtures("teams_of_any_size")
def test_training_is_the_same_on_any_number_of_threads(name: str) -> None:
    x, y = np.tile(X, (60, 1)), np.tile(Y, (60, 1))
    results = []
    for threads in THREADS:
        fn.set_num_threads(threads)
        model = model_of(name, dtype="float32")
        model.fit(x, y, epochs=2, batch_size=100, verbose=0)
        results.append([*model.get_weights(), model.predict(x)])
    for arrays in results[1:]:
        for one, other in zip(arrays, results[0], strict=True):
            assert_array_equal(one, other)


@pytest.mark.parametrize("name", BLOCKS)
def test_a_saved_model_comes_back(name: str, tmp_path: Path) -> None:
    model = model_of(name)
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "m.safetensors")
    again = fn.load_model(tmp_path / "m.safetensors")
    assert_array_equal(again.predict(X), model.predict(X))
    assert again.get_config() == model.get_config()


def test_layers_inside_have_names_weights_and_shapes() -> None:
    first, second = Dense(4, "relu"), Dense(3)
    block = Residual([first, second])
    model = fn.Sequential([fn.Input((3,)), block, Dense(2)], seed=0)
    assert block.weight_names == ["0.dense.kernel", "0.dense.bias", "1.dense.kernel", "1.dense.bias"]
    assert (first.input_shape, first.output_shape, second.output_shape) == ((3,), (4,), (3,))
    assert block.count_params() == first.count_params() + second.count_params() == 16 + 15
    second.set_weights([np.zeros((4, 3)), np.ones(3)])
    assert_array_equal(model.get_weights()[3], np.ones(3))
    block.set_weights([a * 0 for a in block.get_weights()])
    assert_array_equal(first.get_weights()[0], np.zeros((3, 4)))


def test_the_layers_of_a_shortcut_come_behind_the_others() -> None:
    block = Residual([Dense(4)], shortcut=[Dense(4, use_bias=False)])
    model = fn.Sequential([fn.Input((3,)), block, Dense(2)], seed=0)
    assert block.weight_names == ["0.dense.kernel", "0.dense.bias", "1.dense.kernel"]
    assert (block.output_shape, block.shortcut[0].input_shape) == ((4,), (3,))
    assert block.count_flops() == block.layers[0].count_flops() + block.shortcut[0].count_flops() + 4
    block.trainable = False
    assert (block.count_trainable_params(), model.layers[1].count_trainable_params()) == (0, 10)
    assert not block.shortcut[0].trainable


@pytest.mark.usefixtures("teams_of_any_size")
def test_images_take_a_shortcut() -> None:
    def layers() -> list[fn.layers.Layer]:
        f = [
            fn.Conv2D(4, 3, 2, "same", use_bias=False),
            BatchNormalization(),
            fn.layers.ReLU(),
            fn.Conv2D(4, 3, padding="same"),
        ]
        return [
            fn.Conv2D(3, 3, activation="relu"),
            Residual(f, [fn.Conv2D(4, 1, 2)]),
            fn.layers.ReLU(),
            Flatten(),
            Dense(2),
        ]

    x, y = RNG.normal(size=(90, 7, 8, 2)), RNG.normal(size=(90, 2))
    results = []
    for threads in THREADS:
        fn.set_num_threads(threads)
        model = fn.Sequential([fn.Input((7, 8, 2)), *layers()], seed=1, dtype="float64")
        model.compile(fn.optimizers.SGD(0.1), "mse")
        model.fit(x, y, epochs=1, batch_size=40, verbose=0)
        results.append([*model.get_weights(), model.predict(x)])
        assert_allclose(model.predict(x), forward(model.layers, x), rtol=1e-12, atol=1e-14)
    for arrays in results[1:]:
        for one, other in zip(arrays, results[0], strict=True):
            assert_array_equal(one, other)
    _, gradients = model.loss_and_gradients(x[:4], y[:4])
    weights = model.get_weights()
    for place, index in ((2, (1, 0, 1, 2)), (9, (0, 0, 2, 1)), (0, (2, 1, 1, 0))):
        names = [slot.name for slot in model._weights.slots]
        kept, losses = weights[place][index], []
        for moved in (kept + STEP, kept - STEP):
            weights[place][index] = moved
            model.set_weights(weights)
            losses.append(model.loss_and_gradients(x[:4], y[:4])[0])
        weights[place][index] = kept
        trainable = [name for name, slot in zip(names, model._weights.slots, strict=True) if slot.trainable]
        gradient = gradients[trainable.index(names[place])]
        assert_allclose(gradient[index], (losses[0] - losses[1]) / (2 * STEP), rtol=1e-6, atol=1e-8)


def test_a_block_keeps_its_weights_when_the_model_grows_and_when_it_leaves() -> None:
    block = Residual([Dense(3)])
    model = fn.Sequential([fn.Input((3,)), block], seed=0)
    before = block.get_weights()
    model.add(Dense(2))
    assert_array_equal(block.get_weights()[0], before[0])
    model.pop()
    assert model.pop() is block
    assert_array_equal(block.layers[0].get_weights()[0], before[0])
    again = fn.Sequential([fn.Input((3,)), block], seed=1)
    assert_array_equal(again.get_weights()[0], before[0])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Residual([]), ValueError, "at least one layer"),
        (lambda: Residual(Dense(3)), TypeError, "layers must be a list of layers"),
        (lambda: Residual(["dense"]), TypeError, "layers must be a list of layers"),
        (lambda: Residual([Dense(3)], Dense(3)), TypeError, "shortcut must be a list of layers"),
        (
            lambda: fn.Sequential([fn.Input((3,)), Residual([Dense(4)], [Dense(5)])]),
            ValueError,
            r"adds the output of its shortcut, of shape \(5,\), to the output of layer 'dense', of shape \(4,\)",
        ),
        (lambda: fn.Sequential([fn.Input((3,)), Residual([Dense(4)])]), ValueError, r"\(3,\).*layer 'dense'.*\(4,\)"),
        (lambda: Residual([fn.Sequential([inner := Dense(3)]) and inner]), ValueError, "in a model already"),
    ],
)
def test_blocks_that_cannot_be_are_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()
