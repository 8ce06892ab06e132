"""YAML with positions: a parsed file that can say where each of its values stands."""

from __future__ import annotations

import copy
import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Self, TypeVar, Union, get_args, get_origin

import msgspec
import yaml
from yamlcore import CCoreLoader

from qcutsim.errors import ScenarioError
from qcutsim.yamltext import MOST_SHOWN, explained, first_text, meant, read_text, shown

T = TypeVar("T")
Path_ = tuple[str | int, ...]

MOST_PROBLEMS = 20
"""So many are shown of one file."""

MOST_VALUES = 100_000
"""A scenario with more values is a mistake, or an alias bomb."""

_WORD = re.compile(r"[A-Za-z]+")
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")
_MISSING = re.compile(r"missing required field `([^`]+)`")
_PLACE = re.compile(r"(\d+):(\d+): ")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class YamlFile:
    """Values of a YAML file and the (line, column) of each, both counted from 1.

    ``origin`` tells of fields that were set from elsewhere in the file where that is.
    """

    path: Path
    data: Any
    marks: Mapping[Path_, tuple[int, int]]
    origin: Mapping[Path_, Path_] = field(default_factory=dict)

    def where(self, at: Path_) -> str:
        """``file:line:column`` of the value at ``at``, or of its nearest parent."""
        found = self._mark(at)
        while at and found is None:
            at = at[:-1]
            found = self._mark(at)
        line, column = found or (1, 1)
        return f"{self.path}:{line}:{column}"

    def _mark(self, at: Path_) -> tuple[int, int] | None:
        for end in range(len(at), 0, -1):
            if at[:end] in self.origin:
                return self.marks.get(self.origin[at[:end]] + at[end:])
        if at not in self.marks:
            for own, place in self.origin.items():
                if own[: len(at)] == at:
                    return self.marks[place]
        return self.marks.get(at)

    def value(self, at: Path_) -> Any:
        """The value at ``at``, or ``None`` where there is none."""
        found = self.data
        for step in at:
            try:
                found = found[step]
            except (KeyError, IndexError, TypeError):
                return None
        return found


def load_yaml(path: Path, texts: Collection[str] = ()) -> YamlFile:
    """Read a YAML file (YAML 1.2 core schema: ``1e-3`` is a number, ``no`` a string).

    Args:
        path: of the file.
        texts: fields whose words are text also where YAML has a meaning for them (``true``,
            ``null``); dotted fields by their last part.

    Raises:
        ScenarioError: it is missing, not UTF-8, not YAML, empty, too large, has a key twice, a
            merge key, or an alias that contains itself.
    """
    text = read_text(path)
    loader = CCoreLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise ScenarioError(f"{path}:1:1: the file is empty; see scenarios/ for examples")
        marks: dict[Path_, tuple[int, int]] = {}
        data = _construct(loader, node, (), marks, path, texts)
    except yaml.MarkedYAMLError as error:
        raise explained(path, text, error) from None
    except yaml.reader.ReaderError as error:
        line, column = _position(text, error.position)
        raise ScenarioError(f"{path}:{line}:{column}: not valid YAML: {error.reason}") from None
    except RecursionError:
        raise ScenarioError(
            f"{path}: not usable YAML: nested too deeply, or an alias contains itself"
        ) from None
    finally:
        loader.dispose()
    return YamlFile(path, data, marks)


def _position(text: str, offset: int) -> tuple[int, int]:
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def _construct(
    loader: Any,
    node: yaml.Node,
    at: Path_,
    marks: dict[Path_, tuple[int, int]],
    path: Path,
    texts: Collection[str],
) -> Any:
    marks[at] = (node.start_mark.line + 1, node.start_mark.column + 1)
    if len(marks) > MOST_VALUES:
        raise ScenarioError(f"{path}: holds more than {MOST_VALUES} values, its aliases expanded")
    if isinstance(node, yaml.MappingNode):
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = _key(loader, key_node, path)
            line, column = key_node.start_mark.line + 1, key_node.start_mark.column + 1
            if key in mapping:
                raise ScenarioError(
                    f"{path}:{line}:{column}: the key '{shown(key, quoted=False)}' stands twice, "
                    f"first in line {marks[*at, key][0]}"
                )
            mapping[key] = _construct(loader, value_node, (*at, key), marks, path, texts)
            marks[(*at, key)] = (line, column)
        return mapping
    if isinstance(node, yaml.SequenceNode):
        return [
            _construct(loader, child, (*at, i), marks, path, texts)
            for i, child in enumerate(node.value)
        ]
    if _is_text(node, at, texts):
        return node.value
    try:
        return loader.construct_object(node, deep=True)
    except (ValueError, KeyError, IndexError):
        line, column = marks[at]
        raise ScenarioError(
            f"{path}:{line}:{column}: not valid YAML: {shown(node.value)} cannot be read as "
            f"{node.tag.rpartition(':')[2]}"
        ) from None


def _key(loader: Any, node: yaml.Node, path: Path) -> str:
    """Raises ``ScenarioError`` where it is not text, or ``<<``."""
    where = f"{path}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"
    if not isinstance(node, yaml.ScalarNode):
        raise ScenarioError(f"{where}: a key must be text, not a list or a mapping")
    key = loader.construct_object(node, deep=True)
    if not isinstance(key, str):
        raise ScenarioError(f"{where}: a key must be text, not {shown(key)}")
    if key == "<<" and not node.style:
        raise ScenarioError(
            f"{where}: '<<' does not merge in YAML 1.2; write the fields out (an alias, '*name', "
            "can stand for a whole value)"
        )
    return key


