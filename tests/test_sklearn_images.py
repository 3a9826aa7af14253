"""Convolutional networks as estimators of scikit-learn: images, and the rows of numbers that pipelines know."""

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from scipy import sparse
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

import fastnet as fn
from fastnet.datasets import digits
from fastnet.sklearn import FastnetClassifier, FastnetRegressor

ROWS, LABELS = digits.load_data()
ROWS, LABELS = ROWS[:500], LABELS[:500]
FORMS = {"rows": ROWS, "images": ROWS.reshape(-1, 8, 8), "channels": ROWS.reshape(-1, 8, 8, 1)}


def build(n_classes: int) -> fn.Sequential:
    layers = [fn.Rescaling(1 / 16), fn.Conv2D(8, 3, activation="relu"), fn.MaxPooling2D(2), fn.Flatten()]
    model = fn.Sequential([fn.Input((8, 8, 1)), *layers, fn.Dense(n_classes, "softmax")])
    model.compile(fn.optimizers.Adam(0.01))
    return model


def classifier(**parameters: Any) -> FastnetClassifier:
    return FastnetClassifier(build, **{"epochs": 3, "random_state": 0, **parameters})


@pytest.mark.parametrize("form", FORMS)
def test_images_and_rows_give_the_same_model_and_predictions(form: str) -> None:
    usual = classifier().fit(FORMS["channels"], LABELS)
    fitted = classifier().fit(FORMS[form], LABELS)
    assert fitted.model_.input_shape == (8, 8, 1)
    assert_array_equal(fitted.predict_proba(FORMS[form]), usual.predict_proba(FORMS["channels"]))
    assert fitted.score(FORMS[form], LABELS) > 0.8
    assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict(FORMS[form]), fitted.predict(FORMS[form]))


@pytest.mark.parametrize("form", FORMS)
def test_validation_and_more_samples_have_the_form_of_the_first(form: str) -> None:
    x = FORMS[form]
    one = classifier().fit(x[:300], LABELS[:300], eval_set=(x[300:], LABELS[300:]))
    assert len(one.history_["val_loss"]) == 3
    other = classifier(validation_split=0.2).fit(x, LABELS)
    assert len(other.history_["val_loss"]) == 3
    third = classifier().partial_fit(x, LABELS, classes=np.arange(10))
    third.partial_fit(x, LABELS)
    assert len(third.history_["loss"]) == 2


def test_rows_come_through_a_pipeline_and_a_search() -> None:
    pipeline = make_pipeline(MinMaxScaler((0, 16)), classifier(epochs=5))
    assert cross_val_score(pipeline, ROWS, LABELS, cv=2).mean() > 0.7


def test_a_table_of_pixels_is_rows() -> None:
    table = pd.DataFrame(ROWS, columns=[f"pixel{number}" for number in range(64)])
    fitted = classifier().fit(table, LABELS)
    assert fitted.model_.feature_names == list(table)
    assert_array_equal(fitted.predict(table), classifier().fit(ROWS, LABELS).predict(ROWS))


def test_a_template_and_a_regressor_take_rows() -> None:
    def mean(images: NDArray[Any]) -> NDArray[Any]:
        return images.reshape(len(images), -1).mean(axis=1) / 16

    layers = [fn.Input((8, 8, 1)), fn.Rescaling(1 / 16), fn.Conv2D(4, 3), fn.layers.GlobalAveragePooling2D()]
    template = fn.Sequential([*layers, fn.Dense(1)], seed=0)
    fitted = FastnetRegressor(template, epochs=2, random_state=0).fit(ROWS, mean(ROWS))
    assert fitted.predict(ROWS).shape == (500,)


@pytest.mark.parametrize("shape", [(4, 16), (64, 1), (8, 8, 2)])
def test_other_shapes_are_refused_even_with_as_many_numbers(shape: tuple[int, ...]) -> None:
    x = np.zeros((500, *shape), np.float32)
    with pytest.raises(ValueError, match=r"the model has input_shape \(8, 8, 1\); the samples of X have shape"):
        classifier().fit(x, LABELS)


def test_sparse_rows_are_refused_with_the_shape_that_is_needed() -> None:
    with pytest.raises(ValueError, match=r"x must have shape \(samples, 8, 8, 1\); got \(500, 64\)"):
        classifier().fit(sparse.csr_matrix(ROWS.astype(np.float32)), LABELS)
