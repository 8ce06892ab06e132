"""A report as one page that asks nothing of any host: data, style and script are within it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape as as_html_text
from importlib.resources import files
from typing import Any

import msgspec

import qcutsim
from qcutsim.analysis import Configuration
from qcutsim.errors import LogError
from qcutsim.records import RunRecord
from qcutsim.report.answer import answer
from qcutsim.report.costfigures import errors, growth, stage_shares, tails
from qcutsim.report.pagedata import (
    MOST_CONFIGURATIONS,
    NEVER_SHOWN,
    Absent,
    Evidence,
    Figure,
    Table,
)
from qcutsim.report.scalingfigures import policies, speed_up, straggler_slowdown
from qcutsim.report.sources import Sources
from qcutsim.report.timelines import timeline
from qcutsim.visibletext import visible

SCRIPTS = ("base.js", "panels.js", "timeline.js", "page.js")
STYLES = ("report.css",)

MOST_RUNS = 40
"""Listed in the provenance."""

_BUILDERS = (
    speed_up,
    stage_shares,
    straggler_slowdown,
    policies,
    tails,
    errors,
    growth,
    timeline,
)


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A report as plain data.

    Args:
        title: of the page.
        answer: the sentences it opens with.
        origins: where everything comes from, a row a run: (what, value) pairs.
        notes: what to know of it, a line each.
        fields: of a configuration, in order.
        configurations: which figures point at by number.
        figures: those that are shown.
        absent: those that are not, and why.
    """

    title: str
    answer: tuple[str, ...]
    origins: tuple[tuple[tuple[str, str], ...], ...]
    notes: tuple[str, ...]
    fields: tuple[str, ...]
    configurations: tuple[tuple[str | int | float, ...], ...]
    figures: tuple[Figure, ...]
    absent: tuple[Absent, ...]


def page_of(sources: Sources, title: str) -> Page:
    """What a report of these sources says.

    Raises:
        LogError: they hold no warm query that went well.
    """
    evidence = Evidence.of(sources)
    if not evidence.keys:
        raise LogError(
            f"{', '.join(map(str, sources.logs))}: holds no warm query that went well "
            f"({evidence.measured.left_out + evidence.simulated.left_out} others)"
        )
    built = [builder(evidence) for builder in _BUILDERS]
    fields = tuple(name for name in Configuration._fields if name not in NEVER_SHOWN)
    return Page(
        title=title,
        answer=tuple(answer(evidence)),
        origins=tuple(_origin(run) for run in sources.runs[:MOST_RUNS]),
        notes=tuple(_notes(evidence)),
        fields=fields,
        configurations=tuple(tuple(getattr(key, name) for name in fields) for key in evidence.keys),
        figures=tuple(figure for figure in built if isinstance(figure, Figure)),
        absent=tuple(figure for figure in built if isinstance(figure, Absent)),
    )


def _origin(run: RunRecord) -> tuple[tuple[str, str], ...]:
    machine = run.manifest.machine
    cores = "" if machine.cores is None else f", {machine.cores} cores"
    rows = (
        ("run", run.run),
        ("origin", run.origin),
        ("scenario", f"{run.scenario.get('name', '-')} ({run.scenario_key[:12] or '-'})"),
        ("seed", str(run.seed)),
        ("profile", run.profile_key[:12] if run.profile_key else ""),
        ("started", run.started_at or ""),
        ("qcutsim", f"{run.manifest.qcutsim} ({run.manifest.commit or 'no commit'})"),
        ("Python", run.manifest.python),
        ("machine", f"{machine.processor}{cores}, {machine.system}"),
        ("packages", ", ".join(f"{n} {v}" for n, v in run.manifest.packages.items())),
    )
    return tuple((what, value) for what, value in rows if value)


def _notes(evidence: Evidence) -> Iterable[str]:
    sources = evidence.sources
    for world, queries in (
        (evidence.measured, sources.measured),
        (evidence.simulated, sources.simulated),
    ):
        if queries:
            cold = f"; {world.left_out:,} more were cold or failed and are left out"
            yield (
                f"{world.origin}: {_counted(len(queries) - world.left_out, 'query', 'queries')} of "
                f"{_counted(len(world.summaries), 'configuration')}"
                f"{cold if world.left_out else ''}"
            )
    if evidence.known > len(evidence.keys):
        yield (
            f"{len(evidence.keys)} of {evidence.known} configurations are shown, evenly chosen "
            f"(at most {MOST_CONFIGURATIONS})"
        )
    if len(sources.runs) > MOST_RUNS:
        yield f"{len(sources.runs) - MOST_RUNS} more runs are not listed"
    far = sum(summary.is_extrapolated for summary in evidence.simulated.summaries.values())
    if far:
        yield (
            f"{_counted(far, 'simulated configuration')} outside what the profile was calibrated on"
        )
    if sources.mixed:
        yield (
            f"{sources.mixed} configurations were simulated under more than one seed or profile; "
            "what is shown of them is over all of these"
        )
    yield from (f"extrapolated: {words}" for words in sorted(sources.extrapolations))
    if sources.substitutes:
        yield (
            "classes of subexperiment (mid-circuit measurements, width, depth, how many in a task) "
            "that were not calibrated, each replaced by the nearest that was, times a factor: "
            f"{'; '.join(sorted(sources.substitutes))}"
        )
    yield from sources.notes


