"""``qcutsim completion``: a real shell completes what a user types."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from qcutsim.cli import main

BASH = shutil.which("bash")
ASK_BASH = """
source completion.sh
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
how=$(complete -p qcutsim); [[ $how =~ -F\\ ([^ ]+) ]]
"${BASH_REMATCH[1]}" qcutsim "${@: -1}" "${@: -2:1}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a scenario, a log, and a folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").touch()
    (tmp_path / "run.jsonl").touch()
    (tmp_path / "results").mkdir()
    return tmp_path


@pytest.fixture
def completions(folder: Path, capsys: pytest.CaptureFixture[str]):
    """What bash offers after these words, of which the last is being typed."""
    if BASH is None:
        pytest.skip("bash is not installed")
    assert main(["completion", "bash"]) == 0
    (folder / "completion.sh").write_text(capsys.readouterr().out)

    def ask(*words: str) -> set[str]:
        done = subprocess.run(
            [BASH, "--norc", "-c", ASK_BASH, "bash", "qcutsim", *words],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        assert done.stderr == ""
        return set(filter(None, done.stdout.splitlines()))

    return ask


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["sim"], ["simulate"]),
        (["c"], ["calibrate", "compare", "completion"]),
        (["--ver"], ["--version"]),
        (["simulate", "--ex"], ["--extrapolate"]),
        (["simulate", "study.yaml", "--engine", ""], ["auto", "kernel", "simpy"]),
        (["simulate", "study.yaml", "--engine", "k"], ["kernel"]),
        (["completion", ""], ["bash", "fish", "zsh"]),
        (["run", "stu"], ["study.yaml"]),
        (["run", "study.yaml", "--out", "r"], ["results"]),
        (["compare", "--measured", "r"], ["results", "run.jsonl"]),
        (["compare", "--measured", "run.jsonl", "ru"], ["run.jsonl"]),
        (["calibrate", "run.jsonl", "-o", "run"], ["run.jsonl"]),
    ],
    ids=" ".join,
)
def test_bash_completes(completions, words, offered):
    assert {offer.removesuffix("/") for offer in completions(*words)} == set(offered)


def test_every_command_is_offered_in_bash(completions, capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    commands = completions("")
    assert {"run", "simulate", "policies", "completion"} <= commands
    assert all(f"\n    {command}" in shown for command in commands if not command.startswith("-"))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_its_shell_reads(shell, folder, capsys):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "extrapolate" in script
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run(
        [program, "-n"], input=script, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_fish_completes(folder, capsys):
    program = shutil.which("fish")
    if program is None:
        pytest.skip("fish is not installed")
    assert main(["completion", "fish"]) == 0
    (folder / "completion.fish").write_text(capsys.readouterr().out)
    done = subprocess.run(
        [program, "-N", "-c", "source completion.fish; complete -C 'qcutsim simul'"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.split()[0] == "simulate"


def test_another_shell_is_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["completion", "ksh"])
    assert ended.value.code == 2
    assert "invalid choice: 'ksh'" in capsys.readouterr().err


def test_where_shtab_is_not_installed_the_extra_is_named(capsys, monkeypatch):
    monkeypatch.setattr("qcutsim.extras.find_spec", lambda name: None)
    assert main(["completion", "bash"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "'shtab', which is not installed" in said.err
    assert "pip install 'qcutsim[completion]'" in said.err
