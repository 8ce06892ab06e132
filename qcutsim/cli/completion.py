"""Print a script by which a shell completes commands, options, choices and file names.

bash:  eval "$(qcutsim completion bash)"     in ~/.bashrc
zsh:   qcutsim completion zsh > DIR/_qcutsim  where DIR is in $fpath
fish:  qcutsim completion fish > ~/.config/fish/completions/qcutsim.fish
"""

from __future__ import annotations

import argparse

EXAMPLE = 'eval "$(qcutsim completion bash)"'

SHELLS = ("bash", "zsh", "fish")
_FILES = ("FILE", "LOG", "PROFILE", "SCENARIO")
_FOLDERS = ("DIR",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("shell", choices=SHELLS, help="the shell it is for")


def run(arguments: argparse.Namespace) -> None:
    """Print it."""
    from qcutsim.cli import make_parser
    from qcutsim.cli.output import print_text
    from qcutsim.extras import require

    require("shtab")
    import shtab

    parser = make_parser()
    _name_what_is_a_path(parser)
    print_text(shtab.complete(parser, arguments.shell))


def _name_what_is_a_path(parser: argparse.ArgumentParser) -> None:
    """Tell shtab, for this command and those below it, by what the help calls them."""
    import shtab

    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _name_what_is_a_path(command)
        elif action.metavar in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif action.metavar in _FOLDERS:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
