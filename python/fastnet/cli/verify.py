"""``fastnet verify``: repeat the training recorded in a model's receipt, and compare."""

import argparse
import json
import time
from dataclasses import dataclass, field
from typing import Any

from fastnet.callbacks import History
from fastnet.cli._data import dialect_of
from fastnet.cli._defaults import resolved
from fastnet.cli._networks import are_hidden_in, hidden_layers, text_of
from fastnet.cli._origin import arguments_again, hashes_of
from fastnet.cli._output import note, print_json
from fastnet.cli._parts import Parts, load_parts
from fastnet.cli._progress import TrainingProgress
from fastnet.cli._recipe import averaged, fit, in_unit_of_targets, make_model, networks_of
from fastnet.cli.evaluate import measure
from fastnet.diagnostics.verification import environment_differences, largest_difference
from fastnet.distributed.distribution import on_one_rank
from fastnet.models import Sequential
from fastnet.serialization import load_model, read_metadata
from fastnet.support.config import set_num_threads, show_config

__all__ = ["run"]

VERSIONS = ("fastnet", "numpy", "python")


@dataclass
class Comparison:
    """Result of training again."""

    verdict: str  # "identical", "equivalent" or "different"
    facts: dict[str, Any] = field(default_factory=dict)  # for JSON
    lines: list[str] = field(default_factory=list)  # for people


def run(arguments: argparse.Namespace) -> int:
    """Print whether training again gives the same model; return 0 if it does, else 1."""
    if arguments.threads:
        set_num_threads(arguments.threads)
    model = load_model(arguments.model)
    if not isinstance(model, Sequential):
        raise ValueError(f"{arguments.model} is quantized; verify the model that it was made from")
    receipt = _receipt_of(model, arguments.model)
    parts, original = _data_and_arguments(arguments, model, receipt["command"])
    comparison = _compare_data(receipt["command"], parts, model) or _train_and_compare(
        arguments, original, parts, model, receipt
    )
    if arguments.json:
        result = {"model": arguments.model, "data": arguments.data, "verdict": comparison.verdict, **comparison.facts}
        print_json("verify", result)
    else:
        print("\n".join([f"{comparison.verdict}: {comparison.lines[0]}", *comparison.lines[1:]]))
    return int(comparison.verdict == "different")


def _receipt_of(model: Sequential, path: str) -> dict[str, Any]:
    """Return the receipt of a model that ``fastnet train`` trained and nothing has trained further."""
    receipt = model.receipt
    if receipt is None:
        raise ValueError(f"{path} has no receipt: it was saved before it was trained")
    if "command" not in receipt:
        raise ValueError(
            f"{path} cannot be trained again: it is not the result of one complete run of fastnet train; for the "
            "result of one fit in Python use fastnet.verify"
        )
    return receipt


def _data_and_arguments(
    arguments: argparse.Namespace, model: Sequential, command: dict[str, Any]
) -> tuple[Parts, argparse.Namespace]:
    try:
        original = arguments_again(command, arguments.data)
        if not are_hidden_in(model, hidden_layers(original)):
            raise ValueError(f"its receipt has the hidden layers {text_of(original) or 'none'}, the model has others")
    except ValueError as error:
        raise ValueError(f"{arguments.model} cannot be trained again: {error}") from error
    original.separator, original.decimal = dialect_of(arguments, vars(original))
    original.quiet = arguments.quiet
    parts = load_parts(original)
    return parts, resolved(original, parts)


def _compare_data(command: dict[str, Any], parts: Parts, model: Sequential) -> Comparison | None:
    """Return how the data differ, or None if they are the same."""
    then = {name: value for name, value in command["data"].items() if name != "name"}
    now = hashes_of(parts.source)
    differing = [name for name in sorted({*then, *now}) if then.get(name) != now.get(name)]
    if model.class_names != parts.training.class_names:
        differing.append("classes")
    if not differing:
        return None
    what = {"x": "samples", "y": "labels", "test": "test set"}
    names = " and ".join(what.get(name, name) for name in differing)
    return Comparison(
        "different",
        {"differences": {"data": differing}},
        [f"other data: the {names} are not those that the model was trained with, so it was not trained again"],
    )


