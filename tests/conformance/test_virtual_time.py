"""The virtual-time loop keeps every timer, in order, and never waits."""

from __future__ import annotations

import asyncio
import math

import pytest
from virtual_time import VirtualTimeLoop, run_virtual


def test_time_jumps_exactly_to_each_timer():
    async def main(loop: VirtualTimeLoop) -> list[float]:
        seen = []
        for delay_s in (0.1, 0.2, 1e9, 1e-9):
            expected_s = loop.time() + delay_s
            await asyncio.sleep(delay_s)
            seen.append(loop.time() - expected_s)
        return seen

    assert run_virtual(main) == [0.0] * 4


@pytest.mark.parametrize("at_s", [0.0, 1.0, 86400.0])
def test_timers_one_ulp_apart_run_at_two_instants(at_s: float):
    async def main(loop: VirtualTimeLoop) -> list[float]:
        seen: list[float] = []
        times_s = [math.nextafter(at_s, math.inf), at_s]
        for when_s in times_s:
            loop.call_at(when_s, lambda: seen.append(loop.time()))
        await asyncio.sleep(at_s + 1.0)
        return seen

    assert run_virtual(main) == [at_s, math.nextafter(at_s, math.inf)]


def test_settled_comes_after_all_else_at_its_instant_and_before_time_passes():
    async def main(loop: VirtualTimeLoop) -> list[str]:
        seen: list[str] = []

        def chain(length: int) -> None:
            seen.append(f"step {length}")
            if length:
                loop.call_later(0.0, chain, length - 1)

        loop.call_later(1.0, seen.append, "later")
        loop.call_soon(chain, 2)
        await loop.settled()
        seen.append("settled")
        await asyncio.sleep(1.0)
        return seen

    assert run_virtual(main) == ["step 2", "step 1", "step 0", "settled", "later"]


def test_waiting_for_nothing_is_an_error():
    async def main(loop: VirtualTimeLoop) -> None:
        await loop.create_future()

    with pytest.raises(RuntimeError, match="nothing is ready and no timer is set"):
        run_virtual(main)
