"""Every block of the documentation does what its page says: each page is typed from top to bottom.

A page is run in a folder that holds what a clone holds. A block of ``sh`` or ``python`` must end
well, one of ``yaml`` with a title is the file of that name, one without must be a scenario. What
takes too long here is marked with what runs it instead.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pages import PAGES, ROOT, Block, blocks_of, run_block

from qcutsim.cli import make_parser
from qcutsim.scenario import load_scenario

LANGUAGES = {"sh", "python", "yaml", "text"}
SHARED = ("scenarios", "calibration", "examples", "qcutsim")
COMMAND = re.compile(r"(?:^|`|\(|=plugins )qcutsim ([a-z]+)", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_does_what_it_says(page, tmp_path):
    for name in SHARED:
        (tmp_path / name).symlink_to(ROOT / name)
    for block in blocks_of(page):
        where = f"{page.name}:{block.line}"
        assert block.language in LANGUAGES, f"{where}: of what language is this?"
        if block.by is not None:
            check_run_elsewhere(block, where)
        elif block.language == "yaml":
            check_scenario(block, tmp_path, where)
        elif block.language in {"sh", "python"}:
            done = run_block(block, tmp_path)
            assert done.returncode == 0, f"{where}: {done.stdout}\n{done.stderr}"


def check_run_elsewhere(block: Block, where: str) -> None:
    """Each command of the block stands in what is said to run it."""
    assert block.by is not None
    other = (ROOT / block.by).read_text()
    for line in filter(None, (line.partition("#")[0].strip() for line in block.text.splitlines())):
        words = line.split()
        program = words[0] if words[0] != "qcutsim" else words[1]
        assert f'"{program}"' in other or line in other, f"{where}: {block.by} runs no {line!r}"


def check_scenario(block: Block, folder: Path, where: str) -> None:
    path = folder / (block.title or f"line-{block.line}.yaml")
    path.write_text(block.text)
    if path.name.endswith("mkdocs.yml"):
        return
    assert load_scenario(path).cells, where


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_that_a_page_names_exists(page):
    commands = make_parser()._subparsers._group_actions[0].choices  # argparse tells only so
    named = set(COMMAND.findall(page.read_text()))
    assert named <= set(commands)


def test_every_command_stands_in_the_documentation():
    commands = make_parser()._subparsers._group_actions[0].choices
    named = {name for page in PAGES for name in COMMAND.findall(page.read_text())}
    assert set(commands) <= named


def test_the_site_is_built_without_a_warning(tmp_path):
    """Also: every link within it leads somewhere, and every page is in the navigation."""
    site = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(site)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (site / "index.html").exists()
    pages = [page for page in site.rglob("*.html") if page.name != "404.html"]
    assert len(pages) == len(list((ROOT / "docs").rglob("*.md")))
    for page in pages:
        assert "fonts.googleapis.com" not in page.read_text()
    shutil.rmtree(site)
