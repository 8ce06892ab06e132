"""A coordinator to be killed: ``python coordinator.py KIND DELAY_S``.

It starts two worker processes, gives them tasks that sleep so long (none for ``idle``), says the
workers' process ids, and waits.
"""

from __future__ import annotations

import asyncio
import sys
import time

from realpools import Echo, query_of

from qcutsim.records import EventRecord
from qcutsim.runtime import Driver, ProcessPool


async def main(what: str, delay_s: float) -> None:
    pool = ProcessPool(2, "echo:echo")
    await pool.start()
    started = 0

    def note(record: EventRecord) -> None:
        nonlocal started
        started += sum(action["type"] == "Start" for action in record.actions)
        if started == 2:
            asyncio.get_running_loop().call_soon(say)

    def say() -> None:
        sys.stdout.write(" ".join(map(str, pool.process_ids().values())) + "\n")
        sys.stdout.flush()

    if what == "idle":
        say()
        await asyncio.Event().wait()
    async with Driver(pool, workers=2, clock=time.monotonic, on_event=note) as driver:
        await driver.execute(0, query_of([Echo(b"x")] * 2, delay_s=lambda *copy: delay_s))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
