"""A report in headless Chromium: every figure draws, answers to pointer and keyboard, and filters.

Skipped where no Chromium is installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsers import chromium, needs_chromium
from builders import make_scenario, measured_records, write_log

from qcutsim.calibrate import load_profile
from qcutsim.cell import Cell, Pool, Workload
from qcutsim.cli import main
from qcutsim.scenario import Scenario
from qcutsim.stragglers import Stragglers
from qcutsim.study import simulate_scenario

pytestmark = needs_chromium

ROOT = Path(__file__).parents[2]
HOSTILE = "</script><img src=x onerror=alert(1)>"
FIGURES = (
    "speed-up",
    "stages",
    "stragglers",
    "policies",
    "tails",
    "errors",
    "growth",
    "timeline",
)


def cells(dataset: str) -> tuple[Cell, ...]:
    """Cuts, pools, workers, stragglers and policies; queries come in fives, for intervals."""
    return tuple(
        Cell(
            workload=Workload(dataset=dataset, partition_labels=labels),
            pool=Pool(kind=kind, workers=workers),
            policy={"kind": policy},
            stragglers=Stragglers(probability=probability, delay_s=0.05),
            queries=5,
        )
        for labels in ("AABB", "ABBC")
        for kind in ("threads", "processes")
        for workers in (1, 4)
        for policy in ("eager", "longest_first")
        for probability in (0.0, 0.1)
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a measured study and of its simulation, one dataset of hostile name in both."""
    folder = tmp_path_factory.mktemp("report")
    scenario = Scenario("browser", 1, 1, 10, (*cells("iris"), *cells(HOSTILE)))
    write_log(folder / "run.jsonl", *measured_records(scenario))
    profile = load_profile(ROOT / "calibration" / "iris-upstream.json")
    simulate_scenario(scenario, profile, folder, extrapolate=True)
    out = folder / "report.html"
    assert main(["report", str(folder), "-o", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser: Any, report: Path) -> Iterator[Any]:
    """The open report; whatever it does, nothing is said on the console or asked of any host."""
    with browser.new_context(viewport={"width": 1200, "height": 900}) as context:
        page = context.new_page()
        said: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.on("dialog", lambda dialog: said.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(report.as_uri())
        yield page
        assert said == []
        assert asked == [report.as_uri()]


def marks(page: Any, figure: str) -> Any:
    return page.locator(f"#{figure} .panels .mark")


def point_at(page: Any, mark: Any) -> None:
    """The pointer over the middle of a mark, away from what sticks to the top of the page."""
    mark.evaluate("mark => mark.scrollIntoView({block: 'center'})")
    box = mark.bounding_box()
    page.mouse.move(2, 2)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def colour(page: Any, selector: str, name: str) -> str:
    read = "(element, name) => getComputedStyle(element)[name]"
    return str(page.locator(selector).first.evaluate(read, name))


@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_draws_marks_and_a_pointer_over_one_shows_what_it_is(page, figure):
    assert marks(page, figure).count() > 3
    tip = page.locator("#tip")
    assert tip.is_hidden()
    point_at(page, marks(page, figure).first)
    assert tip.is_visible()
    assert len(tip.inner_text().splitlines()) >= 2
    page.mouse.move(2, 2)
    assert tip.is_hidden()


@pytest.mark.parametrize("figure", FIGURES)
def test_drawings_are_images_with_a_name(page, figure):
    drawings = page.locator(f"#{figure} .panels svg")
    assert drawings.count() > 0
    for drawing in drawings.all():
        assert drawing.get_attribute("role") == "img"
        assert "arrow keys" in drawing.get_attribute("aria-label")


@pytest.mark.parametrize("figure", FIGURES)
def test_a_table_stands_beside_each_figure(page, figure):
    table = page.locator(f"#{figure} table")
    assert table.is_hidden()
    page.locator(f"#{figure} summary").click()
    assert table.is_visible()
    assert table.locator("tbody tr").count() > 0


@pytest.mark.parametrize("figure", [name for name in FIGURES if name not in ("growth", "timeline")])
def test_a_filter_of_all_figures_leaves_only_what_passes(page, figure):
    before = marks(page, figure).count()
    page.locator("#filters select[data-filter=pool]").select_option("=threads")
    after = marks(page, figure).count()
    assert 0 < after < before
    assert "pool threads" in page.locator(f"#{figure} .shown").inner_text()
    point_at(page, marks(page, figure).first)
    assert "threads" in page.locator("#tip").inner_text()
    page.locator("#filters select[data-filter=pool]").select_option("")
    assert marks(page, figure).count() == before


def test_what_a_pipeline_costs_in_general_is_not_filtered_by_pools(page):
    page.locator("#filters select[data-filter=pool]").select_option("=threads")
    legend = page.locator("#growth .legend").inner_text()
    assert "6^k coefficients (analytic)" in legend
    assert "subexperiments (recorded)" in legend
    assert "processes" not in legend


def test_a_query_of_the_timeline_is_chosen(page):
    choice = page.locator("#timeline select[data-filter=query]")
    options = choice.locator("option").all()
    assert len(options) > 4
    before = page.locator("#timeline figcaption").inner_text()
    other = next(o for o in options if o.get_attribute("value") != choice.input_value())
    choice.select_option(other.get_attribute("value"))
    assert page.locator("#timeline figcaption").inner_text() != before
    assert page.locator("#timeline .barrier").count() == 1


@pytest.mark.parametrize("figure", ["speed-up", "stages", "tails", "timeline"])
def test_a_key_of_the_legend_hides_its_series_and_keeps_the_focus(page, figure):
    key = page.locator(f"#{figure} .legend button").first
    name = key.inner_text()
    before = marks(page, figure).count()
    key.focus()
    page.keyboard.press("Enter")
    assert marks(page, figure).count() < before
    pressed = page.evaluate("document.activeElement.getAttribute('aria-pressed')")
    assert pressed == "false"
    assert page.evaluate("document.activeElement.innerText") == name
    page.keyboard.press("Enter")
    assert marks(page, figure).count() == before


@pytest.mark.parametrize("figure", FIGURES)
def test_the_keyboard_reaches_marks_and_shows_what_they_are(page, figure):
    focused = f"document.activeElement.closest('#{figure} .panels svg') !== null"
    page.locator(f"#{figure} form select").first.focus()
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(focused):
            break
    assert page.evaluate(focused)
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    tip, looked = page.locator("#tip"), page.locator(".looked")
    assert tip.is_visible()
    assert looked.count() == 1
    first = looked.get_attribute("data-mark")
    page.keyboard.press("ArrowRight")
    assert tip.is_visible()
    assert looked.get_attribute("data-mark") != first
    page.keyboard.press("Home")
    assert looked.get_attribute("data-mark") == "0"
    page.keyboard.press("Escape")
    assert tip.is_hidden()


def test_a_tooltip_of_the_keyboard_stays_with_its_mark_when_the_page_moves(page):
    page.locator("#growth .panels svg").first.focus()
    page.keyboard.press("End")
    before = page.locator("#tip").bounding_box()["y"]
    page.evaluate("window.scrollBy(0, -60)")
    page.wait_for_function(
        "before => document.getElementById('tip').getBoundingClientRect().y !== before", arg=before
    )
    assert page.locator("#tip").is_visible()


def test_a_hostile_name_is_shown_as_text(page):
    assert page.locator("img").count() == 0
    options = page.locator("#filters select[data-filter=dataset] option").all_inner_texts()
    assert HOSTILE in options
    page.locator("#filters select[data-filter=dataset]").select_option(f"={HOSTILE}")
    point_at(page, marks(page, "stages").first)
    assert HOSTILE in page.locator("#tip").inner_text()
    assert HOSTILE in page.locator("#stages .shown").inner_text()
    assert HOSTILE in page.locator("header").inner_text()


def test_dark_mode_changes_the_ground_and_the_colours(page):
    seen = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        mark = "#speed-up .mark.simulated"
        seen.append(
            (colour(page, "body", "backgroundColor"), colour(page, "body", "color"),
             colour(page, mark, "color"))
        )  # fmt: skip
    assert all(light != dark for light, dark in zip(*seen, strict=True))


def test_on_paper_controls_are_gone_tables_are_open_and_nothing_is_cut_off(page):
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 720, "height": 1000})
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    for control in page.locator(".controls").all():
        assert control.is_hidden()
    for figure in FIGURES:
        assert page.locator(f"#{figure} table").is_visible()
        for drawing in page.locator(f"#{figure} .panels svg").all():
            box = drawing.bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 720
    for table in page.locator("table").all():
        box = table.bounding_box()
        assert box["x"] + box["width"] <= 720
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("#stages table").is_hidden()


