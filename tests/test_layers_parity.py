"""Small models of Keras's layers, trained by Keras and by fastnet from the same weights, agree."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import fastnet as fn
from record_layers import BATCH, INPUTS, RATE, STEPS, values

RECORDED = json.loads((Path(__file__).parent / "data" / "layers.json").read_text(encoding="utf-8"))["models"]


@pytest.mark.parametrize("entry", RECORDED, ids=lambda entry: "-".join(name for name, _ in entry["layers"]))
def test_three_steps_of_training_are_those_of_keras(entry: dict[str, Any]) -> None:
    layers = [getattr(fn.layers, name)(**arguments) for name, arguments in entry["layers"]]
    model = fn.Sequential([fn.Input((INPUTS,)), *layers], dtype="float64")
    weights = [values(w.size, i).reshape(w.shape) for i, w in enumerate(model.get_weights())]
    names = [name for layer in layers for name in layer.weight_names]
    model.set_weights([np.abs(w) if "variance" in name else w for w, name in zip(weights, names, strict=True)])
    model.compile(fn.optimizers.SGD(RATE), "mse")
    x = values(BATCH * INPUTS, 100).reshape(BATCH, INPUTS)
    y = values(BATCH * model.output_shape[0], 101).reshape(BATCH, -1)
    losses = [model.train_on_batch(x, y) for _ in range(STEPS)]
    # Keras computes the loss, where gradients begin, in single precision whatever the model's is.
    assert_allclose(losses, entry["losses"], rtol=1e-6)
    for now, recorded in zip(model.get_weights(), entry["weights"], strict=True):
        assert_allclose(now, recorded, rtol=1e-7, atol=1e-7)
    assert_allclose(model.predict(x), entry["predictions"], rtol=1e-6, atol=1e-7)
