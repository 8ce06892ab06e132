"""Shapes of work: those shipped, those given as a file, and those refused."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import msgspec
import pytest

from qcutsim.errors import ProfileError
from qcutsim.workload import WorkloadShape, load_shape, shape_name

ONE_CUT = ("upstream", "AABB", "ZZZZ")
SHIPPED = sorted(
    entry.name
    for entry in resources.files("qcutsim.workloads").iterdir()
    if entry.name.endswith(".json")
)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_shape_is_that_of_its_name(name):
    """And it cuts into as many partitions as its labels have letters."""
    _, pipeline, labels, observable = name.removesuffix(".json").split("-")
    shape = load_shape(pipeline, labels, observable)
    assert shape_name(shape.pipeline, shape.partition_labels, shape.observable) == name
    assert shape.partitions == len(set(labels))
    assert shape.subexperiments == shape.partitions * shape.coefficients
    assert len(shape.task_classes()) == shape.subexperiments
    assert shape.reconstruction_work(100) == 100 * shape.coefficients * shape.partitions


def test_the_order_of_tasks_is_written_as_runs_of_one_class():
    shape = msgspec.structs.replace(load_shape(*ONE_CUT), order=((1, 2), (0, 1), (1, 1)))
    assert shape.task_classes() == [1, 1, 0, 1]
    assert shape.subexperiments == 4


def plain(**changes: object) -> bytes:
    return json.dumps(msgspec.to_builtins(load_shape(*ONE_CUT)) | changes).encode()


def test_a_shape_given_as_a_file_is_used(tmp_path: Path):
    path = tmp_path / "shape.json"
    path.write_bytes(plain(cuts=7))
    shape = load_shape(*ONE_CUT, path)
    assert isinstance(shape, WorkloadShape)
    assert shape.cuts == 7


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (plain()[:-5], ": not a workload shape: Input data was truncated"),
        (b"{}", ": not a workload shape: Object missing required field `schema`"),
        (plain(author="me"), ": not a workload shape: Object contains unknown field `author`"),
        (plain(schema=99), ": field 'schema' is 99; this version reads 1; export the shape again"),
        (plain(order=[[6, 1]]), ": field 'order' holds (6, 1); expected an index below 6 "),
        (plain(order=[[-1, 1]]), ": field 'order' holds (-1, 1); expected an index below 6 "),
        (plain(order=[[0, 0]]), ": field 'order' holds (0, 0); "),
        (plain(observable="IIZZ"), ": holds the shape of ('upstream', 'AABB', 'IIZZ'), the scen"),
    ],
)
def test_a_file_that_is_not_the_shape_asked_for_is_refused(tmp_path, content, message):
    path = tmp_path / "shape.json"
    path.write_bytes(content)
    with pytest.raises(ProfileError) as raised:
        load_shape(*ONE_CUT, path)
    assert str(raised.value).startswith(f"{path}{message}")


def test_a_shape_that_is_missing_is_refused(tmp_path):
    with pytest.raises(ProfileError, match=r"no workload shape is shipped .* 'ABAB'.*'qcutsim sh"):
        load_shape("upstream", "ABAB", "ZZZZ")
    path = tmp_path / "none.json"
    with pytest.raises(ProfileError) as raised:
        load_shape(*ONE_CUT, path)
    assert str(raised.value) == f"{path}: cannot be read (No such file or directory)"
