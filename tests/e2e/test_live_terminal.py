"""``--live`` on a terminal, and where there is none."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from builders import make_profile, make_scenario, scenario_yaml
from rich.console import Console

from qcutsim import load_scenario, read_queries, run_scenario
from qcutsim.calibrate import save_profile
from qcutsim.cell import Cell
from qcutsim.live import LiveRun
from qcutsim.report.live import run_view
from qcutsim.stragglers import Stragglers

PATIENCE_S = 60.0
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
STYLE = re.compile(r"\x1b\[[0-9;]*m")
RUN = ["run", "s.yaml", "--out", "out", "--live"]
SIMULATE = ["simulate", "s.yaml", "--profile", "profile.json", "--out", "out", "--live"]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save_profile(make_profile(), "profile.json")


def write_scenario(delay_s: float, queries: int = 2) -> None:
    """Queries with two cuts on two threads; every task is delayed so long."""
    scenario = make_scenario(
        labels=("AABB",),
        kinds=("threads",),
        workers=(2,),
        queries=queries,
        stragglers=Stragglers(probability=1.0, delay_s=delay_s),
    )
    Path("s.yaml").write_text(scenario_yaml(scenario))


class Terminal:
    """A terminal on which a command runs, and all that it has written."""

    def __init__(self, arguments: list[str], term: str = "xterm-256color") -> None:
        here, there = pty.openpty()
        fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "qcutsim.cli", *arguments],
            stdin=there,
            stdout=there,
            stderr=there,
            env={k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
            | {"TERM": term, "NO_COLOR": "1"},
            start_new_session=True,
        )
        os.close(there)
        self._here = here
        self.text = ""

    def read_until(self, is_so: Callable[[str], bool]) -> None:
        """Read what it writes until that is so, or until it has ended."""
        give_up_s = time.monotonic() + PATIENCE_S
        while not is_so(self.text):
            assert time.monotonic() < give_up_s, self.text
            if not select.select([self._here], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(self._here, 1 << 16)
            except OSError:  # nobody writes any more
                return
            if not data:
                return
            self.text += STYLE.sub("", data.decode(errors="replace"))

    def finish(self) -> int:
        """Read to the end; the exit code."""
        self.read_until(lambda text: False)
        return self.process.wait(timeout=PATIENCE_S)

    def close(self) -> None:
        """Whatever it does."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self._here)


@contextmanager
def on_terminal(arguments: list[str], **options: str) -> Iterator[Terminal]:
    terminal = Terminal(arguments, **options)
    try:
        yield terminal
    finally:
        terminal.close()


def assert_cursor_is_shown(text: str) -> None:
    assert HIDE_CURSOR in text
    assert text.rindex(SHOW_CURSOR) > text.rindex(HIDE_CURSOR)


SHOWN = (
    "AABB upstream, 128 shots, 2 threads, eager, stragglers 1",
    "2 busy, 0 idle, 0 lost",
    "0: A w2",
    "of 12 tasks done of the queries in flight",
    "1 being executed",
)
"""What a frame says while the first tasks of a query are delayed."""


def test_a_run_draws_frames_until_ctrl_c_ends_it_and_shows_the_cursor():
    """It stands still while it is watched, however long a frame takes to be drawn."""
    write_scenario(delay_s=600.0)
    with on_terminal(RUN) as terminal:
        terminal.read_until(
            lambda text: text.count("handmade: ") > 3 and all(phrase in text for phrase in SHOWN)
        )
        os.killpg(terminal.process.pid, signal.SIGINT)
        assert terminal.finish() == 130
    for phrase in SHOWN:
        assert phrase in terminal.text
    assert_cursor_is_shown(terminal.text)
    assert "qcutsim run: interrupted; " in terminal.text
    assert "Traceback" not in terminal.text


def test_a_run_ends_with_its_table():
    write_scenario(delay_s=0.001)
    with on_terminal(RUN) as terminal:
        assert terminal.finish() == 0
        text = terminal.text
    assert "handmade: " in text[: text.index("Measured: handmade")]
    assert_cursor_is_shown(text)
    assert text.rindex("wrote out/run.jsonl") > text.rindex(SHOW_CURSOR)
    assert sum(not entry.query.is_cold for entry in read_queries(["out/run.jsonl"])) == 2


def test_a_run_says_while_it_warms_up():
    """Frames are drawn as blocks begin, in the thread of the run, which waits."""
    cells: list[str] = []

    class Watching(LiveRun):
        def block_began(self, cell: Cell, *, is_cold: bool) -> None:
            super().block_began(cell, is_cold=is_cold)
            console = Console(file=io.StringIO(), width=120)
            with console.capture() as drawn:
                console.print(run_view(self, "handmade"))
            cells.append(drawn.get().splitlines()[1].rstrip())

    write_scenario(delay_s=0.001)
    run_scenario(load_scenario("s.yaml"), "out", observer=Watching(time.monotonic))
    said = "cell     AABB upstream, 128 shots, 2 threads, eager"
    assert cells == [f"{said}, warming up", f"{said}, stragglers 1"]


def test_a_simulation_tells_of_its_cells_and_ends_with_its_tables():
    Path("s.yaml").write_text(scenario_yaml(make_scenario(queries=200)))
    with on_terminal([*SIMULATE, "--engine", "simpy"]) as terminal:
        assert terminal.finish() == 0
        text = terminal.text
    frames = text[: text.index("Simulated: handmade")]
    assert "handmade: 8 of 8 cells" in frames
    assert "engines  simpy 8" in frames
    assert "8 replications, 1600 queries, 10400 tasks; " in frames
    assert "AABB upstream, 2 processes, eager: makespan " in frames
    assert_cursor_is_shown(text)


def test_ctrl_c_ends_a_simulation_and_shows_the_cursor():
    write_scenario(delay_s=0.1, queries=100_000)
    with on_terminal([*SIMULATE, "--engine", "simpy"]) as terminal:
        terminal.read_until(lambda text: "0 of 1 cells" in text)
        os.killpg(terminal.process.pid, signal.SIGINT)
        assert terminal.finish() == 130
    assert_cursor_is_shown(terminal.text)
    assert "Traceback" not in terminal.text


def test_off_a_terminal_lines_follow_and_that_is_said():
    write_scenario(delay_s=0.001)
    done = subprocess.run(
        [sys.executable, "-m", "qcutsim.cli", *RUN, "--json"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    first, *lines = done.stderr.splitlines()
    assert first == "--live: standard error is no terminal; how far it is follows line by line"
    assert "queries: 2 of 2" in lines
    assert "\x1b" not in done.stderr + done.stdout
    assert len(json.loads(done.stdout)) == 1


def test_on_a_terminal_that_cannot_move_its_cursor_lines_follow_too():
    write_scenario(delay_s=0.001)
    with on_terminal(RUN, term="dumb") as terminal:
        assert terminal.finish() == 0
    assert "--live: standard error is no terminal" in terminal.text
    assert HIDE_CURSOR not in terminal.text
