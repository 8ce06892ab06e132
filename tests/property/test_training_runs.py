"""Simulated training: steps follow each other, and each waits for all of its queries."""

from __future__ import annotations

import pytest
from blocks import cell_of, draws_of, run_block

from qcutsim.cell import Host, Training


def test_steps_of_known_length_follow_each_other():
    """2 epochs x 3 steps x 2 queries, one after the other, and 0.5 s of the optimiser."""
    training = Training(epochs=2, steps=3, step_s=0.5)
    cell = cell_of(Host(workers=2), training=training, queries=2)
    service = [[1.0, 2.0 + n] for n in range(12)]
    block = run_block(cell, [draws_of(own, reconstruct_s=0.25) for own in service])
    assert [(step.epoch, step.step) for step in block.steps] == [
        (epoch, step) for epoch in range(2) for step in range(3)
    ]
    now_s = 0.0
    for number, step in enumerate(block.steps):
        assert (step.started_s, step.queries) == (now_s, 2)
        for query in (2 * number, 2 * number + 1):
            assert block.simulated[query].arrived_s == now_s
            now_s += 2.0 + query + 0.25
        now_s += 0.5
        assert step.ended_s == now_s


def test_a_step_waits_for_the_last_query_in_its_window():
    cell = cell_of(Host(workers=4), training=Training(steps=3), queries=4, window=4)
    block = run_block(cell, [draws_of([1.0 + n % 4]) for n in range(12)])
    assert [step.started_s for step in block.steps] == [0.0, 4.0, 8.0]
    assert block.steps[-1].ended_s == 12.0


def test_a_window_does_not_reach_into_the_next_step():
    cell = cell_of(Host(workers=4), training=Training(steps=2), queries=2, window=8)
    block = run_block(cell, [draws_of([s]) for s in (1.0, 3.0, 1.0, 1.0)])
    assert [query.arrived_s for query in block.simulated.values()] == [0.0, 0.0, 3.0, 3.0]


@pytest.mark.parametrize(("cores", "ended_s"), [(None, 6.0), (1, 6.0)])
def test_the_optimiser_has_the_coordinator_to_itself_between_steps(cores, ended_s):
    training = Training(steps=2, step_s=2.0)
    cell = cell_of(Host(workers=1, cores=cores), training=training)
    block = run_block(cell, [draws_of([1.0])] * 2, efficiency=0.5)
    assert block.steps[-1].ended_s == ended_s


def test_a_failed_query_does_not_hold_its_step_up():
    broken = draws_of([1.0], fails=lambda task, attempt: "broken")
    cell = cell_of(Host(workers=1), training=Training(steps=2))
    block = run_block(cell, [broken, draws_of([1.0])])
    assert [step.ended_s for step in block.steps] == [3.0, 4.0]
    assert block.simulated[0].error == "task 0 failed 3 times; the last time: broken"
