"""``fastnet datasets``: the built-in data sets."""

import argparse
import math
from pathlib import Path
from typing import Any

from fastnet.cli._output import describe_size, note, print_json, shortened
from fastnet.cli._report import aligned
from fastnet.datasets import idx
from fastnet.datasets._catalogue import CATALOGUE, Description
from fastnet.datasets.download import cache_folder
from fastnet.support.text import did_you_mean

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """List all data sets, or describe one and download it on request."""
    name = arguments.name
    if name is None:
        if arguments.json:
            print_json("datasets", {"datasets": [_as_json(one) for one in CATALOGUE]})
        else:
            print(_overview())
        return 0
    if name not in CATALOGUE:
        raise ValueError(
            f"there is no data set {name!r} (known are {', '.join(CATALOGUE)}){did_you_mean(name, CATALOGUE)}"
        )
    if arguments.download:
        _download(name, arguments.quiet)
    if arguments.json:
        print_json("datasets", _as_json(name))
    else:
        print(_details(name))
    return 0


def _download(name: str, quiet: bool) -> None:
    data = CATALOGUE[name]
    if data.collection is None or data.is_here:
        note(f"{name} is here", quiet)
        return
    note(f"downloading {name}, {describe_size(data.download_bytes)}, into {cache_folder() / name}", quiet)
    folder = data.collection.folder()
    if not data.is_here:  # the folder in FASTNET_DATA takes precedence
        raise FileNotFoundError(
            f"{folder} has only some of the files of {name}, and takes precedence over the cache: add the others"
        )


def _as_json(name: str) -> dict[str, Any]:
    data = CATALOGUE[name]
    return {
        "name": name,
        "title": data.title,
        "rows": data.rows,
        "test_rows": data.test_rows,
        "shape": data.shape,
        "classes": list(data.classes),
        "source": data.source,
        "license": data.license,
        "is_here": data.is_here,
        "folder": str(data.folder) if data.folder else None,
        "download_bytes": data.download_bytes,
        "sha256": dict(data.collection.sha256) if data.collection else {},
    }


# ---- Words ----------------------------------------------------------------------------------------------------------


def _overview() -> str:
    """Return a table of all data sets; the last column is not aligned, since a folder may have a long name."""
    table = [["name", "train", "test", "sample", "classes"]]
    for name, data in CATALOGUE.items():
        test = f"{data.test_rows:,}" if data.test_rows else "-"
        table.append([name, f"{data.rows:,}", test, _shape(data), str(len(data.classes))])
    where = ["where", *(_where(name) for name in CATALOGUE)]
    return "\n".join(f"{line}  {place}" for line, place in zip(aligned(table).splitlines(), where, strict=True))


def _where(name: str) -> str:
    data = CATALOGUE[name]
    if data.collection is None:
        return "in the package"
    return str(data.folder or f"not here: fastnet datasets {name} --download")


def _details(name: str) -> str:
    data = CATALOGUE[name]
    test = f", {data.test_rows:,} to test with" if data.test_rows else ""
    facts = [
        ("name", f"{name}: {data.title}"),
        ("rows", f"{data.rows:,}{' to train on' if test else ''}{test}"),
        ("samples", f"{_shape(data)} pixels, {math.prod(data.shape)} features of {data.values}"),
        ("classes", f"{len(data.classes)}: {shortened(list(data.classes))}"),
        ("source", data.source),
        ("license", data.license),
        *_files(name, data),
    ]
    return "\n".join(f"{fact + ':':<10}{value}" for fact, value in facts)


def _shape(data: Description) -> str:
    return " x ".join(map(str, data.shape))


def _files(name: str, data: Description) -> list[tuple[str, str]]:
    """Return the location and the size of the files, or where to download them."""
    if data.collection is None:
        return [("where", "in the package")]
    if data.folder is None:
        size = describe_size(data.download_bytes)
        return [
            ("where", f"not here: fastnet datasets {name} --download fetches {size} into {_cache(name)}"),
            *(("from", mirror) for mirror in data.collection.mirrors),
        ]
    paths = [idx.require(data.folder, file) for file in idx.FILES]
    return [("where", str(data.folder)), *(("file", _file(path)) for path in paths)]


def _cache(name: str) -> str:
    try:
        return str(cache_folder() / name)
    except FileNotFoundError:
        return "the folder that FASTNET_CACHE names"


def _file(path: Path) -> str:
    return f"{path.name}, {describe_size(path.stat().st_size)}"
