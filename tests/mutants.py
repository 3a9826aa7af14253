"""Model files that are damaged or forged, and a program that loads them: see test_mutated_files.py.

usage: python mutants.py FOLDER FIRST LAST

Loads the mutants FIRST to LAST - 1 and prints what became of them as JSON. The program may not take much more memory than
it has, nor more than some seconds a file.
"""

import json
import random
import signal
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastnet as fn
from fastnet import _core
from whole_models import whole_models

ODD: list[Any] = [
    *[
        None,
        True,
        -1,
        0,
        1,
        2,
        3.5,
        1e308,
        -1e-308,
        2**31,
        2**53,
        2**63 - 1,
        2**63,
        10**30,
        10**18,
        "",
        "x",
        "犬",
        "\0",
    ],
    *[
        [],
        [1],
        [[]],
        {},
        {"a": 1},
        [2**40, 2**40],
        "Dense",
        "softmax",
        "adam",
        {"class_name": "Dense"},
        [None] * 100,
        ["("],
    ],
]
SPARE_MEMORY = 48 << 20  # bytes: for what Python takes on its way, whatever the files are
SECONDS = 20  # for one file, on a machine that is busy

Mutation = Callable[[random.Random, bytes], bytes]


# ---- Bytes ----------------------------------------------------------------------------------------------------------


def flip_bits(rng: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 2, 8, 64])):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def flip_bits_of_header(rng: random.Random, content: bytes) -> bytes:
    start = arrays_of(content)
    return flip_bits(rng, content[:start]) + content[start:]


def flip_bits_of_arrays(rng: random.Random, content: bytes) -> bytes:
    start = arrays_of(content)
    return content[:start] + flip_bits(rng, content[start:])


def truncate(rng: random.Random, content: bytes) -> bytes:
    return content[: rng.randrange(len(content))]


def append(rng: random.Random, content: bytes) -> bytes:
    return content + rng.randbytes(rng.choice([1, 8, 1000]))


def insert(rng: random.Random, content: bytes) -> bytes:
    place = rng.randrange(len(content))
    return content[:place] + rng.choice([rng.randbytes(8), b"0", b"9" * 40, b"[" * 5000, b" " * 64]) + content[place:]


def remove(rng: random.Random, content: bytes) -> bytes:
    place = rng.randrange(len(content))
    return content[:place] + content[place + rng.choice([1, 8, 100]) :]


def overwrite(rng: random.Random, content: bytes) -> bytes:
    place, size = rng.randrange(len(content)), rng.choice([1, 4, 32, 200])
    new = rng.choice([bytes(size), b"\xff" * size, rng.randbytes(size), b"9" * size])
    return content[:place] + new[: len(content) - place] + content[place + size :]


def exchange_blocks(rng: random.Random, content: bytes) -> bytes:
    size = rng.choice([4, 8, 64, 256])
    a, b = sorted(rng.sample(range(0, len(content) - size, size), 2))
    return (
        content[:a] + content[b : b + size] + content[a + size : b] + content[a : a + size] + content[b + size :]
    )  # fmt: skip


def change_length_of_header(rng: random.Random, content: bytes) -> bytes:
    length = arrays_of(content) - 8
    new = rng.choice(
        [length + 1, length - 1, length + 8, 0, 1, len(content), len(content) - 8, 10**8, 2**63, 2**64 - 1]
    )
    return new.to_bytes(8, "little") + content[8:]


def grow_header(rng: random.Random, content: bytes) -> bytes:
    start, spaces = arrays_of(content), rng.choice([1, 8, 100_000])
    return (start - 8 + spaces).to_bytes(8, "little") + content[8:start] + b" " * spaces + content[start:]


# ---- What a header says ---------------------------------------------------------------------------------------------


