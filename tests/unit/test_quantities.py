"""Durations and lists of counts as people write them, and what is said of wrong ones."""

from __future__ import annotations

import pytest

from qcutsim.errors import InputError
from qcutsim.quantities import parse_counts, parse_duration_s


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("15m", 900),
        ("1h", 3600),
        ("1h30m", 5400),
        ("1.5h", 5400),
        (" 2 d ", 172800),
        ("250ms", 0.25),
        ("1m 5s", 65),
    ],
)
def test_a_duration_is_a_sum_of_numbers_with_units(text, seconds):
    assert parse_duration_s(text, "--deadline") == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "h", "soon", "-1h", "0s", "1 hour", "1e3s", "nan", "1h-1m"])
def test_what_is_no_duration_is_refused_with_an_example(text):
    with pytest.raises(InputError) as raised:
        parse_duration_s(text, "--deadline")
    assert str(raised.value) == (
        f"--deadline {text!r}: expected a duration above zero with its unit (ms, s, m, h, d), as "
        "90s, 15m or 1h30m"
    )


def test_a_duration_without_a_unit_is_not_guessed_but_asked_about():
    with pytest.raises(InputError, match=r"or 1h30m; did you mean 90s\?"):
        parse_duration_s("90", "--deadline")


@pytest.mark.parametrize(
    ("text", "counts"),
    [("4", (4,)), ("1,2,4", (1, 2, 4)), ("1..4", (1, 2, 3, 4)), ("8, 1..3, 2", (1, 2, 3, 8))],
)
def test_counts_are_numbers_and_ranges_with_both_ends(text, counts):
    assert parse_counts(text, "--workers", 100) == counts


@pytest.mark.parametrize(
    ("text", "part"),
    [("", ""), ("0", "0"), ("1,,2", ""), ("4..2", "4..2"), ("101", "101"), ("two", "two")],
)
def test_what_is_no_list_of_counts_is_refused_with_the_part_that_is_wrong(text, part):
    with pytest.raises(InputError) as raised:
        parse_counts(text, "--workers", 100)
    assert str(raised.value).startswith(
        f"--workers {text!r}: {part!r} is not a number from 1 to 100, nor a rising range"
    )


def test_a_range_of_too_many_is_refused():
    with pytest.raises(InputError, match="at most 1,000 of them"):
        parse_counts("1..100000", "--workers", 100_000)
