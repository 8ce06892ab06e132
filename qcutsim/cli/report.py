"""Write one page that answers where the time goes and what it would be otherwise.

The page holds its data, style and script and asks nothing of any host: it opens with the answer,
then come figures with their tables. It is made of folders of 'qcutsim run' and
'qcutsim simulate', or of logs.
"""

from __future__ import annotations

import argparse

EXAMPLE = "qcutsim report study larger -o report.html --figures figures"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    from qcutsim.cli.output import add_json_flag

    parser.add_argument(
        "sources", nargs="+", metavar="DIR_OR_LOG", help="folders of runs and simulations, or logs"
    )
    parser.add_argument("-o", "--out", required=True, metavar="FILE", help="the page to write")
    parser.add_argument("--title", metavar="T", help="of the page")
    parser.add_argument(
        "--figures", metavar="DIR", help="also write the figures as SVG and PDF (extra 'real')"
    )
    parser.add_argument("--force", action="store_true", help="replace files that exist")
    add_json_flag(parser)


def run(arguments: argparse.Namespace) -> None:
    """Read, build, write."""
    from pathlib import Path

    from qcutsim.cli.output import naming_skipped, print_json, refuse_to_overwrite, say
    from qcutsim.extras import require
    from qcutsim.files import write_whole
    from qcutsim.report import draw_figures, figure_files, page_of, read_sources, render

    out = Path(arguments.out)
    folder = None if arguments.figures is None else Path(arguments.figures)
    refuse_to_overwrite(out, force=arguments.force)
    if folder is not None:
        require("matplotlib")
    with naming_skipped() as skipped:
        sources = read_sources(arguments.sources, skipped)
    if skipped.count:
        sources.notes.append(f"{skipped.count} lines of the logs could not be read")
    page = page_of(sources, arguments.title or "Where the time goes")
    if folder is not None:
        for path in figure_files(page, folder):
            refuse_to_overwrite(path, force=arguments.force)
    html = render(page).encode()
    write_whole(out, html)
    if arguments.json:
        print_json(page)
    else:
        say(*page.answer)
    for one in page.absent:
        say(f"left out: {one.title}: {one.why}")
    say(f"wrote {out} ({len(html) / 1e6:.2f} MB, {len(page.figures)} figures)")
    if folder is not None:
        say(f"wrote {len(draw_figures(page, folder))} files to {folder}")