def change_entry(rng: random.Random, header: Any) -> None:
    """Change the dtype, the shape or the place of a tensor."""
    entry = header[rng.choice(tensors_of(header))]
    match rng.choice(["dtype", "shape", "offsets", "any"]):
        case "dtype":
            entry["dtype"] = rng.choice(["F16", "F32", "F64", "BF16", "I32", "U8", "BOOL", "F8_E4M3", "f4", 4])
        case "shape":
            shape = entry["shape"]
            new = [shape[::-1], [*shape, 1], shape[1:], [0], [2**62, 4], [10**9] * 3, [-1], [1] * 65, [2**64]]
            entry["shape"] = rng.choice(new)
        case "offsets":
            entry["data_offsets"][rng.randrange(2)] += rng.choice([-8, -4, -1, 1, 4, 8, 2**40, -(2**40)])
        case _:
            entry[rng.choice(["dtype", "shape", "data_offsets", "surprise"])] = rng.choice(ODD)


def exchange_entries(rng: random.Random, header: Any) -> None:
    one, other = rng.sample(tensors_of(header), 2)
    part = rng.choice(["all", "shape", "data_offsets"])
    if part == "all":
        header[one], header[other] = header[other], header[one]
    else:
        header[one][part], header[other][part] = header[other][part], header[one][part]


def change_names(rng: random.Random, header: Any) -> None:
    name = rng.choice(tensors_of(header))
    entry = header[name] if rng.random() < 0.3 else header.pop(name)
    header[rng.choice([name + "x", "", "layers.0", "a" * 10_000, name.replace("layers", "Layers")])] = entry


def change_metadata(rng: random.Random, header: Any) -> None:
    metadata = header["__metadata__"]
    key = rng.choice(sorted(set(metadata) - {"checksum"}))
    match rng.choice(["remove", "replace", "deep", "text", "rename"]):
        case "remove":
            del metadata[key]
        case "replace":
            metadata[key] = rng.choice(ODD)
        case "deep":
            metadata[key] = rng.choice(["[", '{"a":', '{"layers":[{"class_name":"Residual","config":']) * 20_000
        case "text":
            metadata[key] = rng.choice(["", "NaN", "[NaN]", "1e999", "9" * 5000, '{"a":1,"a":2}', "[[],[],[]]", "null"])
        case _:
            metadata[rng.choice(["compile", "config", "format", "x"])] = metadata.pop(key)


def change_json(rng: random.Random, header: Any) -> None:
    """Change something somewhere inside an entry of the metadata that is JSON."""
    key = rng.choice(["config"] * 4 + ["compile"] * 4 + ["class_names", "feature_names", "metrics", "receipt"])
    tree = json.loads(header["__metadata__"][key])
    places = list(places_in(tree))
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        change_place(rng, *rng.choice(places))
    header["__metadata__"][key] = json.dumps(tree)


def change_place(rng: random.Random, owner: Any, key: Any) -> None:
    if key not in (owner if isinstance(owner, dict) else range(len(owner))):
        return  # an earlier change has removed it
    old = owner[key]
    match rng.choice(["replace", "replace", "near", "remove", "again", "rename"]):
        case "replace":
            owner[key] = rng.choice(ODD)
        case "near" if isinstance(old, int | float):
            owner[key] = rng.choice([old + 1, old - 1, -old, old * 10**6, old / 3])
        case "near" if isinstance(old, str):
            owner[key] = rng.choice([old + "x", old[1:], old.upper(), old * 1000, "Dense", "Dropout", "relu", "SGD"])
        case "remove":
            del owner[key]
        case "again" if isinstance(owner, list):
            owner.extend([old] * rng.choice([1, 2, 100]))
        case _:
            owner.update({f"{key}x": old}) if isinstance(owner, dict) else owner.reverse()


def places_in(tree: Any) -> Any:
    """Yield the dictionary or list, and the key in it, of everything in a tree of JSON."""
    keys = list(tree) if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
    for key in keys:
        yield tree, key
        yield from places_in(tree[key])


def tensors_of(header: Any) -> list[str]:
    return [name for name in header if name != "__metadata__"]


# ---- Mutants --------------------------------------------------------------------------------------------------------

DAMAGES: list[Mutation] = [
    *[flip_bits, flip_bits_of_header, flip_bits_of_arrays, truncate, append, insert, remove, overwrite],
    *[exchange_blocks, change_length_of_header, grow_header],
]
CHANGES: list[Callable[[random.Random, Any], None]] = [
    *[change_entry, exchange_entries, change_names, change_metadata, change_json, change_json, change_json],
]


