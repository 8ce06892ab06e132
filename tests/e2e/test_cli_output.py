"""What commands say where standard output takes nothing, or where they fail half-way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from builders import make_profile, make_scenario, write_measured_log

from qcutsim.calibrate import save_profile
from qcutsim.cli import main

COMPARE = ["compare", "--measured", "run.jsonl", "--profile", "profile.json"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a user with a log and a profile."""
    monkeypatch.chdir(tmp_path)
    scenario = make_scenario()
    write_measured_log(Path("run.jsonl"), scenario)
    save_profile(make_profile(scenario), "profile.json")
    return tmp_path


def in_a_shell(arguments: list[str], redirection: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", f'"$@" {redirection}', "sh", sys.executable, "-m", "qcutsim.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["table", "json"])
def test_a_full_disk_under_standard_output_is_one_error(folder, form):
    done = in_a_shell([*COMPARE, *form], ">/dev/full")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "qcutsim compare: standard output: cannot be written (No space left on device)"
    )
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["table", "json"])
def test_a_closed_standard_output_is_told_before_any_work(folder, form):
    done = in_a_shell([*COMPARE, *form], ">&-")
    assert done.returncode == 1
    assert done.stderr == "qcutsim: standard output is closed; redirect it, as to /dev/null\n"


def test_a_closed_standard_error_does_not_stop_a_command(folder):
    done = in_a_shell(COMPARE, "2>&-")
    assert done.returncode == 0
    assert "Measured and simulated" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["calibrate", "run.jsonl", "-o", "new.json", "--only", "workers>9"], "is left to"),
        (["calibrate", "run.jsonl", "none.jsonl", "-o", "new.json"], "none.jsonl: no such log"),
        ([*COMPARE, "--simulated", "none.jsonl"], "none.jsonl: no such log"),
    ],
    ids=["calibrate", "calibrate second log", "compare"],
)
def test_skipped_lines_are_named_also_where_the_command_fails(folder, capsys, arguments, message):
    with (folder / "run.jsonl").open("a") as log:
        log.write("torn")
    assert main(arguments) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "skipped 1 unreadable line(s):"
    assert "(torn last line)" in said[1]
    assert message in said[-1]


def test_a_pipe_or_device_is_not_replaced_by_a_profile(folder, capsys):
    os.mkfifo("pipe")
    assert main(["calibrate", "run.jsonl", "-o", "pipe", "--force"]) == 2
    assert capsys.readouterr().err == "qcutsim calibrate: pipe: is no regular file; name a file\n"
    assert Path("pipe").is_fifo()


def test_a_profile_name_that_is_too_long_is_refused(folder, capsys):
    assert main(["calibrate", "run.jsonl", "-o", "x" * 300]) == 2
    assert "cannot be looked at (File name too long)" in capsys.readouterr().err
