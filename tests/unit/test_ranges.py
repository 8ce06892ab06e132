"""Ranges in the place of a sweep's list of values."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scenariotexts import BASE, load

from qcutsim.errors import ScenarioError
from qcutsim.ranges import expand
from qcutsim.yamlfile import YamlFile


def workers(folder: Path, axis: str) -> list[int]:
    scenario = load(folder, f"{BASE}sweep:\n  - {axis}\n")
    return [cell.pool.workers for cell in scenario.cells]


def values(spacing: str, start: float, to: float, steps: int) -> list[int | float]:
    asked = {spacing: {"from": start, "to": to, "steps": steps}}
    return expand(YamlFile(Path("s.yaml"), {"x": asked}, {}), asked, ("x",))


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        ("pool.workers: {linear: {from: 1, to: 9, steps: 5}}", [1, 3, 5, 7, 9]),
        ("pool.workers: {log: {from: 1, to: 1024, steps: 6}}", [1, 4, 16, 64, 256, 1024]),
        ("pool.workers: {log: {from: 1, to: 4, steps: 9}}", [1, 2, 3, 4]),
        ("pool.workers: {linear: {from: 4, to: 1, steps: 4}}", [4, 3, 2, 1]),
        ("- pool.workers: {linear: {from: 2, to: 4, steps: 3}}", [2, 3, 4]),
    ],
)
def test_a_range_of_whole_numbers_has_whole_numbers_each_once(tmp_path, axis, expected):
    assert workers(tmp_path, axis) == expected


def test_a_range_varies_together_with_a_list(tmp_path):
    axis = "pool.workers: {log: {from: 1, to: 4, steps: 3}}\n    queries: [7, 8, 9]"
    scenario = load(tmp_path, f"{BASE}sweep:\n  - {axis}\n")
    assert [(c.pool.workers, c.queries) for c in scenario.cells] == [(1, 7), (2, 8), (4, 9)]


def test_fractions_are_as_a_person_would_write_them():
    assert values("linear", 0, 0.3, 4) == [0.0, 0.1, 0.2, 0.3]
    assert values("log", 0.001, 10, 5) == [0.001, 0.01, 0.1, 1.0, 10.0]


@given(
    start=st.floats(1e-3, 1e3),
    to=st.floats(1e-3, 1e3),
    steps=st.integers(2, 50),
    spacing=st.sampled_from(["linear", "log"]),
)
def test_a_range_begins_and_ends_where_it_says_and_does_not_turn(start, to, steps, spacing):
    found = values(spacing, start, to, steps)
    assert len(found) == steps
    assert (found[0], found[-1]) == pytest.approx((start, to), rel=1e-11)
    assert found == sorted(found, reverse=to < start)


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        ("{log: {from: 0, to: 8, steps: 4}}", "4:20: sweep.pool.workers: found from 0 to 8; "),
        ("{log: {from: 1, to: 8}}", "4:20: sweep.0.pool.workers.log.steps: missing; "),
        ("{log: {from: 1, to: 8, steps: 1}}", "4:42: sweep.0.pool.workers.log.steps: "),
        ("{log: {from: 1, to: x, steps: 3}}", "4:35: sweep.0.pool.workers.log.to: "),
        ("{log: {from: 1, to: 3, step: 3}}", "4:42: sweep.0.pool.workers.log.step: unknown"),
        ("{cubic: {from: 1, to: 3}}", "4:5: sweep.pool.workers: expected a non-empty list or"),
    ],
)
def test_a_range_that_is_none_is_named_with_its_place(tmp_path, axis, message):
    text = f"{BASE}sweep:\n  - pool.workers: {axis}\n"
    with pytest.raises(ScenarioError) as raised:
        load(tmp_path, text)
    assert str(raised.value).startswith(f"{tmp_path}/s.yaml:{message}")
