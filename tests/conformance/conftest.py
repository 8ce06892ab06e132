"""Workers of real pools find the task functions of these tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))


@pytest.fixture
def task_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """``echo:...`` and ``flaky:...`` can be loaded here and in worker processes."""
    here = str(Path(__file__).parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([here, os.environ.get("PYTHONPATH", "")]))
    monkeypatch.syspath_prepend(here)