def _train_and_compare(
    arguments: argparse.Namespace,
    original: argparse.Namespace,
    parts: Parts,
    model: Sequential,
    receipt: dict[str, Any],
) -> Comparison:
    note(f"training again for {original.epochs} epochs, as in the receipt of {arguments.model}", original.quiet)
    started = time.perf_counter()
    again = _trained_again(original, parts)
    seconds = time.perf_counter() - started
    weights = {"then": receipt["weights"], "now": again._weights.sha256(), "noted": _noted_weights(arguments.model)}
    facts = {"weights": weights, "differences": environment_differences(receipt), "seconds": seconds}
    if weights["then"] == weights["now"]:
        return Comparison("identical", facts, [f"training again gives the weights of {arguments.model}, bit for bit"])
    results = {name: measure(one, parts.measured) for name, one in {"then": model, "now": again}.items()}
    score = {name: result.score for name, result in results.items()}
    facts |= {results["now"].score_name: score, "largest_difference": largest_difference(model, again)}
    close = arguments.tolerance is not None and abs(score["then"] - score["now"]) <= arguments.tolerance
    return Comparison("equivalent" if close else "different", facts, _explained(facts, parts, arguments.tolerance))


def _trained_again(arguments: argparse.Namespace, parts: Parts) -> Sequential:
    models = []
    for member in networks_of(arguments):
        again, history = make_model(member, parts), History()
        progress = TrainingProgress(len(parts.training), member.batch_size, member.quiet)
        with on_one_rank(member.shards):
            fit(again, parts, member, [progress, history])
        if history.interrupted:
            raise KeyboardInterrupt("before there was anything to compare")
        in_unit_of_targets(again, parts)
        models.append(again)
    return averaged(models) or models[0]


def _noted_weights(path: str) -> str | None:
    """Return the hash of the weights stored in a file, which need not match the weights."""
    noted = json.loads(read_metadata(path)["receipt"]).get("weights")
    return noted if isinstance(noted, str) else None


def _explained(facts: dict[str, Any], parts: Parts, tolerance: float | None) -> list[str]:
    """Return lines about how the weights differ, and why."""
    differences = facts["differences"]
    name, score = next((name, facts[name]) for name in ("accuracy", "r2") if name in facts)
    by = "" if facts["largest_difference"] is None else f", by {facts['largest_difference']:.2g} at most"
    lines = [f"training again gives other weights{by}"]
    if isa := differences.get("isa"):
        has = isa["then"] in show_config(mode="dict")["available_isas"]
        how = f"FASTNET_ISA={isa['then']} forces the same" if has else "this machine does not have the same"
        lines.append(
            f"instruction set: {isa['then']} then, {isa['now']} now; results differ between instruction sets; {how}"
        )
    versions = [
        f"{name} {differences[name]['then']} then, {differences[name]['now']} now"
        for name in VERSIONS
        if name in differences
    ]
    if versions:
        lines.append(f"version: {'; '.join(versions)}")
    if facts["weights"]["noted"] != facts["weights"]["then"]:
        lines.append("the weights in the file are not those of its receipt: they were changed afterwards")
    elif not differences:
        lines.append("versions and instruction set are the same: the weights were changed before they were saved")
    gap = abs(score["then"] - score["now"])
    verdict = "" if tolerance is None else f", {'within' if gap <= tolerance else 'more than'} {tolerance:g}"
    kind = ".2%" if name == "accuracy" else ".4f"
    lines.append(
        f"{name}: {score['then']:{kind}} then, {score['now']:{kind}} now, on {parts.measured_is}: "
        f"a difference of {gap:.4f}{verdict}"
    )
    return lines
