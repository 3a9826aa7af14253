"""What ``fastnet train --checkpoint`` writes and goes on from."""

import argparse
from typing import Any

from fastnet.callbacks import BackupAndRestore
from fastnet.cli._output import note
from fastnet.cli._recipe import Parts
from fastnet.training.fingerprints import Fingerprint

__all__ = ["HOW_TO_GO_ON", "backup_of"]

SECONDS_BETWEEN = 30.0
HOW_TO_GO_ON = "the same command with --resume goes on from here"


def backup_of(arguments: argparse.Namespace, parts: Parts) -> BackupAndRestore | None:
    """Return the callback that writes checkpoints, if they are asked for.

    Raises
    ------
    ValueError
        The folder has checkpoints, and nobody said that training is to go on from them.
    """
    if not arguments.checkpoint:
        return None
    keep = {} if arguments.keep is None else {"keep": arguments.keep}
    # They are removed when the model is written and the result is printed.
    backup = BackupAndRestore(
        arguments.checkpoint, delete_checkpoint=False, seconds=arguments.every or SECONDS_BETWEEN, **keep
    )
    backup.identity = {"all_data": fingerprints(parts), "epochs": arguments.epochs}
    found = backup.folder().paths()
    if found and not arguments.resume:
        raise ValueError(
            f"{arguments.checkpoint} has checkpoints: --resume goes on from the last one; remove them, or name another "
            "folder, to begin anew"
        )
    if found:
        note(f"going on from {found[-1]}", arguments.quiet)
    return backup


def fingerprints(parts: Parts) -> list[dict[str, Any]]:
    """Return what tells the data that are trained on and validated with from others, to the last row."""
    return [
        Fingerprint(array).as_dict()
        for data in (parts.training, parts.validation)
        for array in (() if data is None else (data.x, data.y))
        if array is not None
    ]
