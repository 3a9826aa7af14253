"""What fit, train_on_batch, evaluate and predict do and return."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastnet as fn
from toy import LABELS, X, assert_same, classifier, regressor

# --- Fitting ---------------------------------------------------------------------------------------------------------


def test_fit_returns_the_history_and_keeps_it() -> None:
    model = classifier()
    history = model.fit(X, LABELS, batch_size=8, epochs=3, verbose=0)
    assert history is model.history
    assert history.model is model
    assert history.epoch == [0, 1, 2]
    assert history.params == {"epochs": 3, "steps": 4, "verbose": 0}
    assert {name: len(values) for name, values in history.history.items()} == {"loss": 3, "accuracy": 3}
    assert history.history["loss"][2] < history.history["loss"][0]


@pytest.mark.parametrize("name", ["accuracy", "acc", "categorical_accuracy", "sparse_categorical_accuracy"])
def test_a_metric_goes_by_the_name_that_it_was_given(name: str) -> None:
    model = classifier()
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=[name])
    history = model.fit(X, LABELS, validation_split=0.2, verbose=0).history
    assert list(history) == ["loss", name, "val_loss", f"val_{name}"]
    assert model.metrics_names == ["loss", name]


def test_the_same_seed_gives_the_same_training_run() -> None:
    models = [classifier() for _ in range(2)]
    histories = [model.fit(X, LABELS, batch_size=7, epochs=3, verbose=0).history for model in models]
    assert histories[0] == histories[1]
    assert_same(*models)


def test_every_epoch_is_shuffled_anew() -> None:
    once, twice, sorted_twice = (classifier() for _ in range(3))
    once.fit(X, LABELS, batch_size=1, verbose=0)
    twice.fit(X, LABELS, batch_size=1, epochs=2, verbose=0)
    once.fit(X, LABELS, batch_size=1, verbose=0)
    assert_same(once, twice)  # two fits of one epoch go on where one of two does
    sorted_twice.fit(X, LABELS, batch_size=1, epochs=2, shuffle=False, verbose=0)
    assert (sorted_twice.get_weights()[0] != twice.get_weights()[0]).any()


def test_validation_split_takes_the_last_fraction() -> None:
    by_split, by_data = classifier(), classifier()
    first = by_split.fit(X, LABELS, validation_split=0.2, epochs=2, verbose=0).history
    second = by_data.fit(X[:24], LABELS[:24], validation_data=(X[24:], LABELS[24:]), epochs=2, verbose=0).history
    assert first == second
    assert_same(by_split, by_data)


def test_class_weights_do_not_touch_the_validation() -> None:
    plain, weighted = classifier(), classifier()
    for model, weight in ((plain, None), (weighted, {0: 9.0, 1: 9.0, 2: 9.0})):
        model.compile(fn.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
        model.fit(X, LABELS, validation_split=0.2, class_weight=weight, verbose=0)
    assert weighted.history is not None
    assert plain.history is not None
    assert weighted.history.history["val_loss"] == plain.history.history["val_loss"]
    assert weighted.history.history["loss"][0] == pytest.approx(9.0 * plain.history.history["loss"][0], rel=1e-5)


def test_validation_is_what_evaluate_returns() -> None:
    model = classifier()
    history = model.fit(X, LABELS, validation_data=(X, LABELS, np.arange(30.0)), verbose=0).history
    assert model.evaluate(X, LABELS, sample_weight=np.arange(30.0), verbose=0) == [
        history["val_loss"][0],
        history["val_accuracy"][0],
    ]


@pytest.mark.parametrize(("frequency", "times"), [(1, 5), (2, 2), ([1, 5], 2), ({3}, 1)])
def test_validation_frequency(frequency: Any, times: int) -> None:
    history = classifier().fit(X, LABELS, epochs=5, validation_split=0.2, validation_freq=frequency, verbose=0)
    assert len(history.history["val_loss"]) == times


def test_epochs_are_counted_from_the_initial_one() -> None:
    assert classifier().fit(X, LABELS, initial_epoch=3, epochs=5, verbose=0).epoch == [3, 4]
    assert classifier().fit(X, LABELS, initial_epoch=3, epochs=3, verbose=0).epoch == []


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1; got 0"),
        ({"batch_size": 2.5}, TypeError, r"batch_size must be an integer; got 2.5 \(float\)"),
        ({"epochs": -1}, ValueError, "epochs must be at least 0; got -1"),
        ({"shuffle": "batch"}, TypeError, "shuffle must be True or False"),
        ({"validation_split": 1.0}, ValueError, "validation_split must be at least 0 and below 1; got 1"),
        (
            {"validation_split": 0.99},
            ValueError,
            "validation_split=0.99 of 30 samples leaves 0 to train on and 30 to va",
        ),
        ({"validation_data": X}, ValueError, r"validation_data must be \(x, y\), \(x, y, sample_weight\) or batches"),
        ({"validation_data": (X, LABELS[:3])}, ValueError, "y of validation_data must have as many rows as x, 30"),
        ({"validation_data": (X[:, :2], LABELS)}, ValueError, r"x of validation_data must have shape \(samples, 4\)"),
        ({"validation_freq": 0}, ValueError, "validation_freq must be at least 1"),
        ({"steps_per_epoch": 0}, ValueError, "steps_per_epoch must be at least 1"),
        ({"validation_steps": 0}, ValueError, "validation_steps must be at least 1"),
        ({"max_time": -1.0}, ValueError, "max_time must be at least 0"),
    ],
)
def test_wrong_arguments_of_fit_are_refused(arguments: dict[str, Any], error: Any, message: str) -> None:
    model = classifier()
    before = model.get_weights()
    with pytest.raises(error, match=message):
        model.fit(X, LABELS, **arguments)
    for now, then in zip(model.get_weights(), before, strict=True):
        assert_array_equal(now, then)


def test_a_model_of_images_does_not_train_on_labels() -> None:
    model = fn.Sequential([fn.Dense(3, "softmax", input_shape=(2, 3))])
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert model.predict(np.ones((4, 2, 3))).shape == (4, 2, 3)
    with pytest.raises(ValueError, match=r"takes outputs of one dimension; those of the model have shape \(2, 3\)"):
        model.fit(np.ones((4, 2, 3)), np.zeros(4))


# --- Single batches, evaluation, prediction --------------------------------------------------------------------------


def test_train_on_batch_is_one_step_of_fit() -> None:
    stepped, fitted = classifier(), classifier()
    before = stepped.evaluate(X, LABELS, verbose=0)
    weight = {1: 2.0}
    assert stepped.train_on_batch(X, LABELS) == pytest.approx(before, rel=1e-6)
    stepped.train_on_batch(X, LABELS, class_weight=weight, sample_weight=np.ones(30))
    fitted.fit(X, LABELS, batch_size=30, shuffle=False, verbose=0)
    fitted.fit(X, LABELS, batch_size=30, shuffle=False, verbose=0, class_weight=weight)
    assert_same(stepped, fitted)


def test_results_are_a_number_a_list_or_a_dictionary() -> None:
    model = regressor()
    y = X[:, 0]
    assert isinstance(model.evaluate(X, y, verbose=0), float)
    assert isinstance(model.train_on_batch(X, y), float)
    assert list(model.test_on_batch(X, y, return_dict=True)) == ["loss"]
    model.compile("sgd", "mse", metrics=["accuracy"])
    loss, accuracy = model.evaluate(X, y, verbose=0)
    assert model.evaluate(X, y, verbose=0, return_dict=True) == {"loss": loss, "accuracy": accuracy}
    assert model.test_on_batch(X, y) == [loss, accuracy]
    assert model.train_on_batch(X, y, return_dict=True) == pytest.approx({"loss": loss, "accuracy": accuracy})


def test_evaluate_prints_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    model = classifier()
    loss, accuracy = model.evaluate(X, LABELS)
    assert capsys.readouterr().out == f"loss: {loss:.4f} - accuracy: {accuracy:.4f}\n"
    model.evaluate(X, LABELS, verbose=0)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("batch_size", [1, 7, 30, 100])
def test_the_batch_size_changes_no_prediction_and_no_evaluation(batch_size: int) -> None:
    model = classifier()
    assert_array_equal(model.predict(X, batch_size=batch_size, verbose=1), model.predict(X))
    assert model.evaluate(X, LABELS, batch_size=batch_size, verbose=0) == model.evaluate(X, LABELS, verbose=0)


def test_a_call_and_a_batch_predict_the_same() -> None:
    model = classifier()
    assert_array_equal(model(X), model.predict(X))
    assert_array_equal(model(X, training=False), model.predict_on_batch(X))


def test_predictions_have_the_type_of_the_model() -> None:
    assert classifier(dtype="float64").predict(X).dtype == np.float64
    assert classifier(dtype=np.float64).dtype == "float64"
    assert classifier().predict(X.astype(np.float64)).dtype == np.float32


@pytest.mark.parametrize(
    "use",
    [
        lambda model: model.quantize(X)(X, training=True),
        lambda model: model.summary(layer_range=("dense", "dense_1")),
    ],
)
def test_what_only_keras_has_is_refused(use: Any) -> None:
    with pytest.raises(NotImplementedError, match=r"^fastnet: .*; use Keras for this$"):
        use(classifier())


def test_gradients_have_the_shapes_of_the_weights_and_leave_them() -> None:
    model = classifier()
    before = model.get_weights()
    loss, gradients = model.loss_and_gradients(X, LABELS)
    assert loss == pytest.approx(model.evaluate(X, LABELS, verbose=0)[0], rel=1e-6)
    assert [g.shape for g in gradients] == [w.shape for w in before]
    for now, then in zip(model.get_weights(), before, strict=True):
        assert_array_equal(now, then)
