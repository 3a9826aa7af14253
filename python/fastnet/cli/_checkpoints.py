"""The checkpoints of ``fastnet train --checkpoint``."""

import argparse
from typing import Any

from fastnet.callbacks import BackupAndRestore
from fastnet.cli._output import note
from fastnet.cli._parts import Parts
from fastnet.datasets import Dataset, StoredDataset
from fastnet.distributed.distribution import from_main
from fastnet.training.fingerprints import Fingerprint, of_stored

__all__ = ["backup_of", "how_to_resume"]

SECONDS_BETWEEN = 30.0


def how_to_resume(backup: BackupAndRestore, *, at_once: bool) -> str:
    """Return how an interrupted training goes on, by what is on the disk.

    Parameters
    ----------
    backup : BackupAndRestore
        The callback that wrote the checkpoints.
    at_once : bool
        Whether the training ended without a checkpoint of its last state: before its first step, or by a second signal.
    """
    if not backup.folder().paths():
        return "no checkpoint was written"
    return f"the same command with --resume continues from {'the last checkpoint' if at_once else 'here'}"


def backup_of(arguments: argparse.Namespace, parts: Parts) -> BackupAndRestore | None:
    """Return the callback that writes checkpoints, if they are asked for.

    Raises
    ------
    ValueError
        The folder has checkpoints, and --resume is not given.
    """
    if not arguments.checkpoint:
        return None
    keep = {} if arguments.keep is None else {"keep": arguments.keep}
    # They are deleted once the model is written and the result is printed.
    backup = BackupAndRestore(
        arguments.checkpoint, delete_checkpoint=False, seconds=arguments.every or SECONDS_BETWEEN, **keep
    )
    backup.options = {"--schedule": arguments.schedule, "--early-stopping": arguments.early_stopping}
    backup.identity = {"all_data": fingerprints(parts), "epochs": arguments.epochs}
    found = from_main(lambda: [str(path) for path in backup.folder().paths()])
    if found and not arguments.resume:
        raise ValueError(
            f"{arguments.checkpoint} has checkpoints: --resume continues from the last one; to start over, remove them "
            "or name another folder"
        )
    if found:
        note(f"resuming from {found[-1]}", arguments.quiet)
    return backup


def fingerprints(parts: Parts) -> list[dict[str, Any]]:
    """Return hashes that identify the training and validation data, down to the last row unless they are on the disk."""
    stored = [of_stored(parts.training)] if isinstance(parts.training, StoredDataset) else []
    return stored + [
        Fingerprint(array).as_dict()
        for data in (parts.training, parts.validation)
        for array in ((data.x, data.y) if isinstance(data, Dataset) else ())
        if array is not None
    ]
