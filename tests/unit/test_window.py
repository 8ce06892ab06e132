"""Calls in a window: in order, so many at once, and the first error ends them all."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from qcutsim.runtime import run_in_window


class Calls:
    """Calls that end when they are told to; what happens to them is noted."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.events: list[tuple[str, int]] = []
        self.gates = [asyncio.Event() for _ in range(count)]
        self.errors: dict[int, BaseException] = {}
        self.progress = asyncio.Event()
        self.running = 0
        self.most_at_once = 0

    async def call(self, number: int) -> None:
        self._note("begin", number)
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        try:
            await self.gates[number].wait()
            if number in self.errors:
                raise self.errors[number]
            self._note("end", number)
        except asyncio.CancelledError:
            self._note("cancelled", number)
            raise
        finally:
            self.running -= 1

    def _note(self, what: str, number: int) -> None:
        self.events.append((what, number))
        self.progress.set()

    def all(self):
        return (partial(self.call, number) for number in range(self.count))

    def of(self, what: str) -> list[int]:
        return [number for event, number in self.events if event == what]

    async def until(self, what: str, count: int) -> None:
        while len(self.of(what)) < count:
            self.progress.clear()
            await self.progress.wait()


@pytest.mark.parametrize("window", [1, 2, 3, 7, 50])
def test_calls_begin_in_order_and_no_more_at_once_than_the_window(window):
    async def main() -> Calls:
        calls = Calls(7)
        async with asyncio.TaskGroup() as group:
            group.create_task(run_in_window(window, calls.all()))
            for ended in range(7):
                await calls.until("begin", min(7, window + ended))
                assert calls.running == min(window, 7 - ended)
                calls.gates[ended].set()
                await calls.until("end", ended + 1)
        return calls

    calls = asyncio.run(main())
    assert calls.of("begin") == calls.of("end") == list(range(7))
    assert calls.most_at_once == min(window, 7)


def test_a_call_that_takes_long_holds_only_its_own_place():
    async def main() -> Calls:
        calls = Calls(6)
        async with asyncio.TaskGroup() as group:
            group.create_task(run_in_window(2, calls.all()))
            for number in range(1, 6):
                calls.gates[number].set()
            await calls.until("end", 5)
            assert calls.running == 1
            calls.gates[0].set()
        return calls

    calls = asyncio.run(main())
    assert calls.of("end") == [1, 2, 3, 4, 5, 0]


@pytest.mark.parametrize("window", [1, 3])
def test_no_calls_are_nothing_to_do(window):
    asyncio.run(run_in_window(window, []))


@pytest.mark.parametrize("window", [1, 2, 4])
@pytest.mark.parametrize("error", [ValueError("broken"), SystemExit(3)], ids=repr)
def test_the_first_error_cancels_the_others_and_is_raised_as_it_is(window, error):
    calls = Calls(6)

    async def main() -> None:
        calls.errors[0] = error
        run = asyncio.create_task(run_in_window(window, calls.all()))
        await calls.until("begin", window)
        calls.gates[0].set()
        await run

    with pytest.raises(type(error)) as raised:
        asyncio.run(main())
    assert raised.value is error
    assert calls.of("begin") == list(range(window))
    assert sorted(calls.of("cancelled")) == list(range(1, window))
    assert calls.running == 0


@pytest.mark.parametrize("window", [1, 2])
def test_a_window_that_is_cancelled_cancels_its_calls(window):
    calls = Calls(4)

    async def main() -> None:
        run = asyncio.create_task(run_in_window(window, calls.all()))
        await calls.until("begin", window)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(main())
    assert sorted(calls.of("cancelled")) == list(range(window))
    assert calls.of("begin") == list(range(window))
