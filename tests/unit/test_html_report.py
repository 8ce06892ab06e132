"""A report is one page that asks nothing of any host, and says what the records say."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from builders import make_scenario, query_record, run_record, task_record, write_log

from qcutsim.calibrate import load_profile
from qcutsim.cli import main
from qcutsim.errors import InputError, LogError
from qcutsim.records import QueryRecord, Record
from qcutsim.report import Page, as_html, draw_figures, page_of, read_sources, render
from qcutsim.scenario import load_scenario
from qcutsim.study import read_study, simulate_scenario

ROOT = Path(__file__).parents[2]
HOSTILE = "</script><img src=x onerror=alert(1)>&amp;\u2028\u202e\x1b$x$"
SEEN = HOSTILE.replace("\u2028\u202e\x1b", r"\u2028\u202e\u001b")
VOID = {"meta", "img", "br", "link", "input"}


def query(total_s: float, **changes: Any) -> QueryRecord:
    """Partition, generate and reconstruct take 1 s each, execution the rest."""
    parts = {"partition_s": 1.0, "generate_s": 1.0, "reconstruct_s": 1.0}
    values = {**parts, "execute_s": total_s - 3.0, "total_s": total_s, "dataset": "iris", **changes}
    return query_record(**values)


def numbered(*queries: QueryRecord) -> list[Record]:
    return [msgspec.structs.replace(q, query=n) for n, q in enumerate(queries)]


def page_from(folder: Path, measured: list[Record], simulated: Sequence[Record] = ()) -> Page:
    """The page of logs that hold these records."""
    logs = []
    for origin, records in (("measured", measured), ("simulated", simulated)):
        if records:
            log = folder / f"{origin}.jsonl"
            logs.append(write_log(log, run_record(origin=origin, run=origin), *records))
    return page_of(read_sources(logs), "a title")


def figure(page: Page, name: str) -> Any:
    return next(one for one in page.figures if one.name == name)


def values(page: Page, name: str, *, origin: str = "measured", **fields: Any) -> list[float]:
    """What the marks of a figure show of the configurations with these fields."""
    found = []
    for mark in figure(page, name).marks:
        own = dict(zip(page.fields, page.configurations[mark.c], strict=True))
        if mark.origin == origin and all(own[n] == v for n, v in fields.items()):
            found.append(mark.y)
    return found


class Elements(HTMLParser):
    """The elements of a page, as a parser sees them, with the text of each."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], list[str]]] = []
        self._open: list[int] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self._open.append(len(self.found))
        self.found.append((tag, dict(attrs), []))

    def handle_endtag(self, tag: str) -> None:
        assert self.found[self._open.pop()][0] == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if self._open:
            self.found[self._open[-1]][2].append(data)

    def of(self, tag: str) -> list[tuple[dict[str, str | None], str]]:
        return [(attributes, "".join(text)) for name, attributes, text in self.found if name == tag]


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cuts and pools, replicated often enough for intervals, with tasks."""
    scenario = make_scenario(labels=("AABB", "ABBC"), kinds=("processes",), shots=1024, queries=1)
    profile = load_profile(ROOT / "calibration" / "iris-upstream.json")
    out = tmp_path_factory.mktemp("simulated")
    replicated = type(scenario)("of ten", 3, 1, 10, scenario.cells)
    simulate_scenario(replicated, profile, out, with_tasks=True, extrapolate=True)
    return out


def test_speed_up_is_the_makespan_of_one_worker_over_that_of_more(tmp_path):
    page = page_from(
        tmp_path,
        numbered(*(query(t, workers=1) for t in (9, 10, 11)), *[query(4, workers=4)] * 3),
        numbered(query(12, workers=1), query(3.0, workers=4)),
    )
    assert values(page, "speed-up", workers=4) == [pytest.approx(2.5)]
    assert values(page, "speed-up", origin="simulated", workers=4) == [pytest.approx(4.0)]


def test_slowdown_policies_shares_and_errors_are_those_of_the_records(tmp_path):
    late = {"straggler_probability": 0.1, "straggler_delay_s": 0.5}
    page = page_from(
        tmp_path,
        numbered(query(10), query(15, **late), query(12, policy="speculative", **late)),
        numbered(query(11), query(15, **late)),
    )
    assert sorted(values(page, "stragglers", stragglers="0.1 x 0.5 s")) == pytest.approx([1.5])
    assert values(page, "policies", policy="speculative") == [pytest.approx(12 / 15)]
    assert values(page, "policies", policy="eager") == [1.0]
    assert values(page, "stages", policy="eager", stragglers="") == [(0.1, 0.1, 0.7, 0.1)]
    tips = [mark.tip for mark in figure(page, "errors").marks]
    assert tips == ["error +10.0 %", "error +0.0 %"]
    assert "off by 5.0 % in median and 9.0 % at p90, over 2 configurations" in page.answer[-1]


def test_no_task_of_a_timeline_runs_on_beyond_the_barrier(tmp_path):
    """Records hold no moments of stages: what lies between two of them shifts those after it."""
    task = task_record(ready_s=2.5, dispatched_s=2.5, started_s=2.5, ended_s=8.0, collected_s=8.5)
    late = query(10, execute_s=6.0)  # 1 s lies between the stages
    page = page_from(tmp_path, [task, late])
    (run,) = figure(page, "timeline").runs
    assert run["stages"][2:] == [("execute", 2.5, 8.5), ("reconstruct", 9.0, 10.0)]


def test_growth_says_what_is_analytic_and_what_was_recorded(tmp_path):
    page = page_from(
        tmp_path,
        numbered(
            query(10, std=0.1, cuts=1, subexperiments=12, executed=12, shots=100),
            query(90, std=0.2, cuts=2, partition_labels="ABBC", subexperiments=108, shots=100),
        ),
    )
    found = {(mark.series, mark.x): (mark.origin, mark.y) for mark in figure(page, "growth").marks}
    assert found["6^k coefficients (analytic)", 2] == ("analytic", 36)
    assert found["9^k sampling overhead (analytic)", 2] == ("analytic", 81)
    assert found["9^k / shots (analytic)", 2] == ("analytic", pytest.approx(0.81))
    assert found["subexperiments (recorded)", 2] == ("measured", 108)
    assert found["variance (recorded)", 2] == ("measured", pytest.approx(0.04))
    assert found["", 2] == ("measured", 90)


def test_the_answer_says_what_bounds_the_time_and_what_workers_and_cuts_give(tmp_path):
    labels = {"partition_labels": "ABBC", "cuts": 2}
    page = page_from(
        tmp_path,
        numbered(
            query(6, workers=1),
            query(30, workers=1, **labels),
            query(15, workers=4, **labels),
        ),
        numbered(query(33, workers=1, **labels), query(5.5, workers=16, **labels)),
    )
    assert page.answer[0] == (
        "iris, pipeline upstream: execution bounds the time, 80 % of it with 2 cuts on 4 threads "
        "(measured). More workers give up to 2x the speed of one, with 4 threads and 2 cuts "
        "(measured, from 1 query: too few for an interval). Beyond what was measured they give up "
        "to 6x the speed of one, with 16 threads and 2 cuts (simulated, from 1 query: too few for "
        "an interval). With 2 cuts a query takes 5x as long as with 1 on 1 thread (measured)."
    )


def test_the_critical_path_tells_what_execution_waits_for(tmp_path):
    tasks = [
        task_record(task=n, worker=0, ready_s=0.0, dispatched_s=n, started_s=n, ended_s=n + 1.0,
                    collected_s=n + 1.0, cpu_s=0.25)
        for n in range(4)
    ]  # fmt: skip
    page = page_from(tmp_path, [*tasks, query(7)])
    assert "most of that waiting for cores that the other workers use" in page.answer[0]


CUT = {"partition_labels": "ABBC", "cuts": 2}
LATE = {"straggler_probability": 0.1, "straggler_delay_s": 0.5}


@pytest.mark.parametrize(
    ("name", "queries", "why"),
    [
        ("speed-up", [query(9)], "sweep pool.workers"),
        ("stragglers", [query(9)], "nothing was run with stragglers"),
        ("stragglers", [query(9, **LATE)], "both with stragglers and without"),
        ("policies", [query(9), query(9, **LATE)], "only one policy"),
        ("errors", [query(9)], "nothing simulated was given"),
        ("growth", [query(9), query(5, workers=2)], "every query had 1 cut;"),
        ("timeline", [query(9)], "no query has task records; a simulation writes them with"),
    ],
)
def test_a_figure_that_has_nothing_to_show_is_left_out_with_the_reason(
    tmp_path, name, queries, why
):
    page = page_from(tmp_path, numbered(*queries))
    (absent,) = (one for one in page.absent if one.name == name)
    assert why in absent.why
    html = render(page)
    assert not any(a.get("id") == name for a, _ in Elements(html).of("section"))
    assert any(why in text for _, text in Elements(html).of("dd"))


def test_cold_and_failed_queries_are_left_out_and_counted(tmp_path):
    others = query(8, is_cold=True), query(8, outcome="failed")
    page = page_from(tmp_path, numbered(query(9), *others))
    assert figure(page, "tails").curves[0].xs == (9.0,)
    assert any("1 query of 1 configuration; 2 more were cold or failed" in n for n in page.notes)


def test_a_log_without_a_query_to_tell_of_is_refused(tmp_path):
    with pytest.raises(LogError, match=r"measured\.jsonl: holds no warm query that went well"):
        page_from(tmp_path, numbered(query(8, is_cold=True)))


def test_a_hostile_name_is_text_wherever_it_stands(tmp_path):
    page = page_from(
        tmp_path,
        [
            task_record(partition=HOSTILE),
            query(9, dataset=HOSTILE, pool=HOSTILE, policy=HOSTILE, pipeline=HOSTILE),
        ],
        [query(9, dataset=HOSTILE, machines=HOSTILE)],
    )
    html = render(msgspec.structs.replace(page, title=HOSTILE))
    elements = Elements(html)
    assert not elements.of("img")
    assert len(elements.of("script")) == 2
    assert [text for _, text in elements.of("title")] == [SEEN]
    data = json.loads(next(text for a, text in elements.of("script") if a.get("id") == "data"))
    assert SEEN in data["configurations"][0]
    assert any(text == SEEN for _, text in elements.of("td"))


def test_the_script_data_can_end_nothing(tmp_path):
    html = render(page_from(tmp_path, [query(9, dataset=HOSTILE)]))
    (data,) = re.findall(r'<script type="application/json" id="data">(.*)\n', html)
    inside = data.removesuffix("</script>")
    assert not re.search("[<>&\u2028\u2029]", inside)


def test_the_policy_lets_through_the_style_and_script_of_the_page_and_nothing_else(simulated):
    html = render(page_of(read_sources([simulated]), "a title"))
    elements = Elements(html)
    (policy,) = (
        a["content"] for a, _ in elements.of("meta")
        if a.get("http-equiv") == "Content-Security-Policy"
    )  # fmt: skip

    def digest(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    ((_, style),) = elements.of("style")
    (script,) = (text for a, text in elements.of("script") if not a)
    assert str(policy).split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{digest(style)}'",
        f"script-src 'sha256-{digest(script)}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    attributes = {name for _, own, _ in elements.found for name in own}
    assert not attributes & {"src", "href", "style", "action", "onclick", "srcset"}
    assert set(re.findall(r"https?://[^\"' ]*", html)) == {"http://www.w3.org/2000/svg"}


def test_every_figure_has_its_table(simulated):
    page = page_of(read_sources([simulated]), "a title")
    assert page.figures
    sections = Elements(render(page)).of("section")
    assert [a["id"] for a, _ in sections if a.get("class") == "figure"] == [
        one.name for one in page.figures
    ]
    for one in page.figures:
        assert one.table.rows
        assert {len(row) for row in one.table.rows} == {len(one.table.columns)}


def test_the_same_sources_give_the_same_page_byte_for_byte(simulated):
    first, second = (render(page_of(read_sources([simulated]), "a title")) for _ in range(2))
    assert first == second


def test_a_page_stays_below_two_megabytes_and_says_what_it_leaves_out(tmp_path):
    queries = [
        query(9 + n % 7, workers=1 + n % 40, window=1 + n // 40 % 10, shots=1 + n // 400,
              repetition=r)
        for n in range(2_000)
        for r in range(3)
    ]  # fmt: skip
    tasks = [task_record(query=0, task=n, worker=n % 8) for n in range(7_000)]
    page = page_from(tmp_path, [*tasks, *numbered(*queries)])
    assert len(render(page).encode()) < 2_000_000
    assert "800 of 2000 configurations are shown, evenly chosen (at most 800)" in page.notes
    assert figure(page, "stages").table.left_out == 400


def test_a_distribution_of_many_queries_is_drawn_through_sixty_of_them(tmp_path):
    totals = np.linspace(4, 8, 1000)
    page = page_from(tmp_path, numbered(*(query(float(total)) for total in totals)))
    (curve,) = figure(page, "tails").curves
    assert len(curve.xs) == 60
    assert (curve.xs[0], curve.xs[-1]) == (4.0, 8.0)
    for x, y in zip(curve.xs, curve.ys, strict=True):  # part that took at least so long
        assert y == pytest.approx(np.mean(totals >= x - 1e-9), abs=2e-3)


def test_a_folder_without_a_log_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"holds neither run\.jsonl .* nor simulated\.jsonl"):
        read_sources([tmp_path])


def test_a_log_that_is_named_twice_counts_once(simulated):
    once = read_sources([simulated])
    twice = read_sources([simulated, simulated / "simulated.jsonl"])
    assert len(twice.simulated) == len(once.simulated) > 0


def test_statistics_that_cannot_be_read_are_named_and_the_log_is_used(simulated, tmp_path):
    for name, data in (("torn", b"{"), ("none", None)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "simulated.jsonl").write_bytes((simulated / "simulated.jsonl").read_bytes())
        if data is not None:
            (folder / "statistics.jsonl").write_bytes(data)
        page = page_of(read_sources([folder]), "a title")
        assert any(str(folder / "statistics.jsonl") in note for note in page.notes)
        assert all(mark.low is not None for mark in figure(page, "growth").marks if not mark.series)


def test_simulations_of_the_same_under_two_seeds_are_told_of(tmp_path):
    logs = [
        write_log(tmp_path / f"{seed}.jsonl", run_record(origin="simulated", seed=seed), query(9))
        for seed in (1, 2)
    ]
    assert not any("more than one seed" in n for n in page_of(read_sources(logs[:1]), "").notes)
    (note,) = (n for n in page_of(read_sources(logs), "").notes if "more than one seed" in n)
    assert note.startswith("1 configurations")


def test_the_provenance_names_versions_seeds_and_extrapolation(simulated):
    page = page_of(read_sources([simulated]), "a title")
    (origin,) = page.origins
    named = dict(origin)
    assert named["seed"] == "3"
    assert named["scenario"].startswith("of ten")
    assert named["qcutsim"].startswith("0.1.0")
    assert re.fullmatch("[0-9a-f]{12}", named["profile"])
    text = render(page)
    assert all(value in text for value in (named["profile"], named["Python"]))


def test_the_command_writes_the_page_and_overwrites_nothing(simulated, tmp_path, capsys):
    out = tmp_path / "report.html"
    command = ["report", str(simulated), "-o", str(out)]
    assert main(command) == 0
    said = capsys.readouterr()
    assert "iris, pipeline upstream: execution bounds the time" in said.err
    assert f"wrote {out}" in said.err
    before = out.read_bytes()
    assert main(command) == 2
    assert "exists" in capsys.readouterr().err
    assert out.read_bytes() == before
    assert main([*command, "--force", "--json", "--title", "<b>"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["title"] == "<b>"
    assert "<title>&lt;b&gt;</title>" in out.read_text()


def test_the_command_names_what_it_cannot_read(tmp_path, capsys):
    out = tmp_path / "report.html"
    assert main(["report", str(tmp_path / "none"), "-o", str(out)]) == 2
    assert "none: no such log" in capsys.readouterr().err
    write_log(tmp_path / "log.jsonl", run_record(), query(9))
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write("torn")
    assert main(["report", str(tmp_path / "log.jsonl"), "-o", str(out)]) == 0
    assert "skipped 1 unreadable line(s)" in capsys.readouterr().err
    assert "1 lines of the logs could not be read" in out.read_text()


def test_figures_for_paper_are_the_same_files_for_the_same_page(simulated, tmp_path):
    page = page_of(read_sources([simulated]), "a title")
    first, second = (draw_figures(page, tmp_path / name) for name in ("a", "b"))
    assert {path.suffix for path in first} == {".svg", ".pdf"}
    assert len(first) == 2 * len(page.figures)
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert one.stat().st_size > 2000


def test_a_figure_for_paper_takes_a_name_as_it_is(tmp_path):
    page = page_from(
        tmp_path,
        numbered(
            *(query(9, dataset="$x_{", pool=pool) for pool in ("$\\frac", "<b>")),
            query(5, dataset="$x_{", workers=2, pool="<b>"),
        ),
    )
    draw_figures(page, tmp_path / "figures")
    assert "$\\frac" in (tmp_path / "figures" / "tails.svg").read_text()


def test_figures_are_refused_before_anything_is_written(simulated, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "figures"
    command = ["report", str(simulated), "-o", str(tmp_path / "r.html"), "--figures", str(folder)]
    monkeypatch.setattr("qcutsim.extras.find_spec", lambda name: None)
    assert main(command) == 2
    assert "pip install 'qcutsim[real]'" in capsys.readouterr().err
    monkeypatch.undo()
    folder.mkdir()
    (folder / "stages.svg").write_text("mine")
    assert main(command) == 2
    assert "stages.svg: exists" in capsys.readouterr().err
    assert (folder / "stages.svg").read_text() == "mine"
    assert not (tmp_path / "r.html").exists()


def test_objects_show_themselves_in_a_notebook_as_escaped_tables(simulated):
    study = read_study(simulated)
    cell = study.cells[0]
    named = msgspec.structs.replace(
        cell, configuration={**cell.configuration, "partition_labels": "<img src=x>"}
    )
    html = msgspec.structs.replace(study, cells=(named, *study.cells[1:]))._repr_html_()
    assert not Elements(html).of("img")
    assert any(text == "<img src=x>" for _, text in Elements(html).of("td"))
    scenario = load_scenario(ROOT / "scenarios" / "validate.yaml")
    assert len(Elements(scenario._repr_html_()).of("tr")) == 1 + len(scenario.cells)
    profile = load_profile(ROOT / "calibration" / "iris-upstream.json")
    assert len(Elements(profile._repr_html_()).of("table")) == 3
    with pytest.raises(TypeError, match="list has no tables"):
        as_html([])
