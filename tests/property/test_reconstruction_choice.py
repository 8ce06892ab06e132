"""``reconstruction: auto``: what is counted, what is chosen, and that both worlds choose alike."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from circuits import chain
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from sampled import CHAIN, ONE_TERM, estimator

from qcutsim.cell import Cell, Pool, Workload
from qcutsim.errors import ProfileError
from qcutsim.estimator import (
    Limits,
    PlannedPipeline,
    Query,
    make_backend,
    make_reconstruction,
)
from qcutsim.estimator.choosing import strategy_works
from qcutsim.estimator.contraction import Step
from qcutsim.estimator.shapes import export_shapes, shape_of
from qcutsim.reconstructionchoice import (
    CONTRACTION_S,
    FACTOR_S,
    JOIN_S,
    MERGE_S,
    MULTIPLY_S,
    STEP_S,
    SUM_S,
    TERM_S,
    StrategyWork,
    choose_reconstruction,
    expected_s,
)
from qcutsim.runtime import load_function
from qcutsim.scenario import Scenario
from qcutsim.workload import load_shape

LIMITS = Limits()


def repeated_blocks(labels: str) -> QuantumCircuit:
    """A chain, cut wherever neighbours have other labels."""
    return chain(len(labels), *np.random.default_rng(4).uniform(-3, 3, (2, len(labels))))


class Counter:
    """Counts the multiply-adds and the products that contractions do."""

    def __init__(self, monkeypatch):
        self.multiplied = self.products = 0
        perform = Step.perform

        def counted(step, known):
            result = perform(step, known)
            left = known[step.left]
            self.products += 1
            self.multiplied += (
                left[0].size
                * math.prod(result.shape[1:])
                // math.prod(
                    left.shape[axis + 1] for axis in step.left_axes[: len(step.left_shape)]
                )
            )
            return result

        monkeypatch.setattr(Step, "perform", counted)

    def of(self, function) -> tuple[int, int]:
        before = self.multiplied, self.products
        function()
        return self.multiplied - before[0], self.products - before[1]


def work_of(kind: str, labels: str):
    backend = make_backend("batched", noise_model=None, device="cpu", pass_manager=None)
    pipeline = PlannedPipeline(backend, reconstruction=kind, workers=2, chunk=10**6)
    query = Query.single(repeated_blocks(labels), "Z" * len(labels), labels, 100, seed=1)
    work = pipeline.generate(query, pipeline.partition(query))
    function = load_function(pipeline.task_function)
    return work, [function(task.encode(), task.context) for task in work.subexperiments]


LABELS = ["AABB", "ABBC", "ABCD", "ABAB", "AABABA", "ABCBA", "ABABABA"]


@pytest.mark.parametrize("labels", LABELS)
def test_what_a_contraction_is_said_to_do_is_what_it_does(labels, monkeypatch):
    work, results = work_of("contracted", labels)
    known = {one.kind: one for one in strategy_works(work.plan, 1, LIMITS)}
    counter = Counter(monkeypatch)
    for kind in {"contracted", "incremental", "tree"} & set(known):
        problem = work._problem(work._collect(results))
        counted = counter.of(
            lambda kind=kind, problem=problem: make_reconstruction(kind).values(problem)
        )
        assert counted == (known[kind].work, known[kind].steps)


@pytest.mark.parametrize("labels", LABELS)
def test_what_is_left_at_the_barrier_is_what_the_last_merge_does(labels, monkeypatch):
    work, results = work_of("incremental", labels)
    known = {one.kind: one for one in strategy_works(work.plan, 1, LIMITS)}
    if "incremental" not in known:
        assert len(work.merges) <= 1
        return
    counter = Counter(monkeypatch)
    results = [*results, *[b""] * len(work.merges)]
    done = []
    for number, merge in enumerate(work.merges, start=len(work.subexperiments)):

        def perform(merge=merge, number=number):
            results[number] = merge.merge(results)

        done.append(counter.of(perform)[0])
    assert len(done) == known["incremental"].merges
    assert sum(done) == known["incremental"].work
    assert done[-1] <= known["incremental"].last_work


def independent_s(one: StrategyWork, workers: int, together: bool) -> float:
    """The rule written out once more, from the words of its docstring."""
    if one.kind == "vectorised":
        return SUM_S + one.steps * TERM_S + one.work * FACTOR_S
    seconds = CONTRACTION_S + one.steps * STEP_S
    if one.kind == "contracted":
        return seconds + one.work * MULTIPLY_S
    left = one.work if together else one.last_work
    seconds += one.merges * MERGE_S
    if one.kind == "incremental":
        return seconds + left * MULTIPLY_S
    beside = max(1, min(workers, math.ceil(one.joins / 2)))
    return seconds + one.joins / beside * JOIN_S + math.ceil(left / beside) * MULTIPLY_S


@pytest.mark.parametrize("workers", [1, 4, 10**6])
@pytest.mark.parametrize("labels", [*LABELS, "ABABABAB", "ABCABCAB"])
def test_the_choice_is_the_least_of_what_the_work_of_each_would_take(labels, workers):
    backend = make_backend("batched", noise_model=None, device="cpu", pass_manager=None)
    pipeline = PlannedPipeline(backend, reconstruction="auto", workers=workers)
    query = Query.single(repeated_blocks(labels), "Z" * len(labels), labels, 100, seed=1)
    work = pipeline.generate(query, pipeline.partition(query))
    known = strategy_works(work.plan, 1, LIMITS)
    together = workers >= work.plan.subexperiments
    seconds = {one.kind: independent_s(one, workers, together) for one in known}
    assert work.accounting.reconstruction == min(seconds, key=lambda kind: seconds[kind])
    assert work.shape.reconstruction == work.accounting.reconstruction
    assert work.accounting.reconstruction_reason.startswith("least expected time, ")


def test_not_always_the_same_is_chosen():
    chosen = set()
    for labels in ("AABB", "ABABABAB"):
        with estimator(partition_labels=labels, reconstruction="auto", shots=100) as made:
            plan = made.plan(repeated_blocks(labels), "Z" * len(labels))
        chosen.add(plan.accounting.reconstruction)
        assert f"chosen for its      {plan.accounting.reconstruction_reason}" in str(plan)
    assert chosen == {"contracted", "incremental"}


COUNTS = st.integers(0, 10**9)


@given(COUNTS, COUNTS, st.integers(1, 50), st.integers(1, 1000))
def test_where_all_partitions_end_together_merging_on_arrival_gains_nothing(
    work, last, merges, workers
):
    plain = StrategyWork(kind="contracted", work=work, steps=3)
    merging = StrategyWork(
        kind="incremental", work=work, steps=3, merges=merges, last_work=min(last, work)
    )
    chosen = choose_reconstruction([merging, plain], workers=workers, subexperiments=workers)
    assert chosen.kind == "contracted"


@given(COUNTS, st.integers(1, 30), st.integers(1, 1000), st.integers(1, 1000))
def test_more_workers_never_make_joins_slower(work, joins, workers, more):
    tree = StrategyWork(kind="tree", work=work, steps=5, merges=3, joins=joins, last_work=work // 2)
    few, many = (
        expected_s(tree, workers=count, subexperiments=10**6) for count in (workers, workers + more)
    )
    assert many <= few


def test_values_do_not_depend_on_the_choice_and_the_metadata_says_why():
    values = []
    for kind in ("auto", "contracted", "vectorised"):
        options = {"partition_labels": "ABCD", "shots": 100, "seed": 2}
        with estimator(reconstruction=kind, **options) as made:
            (result,) = made.run([(CHAIN, ONE_TERM)]).result()
        values.append(float(result.data.evs))
        assert (result.metadata["reconstruction_reason"] is None) == (kind != "auto")
    np.testing.assert_allclose(values, values[0], rtol=0, atol=1e-12)


def test_a_sample_of_joint_terms_leaves_no_choice():
    with estimator(
        partition_labels="ABCD", reconstruction="auto", num_samples=50, shots=10, seed=1
    ) as made:
        (result,) = made.run([(CHAIN, ONE_TERM)]).result()
    assert result.metadata["reconstruction"] == "vectorised"


@pytest.mark.parametrize("allocation", [msgspec.UNSET, "variance"])
@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("labels", ["AABB", "ABBC", "ABCD"])
def test_a_simulation_chooses_as_the_real_run_does(labels, workers, allocation, tmp_path):
    work = Workload(
        partition_labels=labels,
        pipeline="planned",
        reconstruction="auto",
        chunk=2,
        allocation=allocation,
    )
    real = shape_of(work, workers)
    simulated = load_shape(work, workers)
    assert simulated.reconstruction == real.reconstruction
    assert simulated.merges == real.merges
    path = tmp_path / "shape.json"
    path.write_bytes(msgspec.json.encode(real))
    assert load_shape(msgspec.structs.replace(work, shape=str(path)), workers) == real


@pytest.mark.parametrize("allocation", ["uniform", "variance"])
@pytest.mark.parametrize("workers", [1, 2, 50])
@pytest.mark.parametrize("reconstruction", ["auto", "incremental"])
def test_what_is_exported_is_found_in_its_folder(tmp_path, allocation, workers, reconstruction):
    """Whatever the allocation that it was exported under: both find the same files."""
    work = Workload(
        partition_labels="ABAB",  # none is shipped
        pipeline="planned",
        reconstruction=reconstruction,
        chunk=2,
        allocation=allocation,
    )
    cell = Cell(workload=work, pool=Pool(workers=workers))
    export_shapes(Scenario("a", 1, 1, 1, (cell,)), tmp_path)
    found = load_shape(msgspec.structs.replace(work, shape=str(tmp_path)), workers)
    assert found == shape_of(work, workers)
    if reconstruction != "auto":
        evenly = msgspec.structs.replace(work, allocation="uniform", shape=str(tmp_path))
        assert load_shape(evenly, workers).merges


def test_a_shape_that_cannot_tell_is_refused(tmp_path):
    work = Workload(partition_labels="AABB", pipeline="planned", reconstruction="auto", chunk=2)
    old = msgspec.structs.replace(load_shape(work), strategies=())
    path = tmp_path / "shape.json"
    path.write_bytes(msgspec.json.encode(old))
    with pytest.raises(ProfileError, match="'reconstruction: auto' needs; export the shape again"):
        load_shape(msgspec.structs.replace(work, shape=str(path)))