def arrays_of(content: bytes) -> int:
    """Return where the arrays begin."""
    return 8 + int.from_bytes(content[:8], "little")


def changed(rng: random.Random, content: bytes, checksum: str) -> bytes:
    """Return a file whose header says something else, with a checksum that is "old", "right" or "absent"."""
    start = arrays_of(content)
    header = json.loads(content[8:start])
    rng.choice(CHANGES)(rng, header)
    metadata = header["__metadata__"]
    if checksum == "absent":
        metadata.pop("checksum", None)
    if checksum == "right":
        metadata["checksum"] = "0" * 16
    text = json.dumps(header, separators=(",", ":")).encode()
    new = len(text).to_bytes(8, "little") + text + content[start:]
    if checksum != "right":
        return new
    right = _core.Checksum()
    right.update(new)
    return new.replace(b'"checksum":"' + b"0" * 16, b'"checksum":"' + right.hexdigest().encode(), 1)


def mutant(number: int, contents: list[bytes]) -> tuple[bytes, bool]:
    """Return mutant `number` of the whole files, and whether it must be refused or equal to the original."""
    rng = random.Random(f"mutant {number}")
    content = contents[number % len(contents)]
    kind = number % 10
    if kind < 5:
        return rng.choice(DAMAGES)(rng, content), True
    if kind == 5:
        return changed(rng, content, "old"), True
    if kind == 6:  # what damage does where no checksum tells of it
        start = arrays_of(content)
        header = json.loads(content[8:start])
        del header["__metadata__"]["checksum"]
        text = json.dumps(header).encode()
        return rng.choice(DAMAGES)(rng, len(text).to_bytes(8, "little") + text + content[start:]), False
    return changed(rng, content, "right" if kind < 9 else "absent"), False


# ---- Loading --------------------------------------------------------------------------------------------------------


def described(model: fn.Sequential) -> tuple[Any, ...]:
    """Return all that a file says about a model."""
    weights = [(array.dtype.str, array.shape, array.tobytes()) for array in model.get_weights()]
    names = model.class_names, model.feature_names
    trained = model.figures, model._receipt.for_file("")
    return weights, model.get_config(), model.get_compile_config(), names, trained


def fate(path: Path, original: tuple[Any, ...]) -> str:
    """Return what becomes of a file: "refused", "same", "other" or a description of what should not be."""
    try:
        model = fn.load_model(path)
    except (ValueError, OSError) as error:
        message = str(error)
        whole = str(path) in message and "\n" not in message and len(message) < 600
        return "refused" if whole else f"a message that says too little or too much: {message:.800}"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return "same" if described(model) == original else "other"


def limit_resources() -> None:
    """From here on the process ends, or raises, when it takes much memory or hangs."""
    if hasattr(signal, "alarm"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    if sys.platform == "linux":
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + SPARE_MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main(folder: Path, first: int, last: int) -> None:
    contents, originals = [], []
    for number, model in enumerate(whole_models()):
        path = folder / f"{number}.safetensors"
        model.save(path)
        contents.append(path.read_bytes())
        originals.append(described(fn.load_model(path)))
        assert originals[-1] == described(model)
    limit_resources()
    tracemalloc.start()
    fates: Counter[str] = Counter()
    most = 0.0
    for number in range(first, last):
        content, strict = mutant(number, contents)
        path = folder / "mutant.safetensors"
        path.write_bytes(content)
        if hasattr(signal, "alarm"):
            signal.alarm(SECONDS)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        result = fate(path, originals[number % len(originals)])
        most = max(most, (tracemalloc.get_traced_memory()[1] - before) / (len(content) + 10_000))
        if (strict and result == "other") or result not in ("refused", "same", "other"):
            result = f"mutant {number}: {result}"
        fates[result] += 1
    print(json.dumps({"fates": fates, "bytes of Python and NumPy for a byte of the file": most}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
