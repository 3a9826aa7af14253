"""The graph of a backward pass has the true numbers, and shows all of them."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
from fastnet.functional.activations.table import ACTIVATIONS
from fastnet.layers import Activation, Dense
from fastnet.plotting import BackpropagationGraph, plot_backpropagation

SVG = "{http://www.w3.org/2000/svg}"


def compiled(layers: list[Any], loss: Any, dtype: str = "float64", seed: int = 3) -> fn.Sequential:
    model = fn.Sequential(layers, seed=seed, dtype=dtype)
    model.compile("sgd", loss)
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(size=array.shape) for array in model.get_weights()])
    return model


def lecture() -> fn.Sequential:
    """The network of the lecture: two inputs, two hidden units and one output, all weights 1, all biases 0."""
    model = compiled([Dense(2, "sigmoid", input_shape=(2,)), Dense(1, "sigmoid")], "mse")
    model.set_weights([np.ones((2, 2)), np.zeros(2), np.ones((2, 1)), np.zeros(1)])
    return model


# ---- Numbers --------------------------------------------------------------------------------------------------------


def test_the_numbers_of_the_lecture() -> None:
    graph = plot_backpropagation(lecture(), [-2.0, -1.0], 1.0)
    rounded = {"h1": 0.0474, "h2": 0.0474, "o1": 0.524, "z1": -3.0, "w1*x1": -2.0, "L": 0.2269, "y": 1.0, "b3": 0.0}
    for name, value in rounded.items():
        assert graph.values[name] == pytest.approx(value, abs=5e-4)
    assert graph.gradients["o1"] == pytest.approx(-0.952, abs=1e-3)
    assert graph.gradients["h1"] == pytest.approx(-0.952 * 0.249, abs=1e-3)
    assert graph.gradients["w1"] == pytest.approx(0.0214, abs=1e-4)
    assert graph.gradients["w1"] == pytest.approx(0.021469535265811107, rel=1e-14)
    assert graph.gradients["L"] == 1.0
    assert "y" not in graph.gradients
    assert len(graph.values) == 25


def forward(model: fn.Sequential, x: Any, loss_of: Callable[[Any], float], moved: str, by: float) -> float:
    """Return the loss where the number of a name is moved, computed unit by unit; the names are counted here anew."""
    counts = dict.fromkeys("wbzh", 0)

    def number(name: str, value: float) -> float:
        return value + by * (name == moved)

    def next_name(letter: str) -> str:
        counts[letter] += 1
        return f"{letter}{counts[letter]}"

    names = [f"x{index + 1}" for index in range(len(x))]
    values = [number(name, value) for name, value in zip(names, x, strict=True)]
    for place, layer in enumerate(model.layers):
        is_last = place == len(model.layers) - 1
        name_of = layer.activation.name
        kernel, *bias = layer.get_weights()
        sums, sum_names = [], []
        for unit in range(kernel.shape[1]):
            total = 0.0
            for name, value, weight in zip(names, values, kernel[:, unit], strict=True):
                weight_name = next_name("w")
                total += number(f"{weight_name}*{name}", number(weight_name, weight) * value)
            if bias:
                total += number(next_name("b"), bias[0][unit])
            letter = "z" if name_of != "linear" else "h"
            sum_names.append(f"o{unit + 1}" if is_last and letter == "h" else next_name(letter))
            sums.append(number(sum_names[-1], total))
        names, values = sum_names, sums
        if name_of != "linear":
            outputs = Activation(layer.activation.config)
            alone = fn.Sequential([outputs], dtype="float64").predict(np.array([values]))[0]
            names = [f"o{unit + 1}" if is_last else next_name("h") for unit in range(len(alone))]
            values = [number(name, value) for name, value in zip(names, alone, strict=True)]
    return number("L", loss_of(np.array([values])))


def assert_true(model: fn.Sequential, x: Any, y: Any, loss_of: Callable[[Any], float]) -> BackpropagationGraph:
    """Hold every gradient of the graph to central differences, and the value of the loss."""
    graph = plot_backpropagation(model, x, y)
    assert graph.values["L"] == pytest.approx(loss_of(model.predict(np.array([x]))), rel=1e-12)
    step = 1e-6
    for name, gradient in graph.gradients.items():
        slope = (forward(model, x, loss_of, name, step) - forward(model, x, loss_of, name, -step)) / (2 * step)
        assert gradient == pytest.approx(slope, rel=1e-5, abs=1e-8), name
    return graph


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_gradients_behind_every_activation_are_central_differences(name: str) -> None:
    model = compiled([Dense(3, name, input_shape=(2,)), Dense(2)], "mse")
    y = np.array([0.3, -0.4])
    graph = assert_true(model, [0.7, -1.3], y, lambda out: fn.functional.mse([y], out))
    assert ("z3" in graph.values) == (name != "linear")


Y = np.array([[0.0, 1.0, 0.0]])
OUTPUTS: dict[str, tuple[Any, Any, Any, Callable[[Any], float]]] = {
    "labels": ("softmax", "sparse_categorical_crossentropy", 1, lambda out: -float(np.log(out[0, 1]))),
    "one-hot": ("softmax", "categorical_crossentropy", Y, lambda out: -float(np.log(out[0, 1]))),
    "shares": (
        "softmax",
        "categorical_crossentropy",
        [0.2, 0.5, 0.3],
        lambda out: -float(np.dot([0.2, 0.5, 0.3], np.log(out[0]))),
    ),
    "logits": (
        None,
        fn.losses.SparseCategoricalCrossentropy(from_logits=True),
        [2],
        lambda out: -float(out[0, 2] - np.log(np.exp(out).sum())),
    ),
    "sigmoids": ("sigmoid", "binary_crossentropy", Y, lambda out: -float(np.mean(Y * np.log(out) + (1 - Y) * np.log(1 - out)))),
    "huber": ("tanh", "huber", [0.1, 0.2, 3.0], lambda out: fn.functional.huber([[0.1, 0.2, 3.0]], out)),
}  # fmt: skip


@pytest.mark.parametrize("name", OUTPUTS)
def test_gradients_before_every_kind_of_loss_are_central_differences(name: str) -> None:
    activation, loss, y, loss_of = OUTPUTS[name]
    model = compiled([Dense(2, "tanh", input_shape=(2,)), Dense(3, activation, use_bias=False)], loss)
    assert_true(model, [0.7, -1.3], y, loss_of)


def test_gradients_of_weights_and_inputs_are_those_of_the_model() -> None:
    model = compiled([Dense(3, "relu", input_shape=(4,)), Dense(2, "tanh"), Dense(1)], "mse")
    x, y = np.array([[0.5, -1.0, 0.0, 2.0]]), np.array([1.5])
    graph = plot_backpropagation(model, x, y)
    loss, gradients = model.loss_and_gradients(x, y)
    by_letter = {
        letter: [v for n, v in graph.gradients.items() if re.fullmatch(rf"{letter}\d+", n)] for letter in "wbx"
    }
    assert graph.values["L"] == pytest.approx(loss, rel=1e-14)
    assert_allclose(by_letter["w"], np.concatenate([kernel.T.reshape(-1) for kernel in gradients[::2]]), rtol=1e-13)
    assert_allclose(by_letter["b"], np.concatenate(gradients[1::2]), rtol=1e-13)
    assert_allclose(by_letter["x"], model.input_gradients(x, y)[0], rtol=1e-13)


def test_saturated_outputs_have_the_gradient_of_training() -> None:
    model = compiled([Dense(2, "softmax", use_bias=False, input_shape=(1,))], "sparse_categorical_crossentropy")
    model.set_weights([[[800.0, 0.0]]])
    graph = plot_backpropagation(model, [1.0], 1)
    assert (graph.gradients["z1"], graph.gradients["z2"]) == (1.0, -1.0)


def test_zeros_have_no_sign() -> None:
    model = compiled([Dense(1, "relu", input_shape=(1,)), Dense(1)], "mse")
    model.set_weights([[[-1.0]], [0.0], [[1.0]], [0.0]])
    graph = plot_backpropagation(model, [2.0], -1.0)
    assert str(graph.gradients["w1"]) == str(graph.values["h1"]) == "0.0"


def test_activations_of_their_own_and_a_custom_loss_are_drawn() -> None:
    def cubed(y_true: Any, y_pred: Any) -> Any:
        error = y_pred - y_true
        return np.mean(np.abs(error) ** 3), 3 * error * np.abs(error) / error.size

    cubed.__name__ = "<b> & \x07"
    own = fn.Sequential([Dense(2, input_shape=(2,)), fn.LeakyReLU(0.1), Dense(1), Activation("tanh")], seed=0)
    own.compile("sgd", cubed)
    inside = fn.Sequential([Dense(2, fn.LeakyReLU(0.1), input_shape=(2,)), Dense(1, "tanh")], seed=0)
    inside.set_weights(own.get_weights())
    inside.compile("sgd", cubed)
    first, second = (plot_backpropagation(model, [1.0, -2.0], 3.0) for model in (own, inside))
    assert first.gradients == second.gradients
    assert first.svg == second.svg
    predicted = own.predict(np.array([[1.0, -2.0]]))[0, 0]
    assert first.values["L"] == pytest.approx((3 - predicted) ** 3, rel=1e-5)
    assert "<b>" not in first.svg
    ET.fromstring(first.svg)


def test_two_activations_in_a_row_are_one_below_the_other() -> None:
    model = compiled([Dense(1, "relu", input_shape=(1,)), fn.layers.Activation("tanh"), Dense(1)], "mse")
    model.set_weights([[[2.0]], [1.0], [[3.0]], [0.0]])
    graph = plot_backpropagation(model, [0.5], 0.0)
    assert [graph.values[name] for name in ("z1", "h1", "h2", "o1")] == pytest.approx(
        [2, 2, np.tanh(2), 3 * np.tanh(2)]
    )
    assert graph.gradients["h1"] == pytest.approx((1 - np.tanh(2) ** 2) * 3 * graph.gradients["o1"])


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_the_model_stays_as_it_was(dtype: str) -> None:
    model = compiled([Dense(2, "relu", input_shape=(2,)), Dense(1)], "mse", dtype)
    before, state = model.get_weights(), model.optimizer.iterations
    graph = plot_backpropagation(model, [1.0, 2.0], [0.5])
    for old, new in zip(before, model.get_weights(), strict=True):
        assert_array_equal(old, new)
    assert model.optimizer.iterations == state
    assert graph.values["o1"] == pytest.approx(model.predict([[1.0, 2.0]])[0, 0], rel=3e-2)


# ---- Picture --------------------------------------------------------------------------------------------------------


def boxes_of(root: ET.Element) -> dict[str, tuple[list[str], tuple[float, float, float, float]]]:
    """Return the texts and the place of every box, by its name."""
    found = {}
    for group in root.iter(f"{SVG}g"):
        texts = [text.text or "" for text in group.iter(f"{SVG}text")]
        rect = next(group.iter(f"{SVG}rect"))
        x, y, width, height = (float(rect.get(name, "")) for name in ("x", "y", "width", "height"))
        found[texts[0]] = (texts, (x, y, x + width, y + height))
    return found


GRAPHS = {
    "lecture": lambda: plot_backpropagation(lecture(), [-2.0, -1.0], 1.0),
    "classes": lambda: plot_backpropagation(
        compiled([Dense(3, "relu", input_shape=(2,)), Dense(3, "softmax")], "categorical_crossentropy"),
        [0.5, -1.0],
        [0.0, 0.0, 1.0],
    ),
    "without biases": lambda: plot_backpropagation(
        compiled([Dense(1, use_bias=False, input_shape=(3,))], "mse"), [1.0, 2.0, -1e-9], 4.0
    ),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_every_number_stands_in_a_box_and_no_boxes_overlap(name: str) -> None:
    graph = GRAPHS[name]()
    root = ET.fromstring(graph.svg)
    boxes = boxes_of(root)
    subscripts = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
    for of, value in graph.values.items():
        texts, _ = boxes[of.replace("*", "").translate(subscripts)]
        numbers = [f"{number + 0.0:.4g}" for number in (value, graph.gradients.get(of)) if number is not None]
        assert [text.replace("\N{MINUS SIGN}", "-") for text in texts[2:] if text != "∂"] == numbers
    assert len(boxes) == len(graph.values) + 1  # the legend
    _, _, width, height = map(float, root.get("viewBox", "").split())
    places = [place for _, place in boxes.values()]
    for number, (left, top, right, bottom) in enumerate(places):
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        for other in places[:number]:
            assert left >= other[2] or right <= other[0] or top >= other[3] or bottom <= other[1]


def test_arrows_join_operands_and_results() -> None:
    root = ET.fromstring(GRAPHS["lecture"]().svg)
    lines = [path for path in root.iter(f"{SVG}path") if path.get("fill") == "none"]
    # two for each of 6 products, 3 for each of 3 sums, one for each of 3 activations, output and target of the loss
    assert len(lines) == 6 * 2 + 3 * 3 + 3 + 2


def test_screen_readers_get_a_title_and_all_numbers_and_a_mouse_the_chain_rule() -> None:
    root = ET.fromstring(GRAPHS["lecture"]().svg)
    assert root.get("role") == "img"
    assert root[0].text == "Backpropagation in a 2-2-1 network"
    assert root[1].tag == f"{SVG}desc"
    assert "w1 is 1, gradient 0.02147; w1*x1 is -2, gradient -0.01073;" in (root[1].text or "")
    hints = [next(group.iter(f"{SVG}title")).text or "" for group in root.iter(f"{SVG}g")]
    for rule in (
        "dL/dw1 = x1 * dL/d(w1*x1) = (-2) * (-0.01073) = 0.02147",
        "dL/d(w1*x1) = dL/dz1 = -0.01073",
        "dL/dx1 = w1 * dL/d(w1*x1) + w3 * dL/d(w3*x1) = 1 * (-0.01073) + 1 * (-0.01073) = -0.02147",
        "dL/dz1 = sigmoid'(z1) * dL/dh1 = -0.01073",
        "dL/do1 = the derivative of mse = -0.9526",
    ):
        assert any(hint.endswith(rule) for hint in hints), rule
    classes = GRAPHS["classes"]().svg
    assert "dL/dz4 = do1/dz4 * dL/do1 + do2/dz4 * dL/do2 + do3/dz4 * dL/do3 = " in classes


def test_a_graph_is_shown_saved_and_printed(tmp_path: Path) -> None:
    graph = GRAPHS["lecture"]()
    assert graph._repr_svg_() == graph.svg
    graph.save(tmp_path / "graph.svg")
    assert (tmp_path / "graph.svg").read_text(encoding="utf-8") == graph.svg
    assert repr(graph) == "<BackpropagationGraph: Backpropagation in a 2-2-1 network, 25 values>"
    rows = [line.split() for line in str(graph).splitlines()]
    assert rows[0] == ["name", "value", "gradient"]
    assert [row[0] for row in rows[1:]] == list(graph.values)
    assert ["w1", "1", "0.02147"] in rows
    assert ["y", "1"] in rows
    with pytest.raises(ValueError, match=r"path must end in \.svg, the format of the picture; got '.*graph\.png'"):
        graph.save(tmp_path / "graph.png")
    with pytest.raises(FileNotFoundError):
        graph.save(tmp_path / "none" / "graph.svg")


# ---- Refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((4, 2)), [0.0], r"x must be one sample; got shape \(4, 2\): of several, give x\[0\]"),
        (np.zeros((1, 2, 1)), [0.0], r"x must be one sample; got shape \(1, 2, 1\)"),
        ([1.0, 2.0, 3.0], [0.0], r"x must have shape \(samples, 2\); got \(1, 3\)"),
        ([1.0, np.nan], [0.0], "x has a NaN"),
        ([1.0, 2.0], np.zeros((4, 1)), r"y must be the target of one sample; got shape \(4, 1\)"),
        ([1.0, 2.0], [0.0, 1.0], r"y must have shape \(1, 1\) for mean_squared_error; got \(1, 2\)"),
        (None, [0.0], "x is missing: got None"),
        ([1.0, 2.0], None, "y is missing: got None"),
    ],
)
def test_what_is_not_one_sample_and_its_target_is_refused(x: Any, y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plot_backpropagation(lecture(), x, y)


def test_models_that_cannot_be_drawn_are_refused() -> None:
    large = compiled([Dense(32, "relu", input_shape=(64,)), Dense(10, "softmax")], "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match=r"at most 160 values; that of this model has 4,9\d\d: take fewer features"):
        plot_backpropagation(large, np.zeros(64), 3)
    dropping = compiled([Dense(2, input_shape=(2,)), fn.Dropout(0.5), Dense(1)], "mse")
    with pytest.raises(TypeError, match="draws layers Dense and activations; 'dropout' is a Dropout"):
        plot_backpropagation(dropping, [1.0, 2.0], 0.0)
    flat = compiled([fn.Flatten(input_shape=(2, 2)), Dense(1)], "mse")
    with pytest.raises(TypeError, match="'flatten' is a Flatten"):
        plot_backpropagation(flat, [[1.0, 2.0], [3.0, 4.0]], 0.0)
    penalized = compiled([Dense(1, kernel_regularizer="l2", input_shape=(2,))], "mse")
    with pytest.raises(ValueError, match="draws no penalties; layer 'dense' has a regularizer"):
        plot_backpropagation(penalized, [1.0, 2.0], 0.0)
    uncompiled = fn.Sequential([Dense(1, input_shape=(2,))])
    for model in (uncompiled, fn.Sequential([Dense(1, input_shape=(2,))])):
        with pytest.raises(ValueError, match=r"call compile\(optimizer, loss\) before plot_backpropagation\(\)"):
            plot_backpropagation(model, [1.0, 2.0], 0.0)
    with pytest.raises(TypeError, match="model must be a Sequential; got 3"):
        plot_backpropagation(3, [1.0, 2.0], 0.0)  # type: ignore[arg-type]


def test_a_model_is_built_for_its_sample() -> None:
    model = fn.Sequential([Dense(1)], seed=0)
    model.compile("sgd", "mse")
    assert plot_backpropagation(model, [1.0, 2.0], 0.0).values["x2"] == 2.0
    assert model.input_shape == (2,)
