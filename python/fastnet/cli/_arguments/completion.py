"""The arguments of ``fastnet completion``."""

from fastnet.cli._arguments.command import Command, Parser, add_json

__all__ = ["COMMAND"]


def add_arguments(parser: Parser) -> None:
    """Add SHELL and the options."""
    parser.add_argument("shell", choices=("bash", "zsh", "fish", "tcsh"), help="the shell")
    add_json(parser)


COMMAND = Command(
    summary="print a completion script for a shell",
    description="Print a script that lets a shell complete commands, options, files and data sets. Needs the extra "
    "completion.",
    examples=(
        ("completion bash > ~/.local/share/bash-completion/completions/fastnet", ""),
        ('completion zsh > "${fpath[1]}/_fastnet"', ""),
        ("completion fish > ~/.config/fish/completions/fastnet.fish", ""),
        ("completion tcsh >> ~/.cshrc", ""),
    ),
    add_arguments=add_arguments,
)
