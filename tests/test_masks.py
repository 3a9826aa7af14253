"""What lies behind a mask is not data: masked arrays are refused where something is masked."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastnet as fn
from toy import LABELS, X, classifier

MASKED = np.ma.masked_array(X, np.arange(120).reshape(30, 4) == 22)
NOTHING_MASKED = np.ma.masked_array(X, False)


@pytest.mark.parametrize("x", [MASKED, list(MASKED)], ids=["array", "list of rows"])
def test_what_is_masked_is_refused_with_its_row(x: Any) -> None:
    model = classifier()
    with_labels = (model.fit, model.evaluate, model.train_on_batch, model.gradients, partial(fn.doctor, model))
    uses: dict[str, Any] = {
        "x": [
            *(partial(use, x, LABELS) for use in with_labels),
            *(partial(use, x) for use in (model.predict, model, model.activations, fn.functional.relu)),
            lambda: model.fit(iter([(x, LABELS)])),
        ],
        "calibration_data": [lambda: model.quantize(x)],
        "data": [lambda: fn.Normalization().adapt(x)],
        "x of validation_data": [lambda: model.fit(X, LABELS, validation_data=(x, LABELS))],
        "y_pred": [lambda: fn.functional.mse(X, x), lambda: fn.metrics.MeanSquaredError().update_state(X, x)],
        "a": [lambda: fn.gemm(x, X.T)],
    }
    for name, calls in uses.items():
        for call in calls:
            with pytest.raises(ValueError, match=f"^{name}( of batch 1)? has a masked value in row 5"):
                call()


def test_masked_targets_and_weights_are_refused() -> None:
    masked = np.ma.masked_array(LABELS, LABELS == 2)
    weight = np.ma.masked_array(np.ones(30), LABELS == 1)
    for call in (classifier().fit, classifier().evaluate, classifier().train_on_batch):
        with pytest.raises(ValueError, match="y has a masked value in row 2"):
            call(X, masked)
        with pytest.raises(ValueError, match="sample_weight has a masked value in row 1"):
            call(X, LABELS, sample_weight=weight)
    with pytest.raises(ValueError, match="y_true has a masked value in row 2"):
        fn.metrics.accuracy_score(masked, LABELS)
    with pytest.raises(ValueError, match="x has a masked value in row 2"):
        fn.utils.to_categorical(masked)


@pytest.mark.parametrize("x", [NOTHING_MASKED, np.ma.array(X), list(NOTHING_MASKED)], ids=["no", "nomask", "list"])
def test_what_is_not_masked_is_taken(x: Any) -> None:
    model = classifier()
    assert_array_equal(model.predict(x), model.predict(X))
    assert model.evaluate(x, np.ma.array(LABELS), verbose=0) == model.evaluate(X, LABELS, verbose=0)


def test_samples_of_an_index_may_not_be_masked() -> None:
    class Indexed:
        def __len__(self) -> int:
            return 30

        def __getitem__(self, index: int) -> Any:
            return MASKED[index], LABELS[index]

    with pytest.raises(ValueError, match="x of x has a masked value"):
        classifier().fit(Indexed(), verbose=0)
