"""``fastnet train``: train a classifier or a regression on raw data, and report how good it is."""

import argparse
import sys
import time
from typing import NamedTuple, NoReturn

from fastnet.callbacks import BackupAndRestore, History
from fastnet.cli._checkpoints import backup_of, how_to_resume
from fastnet.cli._defaults import resolved
from fastnet.cli._origin import note_origin
from fastnet.cli._output import check_output, names_of_files, note, output_path, print_json
from fastnet.cli._parts import Parts, load_parts
from fastnet.cli._progress import TrainingProgress
from fastnet.cli._ranks import distributed
from fastnet.cli._recipe import averaged, fit, in_unit_of_targets, make_model, means, networks_of
from fastnet.cli._run_folder import RunFolder
from fastnet.cli._training_report import describe, report, training_facts
from fastnet.cli.evaluate import measure
from fastnet.distributed.distribution import Distribution, from_main, is_main
from fastnet.files.names import MODEL_FORMATS, format_of
from fastnet.interchange.keras.architecture import config_of
from fastnet.models import Sequential
from fastnet.support.config import set_num_threads

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Train a model, write it on request, and print how good it is on data that it has not seen."""
    with distributed(arguments) as ranks:
        return _run(arguments, ranks)


def _run(arguments: argparse.Namespace, ranks: Distribution | None) -> int:
    if arguments.threads:
        set_num_threads(arguments.threads)
    from_main(lambda: _prepare_output(arguments))
    if not is_main():
        arguments.out = None
    folder = RunFolder(arguments.run_dir) if arguments.run_dir and is_main() else None
    with output_path(arguments.out, "model.safetensors") as out:
        files = [*([folder.model] if folder else []), *([out] if out else [])]
        return _train(arguments, ranks, folder, files)


def _train(
    arguments: argparse.Namespace, ranks: Distribution | None, folder: RunFolder | None, files: list[str]
) -> int:
    """Train, write the model to files, and print the result."""
    parts = load_parts(arguments)
    arguments = resolved(arguments, parts)
    model = make_model(arguments, parts)
    if arguments.out and format_of(arguments.out) == "Keras":
        if arguments.ensemble:
            raise ValueError(
                "--ensemble: files of Keras do not hold the mean of several networks; write a safetensors, ONNX or C file"
            )
        config_of(model)  # raises before the training what writing the file would raise after it
    note(describe(arguments, parts, model, ranks), arguments.quiet)

    started = time.perf_counter()
    backup = backup_of(arguments, parts)
    model, history = _fitted(arguments, parts, backup, files, folder)
    if not is_main():
        return 0
    seconds = time.perf_counter() - started + (backup.seconds_before if backup else 0.0)
    result = measure(model, parts.measured)
    note_origin(model, arguments, parts, result)
    for file in files:
        model.save(file)

    training = training_facts(arguments, len(parts.training), seconds, history, ranks)
    on_training_data = "training_errors" if parts.are_numbers else "training_accuracy"
    key = on_training_data if parts.measured is parts.sample else "held_out"
    document = {
        "data": arguments.data,
        key: {"measured_on": parts.measured_is, **result.as_json()},
        "training": {**training, "history": history},
        "parameters": model.count_params(),
        "model": arguments.out or (folder.model if folder else None),
    }
    if folder:
        folder.write_configuration(arguments)
        folder.write_history(history)
        folder.write_report("train", document)
        folder.write_page(model, parts.measured, arguments, history)
    if arguments.json:
        print_json("train", document)
    else:
        # Standard output has the model after --out -.
        print(
            report(result, parts, training, model, files, arguments), file=sys.stderr if arguments.out == "-" else None
        )
    if backup:
        backup.delete()
    return 0


def _prepare_output(arguments: argparse.Namespace) -> None:
    """Check that the files can be written, and create the folder of the run."""
    if arguments.out and arguments.out != "-":
        check_output(arguments.out, inputs=[arguments.data], formats=MODEL_FORMATS)
    if arguments.run_dir:
        RunFolder(arguments.run_dir).create(resumes=arguments.resume)


Figures = dict[str, list[float]]


def _fitted(
    arguments: argparse.Namespace,
    parts: Parts,
    backup: BackupAndRestore | None,
    files: list[str],
    folder: RunFolder | None,
) -> tuple[Sequential, Figures]:
    """Train the networks, and return the model and the figures of every epoch; after Ctrl-C, write the best weights so far."""
    models: list[Sequential] = []
    figures: list[Figures] = []
    members = networks_of(arguments)
    for number, member in enumerate(members, 1):
        if len(members) > 1:
            note(f"network {number} of {len(members)}, seed {member.seed}", arguments.quiet)
        model = make_model(member, parts)
        history, interrupted = _fit(model, parts, member, backup)
        figures.append(history.history)
        if interrupted is None or interrupted.trained:
            in_unit_of_targets(model, parts)
            models.append(model)
        if interrupted is not None:
            which = f"network {number} of {len(members)}, " if len(members) > 1 else ""
            how = f"; {how_to_resume(backup, at_once=interrupted.at_once)}" if backup else ""
            _end(f"{which}{interrupted.where}{how}", arguments, averaged(models), means(figures), files, folder)
    return averaged(models) or models[0], means(figures)


class _Interruption(NamedTuple):
    """The end of a training by Ctrl-C."""

    where: str
    trained: bool
    """Whether the weights are not those before the training."""
    at_once: bool
    """Whether no checkpoint of the last state was waited for."""


def _fit(
    model: Sequential, parts: Parts, arguments: argparse.Namespace, backup: BackupAndRestore | None
) -> tuple[History, _Interruption | None]:
    untrained = model.get_weights()
    progress = TrainingProgress(len(parts.training), arguments.batch_size, arguments.quiet)
    history = History()
    at_once = False
    try:
        fit(model, parts, arguments, [progress, history, *([backup] if backup else [])])
    except KeyboardInterrupt:  # before the first step, or pressed again while training was ending
        history.interrupted = at_once = True
    if not history.interrupted:
        return history, None
    trained = any((now != then).any() for now, then in zip(model.get_weights(), untrained, strict=True))
    return history, _Interruption(f"in epoch {progress.epoch} of {arguments.epochs}", trained, at_once)


def _end(
    where: str,
    arguments: argparse.Namespace,
    model: Sequential | None,
    history: Figures,
    files: list[str],
    folder: RunFolder | None,
) -> NoReturn:
    """Write what there is after Ctrl-C."""
    if folder:
        folder.write_configuration(arguments)
        folder.write_history(history)
    if not (files and model):
        raise KeyboardInterrupt(f"{where}; no model was written")
    for file in files:
        model.save(file)
    raise KeyboardInterrupt(f"{where}; the best weights so far are in {names_of_files(files, arguments.out)}")
