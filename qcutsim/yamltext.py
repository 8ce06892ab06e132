"""A YAML file as text: read, and shown in messages about it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from qcutsim.errors import ScenarioError

MOST_BYTES = 8 * 2**20
"""Of a file; what is larger is not a scenario."""

MOST_SHOWN = 120
"""Characters of a value, or of a line."""

_NUMBER = re.compile(r"[-+]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)([eE][-+]?\d+)?")

_HINTS = {
    "found character that cannot start any token": "this character cannot begin a value; put "
    "quotes around it",
    "mapping values are not allowed in this context": "a ':' where none can be; indent the line as "
    "its neighbours, and have a space after each ':'",
    "could not find expected ':'": "this line is no 'field: value'; have a space after the ':'",
    "but found another document": "a second document begins here; a file holds one",
}


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, its lines ended by newlines, without a byte order mark.

    Raises:
        ScenarioError: it is missing, cannot be read, is too large, or is not UTF-8.
    """
    try:
        data = _first_bytes(path)
    except FileNotFoundError:
        raise ScenarioError(f"{path}: no such file") from None
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read ({error.strerror})") from None
    if len(data) > MOST_BYTES:
        raise ScenarioError(
            f"{path}: is larger than {MOST_BYTES >> 20} MiB; a scenario is not (a range in a sweep "
            "stands for many values)"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ScenarioError(
            f"{path}: not a text file in UTF-8 ({error.reason} in line {line}); save it as UTF-8"
        ) from None
    return _plain_ends(text)


def first_text(path: Path) -> str:
    """The text of a file, as :func:`read_text` but whatever it holds, to show lines of it.

    Raises:
        OSError: it cannot be read.
    """
    return _plain_ends(_first_bytes(path).decode("utf-8-sig", errors="replace"))


def _first_bytes(path: Path) -> bytes:
    """As many as a file may have, and one more."""
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 1)


def _plain_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def explained(path: Path, text: str, error: yaml.MarkedYAMLError) -> ScenarioError:
    """What is wrong with a file that is not YAML, and where."""
    problem, mark = str(error.problem), error.problem_mark
    if problem == "could not find expected ':'":
        mark = error.context_mark or mark  # where it begins, not where the next one does
    if mark is None:
        return ScenarioError(f"{path}: not valid YAML: {problem}")
    lines = text.split("\n")
    at = lines[mark.line][mark.column :] if mark.line < len(lines) else ""
    if at.startswith("\t"):
        problem = "a tab; YAML is indented with spaces"
    elif problem in _HINTS:
        problem = _HINTS[problem]
    elif error.context and error.context_mark and error.context_mark.line != mark.line:
        problem += f" ({error.context} that began in line {error.context_mark.line + 1})"
    return ScenarioError(f"{path}:{mark.line + 1}:{mark.column + 1}: not valid YAML: {problem}")


def shown(value: Any, *, quoted: bool = True) -> str:
    """A value as it is shown in a message, cut where it is long."""
    text = repr(value) if quoted else str(value)
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 3]}..."


def meant(found: Any, problem: str) -> str:
    """How a number is written, where text or a fraction stands for one."""
    wants_whole, wants_number = "`int" in problem, "`int" in problem or "`float" in problem
    if isinstance(found, str) and wants_number and "got `str`" in problem:
        if not _NUMBER.fullmatch(found):
            return ""
        plain = found.replace("_", "")
        why = "in quotes it is text" if plain == found else "a number has no '_'"
        return f"; {why}: write {plain}"
    if isinstance(found, float) and wants_whole and found.is_integer() and abs(found) < 2**53:
        return f"; write {int(found)}"
    return ""
