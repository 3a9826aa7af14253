"""Verification of a receipt: training again, and comparing the weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastnet.callbacks import Callback
from fastnet.callbacks.running import CallbackList
from fastnet.distributed.distribution import on_one_rank
from fastnet.layers import deserialize
from fastnet.support.attributes import own_class
from fastnet.support.validation import describe
from fastnet.training.copying import copy_fixed_weights
from fastnet.training.fingerprints import environment, sampled, to_json
from fastnet.training.inspection import Inspector

__all__ = ["Verification", "environment_differences", "largest_difference", "verify"]


@dataclass(frozen=True)
class Verification:
    """Result of `verify`.

    Attributes
    ----------
    identical : bool
        Whether training again gave bitwise identical weights.
    differences : dict
        Inputs of the training that have changed: "x", "y", "sample_weight", "initial_weights", "fastnet", "numpy",
        "python", "isa" (the instruction set), each with the values "then" and "now".
    largest_difference : float or None
        The largest difference between two weights; None if the data differ, so that nothing was trained.
    """

    identical: bool
    differences: dict[str, dict[str, Any]]
    largest_difference: float | None


def verify(
    model: Inspector,
    x: Any,
    y: Any = None,
    *,
    sample_weight: ArrayLike | None = None,
    validation_data: Sequence[Any] | None = None,
    callbacks: Sequence[Callback] | None = None,
) -> Verification:
    """Repeat the training in the receipt of a model, and compare the weights.

    For models with a seed and a single run of `fit`. For models of ``fastnet train`` use ``fastnet verify``.

    Parameters
    ----------
    model : Sequential
        The model; it is not changed.
    x, y, sample_weight : array_like, or StoredDataset and None
        The training data, which are first compared with the hashes in the receipt.
    validation_data : tuple, optional
        The validation data, if callbacks depend on them.
    callbacks : list of Callback, optional
        New callbacks like those of the original training.

    Returns
    -------
    Verification

    Raises
    ------
    ValueError
        The model has no receipt, or one from which it cannot be trained again.

    Examples
    --------
    >>> import fastnet as fn
    >>> x, y = fn.datasets.digits.load_data()
    >>> model = fn.Sequential([fn.Dense(10, activation="softmax", input_shape=(64,))], seed=0)
    >>> model.compile("sgd", "sparse_categorical_crossentropy")
    >>> history = model.fit(x, y, epochs=2, verbose=0)
    >>> fn.verify(model, x, y).identical
    True
    >>> list(fn.verify(model, x, 9 - y).differences)
    ['y']
    """
    if not isinstance(model, Inspector):
        raise TypeError(f"model must be a Sequential; got {describe(model)}")
    receipt, run = _repeatable(model)
    again = _untrained(model, receipt["seed"])
    names = CallbackList.of(callbacks, again, {}).names
    arguments = dict(run["fit"])
    arguments.pop("max_time", None)  # not reached
    if names != arguments.pop("callbacks", []):
        raise ValueError(f"callbacks must be like those that the model was trained with, {run['fit'].get('callbacks')}")
    if isinstance(weights := arguments.get("class_weight"), dict):  # JSON keys are strings
        arguments["class_weight"] = {int(label): weight for label, weight in weights.items()}
    again.compile(**run["compile"])
    again._apply_settings(run["layers"])
    if again._weights.sha256() != receipt["initial_weights"]:
        copy_fixed_weights(model, again)
    again._trainable_network("verify", x)
    others = _compared(run["data"], to_json(sampled(again._data(x, y, sample_weight))))
    if others:
        return Verification(False, others, None)
    begun = _compared({"weights": receipt["initial_weights"]}, {"weights": again._weights.sha256()})
    differences = {f"initial_{name}": both for name, both in begun.items()} | environment_differences(receipt)
    with on_one_rank(arguments.pop("shards", None)):
        again.fit(
            x,
            y,
            sample_weight=sample_weight,
            validation_data=validation_data,
            callbacks=callbacks,
            verbose=0,
            **arguments,
        )
    same = again._weights.sha256() == receipt["weights"]
    return Verification(same, differences, largest_difference(model, again))


def _repeatable(model: Inspector) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a receipt and its one run, from which a model can be trained again."""
    receipt = model.receipt
    if receipt is None:
        raise ValueError("the model has no receipt: it was not trained")
    run, *more = receipt["runs"] or [{}]
    reasons = {
        "it was made by fastnet train: use the command fastnet verify": "command" in receipt,
        "it was trained by more than one run of fit": bool(more or receipt.get("earlier")),
        "it was made without a seed": receipt["seed"] is None,
        "its receipt lacks the arguments of fit and compile": not (run.get("fit") and run.get("compile")),
        "it was trained on batches, which are not hashed": "source" in run.get("data", {}),
        f"its training was {run.get('ended')}": run.get("ended") not in ("complete", "stopped"),
    }
    for reason, holds in reasons.items():
        if holds:
            raise ValueError(f"the model cannot be trained again: {reason}")
    return receipt, run


def _untrained(model: Inspector, seed: int) -> Inspector:
    """Return a model of the same architecture with the weights of the seed."""
    layers = [deserialize(layer) for layer in model.get_config()["layers"]]
    again = own_class(type(model))(layers, seed=seed, dtype=model.dtype_policy, name=model.name)
    again.build(model.input_shape)
    again.feature_names = model.feature_names
    return again


def _compared(then: dict[str, Any], now: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the entries that differ, with both values."""
    names = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    return {name: {"then": then.get(name), "now": now.get(name)} for name in names}


def environment_differences(receipt: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the versions and the instruction set that differ from the last run of a receipt."""
    now = environment()
    last = (receipt["runs"] or [{}])[-1]
    return _compared({name: last.get(name) for name in now}, now)


def largest_difference(model: Inspector, again: Inspector) -> float | None:
    """Return the largest difference between two weights, None if it is undefined."""
    then, now = model.get_weights(), again.get_weights()
    if [array.shape for array in then] != [array.shape for array in now]:
        return None
    largest = max(float(np.abs(one - other).max(initial=0.0)) for one, other in zip(then, now, strict=True))
    return largest if np.isfinite(largest) else None
