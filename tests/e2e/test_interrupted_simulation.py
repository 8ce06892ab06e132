"""``qcutsim simulate`` stopped in its middle, politely or not: the same command goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from builders import make_profile, make_scenario, scenario_yaml

from qcutsim.calibrate import save_profile

PATIENCE_S = 60.0
CELLS, DONE = 16, 8
ARGUMENTS = ["simulate", "s.yaml", "--profile", "profile.json", "--replications", "4"]
STATISTICS = "statistics.jsonl"
PROGRAM = "import sys; from qcutsim.cli import main; sys.exit(main())"
STANDS_STILL = f"""
import time
from qcutsim import study

simulate_cell = study.simulate_cell

def slow(width, job):
    if job[1].workload.partition_labels == "AABB":
        time.sleep({2 * PATIENCE_S})
    return simulate_cell(width, job)

study.simulate_cell = slow
{PROGRAM}
"""
"""The command with cells, after the first ones, that take longer than a test waits."""


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save_profile(make_profile(make_scenario()), "profile.json")
    scenario = make_scenario(queries=3, kinds=("dedicated",), workers=tuple(range(1, 9)))
    Path("s.yaml").write_text(scenario_yaml(scenario))


def simulating(out: str, program: str = PROGRAM) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *ARGUMENTS, "--out", out],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def lines(out: str) -> int:
    path = Path(out) / STATISTICS
    return path.read_bytes().count(b"\n") if path.exists() else 0


def finish(out: str) -> str:
    """What the command says when nothing stops it."""
    process = simulating(out)
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, said
    return said


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_simulation_goes_on_and_ends_with_the_same_files(sent):
    finish("whole")
    assert lines("whole") == 1 + CELLS
    process = simulating("stopped", STANDS_STILL)
    give_up_s = time.monotonic() + PATIENCE_S
    while lines("stopped") < 1 + DONE:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < give_up_s
        time.sleep(0.005)
    process.send_signal(sent)
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == (130 if sent == signal.SIGINT else -signal.SIGKILL)
    assert "Traceback" not in said
    assert lines("stopped") == 1 + DONE
    finish("stopped")
    for name in ("simulated.jsonl", STATISTICS):
        assert Path("stopped", name).read_bytes() == Path("whole", name).read_bytes()
