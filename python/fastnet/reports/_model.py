"""Tables of a report about the model, its training and the machine."""

from typing import TYPE_CHECKING, Any

from fastnet.network.summary import HEADINGS, summary_rows, summary_totals
from fastnet.quantization import QuantizedModel
from fastnet.reports._section import Table
from fastnet.support.config import show_config

if TYPE_CHECKING:
    from fastnet.models import Sequential


def layers_table(model: "Sequential | QuantizedModel") -> Table:
    """Return the summary of a model."""
    if isinstance(model, QuantizedModel):
        rows = [(layer, kind, f"{size:,}", f"{count:,}") for layer, kind, size, count, _ in model.rows()]
        headers = ("Layer", "Operation", "Outputs", "Values")
        return Table("Operations of the model, in 8-bit integers", headers, rows, [f"{model.size_in_bytes:,} bytes"])
    return Table("Layers of the model", HEADINGS, summary_rows(model), summary_totals(model))


def training_table(model: "Sequential | QuantizedModel") -> Table | None:
    """Return how a model was trained, from its receipt."""
    receipt = model.receipt
    runs = receipt["runs"] if receipt else []
    if not receipt or not runs:
        return None
    run = runs[-1]
    command = receipt.get("command")
    compiled, fit = run.get("compile") or {}, run.get("fit") or {}
    facts = [
        ("Data", command["data"].get("name") if command else None),
        ("Samples", _samples(run.get("data"))),
        ("Optimizer", _call(compiled.get("optimizer"))),
        ("Loss", _call(compiled.get("loss"))),
        ("Batch size", fit.get("batch_size")),
        ("Epochs", f"{run.get('epochs'):,}, {run.get('steps'):,} steps ({run.get('ended') or 'not ended'})"),
        ("Runs of fit", len(runs) + receipt.get("earlier", {"runs": 0})["runs"]),
        ("Seed", receipt.get("seed")),
        (
            "Trained with",
            ", ".join(f"{name} {run[name]}" for name in ("fastnet", "numpy", "python", "isa") if run.get(name)),
        ),
        ("SHA-256 of the weights", receipt.get("weights")),
    ]
    rows = [(name, str(value)) for name, value in facts if value not in (None, "")]
    return Table("How it was trained: its last run of fit", (), rows)


def _samples(data: Any) -> str | None:
    """Return the number of training samples, if the receipt has it."""
    x = data.get("x") if isinstance(data, dict) else None
    shape = x.get("shape") if isinstance(x, dict) else None
    return f"{shape[0]:,}" if isinstance(shape, list) and shape and isinstance(shape[0], int) else None


def _call(serialized: Any) -> str | None:
    """Return an optimizer or a loss with its arguments."""
    if not isinstance(serialized, dict):
        return None if serialized is None else str(serialized)
    config = serialized.get("config")
    arguments = {name: value for name, value in config.items() if name != "name"} if isinstance(config, dict) else {}
    shown = (f"{name}={_call(value) if isinstance(value, dict) else value}" for name, value in arguments.items())
    return f"{serialized.get('class_name')}({', '.join(shown)})"


def environment_table() -> Table:
    """Return the output of `show_config` on the machine that writes the report."""
    rows = [
        (name.replace("_", " "), ", ".join(map(str, value)) if isinstance(value, list) else str(value))
        for name, value in show_config(mode="dict").items()
        if name != "version"  # which the head of the report has
    ]
    return Table("Where this report was made", (), rows)
