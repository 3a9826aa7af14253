"""Finish wheels: add the licenses of the libraries that they carry, and write them in one form.

    python tools/finish_wheel.py dist

auditwheel, delocate and delvewheel copy the OpenMP runtime into a wheel and leave its license out. What they write also
depends on the umask, the time and the order of a folder. Here times come from SOURCE_DATE_EPOCH, and all else from the
contents, so that two builds give the same bytes. It needs zopfli, whose archives are 3.5% smaller than zlib's.
"""

import base64
import csv
import hashlib
import io
import os
import re
import stat
import sys
import time
import zipfile
from pathlib import Path
from unittest import mock

import zopfli.zlib

LICENSES = Path(__file__).resolve().parent.parent / "licenses"
# Where the three programs put libraries: auditwheel and delvewheel in *.libs, delocate in .dylibs.
LIBRARY = re.compile(r"(?:.*/)?(?:[^/]+\.libs|\.dylibs)/([^/]+)")
# The folder of licenses of each library. Visual C++'s runtime may be redistributed without a notice.
FOLDERS = {"libgomp": "libgomp", "libomp": "libomp", "msvcp": None, "vcruntime": None}
FIRST_TIME = 315532800  # 1980, before which a zip archive has no times


def licenses_of(names: list[str]) -> dict[str, bytes]:
    """Return the license files of the libraries in a wheel, by their path in the repository."""
    found = {}
    for name in names:
        library = LIBRARY.fullmatch(name)
        if not library or library[1].startswith("."):
            continue
        known = [prefix for prefix in FOLDERS if library[1].startswith(prefix)]
        if not known:
            raise SystemExit(f"the wheel carries {name}, whose license tools/finish_wheel.py does not know")
        if folder := FOLDERS[known[0]]:
            for file in sorted((LICENSES / folder).iterdir()):
                found[f"licenses/{folder}/{file.name}"] = file.read_bytes()
    return found


def with_license_files(metadata: bytes, files: list[str]) -> bytes:
    """Return METADATA with a License-File line for each file that has none."""
    header, separator, description = metadata.partition(b"\n\n")
    lines = header.decode().split("\n")
    new = [line for file in files if (line := f"License-File: {file}") not in lines]
    last = max(index for index, line in enumerate(lines) if line.startswith("License-File: "))
    return "\n".join([*lines[: last + 1], *new, *lines[last + 1 :]]).encode() + separator + description


def record_of(contents: dict[str, bytes], record: str) -> bytes:
    """Return the RECORD of a wheel: the SHA-256 and the size of each file but itself."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    for name, data in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.writerow([name, f"sha256={digest}", len(data)])
    rows.writerow([record, "", ""])
    return text.getvalue().encode()


def finish(wheel: Path) -> None:
    """Rewrite a wheel with its licenses; a second time changes nothing."""
    with zipfile.ZipFile(wheel) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        contents = {entry.filename: archive.read(entry) for entry in entries}
    executable = {entry.filename for entry in entries if entry.external_attr >> 16 & stat.S_IXUSR}
    (info,) = {name.partition("/")[0] for name in contents if name.partition("/")[0].endswith(".dist-info")}
    licenses = licenses_of(list(contents))
    contents |= {f"{info}/licenses/{name}": data for name, data in licenses.items()}
    contents[f"{info}/METADATA"] = with_license_files(contents[f"{info}/METADATA"], list(licenses))
    contents.pop(f"{info}/RECORD")
    # The folder with the metadata comes last, as the format recommends.
    contents = dict(sorted(contents.items(), key=lambda item: (item[0].startswith(f"{info}/"), item[0])))
    contents[f"{info}/RECORD"] = record_of(contents, f"{info}/RECORD")
    write(wheel, contents, executable)


class Compressor:
    """A compressor like zlib's, for the format of zip archives: without zlib's header and checksum."""

    def __init__(self, *_options: object) -> None:
        self.data: list[bytes] = []

    def compress(self, data: bytes) -> bytes:
        self.data.append(bytes(data))
        return b""

    def flush(self) -> bytes:
        return zopfli.zlib.compress(b"".join(self.data), numiterations=5)[2:-4]


def write(wheel: Path, contents: dict[str, bytes], executable: set[str]) -> None:
    """Write an archive whose bytes depend on its contents and SOURCE_DATE_EPOCH."""
    moment = time.gmtime(max(int(os.environ.get("SOURCE_DATE_EPOCH", FIRST_TIME)), FIRST_TIME))[:6]
    unfinished = wheel.with_suffix(".unfinished")
    # zipfile has no public place for another compressor.
    with mock.patch("zipfile._get_compressor", Compressor), zipfile.ZipFile(unfinished, "w") as archive:
        for name, data in contents.items():
            entry = zipfile.ZipInfo(name, moment)
            entry.create_system = 3  # Unix, on Windows too
            entry.external_attr = (stat.S_IFREG | (0o755 if name in executable else 0o644)) << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    unfinished.replace(wheel)


def main() -> None:
    wheels = [wheel for path in map(Path, sys.argv[1:]) for wheel in ([path] if path.is_file() else path.glob("*.whl"))]
    if not wheels:
        raise SystemExit(f"no wheel in {' '.join(sys.argv[1:]) or 'nothing: name wheels or folders'}")
    for wheel in wheels:
        finish(wheel)


if __name__ == "__main__":
    main()
