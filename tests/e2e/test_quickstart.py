"""The main job refuses what is not its own before it measures anything."""

from __future__ import annotations

import pytest

from qcutsim.cli import main


@pytest.mark.parametrize(
    "name", ["profile.json", "simulated.jsonl", "comparison.json", "report.html"]
)
def test_the_quickstart_overwrites_no_file_of_others(name, tmp_path, capsys):
    (tmp_path / name).write_text("mine")
    assert main(["quickstart", "--out", str(tmp_path)]) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"qcutsim quickstart: {tmp_path / name}: exists")
    assert "another --out" in message
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_the_name_of_a_scenario_is_shown_as_text(tmp_path, capsys):
    """What looks like markup to the table must not end the command after its work."""
    scenario = tmp_path / "s.yaml"
    scenario.write_text("name: 'a [/b] c'\nworkload: {partition_labels: AAAA, shots: 16}\n")
    assert main(["run", str(scenario), "--out", str(tmp_path / "out")]) == 0
    assert "a [/b] c" in capsys.readouterr().out