def _counted(count: int, what: str, many: str | None = None) -> str:
    return f"{count:,} {what if count == 1 else many or what + 's'}"


def render(page: Page) -> str:
    """The page as HTML; whatever the logs hold is text in it."""
    style, script = _assets(STYLES), _assets(SCRIPTS)
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    # Tables and words are in the page itself; the script draws from the rest.
    data = _seen(
        {
            "fields": page.fields,
            "configurations": page.configurations,
            "figures": [
                {k: v for k, v in msgspec.to_builtins(figure).items() if k not in ("table", "note")}
                for figure in page.figures
            ],
        }
    )
    parts = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy, quote=False)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f'<meta name="generator" content="qcutsim {escape(qcutsim.__version__)}">',
        f"<title>{escape(page.title)}</title>",
        f"<style>{style}</style>",
        "</head>",
        "<body>",
        f"<header><h1>{escape(page.title)}</h1>",
        *(f'<p class="answer">{escape(line)}</p>' for line in page.answer),
        "</header>",
        *_provenance(page),
        "<noscript><p>The figures are drawn by a script; their tables below are complete without "
        "it.</p></noscript>",
        '<form id="filters" class="controls" aria-label="Filters of all figures"></form>',
        "<main>",
        *(_figure(figure) for figure in page.figures),
        *_absent(page.absent),
        "</main>",
        '<div id="tip" class="tip" role="status" aria-live="polite" hidden></div>',
        f'<script type="application/json" id="data">{as_script_data(data)}</script>',
        f"<script>{script}</script>",
        "</body>",
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def as_script_data(data: Any) -> str:
    """JSON that may stand within a ``script`` element: nothing in it can end that."""
    text = msgspec.json.encode(data).decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _seen(data: Any) -> Any:
    """Plain data with every text in it :func:`visible`."""
    if isinstance(data, str):
        return visible(data)
    if isinstance(data, dict):
        return {_seen(name): _seen(value) for name, value in data.items()}
    return [_seen(value) for value in data] if isinstance(data, list | tuple) else data


def escape(text: str, *, quote: bool = True) -> str:
    """As the page shows it: nothing in it is markup, and nothing in it is unseen."""
    return as_html_text(visible(text), quote=quote)


def _assets(names: Sequence[str]) -> str:
    folder = files("qcutsim.report") / "assets"
    texts = [(folder / name).read_text(encoding="utf-8") for name in names]
    joined = "\n".join(texts)
    return f'"use strict";\n(() => {{\n{joined}\n}})();\n' if names is SCRIPTS else joined


def _digest(text: str) -> str:
    """As a content security policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _provenance(page: Page) -> Iterable[str]:
    yield '<section id="provenance"><h2>Where this comes from</h2>'
    yield "<ul>" + "".join(f"<li>{escape(note)}</li>" for note in page.notes) + "</ul>"
    for rows in page.origins:
        named = dict(rows)
        title = f"{named['origin']}: {named['scenario']}, seed {named['seed']}"
        yield f"<details><summary>{escape(title)}</summary><dl>"
        yield "".join(f"<dt>{escape(what)}</dt><dd>{escape(value)}</dd>" for what, value in rows)
        yield "</dl></details>"
    yield "</section>"


def _figure(figure: Figure) -> str:
    name = escape(figure.name)
    return (
        f'<section class="figure" id="{name}" aria-labelledby="{name}-title">'
        f'<h2 id="{name}-title">{escape(figure.title)}</h2>'
        f'<p class="note">{escape(figure.note)}</p>'
        f'<form class="controls" aria-label="Filters of this figure"></form>'
        '<div class="legend"></div><p class="shown"></p><div class="panels"></div>'
        f"<details><summary>Table: {escape(figure.title)}</summary>"
        f"{as_table(figure.table)}</details></section>"
    )


def as_table(table: Table) -> str:
    """A table as HTML."""
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.columns)
    rows = (
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows
    )
    more = (
        f"<p>{table.left_out:,} more rows are not shown; 'qcutsim export' has them all.</p>"
        if table.left_out
        else ""
    )
    return (
        f'<div class="table"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>{more}"
    )


def _absent(absent: Sequence[Absent]) -> Iterable[str]:
    if absent:
        yield '<section id="absent"><h2>Left out</h2><dl>'
        yield "".join(f"<dt>{escape(one.title)}</dt><dd>{escape(one.why)}</dd>" for one in absent)
        yield "</dl></section>"
