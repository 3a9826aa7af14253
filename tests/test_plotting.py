"""Pictures show what they say: the numbers in their artists are those of the data."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
from fastnet import plotting
from fastnet.callbacks import CSVLogger
from fastnet.diagnostics.learning_rates import LearningRateSweep
from fastnet.layers import Dense, Reshape
from toy import LABELS, X, classifier

mpl = pytest.importorskip("matplotlib")
mpl.use("Agg")


@pytest.fixture
def axes() -> Any:
    """Axes of a figure that pyplot does not know."""
    from matplotlib.figure import Figure

    return Figure().subplots()


def texts(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.texts]


# ---- All of them ----------------------------------------------------------------------------------------------------

MODEL = fn.Sequential([Dense(4, activation="relu", input_shape=(4,)), Dense(3, activation="softmax")], seed=0)
IMAGES = np.random.default_rng(0).normal(size=(3, 6, 8, 1)).astype(np.float32)
CONVOLUTIONS = fn.Sequential(
    [
        fn.Conv2D(5, 3, activation="relu", input_shape=(6, 8, 1)),
        fn.MaxPooling2D(2),
        fn.Conv2D(7, 2, padding="same"),
        fn.Flatten(),
        Dense(3, activation="softmax"),
    ],
    seed=0,
)
BY_MATPLOTLIB = [name for name in plotting.__all__ if name not in ("BackpropagationGraph", "plot_backpropagation")]
DRAWN: dict[str, tuple[Any, ...]] = {
    "plot_activations": (MODEL, X[:2]),
    "plot_calibration": ([0, 1, 1], [0.1, 0.4, 0.9]),
    "plot_class_calibration": ([0, 1, 1], [0.1, 0.4, 0.9]),
    "plot_confusion_matrix": ([0, 1, 1], [0, 1, 0]),
    "plot_feature_maps": (CONVOLUTIONS, IMAGES),
    "plot_filters": (CONVOLUTIONS,),
    "plot_history": ({"loss": [2.0, 1.0]},),
    "plot_precision_recall_curve": ([0, 1, 1], [0.1, 0.4, 0.9]),
    "plot_predictions": ([1.0, 2.0], [1.5, 2.5]),
    "plot_residuals": ([1.0, 2.0], [1.5, 2.5]),
    "plot_roc_curve": ([0, 1, 1], [0.1, 0.4, 0.9]),
    "plot_saliency": (MODEL, X[:2]),
    "plot_samples": (X[:4],),
    "plot_weights": (MODEL,),
}


@pytest.mark.parametrize("name", BY_MATPLOTLIB)
def test_every_function_draws_on_the_axes_that_it_is_given_and_makes_no_figure(name: str, axes: Any) -> None:
    from matplotlib import pyplot as plt

    before = plt.get_fignums()
    drawn = getattr(plotting, name)(*DRAWN[name], axes=axes)
    assert (drawn[0] if isinstance(drawn, list) else drawn) is axes
    assert axes.has_data()
    assert plt.get_fignums() == before
    axes.figure.savefig(io.BytesIO(), format="png")


@pytest.mark.parametrize("name", BY_MATPLOTLIB)
def test_without_axes_every_function_makes_a_figure(name: str) -> None:
    drawn = getattr(plotting, name)(*DRAWN[name])
    assert (drawn[0] if isinstance(drawn, list) else drawn).has_data()


SWEEP = LearningRateSweep(np.geomspace(1e-3, 1.0, 9), np.arange(9.0), 0.1)
WITH_LEGENDS: dict[str, Any] = {
    "calibration": lambda: plotting.plot_calibration([0, 1, 1], [0.1, 0.4, 0.9]),
    "history": lambda: plotting.plot_history({"loss": [2.0, 1.0], "val_loss": [1.0, 2.0]})[0],
    "learning rates": SWEEP.plot,
}


@pytest.mark.parametrize("name", WITH_LEGENDS)
def test_a_legend_stands_above_the_curves_and_below_the_title(name: str) -> None:
    axes = WITH_LEGENDS[name]()
    axes.figure.canvas.draw()
    legend, title = axes.get_legend().get_window_extent(), axes.title.get_window_extent()
    assert legend.y0 >= axes.get_window_extent().y1 - 1.0
    assert 0 <= legend.x0 < legend.x1 <= axes.figure.bbox.x1
    assert max(legend.y1, title.y1) <= axes.figure.bbox.y1
    assert not axes.get_title() or title.y0 >= legend.y1


def test_titles_have_the_size_of_the_text() -> None:
    drawn = [plotting.plot_weights(MODEL), plotting.plot_filters(CONVOLUTIONS), WITH_LEGENDS["calibration"]()]
    drawn.append(plotting.plot_feature_maps(CONVOLUTIONS, IMAGES))
    assert all(axes.get_title() for axes in drawn)
    assert {axes.title.get_fontsize() for axes in drawn} == {drawn[0].xaxis.label.get_fontsize()}


# ---- Learning curves ------------------------------------------------------------------------------------------------


def test_a_history_is_drawn_from_wherever_it_is_kept(tmp_path: Path) -> None:
    model = classifier()
    path = tmp_path / "log.csv"
    history = model.fit(X, LABELS, epochs=3, validation_split=0.2, verbose=0, callbacks=[CSVLogger(path)])
    saved = tmp_path / "history.json"
    saved.write_text('{"epoch": [0, 1, 2], "loss": [3, null, 1.5], "val_lonely": [1, 2, 3]}')
    for given in (history, history.history, history.as_dict(), path, str(path)):
        loss = next(axes for axes in plotting.plot_history(given) if axes.get_ylabel() == "loss")
        assert [line.get_label() for line in loss.lines] == ["training", "validation"]
        assert_allclose(loss.lines[0].get_xydata(), np.c_[[1, 2, 3], history.history["loss"]], rtol=1e-6)
        assert_allclose(loss.lines[1].get_ydata(), history.history["val_loss"], rtol=1e-6)
    loss, lonely = plotting.plot_history(saved)
    assert_array_equal(loss.lines[0].get_xydata(), [[1, 3], [3, 1.5]])
    assert lonely.get_ylabel() == "val_lonely"
    (loss,) = plotting.plot_history({"epoch": [1, 2], "loss": [3.0, 2.0]})
    assert_array_equal(loss.lines[0].get_xdata(), [1, 2])
    sparse = {"epoch": [0, 1, 2], "history": {"val_loss": [3.0]}, "epochs_of": {"val_loss": [1]}}
    assert_array_equal(plotting.plot_history(sparse)[0].lines[0].get_xdata(), [2])


def test_what_is_no_history_is_refused(tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("epoch,loss\n0,1,2\n")
    deep = tmp_path / "deep.json"
    deep.write_text('{"loss": ' + "[" * 5_000 + "]" * 5_000 + "}")
    for given, message in [
        ({"loss": []}, "the history has no epochs"),
        ({"loss": 3}, "loss of the history must be a list of numbers; got 3"),
        ({"epoch": [0], "loss": [1.0, 2.0]}, "loss of the history must have 1 values"),
        (bad, r"bad\.csv is not a history in CSV or JSON: its rows differ in length"),
        (deep, r"deep\.json is not a history in CSV or JSON: it is nested too deep"),
    ]:
        with pytest.raises(ValueError, match=message):
            plotting.plot_history(given)
    with pytest.raises(TypeError, match="history must be a History, a dictionary or a path; got 3"):
        plotting.plot_history(3)


# ---- Classifiers ----------------------------------------------------------------------------------------------------


def test_a_confusion_matrix_shows_counts_and_names(axes: Any) -> None:
    names = ["cat", "<b>", "$\\frac$ and a name that goes on"]
    plotting.plot_confusion_matrix([0, 0, 0, 1, 1], [0, 0, 1, 1, 1], class_names=names, axes=axes)
    assert texts(axes) == ["2", "1", "2"]
    assert_allclose(axes.images[0].get_array(), np.sqrt([[2 / 3, 1 / 3, 0], [0, 1, 0], [0, 0, 0]]))
    assert [label.get_text() for label in axes.get_xticklabels()] == ["cat", "<b>", "$\\frac$ and a..."]
    axes.figure.canvas.draw()  # what looks like a formula is none


def test_a_confusion_matrix_takes_text_and_probabilities(axes: Any) -> None:
    plotting.plot_confusion_matrix(["a", "b"], ["b", "b"], axes=axes)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    probabilities = [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]
    assert texts(plotting.plot_confusion_matrix([0, 1, 1], probabilities)) == ["1", "1", "1"]


def test_many_classes_have_no_numbers(axes: Any) -> None:
    plotting.plot_confusion_matrix(range(100), range(100), axes=axes)
    assert texts(axes) == []
    assert axes.images[0].get_array().shape == (100, 100)


def test_a_calibration_curve_goes_through_the_bins(axes: Any) -> None:
    plotting.plot_calibration([0, 1, 1, 0], [0.2, 0.7, 0.3, 0.9], n_bins=2, axes=axes)
    assert_allclose(axes.lines[1].get_xydata(), [[0.775, 0.5]])
    assert_allclose([bar.get_height() for bar in axes.patches], [0.0, 1.0])
    assert axes.get_title() == "expected calibration error 0.275"


# ---- Images ---------------------------------------------------------------------------------------------------------


def test_samples_have_their_labels_and_wrong_predictions_are_red(axes: Any) -> None:
    x = np.arange(3 * 6).reshape(3, 6)
    plotting.plot_samples(x, [0, 1, 5], [0, 0, 5], class_names=["a", "b"], image_shape=(2, 3), axes=axes)
    assert texts(axes) == ["a", "b \N{RIGHTWARDS ARROW} a", "5"]
    assert [text.get_color() == "tab:red" for text in axes.texts] == [False, True, False]
    assert_array_equal(axes.images[1].get_array(), x[1].reshape(2, 3))
    assert {image.get_clim() for image in axes.images} == {(0, 17)}


def test_samples_may_be_images_with_channels(axes: Any) -> None:
    plotting.plot_samples(np.arange(5 * 12.0).reshape(5, 2, 2, 3), max_samples=4, axes=axes)
    assert len(axes.images) == 4
    assert_allclose(axes.images[0].get_array(), np.arange(12.0).reshape(2, 2, 3) / 47)
    assert plotting.plot_samples(np.zeros((1, 2, 2, 1))).images[0].get_array().shape == (2, 2)


def test_samples_that_are_no_images_are_refused() -> None:
    with pytest.raises(ValueError, match=r"image_shape must be .* with 6 values, the inputs of a sample; got \(2, 2\)"):
        plotting.plot_samples(np.zeros((1, 6)))
    with pytest.raises(ValueError, match="y_true and y_pred must have a label for each of 2 samples; got 1"):
        plotting.plot_samples(np.zeros((2, 4)), [0])
    with pytest.raises(ValueError, match="x must have at least one sample"):
        plotting.plot_samples(np.zeros((0, 4)))


def test_activations_are_a_column_for_each_layer(axes: Any) -> None:
    layers = [Reshape((4,), input_shape=(2, 2)), Dense(20, activation="relu"), Dense(3, activation="softmax", name="y")]
    model = fn.Sequential(layers, seed=0)
    x = X[:2].reshape(2, 2, 2)
    plotting.plot_activations(model, x, axes=axes)
    assert texts(axes) == ["input", "dense", "y"]
    outputs = model.activations(x)
    shown = [np.ma.filled(image.get_array(), np.nan) for image in axes.images]
    assert_array_equal(shown[1], x[1])
    assert_allclose(shown[2].reshape(-1)[:20], outputs["dense"][0])
    assert np.isnan(shown[2].reshape(-1)[20:]).all()
    assert_allclose(shown[5], outputs["y"][1][:, None])
    assert texts(plotting.plot_activations(model, x, layers=["reshape"])) == ["input", "reshape"]
    with pytest.raises(ValueError, match=r"layers must be names of the model's layers \['reshape', .*; got 'z'"):
        plotting.plot_activations(model, x, layers=["z"])


# ---- Numbers --------------------------------------------------------------------------------------------------------


def test_saliency_is_the_gradient_of_what_is_predicted_or_with_labels_of_the_loss(axes: Any) -> None:
    model = classifier()
    outputs = model.predict(X[:3])
    predicted = outputs.argmax(axis=1)
    plotting.plot_saliency(model, X, class_names=["a", "b", "c"], max_samples=3, axes=axes)
    maps = np.abs(model.jacobian(X[:3])[range(3), predicted]).reshape(3, 2, 2)
    assert texts(axes) == ["abc"[label] for label in predicted]
    for number, (image, saliency) in enumerate(zip(axes.images[::2], axes.images[1::2], strict=True)):
        assert_array_equal(image.get_array(), X[number].reshape(2, 2))
        assert_allclose(saliency.get_array(), maps[number], rtol=1e-6)
        assert saliency.get_clim() == (0.0, maps[number].max())
        assert image.get_extent()[:2] == saliency.get_extent()[:2]
        assert image.get_extent()[2] < saliency.get_extent()[3]  # below it
    wrong = (predicted + 1) % 3
    drawn = plotting.plot_saliency(model, X[:3], wrong)
    assert texts(drawn) == [
        f"{label} \N{RIGHTWARDS ARROW} {given}" for label, given in zip(wrong, predicted, strict=True)
    ]
    assert {text.get_color() for text in drawn.texts} == {"tab:red"}
    by_loss = np.abs(model.input_gradients(X[:3], wrong)).reshape(3, 2, 2)
    assert_allclose([shown.get_array() for shown in drawn.images[1::2]], by_loss, rtol=1e-6)


def test_saliency_of_colors_is_that_of_the_strongest_channel_and_one_output_has_no_class(axes: Any) -> None:
    model = fn.Sequential([fn.layers.Flatten(input_shape=(2, 5, 3)), Dense(1)], seed=0)
    x = np.random.default_rng(0).random((2, 2, 5, 3))
    plotting.plot_saliency(model, x, axes=axes)
    expected = np.abs(model.get_weights()[0]).reshape(2, 5, 3).max(axis=2)
    assert_allclose(axes.images[1].get_array(), expected, rtol=1e-6)
    assert axes.images[0].get_array().shape == (2, 5, 3)
    assert texts(axes) == []


def test_what_has_no_saliency_is_refused() -> None:
    model = classifier()
    with pytest.raises(ValueError, match="y must have a target for each of 30 samples; got 2"):
        plotting.plot_saliency(model, X, LABELS[:2])
    with pytest.raises(ValueError, match="x must have at least one sample"):
        plotting.plot_saliency(model, X[:0])
    with pytest.raises(ValueError, match=r"image_shape must be .* with 4 values"):
        plotting.plot_saliency(model, X, image_shape=(3, 3))
    pictures = fn.Sequential([Dense(4, input_shape=(4,)), Reshape((2, 2))], seed=0)
    with pytest.raises(ValueError, match=r"ends in one dimension; got outputs of shape \(2, 2, 2\)"):
        plotting.plot_saliency(pictures, X[:2])


def test_residuals_are_drawn_over_the_predictions(axes: Any) -> None:
    plotting.plot_residuals([[1.0], [2.0]], [1.5, 1.0], axes=axes)
    assert_allclose(axes.lines[1].get_xydata(), [[1.5, 0.5], [1.0, -1.0]])
    many = plotting.plot_residuals(np.zeros(12_000), np.arange(12_000.0))
    assert len(many.lines[1].get_xdata()) == 4000
    with pytest.raises(ValueError, match="y_true and y_pred must have the same number of values"):
        plotting.plot_residuals([1.0], [1.0, 2.0])


def test_predictions_are_drawn_over_the_true_values_with_the_line_of_exact_ones(axes: Any) -> None:
    plotting.plot_predictions([[1.0], [2.0]], [0.5, 1.0], axes=axes)
    assert_allclose(axes.lines[0].get_xydata(), [[0.5, 0.5], [2.0, 2.0]])
    assert_allclose(axes.lines[1].get_xydata(), [[1.0, 0.5], [2.0, 1.0]])
