"""What a view of a run or a study says, from what happened; and how long the rest takes."""

from __future__ import annotations

import io

import msgspec
import pytest
from builders import make_profile, make_scenario, query_record
from rich.console import Console

from qcutsim import simulate_scenario
from qcutsim.dispatch import (
    Dispatcher,
    Event,
    QuerySubmitted,
    TaskFinished,
    TaskKind,
    WorkerJoined,
    WorkerLost,
    make_policy,
)
from qcutsim.live import LiveRun, LiveStudy, Pace
from qcutsim.report.live import run_view, study_view
from qcutsim.simulatedcell import CellStatistics


class Clock:
    """Seconds as a test sets them."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def text_of(view, width: int = 120) -> list[str]:
    """The lines of a frame."""
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(view)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_the_rest_takes_as_long_as_what_was_done_now_and_not_before(clock):
    pace = Pace(clock)
    pace.progress(40, 100)
    assert pace.left_s is None
    clock.now_s = 50.0  # workers start, and warm up
    pace.start()
    clock.now_s = 60.0
    assert pace.left_s is None
    pace.step()
    pace.step()
    pace.progress(42, 100)
    assert pace.per_s() == 0.2
    assert pace.per_s(30) == 3.0
    assert pace.left_s == pytest.approx(290.0)
    assert pace.elapsed_s == 60.0


def test_a_clock_that_stands_still_gives_no_speed(clock):
    pace = Pace(clock)
    pace.start()
    pace.step()
    assert pace.left_s is None


def begin(run: LiveRun, *events: Event, workers: int = 2) -> Dispatcher:
    """A block of a cell whose dispatcher has handled some events; query 7 was prepared."""
    (cell,) = make_scenario(labels=("AABB",), kinds=("threads",), workers=(workers,)).cells
    run.block_began(cell, is_cold=False)
    run.query_began(7)
    dispatcher = Dispatcher(make_policy("eager"))
    joined = [WorkerJoined(0.0, worker) for worker in range(workers)]
    for event in [*joined, *events]:
        run.handled(event, dispatcher.handle(event))
    return dispatcher


KINDS = (TaskKind("A", "w2 d7 x1"), TaskKind("B", "w3 d9 x1"))
SUBMITTED = QuerySubmitted(0.0, 7, 5, KINDS, (0, 1, 0, 1, 0))


def test_a_query_goes_through_its_stages(clock):
    run = LiveRun(clock)
    dispatcher = begin(run)
    assert run.stages == {"prepared": 1, "executed": 0, "reconstructed": 0}
    event: Event = QuerySubmitted(0.0, 7, 1)
    run.handled(event, dispatcher.handle(event))
    assert run.stages == {"prepared": 0, "executed": 1, "reconstructed": 0}
    event = TaskFinished(1.0, 7, 0, 0, 0)
    run.handled(event, dispatcher.handle(event))
    assert run.stages == {"prepared": 0, "executed": 0, "reconstructed": 1}


def test_stages_add_up_over_warm_queries_only(clock):
    run = LiveRun(clock)
    begin(run)
    run.query_ended(query_record(query=7))
    run.query_ended(query_record(query=8))
    run.query_ended(query_record(query=9, is_cold=True, total_s=99.0))
    assert list(run.stages_s.values()) == [2.0, 4.0, 6.0, 8.0]
    assert run.last is not None
    assert run.last.total_s == 10.0


def test_a_frame_shows_pool_queue_barrier_stage_and_totals(clock):
    run = LiveRun(clock)
    run.pace.progress(1, 4)
    begin(run, SUBMITTED, TaskFinished(1.0, 7, 0, 0, 0), WorkerLost(2.0, 1), workers=3)
    run.query_ended(query_record(query=6))
    run.pace.progress(2, 4)
    clock.now_s = 65.0
    head, cell, pool, workers, queue, barrier, stage, totals, last = text_of(run_view(run, "mine"))
    assert head == "mine: 2 of 4 queries, 1:05 so far, about 2:10 left"
    assert cell == "cell     AABB upstream, 128 shots, 3 threads, eager"
    assert pool == f"pool     {30 * '━'} 2 busy, 0 idle, 1 lost"
    assert workers == "         0: B w3 d9 x1  2: A w2 d7 x1"
    assert queue == "queue    2 tasks wait for a worker"
    assert barrier.split(maxsplit=2) == [
        "barrier",
        6 * "━",
        "1 of 5 tasks done of the queries in flight",
    ]
    assert stage == "stage    queries: 1 being executed"
    assert totals == (
        "totals   partition 1.00 s 10%  generate 2.00 s 20%  execute 3.00 s 30%  "
        "reconstruct 4.00 s 40%"
    )
    assert last == "last     10.000 s a query"


def test_many_workers_are_counted_by_what_they_run(clock):
    run = LiveRun(clock)
    begin(run, msgspec.structs.replace(SUBMITTED), workers=40)
    lines = text_of(run_view(run, "mine"))
    assert lines[3] == "         3 x A w2 d7 x1  2 x B w3 d9 x1"


def test_a_frame_before_anything_has_happened_has_nothing_to_show(clock):
    lines = text_of(run_view(LiveRun(clock), "mine"))
    assert lines[0] == "mine: 0 of 0 queries, 0:00 so far"
    assert lines[1] == "cell     -"


def test_a_name_with_markup_is_shown_as_it_is(clock):
    assert text_of(run_view(LiveRun(clock), "[red]mine[/red]"))[0].startswith("[red]mine[/red]: ")


@pytest.mark.parametrize("width", [20, 40])
def test_a_narrow_terminal_gets_as_many_lines(clock, width):
    run = LiveRun(clock)
    begin(run, SUBMITTED)
    lines = text_of(run_view(run, "a name that is rather long"), width)
    assert all(len(line) <= width for line in lines)
    assert len(lines) <= 14


def test_a_study_adds_up_its_cells_as_they_end(clock, tmp_path):
    scenario = make_scenario(queries=3)
    ended: list[CellStatistics] = []
    steps: list[tuple[int, int]] = []
    simulate_scenario(
        scenario,
        make_profile(),
        tmp_path / "out",
        engine="simpy",
        on_cell=ended.append,
        on_progress=lambda done, total: steps.append((done, total)),
    )
    assert len(ended) == len(scenario.cells) == len(steps) - 1  # the first says where it begins
    study = LiveStudy(scenario, clock)
    clock.now_s = 4.0
    for cell, (done, total) in zip(ended[:6], steps[1:7], strict=True):
        study.cell_ended(cell)
        study.pace.progress(done, total)
    assert (study.replications, study.queries) == (6, 18)
    assert study.tasks == 4 * 3 * 1 + 2 * 3 * 12  # uncut: one circuit; one cut: six times two
    head, cells, engines, so_far, last = text_of(study_view(study, "mine"))
    assert head == "mine: 6 of 8 cells, 0:04 so far, about 0:01 left"
    assert cells.endswith(" 6 of 8 done")
    assert engines == "engines  simpy 6"
    assert so_far == "so far   6 replications, 18 queries, 84 tasks; 21 tasks/s"
    makespan_s = ended[5].makespan_s.estimate
    assert last == (
        f"last     AABB upstream, 2 threads, eager: makespan {makespan_s:.3g} s (simpy)"
    )
