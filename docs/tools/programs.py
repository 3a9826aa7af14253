"""The programs of the documentation: finding the blocks of code of a page, and running them.

All blocks of Python of a page run in order in one namespace, blocks of `sh` in a shell, all in one folder. A block of another
language with the title "run.toml" is written to that file. A block with the title "not tested: reason" is left out. A block of `text` behind a program is what the program prints, with the title "about" where that depends on the machine.

usage: python docs/tools/programs.py PAGE FOLDER    runs the programs of a page in a folder, for the pictures they draw
"""

import contextlib
import io
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

FENCE = re.compile(r"^(?P<indent> *)```(?P<info>.*)\n(?P<code>(?:.*\n)*?)(?P=indent)```$", re.MULTILINE)
TITLE = re.compile(r'title="([^"]+)"')
FILE_NAME = re.compile(r"[\w-]+\.\w+")
# Titles that say what the tests do with a block.
NOTE = re.compile(r"""^(?P<fence> *```\w[^\n]*?) title="(?:not tested: [^"]*|about)\"""", re.MULTILINE)
PICTURE = re.compile(r"!\[[^\]]*\]\(([^):#]+)(?:#[\w-]+)?\)")


class Block(NamedTuple):
    line: int
    language: str
    code: str
    title: str
    output: str | None  # what the page says that it prints
    about: bool  # whether that is said to be so on some machines only

    @property
    def tested(self) -> bool:
        return not self.title.startswith("not tested: ")

    @property
    def is_file(self) -> bool:
        return self.language not in ("python", "sh", "text") and FILE_NAME.fullmatch(self.title) is not None


def blocks(text: str) -> Iterator[Block]:
    """Find the blocks of code of a page."""
    found = list(FENCE.finditer(text))
    for number, fence in enumerate(found):
        language = fence["info"].partition(" ")[0]
        output, about = None, False
        if number + 1 < len(found):
            following = found[number + 1]
            if following["info"].startswith("text") and not text[fence.end() : following.start()].strip():
                output, about = textwrap.dedent(following["code"]), 'title="about"' in following["info"]
        line = text.count("\n", 0, fence.start()) + 1
        title = TITLE.search(fence["info"])
        yield Block(line, language, textwrap.dedent(fence["code"]), title[1] if title else "", output, about)


def without_notes(text: str) -> str:
    """Return a page without what its blocks say to the tests."""
    return NOTE.sub(r"\g<fence>", text)


def pictures(text: str) -> set[str]:
    """Return the relative paths of the pictures that a page shows."""
    return set(PICTURE.findall(FENCE.sub("", text)))


def run_page(text: str, name: str) -> Iterator[tuple[Block, str]]:
    """Run the programs of a page in the current folder; give each with what it printed."""
    namespace = {"__name__": "documentation"}
    for block in blocks(text):
        if block.tested and block.language == "python":
            yield block, run_python(block, name, namespace)
        elif block.tested and block.language == "sh":
            yield block, run_shell(block)
        elif block.is_file:
            Path(block.title).write_text(block.code, encoding="utf-8")


def run_python(block: Block, name: str, namespace: dict[str, object]) -> str:
    code = compile("\n" * block.line + block.code, name, "exec")  # so that a traceback has the page's lines
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(code, namespace)
    return out.getvalue()


def run_shell(block: Block) -> str:
    environment = {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    command = ["bash", "-euo", "pipefail", "-c", block.code]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise RuntimeError(f"the commands in line {block.line} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def main() -> None:
    page, folder = Path(sys.argv[1]).resolve(), sys.argv[2]
    os.chdir(folder)
    for _ in run_page(page.read_text(encoding="utf-8"), str(page)):
        pass


if __name__ == "__main__":
    main()
