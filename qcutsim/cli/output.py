"""Where commands write: tables and JSON to standard output, everything else to standard error."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qcutsim.errors import InputError, QcutsimError
from qcutsim.files import exists
from qcutsim.visibletext import visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from qcutsim.logreader import SkipReport
    from qcutsim.progress import ProgressCallback

_PLAIN_WIDTH = 200


def add_json_flag(parser: argparse.ArgumentParser) -> None:
    """``--json``: the table as data."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def print_json(data: Any) -> None:
    """Anything msgspec can encode, indented, on standard output."""
    import msgspec

    print_text(msgspec.json.format(msgspec.json.encode(data)).decode())


def print_text(text: str) -> None:
    """Text on standard output, as it is."""
    with _standard_output():
        sys.stdout.write(text.rstrip("\n") + "\n")
        sys.stdout.flush()


def print_tables(*tables: Table) -> None:
    """Tables on standard output; on a terminal the columns that fit, elsewhere all of them."""
    from qcutsim.cli.fitting import fitted, natural_width

    console = _console(stderr=False)
    with _standard_output():
        for table in tables:
            if console.is_terminal:
                console.print(fitted(table, console.width))
            else:
                console.print(table, width=max(console.width, natural_width(table)))
            console.print()


def say(*lines: str) -> None:
    """Plain lines on standard error."""
    for line in lines:
        sys.stderr.write(visible(line, keep="\n\t") + "\n")


def progress(title: str) -> AbstractContextManager[ProgressCallback]:
    """A progress display on standard error."""
    from qcutsim.progress import show_progress

    return show_progress(title, _console(stderr=True))


def add_live_flag(parser: argparse.ArgumentParser, what: str) -> None:
    """``--live``: what is going on, on a terminal."""
    parser.add_argument("--live", action="store_true", help=f"show {what} while it goes on")


def live_console(*, is_asked: bool) -> Console | None:
    """The terminal for a live view; ``None`` where nobody asked, or there is none: that is said."""
    console = _console(stderr=True)
    if is_asked and console.is_terminal and not console.is_dumb_terminal:
        return console
    if is_asked:
        say("--live: standard error is no terminal; how far it is follows line by line")
    return None


def say_skipped(skipped: SkipReport) -> None:
    """Name the lines of a log that could not be read."""
    if skipped.count:
        say(f"skipped {skipped.count} unreadable line(s):", skipped.summary())


@contextmanager
def naming_skipped() -> Iterator[SkipReport]:
    """Collects lines that could not be read and names them, also where the command fails."""
    from qcutsim.logreader import SkipReport

    skipped = SkipReport()
    try:
        yield skipped
    finally:
        say_skipped(skipped)


def refuse_to_overwrite(path: Path, *, force: bool) -> None:
    """Raises ``InputError`` where ``path`` is no file, or exists without ``--force``."""
    if exists(path) and not path.is_file():
        kind = "a folder" if path.is_dir() else "no regular file"
        raise InputError(f"{path}: is {kind}; name a file")
    if exists(path) and not force:
        raise InputError(f"{path}: exists; give another name, or --force to replace it")


@contextmanager
def _standard_output() -> Iterator[None]:
    """Raises ``QcutsimError`` where standard output takes nothing more, as on a full disk."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise QcutsimError(f"standard output: cannot be written ({error.strerror})") from error


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, width=None if stream.isatty() else _PLAIN_WIDTH)
