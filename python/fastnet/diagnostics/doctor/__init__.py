"""The doctor: checks of a model and its data."""

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnet.diagnostics.doctor import architecture, data, dynamics, targets  # noqa: F401
from fastnet.diagnostics.doctor.case import Case
from fastnet.diagnostics.doctor.report import CHECKS, Check, Finding, Report
from fastnet.exceptions import DoctorWarning
from fastnet.inputs.shapes import check_shape
from fastnet.layers.weights import finite
from fastnet.losses import CustomLoss

# Importing a module of checks registers them.
from fastnet.training.inspection import Inspector

if TYPE_CHECKING:
    from fastnet.inputs.samples import Samples

__all__ = ["doctor"]


def doctor(model: Inspector, x: Any, y: Any = None, validation_data: Any = None, *, shuffle: bool = True) -> Report:
    """Check a model and its data, and return a report of problems.

    Parameters
    ----------
    model : Sequential
        The model. It is built for `x` if needed, and not changed otherwise. Checks of its training require that it is
        compiled.
    x, y : array_like
        The training samples and targets, as in `fit`; `x` may be a matrix of scipy.sparse.
    validation_data : tuple (x, y), optional
        The validation samples.
    shuffle : bool, default True
        Whether `fit` will shuffle the samples.

    Returns
    -------
    Report
        A sequence of findings, false if there are none. A finding has a `code`, such as "FN102", a `severity`, a
        `message` with figures, and `advice`.

    Notes
    -----
    A sample of 2,000 rows is checked, to bound the cost. The learning rate is checked with 20 steps of a copy of the
    model. docs/doctor.md lists the codes.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.Dense(3, activation="softmax")], seed=0)
    >>> model.compile("adam", "sparse_categorical_crossentropy")
    >>> x = np.random.default_rng(0).normal(size=(60, 4))
    >>> fn.doctor(model, x, np.arange(60) % 3)
    <Report: no findings>
    >>> fn.doctor(model, x, np.arange(60) % 3 + 1).codes
    ['FN202']
    """
    if not isinstance(model, Inspector):
        raise TypeError(f"model must be a Sequential; got {type(model).__name__}")
    case = Case(model, x, y, validation_data, shuffle=shuffle)
    model._built_network(case.all_x)
    check_shape("x", tuple(case.all_x.shape), model.input_shape or (), case.all_x)
    return _examine(case, every_epoch=False)


def _examine(case: Case, *, every_epoch: bool) -> Report:
    """Run all checks, or those that are useful after every epoch."""
    findings: list[Finding] = []
    for check in sorted(CHECKS.values(), key=lambda check: check.code):
        if every_epoch and not check.every_epoch:
            continue
        failed = any(finding.severity == "error" for finding in findings)
        trains = case.loss is not None and case.all_y is not None and not isinstance(case.loss, CustomLoss)
        if check.needs_training and (failed or not trains):
            continue
        if not any(finding.code in check.unless for finding in findings):
            with np.errstate(all="ignore"):
                findings += check.findings(case)
    return Report(findings)


# Found during training, not in a case.
BROKEN = Check(
    "FN406",
    "error",
    "NaN or infinity appeared in training",
    "Use a smaller learning rate or clipnorm; put Normalization first where x is not scaled",
    lambda _: None,
    (),
    needs_training=True,
    every_epoch=True,
)


class Watch:
    """Observer of `fit(debug=True)`: issues findings of the doctor as warnings, each once, but not its notes."""

    def __init__(self, model: Inspector, x: Any, y: Any, validation_data: Any, shuffle: bool) -> None:
        self._model = model
        self._data = None if y is None else (x, y)
        self._seen: set[str] = set()
        self._broken = False
        if self._data is not None:
            pair = validation_data if isinstance(validation_data, tuple | list) else None
            self._warn(doctor(model, x, y, pair, shuffle=shuffle), "")

    def not_finite(
        self, epoch: int, batch: int, before: NDArray[Any], samples: "Samples", order: NDArray[np.int64] | None
    ) -> None:
        """Warn of the first batch after which the loss or the weights are not finite; `before`: the weights before."""
        if self._broken:
            return
        self._broken = True
        after = self._model._values()
        self._model._set_values(before)
        try:
            x = samples.x if order is None else samples.x[order] if isinstance(samples.x, np.ndarray) else None
            y = samples.y if order is None else samples.y[order]
            place = "the update of the weights"
            if x is not None:
                shaped = x.reshape(len(x), *(self._model.input_shape or ())) if isinstance(x, np.ndarray) else x
                place = first_not_finite(self._model, shaped, y) or place
        finally:
            self._model._set_values(after)
        message = f"NaN or infinity first appeared in epoch {epoch + 1}, batch {batch + 1}, in {place}"
        self._warn([Finding(BROKEN.code, BROKEN.severity, message, BROKEN.advice)], "")

    def after_epoch(self, epoch: int) -> None:
        """Warn of new findings."""
        if self._data is not None and not self._broken:
            self._warn(_examine(Case(self._model, *self._data), every_epoch=True), f" after epoch {epoch + 1}")

    def _warn(self, findings: Any, when: str) -> None:
        for finding in findings:
            if finding.severity != "note" and finding.code not in self._seen:
                self._seen.add(finding.code)
                warnings.warn(
                    f"{finding.code}{when}: {finding.message}. {finding.advice}.", DoctorWarning, stacklevel=4
                )


def first_not_finite(model: Inspector, x: Any, y: Any) -> str | None:
    """Return where NaN or infinity appears first: in weights, outputs, the loss or gradients; None for nowhere."""
    for layer in model._layers:
        for name, array in zip(layer.weight_names, layer.get_weights(), strict=True):
            if not finite(array):
                return f"{name} of layer {layer.name!r}"
    with np.errstate(all="ignore"):
        for name, output in model.activations(x).items():
            if not finite(output):
                return f"the output of layer {name!r}"
    loss, _ = model.loss_and_gradients(x, y)
    if not np.isfinite(loss):
        return "the loss"
    # From the last layer backward, in the order of the backward pass.
    for layer_name, gradients in reversed(list(model.gradients(x, y).items())):
        for name, array in gradients.items():
            if not finite(array):
                return f"the gradient of {name} of layer {layer_name!r}"
    return None
