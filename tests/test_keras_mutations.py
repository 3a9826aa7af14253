"""Files of Keras that are damaged: an error that names the file, or a model; never a crash, a hang or much memory."""

import io
import random
import re
import time
import tracemalloc
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet as fn
from keras_archives import SMALL, members_of, zipped
from mutants import append, exchange_blocks, flip_bits, insert, overwrite, remove, truncate
from record_interchange_keras import DATA, MODELS

h5py = pytest.importorskip("h5py")

SECONDS = 5  # for one file, on a machine that is busy
MOST_MEMORY = 4e6  # bytes; the files have 20 to 60 thousand


def change_number(rng: random.Random, content: bytes) -> bytes:
    """Put an address, or another number, in the place of eight bytes, which may be an address."""
    place = rng.randrange(0, len(content) - 8, 8)
    new = rng.choice([rng.randrange(0, len(content), 8), 0, 1, 2**16, 2**32, 2**63, 2**64 - 1, len(content)])
    return content[:place] + new.to_bytes(8, "little") + content[place + 8 :]


def change_structure(rng: random.Random, content: bytes) -> bytes:
    """Change a byte near the beginning of a structure: a version, a level, a count or a size."""
    places = [found.start() for found in re.finditer(b"TREE|SNOD|HEAP|GCOL|OHDR|FRHP|FHIB|BTHD|BTIN|BTLF", content)]
    if not places:
        return flip_bits(rng, content)
    changed = bytearray(content)
    changed[min(rng.choice(places) + 4 + rng.randrange(16), len(content) - 1)] = rng.choice([0, 1, 2, 255, 127])
    return bytes(changed)


MUTATIONS = [
    *[flip_bits, truncate, append, insert, remove, overwrite, exchange_blocks],
    *[change_number, change_number, change_structure, change_structure],
]


def rewritten(content: bytes, copy: Callable[[Any, Any], Any], **options: Any) -> bytes:
    """Return an HDF5 file as h5py writes it with these options."""
    target = io.BytesIO()
    with h5py.File(io.BytesIO(content)) as old, h5py.File(target, "w", **options) as new:
        new.attrs.update(old.attrs)
        old.visititems(lambda name, item: copy(new, item))
    return target.getvalue()


def copied(new: Any, item: Any) -> None:
    if isinstance(item, h5py.Group):
        made = new.require_group(item.name)
    else:
        made = new.create_dataset(item.name, data=item[()])
    made.attrs.update(item.attrs)


def compressed(new: Any, item: Any) -> None:
    if isinstance(item, h5py.Group) or not item.shape:
        copied(new, item)
    else:
        new.create_dataset(item.name, data=item[()], chunks=True, compression="gzip", shuffle=True)


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    whole = (DATA / "keras_small.h5").read_bytes()
    files = {path.name: path.read_bytes() for path in [SMALL, DATA / "keras_layers.keras"]}
    weights = (DATA / "keras_small.weights.h5").read_bytes()
    return {
        **files,
        "small.h5": whole,
        "small.weights.h5": weights,
        "latest.h5": rewritten(whole, copied, libver="latest"),
        "latest.weights.h5": rewritten(weights, copied, libver="latest"),
        "compressed.h5": rewritten(whole, compressed),
        "compressed.weights.h5": rewritten(weights, compressed),
    }


def loaded(path: Path) -> fn.Sequential:
    if not path.name.endswith(".weights.h5"):
        model: fn.Sequential = fn.load_model(path)
        return model
    model = fn.Sequential([getattr(fn.layers, name)(**arguments) for name, arguments in MODELS["small"][0]])
    model.load_weights(path)
    return model


def mutated(rng: random.Random, name: str, content: bytes, path: Path) -> None:
    """Write a damaged file: most archives are whole, and have a damaged member."""
    mutate = rng.choice(MUTATIONS)
    if name.endswith(".keras") and rng.random() < 0.8:
        path.write_bytes(content)
        members = members_of(path)
        member = rng.choice(["config.json", *["model.weights.h5"] * 4])
        zipped(
            path,
            {**members, member: mutate(rng, members[member])},
            rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
        )
    else:
        path.write_bytes(mutate(rng, content))


def fates_of(first: int, last: int, files: dict[str, bytes], folder: Path) -> Counter[str]:
    fates: Counter[str] = Counter()
    names = sorted(files)
    for number in range(first, last):
        rng = random.Random(f"Keras {number}")
        name = names[number % len(names)]
        path = folder / name
        mutated(rng, name, files[name], path)
        if tracemalloc.is_tracing():
            tracemalloc.reset_peak()
        memory, start = tracemalloc.get_traced_memory()[0], time.perf_counter()
        try:
            loaded(path)
        except ValueError as error:
            fates["refused" if f"cannot load {path}: " in str(error) else f"{number}: {error}"] += 1
        else:
            fates["model"] += 1
        assert time.perf_counter() - start < SECONDS, number
        assert tracemalloc.get_traced_memory()[1] - memory < MOST_MEMORY, number
    assert set(fates) <= {"refused", "model"}
    return fates


def load_all(files: dict[str, bytes], folder: Path) -> None:
    """Load every file as it is, so that what is taken once is not taken for theirs."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
        assert np.isfinite(loaded(folder / name).get_weights()[-1]).all()


@pytest.mark.filterwarnings("ignore:.*is not compiled as in Keras", "ignore:.*frozen")
def test_damaged_files_are_refused_or_models_and_take_little_memory(files: dict[str, bytes], tmp_path: Path) -> None:
    load_all(files, tmp_path)
    tracemalloc.start()
    try:
        fates = fates_of(0, 160, files, tmp_path)
    finally:
        tracemalloc.stop()
    assert min(fates["refused"], fates["model"]) > 20


@pytest.mark.slow
@pytest.mark.parametrize("first", [160, 2660])
@pytest.mark.filterwarnings("ignore:.*is not compiled as in Keras", "ignore:.*frozen")
def test_5000_damaged_files_are_refused_or_models(first: int, files: dict[str, bytes], tmp_path: Path) -> None:
    load_all(files, tmp_path)
    fates_of(first, first + 2500, files, tmp_path)