def test_a_narrow_screen_needs_no_sideways_scrolling(page):
    page.set_viewport_size({"width": 380, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 380


def test_colours_come_with_shapes_so_that_series_are_told_apart_without_them(page):
    shapes = page.locator("#speed-up .legend button svg").evaluate_all(
        "keys => keys.map(key => key.firstElementChild.outerHTML)"
    )
    assert len(shapes) == len(set(shapes)) > 1
    dashes = {
        origin: page.locator(f"#tails .line.{origin}").first.evaluate(
            "line => getComputedStyle(line).strokeDasharray"
        )
        for origin in ("measured", "simulated")
    }
    assert dashes["measured"] != dashes["simulated"]


def test_without_scripts_the_answer_and_the_tables_are_there(browser, report):
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(report.as_uri())
        assert "bounds the time" in page.locator("header").inner_text()
        assert page.locator("table").count() == len(FIGURES)
        assert page.locator("noscript").is_visible()


def test_a_study_of_one_configuration_draws_what_it_has(browser, tmp_path):
    log = write_log(
        tmp_path / "run.jsonl",
        *measured_records(make_scenario(labels=("AABB",), kinds=("threads",), workers=(2,))),
    )
    out = tmp_path / "report.html"
    assert main(["report", str(log), "-o", str(out)]) == 0
    with browser.new_context() as context:
        page = context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text))
        page.goto(out.as_uri())
        for figure in ("stages", "tails", "timeline"):
            assert marks(page, figure).count() > 0
        assert page.locator("#absent dt").count() == 5
        assert errors == []
