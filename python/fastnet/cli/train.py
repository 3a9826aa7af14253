"""``fastnet train``: train a classifier on raw data, and report its accuracy."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from fastnet.callbacks import BackupAndRestore, History
from fastnet.cli._checkpoints import HOW_TO_RESUME, backup_of
from fastnet.cli._data import source_name
from fastnet.cli._origin import note_origin
from fastnet.cli._output import check_output, describe_size, note, print_json, shortened
from fastnet.cli._parts import Parts, load_parts
from fastnet.cli._progress import TrainingProgress
from fastnet.cli._ranks import distributed
from fastnet.cli._recipe import fit, make_model, resolved
from fastnet.cli._report import Result, format_confusion_matrix
from fastnet.cli._run_folder import RunFolder
from fastnet.cli._terminal import styled
from fastnet.cli.evaluate import measure
from fastnet.distributed.distribution import Distribution, from_main, is_main
from fastnet.files.names import MODEL_FORMATS, format_of
from fastnet.interchange.keras.architecture import config_of
from fastnet.models import Sequential
from fastnet.support.config import get_num_threads, set_num_threads

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Train a classifier, write it on request, and print its accuracy on data that it has not seen."""
    with distributed(arguments) as ranks:
        return _run(arguments, ranks)


def _run(arguments: argparse.Namespace, ranks: Distribution | None) -> int:
    if arguments.threads:
        set_num_threads(arguments.threads)
    from_main(lambda: _prepare_output(arguments))
    if not is_main():
        arguments.out = None
    folder = RunFolder(arguments.run_dir) if arguments.run_dir and is_main() else None
    files = [*([folder.model] if folder else []), *([arguments.out] if arguments.out else [])]
    parts = load_parts(arguments)
    rows = len(parts.training)
    arguments = resolved(arguments, parts)
    model = make_model(arguments, parts.sample)
    if arguments.out and format_of(arguments.out) == "Keras":
        config_of(model)  # raises before the training what writing the file would raise after it
    note(_describe(arguments, parts, model, ranks), arguments.quiet)

    started = time.perf_counter()
    backup = backup_of(arguments, parts)
    history = _fit(model, parts, arguments, backup, files, folder)
    if not is_main():
        return 0
    seconds = time.perf_counter() - started + (backup.seconds_before if backup else 0.0)
    result = measure(model, parts.measured)
    note_origin(model, arguments, parts, result)
    for file in files:
        model.save(file)

    training = {
        "rows": rows,
        "epochs": arguments.epochs,
        "batch_size": arguments.batch_size,
        "seed": arguments.seed,
        "threads": get_num_threads(),
        **({"ranks": ranks.size, "shards": ranks.shards} if ranks else {}),
        "seconds": seconds,
        "samples_per_second": rows * arguments.epochs / seconds,
    }
    key = "training_accuracy" if parts.measured is parts.sample else "held_out"
    document = {
        "data": arguments.data,
        key: {"measured_on": parts.measured_is, **result.as_json()},
        "training": {**training, "history": history.history},
        "parameters": model.count_params(),
        "model": arguments.out or (folder.model if folder else None),
    }
    if folder:
        folder.write_configuration(arguments)
        folder.write_history(history.history)
        folder.write_report("train", document)
        folder.write_page(model, parts.measured, arguments, history)
    if arguments.json:
        print_json("train", document)
    else:
        print(_report(result, parts, training, model, files))
    if backup:
        backup.delete()
    return 0


def _prepare_output(arguments: argparse.Namespace) -> None:
    """Check that the files can be written, and create the folder of the run."""
    if arguments.out:
        check_output(arguments.out, inputs=[arguments.data], formats=MODEL_FORMATS)
    if arguments.run_dir:
        RunFolder(arguments.run_dir).create(resumes=arguments.resume)


def _fit(
    model: Sequential,
    parts: Parts,
    arguments: argparse.Namespace,
    backup: BackupAndRestore | None,
    files: list[str],
    folder: RunFolder | None,
) -> History:
    """Train; after Ctrl-C, write the best weights so far."""
    untrained = model.get_weights()
    progress = TrainingProgress(len(parts.training), arguments.batch_size, arguments.quiet)
    history = History()
    try:
        fit(model, parts, arguments, [progress, history, *([backup] if backup else [])])
    except KeyboardInterrupt:  # pressed again while training was ending
        history.interrupted = True
    if history.interrupted:
        where = f"in epoch {progress.epoch} of {arguments.epochs}"
        trained = any((now != then).any() for now, then in zip(model.get_weights(), untrained, strict=True))
        how = f"{HOW_TO_RESUME}; " if backup else ""
        if folder:
            folder.write_configuration(arguments)
            folder.write_history(history.history)
        if not (files and trained):
            raise KeyboardInterrupt(f"{where}; {how}no model was written")
        for file in files:
            model.save(file)
        raise KeyboardInterrupt(f"{where}; {how}the best weights so far are in {' and '.join(files)}")
    return history


# ---- Words ----------------------------------------------------------------------------------------------------------


def _describe(arguments: argparse.Namespace, parts: Parts, model: Sequential, ranks: Distribution | None) -> str:
    """Return lines about the data, the model and the ranks, printed before training."""
    data = parts.sample
    rows = [f"{len(parts.training):,} rows to train on"]
    if parts.validation is not None:
        rows.append(f"{len(parts.validation):,} held out")
    if parts.measured not in (parts.sample, parts.validation):
        rows.append(f"{len(parts.measured):,} to test with")
    if arguments.layers:
        sizes = " x ".join(map(str, model.input_shape or ())) + f", {arguments.layers}, dense {data.n_classes}"
    else:
        sizes = "-".join(map(str, [data.x.shape[1], *arguments.hidden, data.n_classes]))
    classes = shortened(data.class_names or [])
    dtype = "" if arguments.dtype == "float32" else f" in {arguments.dtype}"
    return (
        f"data:  {source_name(arguments.data)}: {', '.join(rows)}; {data.x.shape[1]} features, "
        f"{data.n_classes} classes ({classes})\n"
        f"model: {sizes}, {arguments.activation}, {model.count_params():,} parameters{dtype}; "
        f"{arguments.optimizer}, learning rate {model.optimizer.learning_rate:g}"
        + (f"\nranks: {ranks.size}, which share {ranks.shards} shards of every batch" if ranks else "")
    )


def _report(result: Result, parts: Parts, training: dict[str, Any], model: Sequential, files: list[str]) -> str:
    """Return the result as text."""
    what = "Training accuracy" if parts.measured is parts.sample else "Held-out accuracy"
    threads = f"{training['threads']} thread{'s' if training['threads'] > 1 else ''}"
    if "ranks" in training:
        threads = f"{training['ranks']} rank{'s' if training['ranks'] > 1 else ''} of {threads}"
    if files:
        size = describe_size(Path(files[0]).stat().st_size)
        kept = f"Model: {model.count_params():,} parameters, {size}, written to {' and '.join(files)}"
    else:
        kept = f"Model: {model.count_params():,} parameters, not saved; use --out model.safetensors to save it"
    headline = styled(f"{what}: {result.accuracy:.2%}", "bold", sys.stdout)
    return (
        f"{headline} ({result.correct:,} of {result.rows:,} rows; {parts.measured_is})\n\n"
        f"{format_confusion_matrix(result)}\n\n"
        f"Training: {training['epochs']} epochs of {training['rows']:,} samples in {training['seconds']:.2f} s on "
        f"{threads}, {training['samples_per_second']:,.0f} samples a second\n"
        f"{kept}"
    )
