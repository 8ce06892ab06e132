"""Files are written whole or not at all, and what cannot be written is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import make_profile, make_scenario

from qcutsim.errors import InputError
from qcutsim.files import exists, write_whole
from qcutsim.simulation import Simulation
from qcutsim.study import simulate_scenario, write_simulations

TOO_LONG = "x" * 300


def test_a_file_is_replaced_and_nothing_stays_beside_it(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    assert write_whole(path, b"new").read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_that_is_too_long_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be looked at"):
        exists(tmp_path / TOO_LONG)
    with pytest.raises(InputError, match="cannot be looked at"):
        write_whole(tmp_path / TOO_LONG, b"")


def test_a_folder_in_the_way_of_a_file_is_named_and_left_alone(tmp_path):
    part = tmp_path / "a.json.part"
    part.mkdir()
    with pytest.raises(InputError, match=rf"a\.json: cannot be written \({part} is in the way\)"):
        write_whole(tmp_path / "a.json", b"")
    assert list(tmp_path.iterdir()) == [part]


def test_a_folder_in_the_way_of_a_simulation_is_named_and_left_alone(tmp_path):
    part = tmp_path / "simulated.jsonl.part"
    part.mkdir()
    scenario = make_scenario(queries=1)
    with pytest.raises(InputError, match=rf"cannot be written \({part} is in the way\)"):
        simulate_scenario(scenario, make_profile(make_scenario()), tmp_path)
    assert list(tmp_path.iterdir()) == [part]


def test_an_interrupted_simulation_leaves_nothing_behind(tmp_path):
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    simulation = Simulation(make_scenario(queries=1), make_profile(make_scenario()))
    with pytest.raises(KeyboardInterrupt):
        write_simulations([simulation], tmp_path / "simulated.jsonl", interrupt)
    assert list(tmp_path.iterdir()) == []


def test_a_configuration_of_two_scenarios_is_simulated_once(tmp_path):
    scenario, profile = make_scenario(queries=1), make_profile(make_scenario())
    told: list[tuple[int, int]] = []
    once = write_simulations([Simulation(scenario, profile)], tmp_path / "once.jsonl")
    twice = write_simulations(
        [Simulation(scenario, profile), Simulation(scenario, profile)],
        tmp_path / "twice.jsonl",
        lambda done, total: told.append((done, total)),
    )
    cells = len(scenario.cells)
    assert told[-1] == (cells, cells)
    assert len(twice.cells) == len(once.cells) == cells
    once_lines, twice_lines = (count_lines(tmp_path / f"{n}.jsonl") for n in ("once", "twice"))
    assert twice_lines == once_lines + 1  # the head of the second run


def count_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")
