"""Archives of Keras that are not as Keras writes them."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from record_interchange_keras import DATA

SMALL = DATA / "keras_small.keras"


def zipped(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def members_of(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def changed(path: Path, change: Callable[[dict[str, Any]], Any], source: Path = SMALL) -> Path:
    """Write a .keras file whose configuration is changed."""
    members = members_of(source)
    config = json.loads(members["config.json"])
    change(config)
    return zipped(path, {**members, "config.json": json.dumps(config).encode()})
