"""Scenarios as text, for the tests of what they mean and of what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from qcutsim.errors import ScenarioError
from qcutsim.scenario import Scenario, load_scenario

BASE = "name: a\nworkload: {partition_labels: AABB}\n"


def load(folder: Path, text: str, **options: int) -> Scenario:
    path = folder / "s.yaml"
    path.write_text(text)
    return load_scenario(path, **options)


def refusal(folder: Path, text: str) -> str:
    """What is wrong, less the folder and the line with a caret below."""
    with pytest.raises(ScenarioError) as raised:
        load(folder, text)
    message = str(raised.value)
    assert message.startswith(f"{folder}/")
    assert len(raised.value.problems) == 1, message
    return message.splitlines()[0].removeprefix(f"{folder}/")
