"""Copies of a model: the state for `pickle` and `copy`, and models of the same architecture with fresh weights.

The compiled network is not copied but built again from the architecture. It gets the weights, the optimizer state and
the seeds of the original, so that it trains on as the original would.
"""

import copy
from typing import Any, TypeVar

from fastnet.network.nested import deserialized, serialized
from fastnet.support.attributes import own_class
from fastnet.training.receipt import Receipt
from fastnet.training.trainer import Trainer

Model = TypeVar("Model", bound=Trainer)

# The attributes that `restore` rebuilds.
_REBUILT = frozenset(
    [
        *[
            "_applied",
            "_frozen_note",
            "_known_history",
            "_borrowed",
            "_layers",
            "_maps_rows",
            "_names",
            "_network",
            "_output_shape",
        ],
        *[
            "_parts",
            "_places",
            "_receipt",
            "_shares",
            "_structure",
            "_known_settings",
            "_uses",
            "_weights",
            "_with_gradients",
        ],
    ]
)


def state_of(model: Trainer) -> dict[str, Any]:
    """Return a snapshot of a model as arrays, dictionaries and other Python objects."""
    with model._structure:
        return _state_of(model)


def _state_of(model: Trainer) -> dict[str, Any]:
    _ = model._generator  # is made here if it was not needed before: the copy draws what the original does
    network, trained = model._network, model._network_is_compiled
    values, steps, optimizer, seeds = (None, 0, None, None) if network is None else network.get_state()
    attributes = {name: value for name, value in vars(model).items() if name not in _REBUILT}
    # Training changes these in place: a copy, even a shallow one, must not share them with the original.
    changing = {name: copy.deepcopy(attributes[name]) for name in ("_random", "_compilation")}
    return {
        "attributes": attributes | changing | {"_feature_names": model.feature_names},
        "layers": [serialized(layer) for layer in model._layers],
        "weights": model._weights_in(values),
        "seeds": seeds,
        "optimizer": (steps, optimizer) if trained else None,
        "receipt": model._receipt.as_dict(""),
    }


def restore(model: Trainer, state: dict[str, Any]) -> None:
    """Put a model that has no attributes yet into the state that `state_of` returned."""
    attributes = state["attributes"]
    Trainer.__init__(model, dtype=attributes["dtype_policy"])
    for config, arrays in zip(state["layers"], state["weights"], strict=True):
        model._append(deserialized(config, own_class(type(model)), model.dtype_policy))
        model._layers[-1].keep_weights(arrays)
    if state["seeds"] is not None:
        model._build(attributes["input_shape"], draw=False)
    vars(model).update(attributes)
    model._receipt = Receipt.from_dict(state["receipt"])
    network = model._network
    if network is None:
        return
    network.set_seeds(state["seeds"])
    if state["optimizer"] is not None:
        model._apply()
        network.set_optimizer_state(*state["optimizer"])


def fresh_copy(model: Model, seed: int) -> Model:
    """Return a model of the same architecture, compiled in the same way, with weights drawn from the seed.

    Values that training does not learn are the model's own: frozen weights, and means and variances.
    """
    config = model.get_config()
    kind = own_class(type(model))
    parts = [deserialized(layer, kind, config["dtype"]) for layer in config["layers"]]
    result = kind(parts, seed=seed, dtype=config["dtype"], name=config["name"])
    result._trainable = model.trainable
    if config["input_shape"] is not None:
        result.build(config["input_shape"])
        copy_fixed_weights(model, result)
    result._compilation = copy.deepcopy(model._compilation)
    if result._compilation is not None:
        result._compilation.optimizer._iterations = 0
    return result


def copy_fixed_weights(model: Trainer, other: Trainer) -> None:
    """Copy the values that training does not learn to a model of the same architecture.

    They are the weights of frozen layers, and means and variances.
    """
    if not model.built:
        return
    places = [(layer, slot) for layer in other._layers for slot in layer._built_weights().slots]
    fixed = [
        index
        for index, (layer, slot) in enumerate(places)
        if not (other.trainable and layer.trains(slot.name)) or slot.name.rpartition(".")[2] in ("mean", "variance")
    ]
    weights = model.get_weights()
    other._weights.chosen(fixed).set([weights[index] for index in fixed])
