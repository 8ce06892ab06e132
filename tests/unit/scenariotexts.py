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
    """The message, less the folder."""
    with pytest.raises(ScenarioError) as raised:
        load(folder, text)
    message = str(raised.value)
    assert message.startswith(f"{folder}/")
    assert "\n" not in message
    return message.removeprefix(f"{folder}/")
