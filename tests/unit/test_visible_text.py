"""Names in logs and scenarios are shown, and not obeyed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qcutsim.cli import main
from qcutsim.visibletext import visible


@given(st.text())
def test_what_is_shown_can_be_printed_and_says_all(text):
    shown = visible(text)
    assert not any(c < " " or "\x7f" <= c <= "\x9f" or "\u202a" <= c <= "\u202e" for c in shown)
    if text.isprintable():
        assert shown == text


def test_an_error_does_not_turn_the_terminal(tmp_path, capsys):
    scenario = tmp_path / "s.yaml"
    scenario.write_text(
        'name: a\nworkload: {partition_labels: AABB, observable: "\\e[2J\\u202e"}\n'
    )
    assert main(["shape", str(scenario), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert "\\u202e" in said
