"""The JSONL log: what is written is read, and what is damaged is named and left out."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
import pytest
from builders import query_record, run_record, task_record, write_log
from hypothesis import given, settings
from hypothesis import strategies as st

from qcutsim.errors import LogError
from qcutsim.logreader import SkipReport, read_queries, read_records
from qcutsim.records import SCHEMA, EventRecord, LogWriter, QueryRecord, RunRecord, TaskRecord

WHOLE = st.integers(-(2**63), 2**63 - 1)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | WHOLE | FINITE | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Any value that a record's field of this type may hold."""
    simple = {int: WHOLE, float: FINITE, str: st.text(), bool: st.booleans(), Any: JSON}
    if kind in simple:
        return simple[kind]
    if kind is type(None):
        return st.none()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return structs_of(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is Annotated:
        meta: msgspec.Meta = arguments[1]
        if arguments[0] is int:
            return st.integers(meta.ge, 2**63 - 1)
        return st.floats(meta.ge, meta.le, allow_nan=False, allow_infinity=False)
    if origin in (Union, types.UnionType):
        return st.one_of([values_of(argument) for argument in arguments])
    if origin is dict:
        return st.dictionaries(values_of(arguments[0]), values_of(arguments[1]), max_size=3)
    if origin is list:
        return st.lists(values_of(arguments[0]), max_size=3)
    raise TypeError(f"no strategy for {kind}")


def structs_of(kind: Any) -> st.SearchStrategy[Any]:
    fields = {field.name: values_of(field.type) for field in msgspec.structs.fields(kind)}
    if kind is RunRecord:
        fields["schema"] = st.just(SCHEMA)
    return st.fixed_dictionaries(fields).map(lambda values: kind(**values))


@pytest.mark.parametrize("kind", [RunRecord, QueryRecord, TaskRecord, EventRecord])
def test_a_record_is_read_as_it_was_written(kind, tmp_path_factory):
    """Every field of every kind of record survives the log, floats to the last bit."""
    folder = tmp_path_factory.mktemp("records")

    @settings(derandomize=True, deadline=None, max_examples=40)
    @given(st.lists(structs_of(kind), min_size=1, max_size=3))
    def round_trip(records: list[Any]) -> None:
        path = folder / "log.jsonl"
        path.unlink(missing_ok=True)
        write_log(path, *records)
        assert path.read_bytes().count(b"\n") == len(records)
        assert list(read_records(path, strict=True)) == records

    round_trip()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Five records: a run, two queries with a task each."""
    return write_log(
        tmp_path / "log.jsonl",
        run_record(),
        task_record(query=0),
        query_record(query=0),
        task_record(query=1),
        query_record(query=1),
    )


def test_a_log_torn_anywhere_in_its_last_line_loses_that_line_only(log):
    """As a crash may leave it: cut after each byte of the last record but its very last."""
    *whole, last = log.read_bytes().splitlines(keepends=True)
    before = list(read_records(log))[:-1]
    for length in range(1, len(last) - 1):
        log.write_bytes(b"".join(whole) + last[:length])
        skipped = SkipReport()
        assert list(read_records(log, skipped)) == before
        (torn,) = skipped.kept
        assert (skipped.count, torn.path, torn.line) == (1, str(log), 5)
        assert "(torn last line)" in torn.reason
        assert str(torn).startswith(f"{log}:5: ")


def test_a_last_line_that_lacks_only_its_newline_is_whole(log):
    before = list(read_records(log))
    log.write_bytes(log.read_bytes()[:-1])
    assert list(read_records(log, strict=True)) == before


@pytest.mark.parametrize("missing_bytes", [1, 2, 40])
def test_appending_after_a_torn_line_loses_nothing_else(log, missing_bytes):
    """The torn line is closed, kept as it is, and the next record stands on a line of its own."""
    before = list(read_records(log))
    torn = log.read_bytes()[:-missing_bytes]
    log.write_bytes(torn)
    added = [task_record(query=2), query_record(query=2)]
    write_log(log, *added)
    assert log.read_bytes().startswith(torn + b"\n")
    skipped = SkipReport()
    kept = before if missing_bytes == 1 else before[:-1]
    assert list(read_records(log, skipped)) == kept + added
    assert skipped.count == (0 if missing_bytes == 1 else 1)


def test_appending_to_a_sound_log_leaves_it_as_it_is(log):
    before = log.read_bytes()
    write_log(log, query_record(query=2))
    assert log.read_bytes().startswith(before)
    assert log.read_bytes().count(b"\n") == 6


def test_what_is_written_can_be_read_before_the_log_is_closed(tmp_path):
    path = tmp_path / "log.jsonl"
    with LogWriter(path) as writer:
        writer.write(run_record())
        assert list(read_records(path)) == [run_record()]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (b"garbage", "JSON is malformed"),
        (b'{"kind":"query"}', "missing required field"),
        (b'{"kind":"nothing"}', "Invalid value 'nothing'"),
        (b"[1, 2]", "Expected `object`, got `array`"),
        (b'{"kind":"run","schema":1,"run":"\xff"}', "utf-8"),
        (b'{"kind":"event","actions":[],"event":{"a":' + b"[" * 100_000, "recursion depth"),
        (b"\x00\x00\x00\x00", "JSON is malformed"),
    ],
)
def test_a_damaged_line_in_the_middle_is_named_and_left_out(log, damage, reason):
    before = list(read_records(log))
    lines = log.read_bytes().splitlines()
    lines[2] = damage
    log.write_bytes(b"\n".join(lines) + b"\n")
    skipped = SkipReport()
    assert list(read_records(log, skipped)) == before[:2] + before[3:]
    (line,) = skipped.kept
    assert line.line == 3
    assert reason in line.reason
    assert "torn" not in line.reason
    with pytest.raises(LogError) as raised:
        list(read_records(log, strict=True))
    assert str(raised.value) == str(line)


def test_every_skipped_line_is_counted_and_the_first_are_named(log):
    sound = log.read_bytes()
    log.write_bytes(b"junk\n" * 30 + sound)
    skipped = SkipReport()
    assert len(list(read_records(log, skipped))) == 5
    assert skipped.count == 30
    assert [line.line for line in skipped.kept] == list(range(1, 21))
    *named, rest = skipped.summary().split("\n")
    assert len(named) == 20
    assert rest == "... and 10 more"


def test_blank_lines_are_neither_records_nor_damage(log):
    before = list(read_records(log))
    log.write_bytes(log.read_bytes().replace(b"\n", b"\n\n  \n"))
    assert list(read_records(log, strict=True)) == before


@pytest.mark.parametrize("content", [b"", b"\n", b"\n  \n\n"])
def test_an_empty_log_is_refused(tmp_path, content):
    path = tmp_path / "log.jsonl"
    path.write_bytes(content)
    with pytest.raises(LogError) as raised:
        list(read_records(path))
    assert str(raised.value).startswith(f"{path}: the file is empty; ")
    assert "qcutsim run" in str(raised.value)


def test_a_file_that_is_not_jsonl_is_refused_at_its_first_unreadable_line(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text("\n# Notes\nno log at all\n")
    with pytest.raises(LogError) as raised:
        list(read_records(path))
    assert str(raised.value).startswith(f"{path}:2: ")
    assert "'# Notes'" in str(raised.value)
    assert "one JSON object a line" in str(raised.value)


def test_lines_of_a_file_that_is_no_log_are_not_told_twice(log, tmp_path):
    """The error names the first of them; what other logs skipped is still told."""
    log.write_bytes(log.read_bytes() + b"junk\n")
    other = tmp_path / "notes.txt"
    other.write_text("some\nnotes\n")
    skipped = SkipReport()
    with pytest.raises(LogError, match=r"notes\.txt:1: "):
        list(read_queries([log, other], skipped))
    assert [(line.path, line.line) for line in skipped.kept] == [(str(log), 6)]
    assert skipped.count == 1


def test_a_missing_log_is_refused(tmp_path):
    path = tmp_path / "none.jsonl"
    with pytest.raises(LogError, match="no such log; write one with 'qcutsim run'") as raised:
        list(read_records(path))
    assert str(raised.value).startswith(f"{path}: ")


def test_a_folder_is_neither_read_nor_written_as_a_log(tmp_path):
    with pytest.raises(LogError) as raised:
        list(read_records(tmp_path))
    assert str(raised.value) == f"{tmp_path}: cannot be read (Is a directory)"
    with pytest.raises(LogError) as raised:
        LogWriter(tmp_path)
    assert str(raised.value) == f"{tmp_path}: cannot append to this log (Is a directory)"


def test_a_run_of_another_schema_is_refused_where_it_stands(log):
    """Also when a first run, and its queries, could be read."""
    write_log(log, run_record(schema=SCHEMA + 1), query_record(query=2))
    with pytest.raises(LogError) as raised:
        list(read_records(log))
    assert str(raised.value).startswith(f"{log}:6: field 'schema' is {SCHEMA + 1}; ")
    assert f"reads {SCHEMA};" in str(raised.value)


def test_a_run_of_another_schema_with_other_fields_is_refused_for_its_schema(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"kind":"run","schema":7,"who":"a later version"}\n')
    with pytest.raises(LogError) as raised:
        list(read_records(path))
    assert str(raised.value).startswith(f"{path}:1: field 'schema' is 7; ")


def test_queries_come_with_their_own_tasks_and_run(tmp_path):
    """Two sessions in one file number their queries anew; a second file starts a third."""
    first = [run_record(run="first"), task_record(query=0, task=0), query_record(query=0)]
    second = [
        run_record(run="second"),
        task_record(query=0, task=0),
        task_record(query=0, task=1),
        query_record(query=0),
    ]
    third = [run_record(run="third"), query_record(query=0)]
    logs = [
        write_log(tmp_path / "a.jsonl", *first, *second),
        write_log(tmp_path / "b.jsonl", *third),
    ]
    found = list(read_queries(logs))
    assert [log.run.run for log in found] == ["first", "second", "third"]
    assert [[task.task for task in log.tasks] for log in found] == [[0], [0, 1], []]


def test_tasks_of_a_query_that_never_completed_are_dropped(tmp_path):
    """Neither the same session's next query nor that number's next use inherits them."""
    path = write_log(
        tmp_path / "log.jsonl",
        run_record(),
        task_record(query=0, task=0),
        task_record(query=1, task=7),
        query_record(query=1),
        run_record(),
        task_record(query=0, task=3),
        query_record(query=0),
        task_record(query=9),
    )
    found = [(log.query.query, [task.task for task in log.tasks]) for log in read_queries([path])]
    assert found == [(1, [7]), (0, [3])]


def test_a_query_without_a_run_before_it_is_refused(tmp_path):
    path = write_log(tmp_path / "log.jsonl", query_record(query=4))
    with pytest.raises(LogError, match="query 4 stands before any 'run' record") as raised:
        list(read_queries([path]))
    assert str(raised.value).startswith(f"{path}:1: ")


def test_the_skips_of_several_logs_are_counted_together(log, tmp_path):
    other = tmp_path / "other.jsonl"
    other.write_bytes(log.read_bytes() + b"junk\n")
    log.write_bytes(log.read_bytes() + b"junk\n")
    skipped = SkipReport()
    assert len(list(read_queries([log, other], skipped))) == 4
    assert [(line.path, line.line) for line in skipped.kept] == [(str(log), 6), (str(other), 6)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"total_s": -1.0}, "Expected `float` >= 0.0 - at `$.total_s`"),
        ({"workers": 0}, "Expected `int` >= 1 - at `$.workers`"),
        ({"straggler_probability": 1.5}, "Expected `float` <= 1.0 - at `$.straggler_probability`"),
    ],
)
def test_an_implausible_record_is_skipped_and_named(tmp_path, change, reason):
    log = write_log(tmp_path / "log.jsonl", run_record(), query_record(**change), query_record())
    skipped = SkipReport()
    assert len(list(read_records(log, skipped))) == 2
    assert [(line.line, line.reason.split(";")[0]) for line in skipped.kept] == [(2, reason)]


def test_a_full_disk_is_a_log_error():
    with (
        pytest.raises(LogError, match="/dev/full: cannot be written"),
        LogWriter("/dev/full") as writer,
    ):
        writer.write(run_record())
