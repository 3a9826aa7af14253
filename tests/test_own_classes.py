"""Classes of one's own, as they are written for Keras: they work, or an error says what to do instead."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import fastnet as fn
from toy import LABELS, X, classifier


def model_of(*layers: Any, kind: type = fn.Sequential) -> fn.Sequential:
    model: fn.Sequential = kind([fn.Input((4,)), *layers, fn.Dense(3, "softmax")], seed=0)
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


class Doubling(fn.layers.Layer):
    def __init__(self, factor: float = 2.0, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.factor = factor

    def build(self, input_shape: Any) -> None:
        self.scale = self.add_weight(shape=(input_shape[-1],))  # type: ignore[attr-defined]

    def call(self, inputs: Any) -> Any:
        return inputs * self.factor


class LouderDense(fn.Dense):
    def call(self, inputs: Any) -> Any:
        return 2 * super().call(inputs)  # type: ignore[misc]


@pytest.mark.parametrize("make", [Doubling, lambda: LouderDense(3), lambda: model_of(Doubling(3.0))])
def test_a_layer_with_a_call_of_its_own_is_refused_with_what_is_possible(make: Any) -> None:
    message = (
        r"call\(\), which (Doubling|LouderDense) defines, is not available: layers run in compiled code; combine those"
    )
    with pytest.raises(NotImplementedError, match=message):
        make()


def test_a_layer_that_the_core_does_not_know_is_refused() -> None:
    class Nothing(fn.layers.Layer):
        pass

    with pytest.raises(NotImplementedError, match="Nothing, a class of layers that is not fastnet's own"):
        model_of(Nothing())


def test_a_layer_that_adds_arguments_and_methods_is_one_of_fastnet() -> None:
    class Wide(fn.Dense):
        def __init__(self, **keywords: Any) -> None:
            super().__init__(9, "relu", **keywords)

        def largest(self) -> float:
            return float(np.abs(self.get_weights()[0]).max())

    layer = Wide(name="wide")
    assert type(copy.deepcopy(layer)) is Wide
    model = model_of(layer)
    assert model.predict(X).shape == (30, 3)
    assert layer.largest() > 0.0
    assert pickle.loads(pickle.dumps(fn.Dense(3, name="a"))).name == "a"


@pytest.mark.parametrize(
    "method", ["call", "train_step", "test_step", "predict_step", "compute_loss", "compute_metrics"]
)
def test_a_model_whose_steps_are_written_in_python_is_refused(method: str) -> None:
    mine = type("Mine", (fn.Sequential,), {method: lambda self, *_: None})
    message = rf"{method}\(\), which Mine defines, is not available: models run in compiled code; pass compile\(\) a custom loss"
    with pytest.raises(NotImplementedError, match=message):
        model_of(kind=mine)


def test_a_model_with_other_methods_is_one_of_fastnet() -> None:
    class Mine(fn.Sequential):
        def classes(self, x: Any) -> Any:
            return self.predict(x).argmax(axis=1)

    model = model_of(kind=Mine)
    model.fit(X, LABELS, verbose=0)
    assert model.classes(X).shape == (30,)  # type: ignore[attr-defined]


def test_a_loss_with_a_call_of_its_own_is_a_function_here() -> None:
    class Squares(fn.losses.Loss):
        def __init__(self, name: str = "squares") -> None:
            super().__init__(name=name)  # type: ignore[call-arg]

        def call(self, y_true: Any, y_pred: Any) -> Any:
            return np.square(y_true - y_pred).mean(axis=-1)

    message = r"call\(\), which Squares defines, is not available: give compile\(\) a function of y_true and y_pred"
    with pytest.raises(NotImplementedError, match=message):
        Squares()
    model = fn.Sequential([fn.Dense(1, input_shape=(4,))], seed=0)
    model.compile("sgd", lambda y_true, y_pred: np.square(y_true - y_pred).mean())
    with pytest.raises(TypeError, match=r"must return \(value, gradient\), the gradient by y_pred; got"):
        model.fit(X, LABELS, verbose=0)


@pytest.mark.parametrize("method", ["update_step", "apply_gradients"])
def test_an_optimizer_of_ones_own_is_refused(method: str) -> None:
    mine = type("Mine", (fn.optimizers.Optimizer,), {method: lambda self, *_: None})
    with pytest.raises(NotImplementedError, match=rf"{method}\(\), which Mine defines, is not available: steps run in"):
        mine()


# --- Metrics ---------------------------------------------------------------------------------------------------------


class Rows(fn.metrics.Metric):
    """Counts rows; its update_state has two parameters, as a metric without weights may have."""

    def __init__(self, name: str = "rows", **keywords: Any) -> None:
        super().__init__(name=name, **keywords)
        self.count = np.float32(0.0)

    def update_state(self, y_true: Any, y_pred: Any) -> None:  # type: ignore[override]
        self.count += len(y_pred)

    def result(self) -> Any:
        return self.count

    def reset_state(self) -> None:
        self.count = np.float32(0.0)


def test_a_metric_with_attributes_works_as_in_keras() -> None:
    model = classifier()
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=[Rows()])
    history = model.fit(X, LABELS, epochs=2, batch_size=8, validation_split=0.2, verbose=0).history
    assert history["rows"] == [24.0, 24.0]
    assert history["val_rows"] == [6.0, 6.0]
    assert all(type(value) is float for value in history["rows"])
    assert Rows()(LABELS, X) == 30.0


class WithVariables(Rows):
    def __init__(self) -> None:
        super().__init__("variables")
        self.total = self.add_weight(name="total", initializer="zeros")

    def reset_state(self) -> None:
        self.total.assign(0.0)


class WithVariablesOnly(WithVariables):
    def reset_state(self) -> None:
        pass


@pytest.mark.parametrize("kind", [WithVariables, WithVariablesOnly])
def test_a_metric_with_variables_is_told_to_have_attributes(kind: Any) -> None:
    message = rf"{kind.__name__}.reset_state\(\) must set the state of the metric, plain attributes such as self.total"
    with pytest.raises(NotImplementedError, match=message):
        kind()


@pytest.mark.parametrize("method", ["update_state", "result", "reset_state"])
def test_a_metric_that_lacks_a_method_is_told_which(method: str) -> None:
    methods: dict[str, Any] = {
        "update_state": lambda self, y_true, y_pred: None,
        "result": lambda self: 1.0,
        "reset_state": lambda self: None,
    }
    del methods[method]
    mine = type("Mine", (fn.metrics.Metric,), methods)
    with pytest.raises(NotImplementedError, match=rf"Mine must define {method}\(\)"):
        mine()(LABELS, X)


@pytest.mark.parametrize("result", [{"a": 1.0}, [1.0, 2.0], "one", None])
def test_a_metric_returns_one_number(result: Any) -> None:
    mine = type("Mine", (Rows,), {"result": lambda self: result})
    model = classifier()
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=[mine("mine")])
    with pytest.raises(TypeError, match=r"result\(\) of the metric 'mine' must return a number; got"):
        model.fit(X, LABELS, verbose=0)


# --- Callbacks -------------------------------------------------------------------------------------------------------


def test_a_callback_needs_no_constructor_of_fastnet() -> None:
    class Mine(fn.callbacks.Callback):
        def __init__(self) -> None:
            self.seen: list[Any] = []

        def on_train_begin(self, logs: Any = None) -> None:
            self.seen.append((self.params["epochs"], self.model.stop_training))

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.seen.append((epoch, sorted(logs)))

    callback = Mine()
    classifier().fit(X, LABELS, epochs=2, verbose=0, callbacks=[callback])
    assert callback.seen == [(2, False), (0, ["accuracy", "loss"]), (1, ["accuracy", "loss"])]
