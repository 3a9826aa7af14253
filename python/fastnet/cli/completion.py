"""``fastnet completion``: a script by shtab that makes a shell complete commands."""

import argparse

from fastnet.cli._arguments import make_parser
from fastnet.cli._output import print_json

__all__ = ["run"]

NAMES = "digits mnist fashion_mnist"
# How a shell completes DATA: names of data sets beside files. tcsh has no functions.
DATA = {"bash": "_fastnet_complete_data", "zsh": "_fastnet_complete_data", "tcsh": "f"}
PREAMBLE = {
    "bash": f"""
_fastnet_complete_data() {{
  compgen -W "{NAMES}" -- "$1"
  compgen -f -- "$1"
}}
""",
    "zsh": f"""
_fastnet_complete_data() {{
  _alternative 'names:data set:({NAMES})' 'files:file:_files'
}}
""",
}


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    try:
        import shtab
    except ImportError:
        raise ImportError('completion needs shtab: pip install "fastnet-nn[completion]"') from None
    kinds = {"DATA": DATA, "MODEL": shtab.FILE, "FILE": shtab.FILE, "DIR": shtab.DIRECTORY}
    parser, commands = make_parser()
    for command in commands.values():
        for action in command._actions:
            if kind := kinds.get(str(action.metavar)):
                action.complete = kind  # type: ignore[attr-defined]
            elif action.metavar == "NAME":
                action.choices = NAMES.split()
    script = shtab.complete(parser, shell=arguments.shell, preamble=PREAMBLE)
    if arguments.json:
        print_json("completion", {"shell": arguments.shell, "script": script})
    else:
        print(script)
    return 0
