"""Arrays in HDF5 files that nobody vouches for, read by h5py: no other file is opened, no size is believed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

__all__ = ["SIGNATURE", "check_float_array", "group", "member", "opened"]

SIGNATURE = b"\x89HDF\r\n\x1a\n"


@contextmanager
def opened(file: str | os.PathLike[str] | BinaryIO, path: str | os.PathLike[str]) -> Iterator[Any]:
    """Yield an open HDF5 file.

    Parameters
    ----------
    file : path or binary file object
    path : path
        What the user knows the file by, for messages.

    Raises
    ------
    ImportError
        h5py is not installed.
    ValueError
        What is read in the body is damaged or cut short.
    """
    try:
        import h5py
    except ImportError:
        raise ImportError(
            f'{os.fspath(path)} is a file of Keras, which h5py reads: pip install "fastnet-nn[keras]"'
        ) from None
    try:
        with h5py.File(file, "r") as root:
            yield root
    except NotImplementedError:  # a RuntimeError, which is not HDF5's
        raise
    except (OSError, RuntimeError) as error:
        raise ValueError(f"its HDF5 part is damaged or cut short ({error})") from error


def member(group: Any, path: str) -> Any:
    """Return the group or the array at a path inside a group, or None where there is none.

    Raises
    ------
    ValueError
        A name on the way stands for something elsewhere.
    """
    import h5py

    for name in path.split("/"):
        link = group.get(name, getlink=True) if isinstance(group, h5py.Group) else None
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"{name!r} in it is a link to another place, which is not followed")
        group = group[name]
    return group


def group(parent: Any, path: str) -> Any:
    """Return the group at a path inside a group, or None where there is none; an error for what is not a group."""
    import h5py

    found = member(parent, path)
    if found is not None and not isinstance(found, h5py.Group):
        raise ValueError(f"{path!r} in it must be a group; got {type(found).__name__}")
    return found


def check_float_array(name: str, dataset: Any) -> None:
    """Refuse what is not an array of floating-point numbers that the file itself holds."""
    import h5py

    if not isinstance(dataset, h5py.Dataset):
        raise ValueError(f"{name} in it must be an array; got {type(dataset).__name__}")
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"the values of {name} are in another file, which is not read")
    if dataset.dtype.kind != "f":
        raise ValueError(f"{name} must hold floating-point numbers; got dtype {dataset.dtype}")
