"""A copy that nobody needs any more is cut short, killed, or left alone, as its pool can."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from realpools import (
    FOR_EVER_S,
    SPECULATIVE,
    USUALLY_SHORT,
    Echo,
    Home,
    assert_replays,
    copies_of,
    first_copy_sleeps,
    life,
    open_driver,
    query_of,
)

from qcutsim.errors import ExecutionError
from qcutsim.runtime import Driver, Pool, ProcessPool, make_pool

pytestmark = pytest.mark.usefixtures("task_functions")

MEET = "echo:call_home"
CUT_SHORT = [("threads", "sleep_only"), ("processes", "sleep_only"), ("processes", "kill")]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def drive(
    pool: Pool, talk: Callable[[Driver, Echo, Home], Awaitable[None]], *, tells: int
) -> list[dict[str, object]]:
    """Let ``talk`` ask a driver of two workers for queries; returns the events, replayed.

    Calls are answered as they come, ``tells`` of them; those after wait for one another, two and
    two, so that they end only where both workers work.
    """
    meeting: list[asyncio.Event] = []

    async def answer(call: int, caller: int) -> bytes:
        if call >= tells:
            if (call - tells) % 2 == 0:
                meeting.append(asyncio.Event())
                await meeting[-1].wait()
            else:
                meeting[-1].set()
        return b"hello"

    async def main() -> None:
        home = Home(answer)
        async with (
            home.opened() as task,
            open_driver(pool, Path("log"), workers=2, policy=SPECULATIVE) as driver,
        ):
            await talk(driver, task, home)

    asyncio.run(main())
    return assert_replays(Path("log"), SPECULATIVE)


@pytest.mark.parametrize(("kind", "cancel"), CUT_SHORT)
def test_the_slower_copy_ends_at_once_and_its_worker_serves_the_next_query(kind, cancel):
    """It would have slept for ten minutes."""
    pool = make_pool(kind, 2, MEET, cancel)

    async def talk(driver: Driver, task: Echo, home: Home) -> None:
        late = query_of([task], delay_s=first_copy_sleeps(FOR_EVER_S), **USUALLY_SHORT)
        done = await driver.execute(0, late)
        assert done.value == [b"hello"]
        assert life(done) == [(0, 0, "cancelled"), (0, 1, "ok")]
        pair = await driver.execute(1, query_of([task, task]))
        assert pair.value == [b"hello"] * 2
        assert len({run.worker for run in pair.runs}) == 2

    events = drive(pool, talk, tells=1)
    assert copies_of(events, "TaskFinished")[0] == (0, 0, 1)
    if cancel == "kill":
        assert [e["worker"] for e in events if e["type"] == "WorkerLost"] == [0]
        assert [e["worker"] for e in events if e["type"] == "WorkerJoined"] == [0, 1, 2]
    else:
        assert copies_of(events, "TaskCancelled") == [(0, 0, 0)]
        assert not any(event["type"] == "WorkerLost" for event in events)


def is_alive(pid: int) -> bool:
    """Whether a process runs: one that has ended may wait for its parent to notice."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_the_process_of_a_killed_copy_is_gone():
    pool = ProcessPool(2, "echo:echo", "kill")
    seen: list[dict[int, int]] = []

    async def talk(driver: Driver, task: Echo, home: Home) -> None:
        seen.append(pool.process_ids())
        late = query_of([task], delay_s=first_copy_sleeps(FOR_EVER_S), **USUALLY_SHORT)
        await driver.execute(0, late)
        seen.append(pool.process_ids())
        async with asyncio.timeout(10):
            while is_alive(seen[0][0]):  # it was told to end; the system takes its time
                await asyncio.sleep(0.001)

    drive(pool, talk, tells=0)
    before, after = seen
    assert after.keys() == {1, 2}
    assert after[1] == before[1]


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_a_pool_that_cancels_nothing_lets_the_slower_copy_finish(kind):
    pool = make_pool(kind, 2, MEET, "none")

    async def talk(driver: Driver, task: Echo, home: Home) -> None:
        late = query_of([task], delay_s=first_copy_sleeps(0.4), **USUALLY_SHORT)
        done = await driver.execute(0, late)
        assert life(done) == [(0, 0, "cancelled"), (0, 1, "ok")]  # as it was seen to be then
        pair = await driver.execute(1, query_of([task, task]))
        assert pair.value == [b"hello"] * 2

    events = drive(pool, talk, tells=2)
    finished = copies_of(events, "TaskFinished")
    assert finished.index((0, 0, 1)) < finished.index((0, 0, 0))
    assert copies_of(events, "TaskCancelled") == []
    slow_s = next(e["at_s"] for e in events if copies_of([e], "TaskFinished") == [(0, 0, 0)])
    submitted_s = next(e["at_s"] for e in events if e["type"] == "QuerySubmitted")
    assert slow_s - submitted_s >= 0.4


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_work_is_not_cut_short_and_what_came_too_late_for_it_cancels_nothing_else(kind):
    """The first copy has slept already and works; the next tasks of its worker sleep, too."""
    pool = make_pool(kind, 2, MEET, "sleep_only")
    is_over = asyncio.Event()

    async def answer(call: int, caller: int) -> bytes:
        if call == 0:
            await is_over.wait()
        return b"%d" % call

    async def main() -> None:
        async with (
            Home(answer).opened() as task,
            open_driver(pool, Path("log"), workers=2, policy=SPECULATIVE) as driver,
        ):
            late = query_of([task], delay_s=first_copy_sleeps(0.001), **USUALLY_SHORT)
            assert (await driver.execute(0, late)).value == [b"1"]
            is_over.set()
            more = query_of([task] * 6, delay_s=lambda *copy: 0.03)
            done = await driver.execute(1, more)
            assert sorted(done.value) == [b"%d" % call for call in range(2, 8)]

    asyncio.run(main())
    events = assert_replays(Path("log"), SPECULATIVE)
    assert copies_of(events, "TaskCancelled") == []
    assert (0, 0, 0) in copies_of(events, "TaskFinished")
    assert {e["worker"] for e in events if e["type"] == "TaskFinished" and e["query"]} == {0, 1}


@pytest.mark.parametrize(("kind", "cancel"), CUT_SHORT)
def test_a_query_that_fails_ends_what_it_still_runs(kind, cancel):
    pool = make_pool(kind, 2, "echo:echo", cancel)

    async def talk(driver: Driver, task: Echo, home: Home) -> None:
        fails = query_of([Echo(b"x"), Echo(b"fail")], delay_s=first_copy_sleeps(FOR_EVER_S))
        with pytest.raises(ExecutionError, match="task 1 failed 3 times"):
            await driver.execute(0, fails)
        next_one = await driver.execute(1, query_of([Echo(b"a"), Echo(b"b")]))
        assert next_one.value == [b"a", b"b"]

    events = drive(pool, talk, tells=0)
    cut = [e for e in events if e["type"] in ("TaskCancelled", "WorkerLost")]
    assert [event["worker"] for event in cut] == [0]
