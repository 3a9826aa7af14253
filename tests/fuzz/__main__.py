"""Fuzz readers one after the other: python -m fuzz [--seconds N] [--build FOLDER] [READER ...], in the folder tests.

What a fuzzer has found out about a reader stays in the folder, and the next run begins with it. An input with which a reader does what it may not is
kept there, too, with how to run it again; make it small and put it into tests/fuzz/found, where test_fuzzed.py tries it ever after.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from fuzz.readers import READERS
from fuzz.seeds import SEEDS

TESTS = Path(__file__).resolve().parent.parent
FOUND = TESTS / "fuzz" / "found"
MEMORY = Path("/dev/shm")  # of Linux: files that are on no disk
SLOWEST = 20  # seconds for one input, on a machine that is busy
MOST_MEMORY = 2048  # MB of the process


def fuzz(name: str, seconds: int, folder: Path) -> bool:
    """Fuzz a reader; return whether nothing was found."""
    corpus, seeds, findings = (folder / name / part for part in ("corpus", "seeds", "findings"))
    for made in (corpus, seeds, findings):
        made.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(SEEDS[name]()):
        (seeds / str(number)).write_bytes(content)
    inputs = [corpus, seeds, *([FOUND / name] if (FOUND / name).is_dir() else [])]
    limits = [f"-max_total_time={seconds}", f"-timeout={SLOWEST}", f"-rss_limit_mb={MOST_MEMORY}", "-max_len=65536"]
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as work:
        one = [sys.executable, "-m", "fuzz.one", name]
        command = [*one, work, *map(str, inputs), *limits, f"-artifact_prefix={findings}/"]
        done = subprocess.run(command, cwd=TESTS, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    output = done.stdout.decode(errors="replace")  # what is fuzzed may be in it
    last = [line for line in output.splitlines() if line.startswith("Done ")]
    print(f"{name:<12} {last[-1] if last else 'stopped'}", flush=True)
    if done.returncode:
        end = "\n".join(line for line in output.splitlines()[-60:] if not line.startswith("#"))
        print(f"{end}\nagain, in {TESTS}: {' '.join(one)} {tempfile.gettempdir()} FILE\n", flush=True)
    return done.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz")
    parser.add_argument("readers", nargs="*", metavar="READER", help=f"one of {', '.join(READERS)} (default: all)")
    parser.add_argument("--seconds", type=int, default=60, help="for each reader (default: %(default)s)")
    parser.add_argument("--build", type=Path, default=Path("../build/fuzz"), help="the folder of what is found out")
    given = parser.parse_args()
    for unknown in {*given.readers} - {*READERS}:
        parser.error(f"there is no reader {unknown}; there are {', '.join(READERS)}")
    whole = [fuzz(name, given.seconds, given.build.resolve()) for name in given.readers or READERS]
    return int(not all(whole))


if __name__ == "__main__":
    sys.exit(main())
