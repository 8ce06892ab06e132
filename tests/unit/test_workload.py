"""Shapes of work: those shipped, those given as a file, and those refused."""

from __future__ import annotations

import itertools
import json
from importlib import resources
from pathlib import Path

import msgspec
import pytest

from qcutsim.cell import Workload
from qcutsim.errors import ProfileError
from qcutsim.workload import WorkloadShape, load_shape, shape_name

ONE_CUT = Workload(partition_labels="AABB")
SHIPPED = sorted(
    entry.name
    for entry in resources.files("qcutsim.workloads").iterdir()
    if entry.name.endswith(".json")
)


def workload_of(name: str) -> tuple[Workload, int]:
    """The workload that a shape of this name belongs to, and the number of workers."""
    _, pipeline, labels, observable, *rest = name.removesuffix(".json").split("-")
    given = {"pipeline": pipeline, "partition_labels": labels, "observable": observable}
    if not rest:
        return Workload(**given), 1
    reconstruction, chunk, *workers = rest
    work = Workload(**given, reconstruction=reconstruction, chunk=int(chunk.removeprefix("chunk")))
    return work, int(workers[0].removesuffix("workers")) if workers else 1


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_shape_is_that_of_its_name(name):
    work, workers = workload_of(name)
    shape = load_shape(work, workers)
    assert shape_name(work, workers) == name
    assert (shape.pipeline, shape.partition_labels) == (work.pipeline, work.partition_labels)
    assert len(shape.task_classes()) == shape.tasks
    assert shape.cuts == len(set(work.partition_labels)) - 1


@pytest.mark.parametrize("name", [name for name in SHIPPED if "upstream" in name])
def test_the_library_makes_each_partition_for_every_coefficient(name):
    work, _ = workload_of(name)
    shape = load_shape(work)
    assert shape.partitions == len(set(work.partition_labels))
    assert shape.subexperiments == shape.tasks == shape.partitions * shape.coefficients
    assert shape.reconstruction_work(100) == 100 * shape.coefficients * shape.partitions


@pytest.mark.parametrize("name", SHIPPED)
def test_alike_partitions_count_each(name):
    """In ABCD the middle two are one subcircuit, which is made once."""
    work, workers = workload_of(name)
    assert load_shape(work, workers).partitions == len(set(work.partition_labels))


@pytest.mark.parametrize("name", [name for name in SHIPPED if "planned" in name])
def test_a_chunk_is_no_larger_than_asked_and_merges_need_what_comes_before_them(name):
    work, workers = workload_of(name)
    shape = load_shape(work, workers)
    assert max(one.subexperiments for one in shape.classes) <= work.chunk
    assert bool(shape.merges) == (work.reconstruction in ("incremental", "tree"))
    assert any(merge.on_worker for merge in shape.merges) == (work.reconstruction == "tree")
    for number, merge in enumerate(shape.merges, start=shape.tasks):
        assert all(0 <= first < last <= number for first, last in merge.needs)


@pytest.mark.parametrize("name", [name for name in SHIPPED if "planned" in name])
def test_weights_sum_to_two_to_the_cuts_that_touch_a_partition_over_partitions(name):
    """A CX cut has six terms of weight 1/2 and five settings a side, one of them in two terms: the
    squared weights of settings sum to 4 (1/2)^2 + 1^2.
    """
    work, workers = workload_of(name)
    shape = load_shape(work, workers)
    labels = work.partition_labels
    cuts = dict.fromkeys(labels, 0)
    for first, second in itertools.pairwise(labels):
        if first != second:
            cuts[first] += 1
            cuts[second] += 1
    assert sum(shape.weights) == pytest.approx(sum(2.0**touching for touching in cuts.values()))


def test_weights_that_are_not_one_a_task_are_refused(tmp_path: Path):
    path = tmp_path / "shape.json"
    path.write_bytes(plain(weights=[1.0]))
    with pytest.raises(ProfileError, match="field 'weights' has 1 numbers, expected one for each"):
        load_shape(msgspec.structs.replace(ONE_CUT, shape=str(path)))


def test_the_order_of_tasks_is_written_as_runs_of_one_class():
    shape = msgspec.structs.replace(load_shape(ONE_CUT), order=((1, 2), (0, 1), (1, 1)))
    assert shape.task_classes() == [1, 1, 0, 1]
    assert shape.subexperiments == 4


def plain(**changes: object) -> bytes:
    return json.dumps(msgspec.to_builtins(load_shape(ONE_CUT)) | changes).encode()


def test_a_shape_given_as_a_file_is_used(tmp_path: Path):
    path = tmp_path / "shape.json"
    path.write_bytes(plain(cuts=7))
    shape = load_shape(msgspec.structs.replace(ONE_CUT, shape=str(path)))
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
        (plain(merges=[{"needs": [[0, 99]], "on_worker": True, "work": 1}]), ": field 'merges' n"),
        (plain(observable="IIZZ"), ": holds the shape of ('upstream', 'AABB', 'IIZZ'), the scen"),
    ],
)
def test_a_file_that_is_not_the_shape_asked_for_is_refused(tmp_path, content, message):
    path = tmp_path / "shape.json"
    path.write_bytes(content)
    with pytest.raises(ProfileError) as raised:
        load_shape(msgspec.structs.replace(ONE_CUT, shape=str(path)))
    assert str(raised.value).startswith(f"{path}{message}")


def test_a_shape_that_is_missing_is_refused(tmp_path):
    with pytest.raises(
        ProfileError, match=r"no workload shape .* is shipped .* 'ABAB'.*'qcutsim sh"
    ):
        load_shape(Workload(partition_labels="ABAB"))
    path = tmp_path / "none.json"
    with pytest.raises(ProfileError) as raised:
        load_shape(msgspec.structs.replace(ONE_CUT, shape=str(path)))
    assert str(raised.value) == (
        f"{path}: no such file; export it with 'qcutsim shape SCENARIO --out {tmp_path}'"
    )