def _is_text(node: yaml.Node, at: Path_, texts: Collection[str]) -> bool:
    """Whether a word that YAML would take for something else is meant as it is written."""
    fields = [step for step in at if isinstance(step, str)]
    return (
        isinstance(node, yaml.ScalarNode)
        and bool(fields)
        and fields[-1].rpartition(".")[2] in texts
        and node.tag.startswith("tag:yaml.org")
        and not node.style
        and _WORD.fullmatch(node.value) is not None
    )


def convert(file: YamlFile, data: Any, model: type[T], prefix: Path_ = ()) -> T:
    """Turn ``data`` (the part of ``file`` under ``prefix``) into ``model``.

    Raises:
        ScenarioError: names file, line, column, field, the value, and what is allowed, of each
            value that is wrong.
    """
    problems: dict[Path_, str] = {}
    left = copy.deepcopy(data)
    while True:
        try:
            converted = msgspec.convert(left, model)
        except msgspec.ValidationError as error:
            at, problem = _explain(file, model, prefix, str(error))
            # What was wrong is taken out to find what else is; then it is missing, of course.
            if at in problems or not _take_out(left, at[len(prefix) :]):
                problems.setdefault(at, problem)
                break
            problems[at] = problem
            continue
        if not problems:
            return converted
        break
    raise ScenarioError(
        *(
            f"{file.where(at)}: {'.'.join(map(str, at)) or 'the file'}: {problem}"
            for at, problem in problems.items()
        )
    )


def unknown_field(name: str, allowed: Sequence[str]) -> str:
    """What is wrong with a field of that name, and which one may have been meant."""
    near = difflib.get_close_matches(name, allowed, 1)
    meant = f"; did you mean '{near[0]}'?" if near else ""
    return f"unknown field; allowed here: {', '.join(allowed)}{meant}"


def _explain(file: YamlFile, model: Any, prefix: Path_, message: str) -> tuple[Path_, str]:
    """Where it is wrong, and what."""
    problem, _, place = message.partition(" - at `$")
    at = prefix + _steps(place.rstrip("`"))
    if unknown := _UNKNOWN.search(problem):
        return (*at, unknown[1]), unknown_field(unknown[1], _allowed(model, at[len(prefix) :]))
    if missing := _MISSING.search(problem):
        return (*at, missing[1]), "missing; it has no default"
    found = file.value(at)
    problem = (
        problem if found is None else f"{problem}, found {shown(found)}{meant(found, problem)}"
    )
    options = _type_at(model, at[len(prefix) :])
    if get_origin(options) is Literal:
        problem = f"found {shown(found)}; allowed: {', '.join(map(repr, get_args(options)))}"
    return at, problem


def _take_out(data: Any, at: Path_) -> bool:
    """Remove a value of a mapping; returns whether there was one."""
    *parents, last = at or ("",)
    for parent in parents:
        if not (isinstance(data, dict) and parent in data):
            return False
        data = data[parent]
    return isinstance(data, dict) and data.pop(last, msgspec.UNSET) is not msgspec.UNSET


class Problems:
    """Collects what is wrong with a file: within ``with problems:`` an error is noted, not raised.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[str, None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, ScenarioError):
            return False
        self.add(*error.problems)
        return True

    def add(self, *problems: str) -> None:
        """Note what is wrong; the same only once."""
        self._found.update(dict.fromkeys(problems))

    def raise_any(self) -> None:
        """Raises ``ScenarioError`` with all of them, each with its line and a caret, if any."""
        if not self._found:
            return
        lines: list[str] = []
        with suppress(OSError):
            lines = first_text(self._path).split("\n")
        shown = list(self._found)[:MOST_PROBLEMS]
        problems = [_pointed_at(problem, f"{self._path}:", lines) for problem in shown]
        more = len(self._found) - len(shown)
        if more:
            problems.append(f"{self._path}: and {more} more of them")
        raise ScenarioError(*problems)


def _pointed_at(problem: str, start: str, lines: Sequence[str]) -> str:
    """The problem, and below it the line it is about with a caret."""
    place = _PLACE.match(problem, len(start)) if problem.startswith(start) else None
    if place is None or int(place[1]) > len(lines):
        return problem
    line, column = lines[int(place[1]) - 1], int(place[2])
    if not line.strip():
        return problem
    left = max(column - MOST_SHOWN // 2, 0) if len(line) > MOST_SHOWN else 0
    part = line[left : left + MOST_SHOWN]
    before = "".join(char if char == "\t" else " " for char in part[: column - 1 - left])
    return f"{problem}\n    {part}\n    {before}^"


def _steps(place: str) -> Path_:
    return tuple(name if name else int(index) for name, index in _STEP.findall(place))


def _type_at(model: Any, at: Path_) -> Any:
    for step in at:
        if isinstance(step, int):  # of a tuple of one type
            model = _bare(get_args(model)[0])
        else:
            model = _bare({f.encode_name: f.type for f in msgspec.structs.fields(model)}[step])
    return model


def _bare(model: Any) -> Any:
    """Without what is said about its values; of a choice and nothing, the choice."""
    if get_origin(model) is Annotated:
        model = get_args(model)[0]
    if get_origin(model) in (Union, UnionType):
        empty = (NoneType, msgspec.UnsetType)
        bare = [_bare(one) for one in get_args(model) if one not in empty]
        choices = [one for one in bare if get_origin(one) is Literal]
        model = (choices or bare)[0] if choices or len(bare) == 1 else model
    return model


def _allowed(model: Any, at: Path_) -> list[str]:
    found = _type_at(model, at)
    names = [f.encode_name for f in msgspec.structs.fields(found)]
    tag = found.__struct_config__.tag_field
    return [*([tag] if tag else []), *names]
