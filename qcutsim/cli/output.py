"""Where commands write: tables and JSON to standard output, everything else to standard error."""

from __future__ import annotations

import argparse
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qcutsim.errors import InputError
from qcutsim.files import exists

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from qcutsim.progress import ProgressCallback
    from qcutsim.records import SkipReport

_PLAIN_WIDTH = 160


def add_json_flag(parser: argparse.ArgumentParser) -> None:
    """``--json``: the table as data."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def print_json(data: Any) -> None:
    """Anything msgspec can encode, indented, on standard output."""
    import msgspec

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(data)).decode() + "\n")


def print_tables(*tables: Table) -> None:
    """Tables on standard output; wide where it is not a terminal."""
    console = _console(stderr=False)
    for table in tables:
        console.print(table)
        console.print()


def say(*lines: str) -> None:
    """Plain lines on standard error."""
    for line in lines:
        sys.stderr.write(line + "\n")


def progress(title: str) -> AbstractContextManager[ProgressCallback]:
    """A progress display on standard error."""
    from qcutsim.progress import show_progress

    return show_progress(title, _console(stderr=True))


def say_skipped(skipped: SkipReport) -> None:
    """Name the lines of a log that could not be read."""
    if skipped.count:
        say(f"skipped {skipped.count} unreadable line(s):", skipped.summary())


def refuse_to_overwrite(path: Path, *, force: bool) -> None:
    """Raises ``InputError`` where ``path`` is a folder, or exists without ``--force``."""
    if exists(path) and path.is_dir():
        raise InputError(f"{path}: is a folder; name a file")
    if exists(path) and not force:
        raise InputError(f"{path}: exists; give another name, or --force to replace it")


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, width=None if stream.isatty() else _PLAIN_WIDTH)
