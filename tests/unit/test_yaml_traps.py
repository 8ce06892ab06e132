"""YAML means in a scenario what a person means by it, or it is refused with what to write."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest
from scenariotexts import BASE, load, refusal

from qcutsim.errors import ScenarioError
from qcutsim.scenario import Scenario, load_scenario

QUICK_S = 5.0
"""Far above what a refusal takes, far below what expanding a bomb would."""


def load_bytes(folder: Path, data: bytes) -> Scenario:
    (folder / "s.yaml").write_bytes(data)
    return load_scenario(folder / "s.yaml")


def refusal_of_bytes(folder: Path, data: bytes) -> str:
    """What is wrong, whole but for the folder."""
    with pytest.raises(ScenarioError) as raised:
        load_bytes(folder, data)
    return str(raised.value).replace(f"{folder}/", "")


NUMBERS = {
    "1e-3": 0.001,
    "1E2": 100.0,
    "2.5e+1": 25.0,
    ".5": 0.5,
    "5.": 5.0,
    "+3": 3.0,
    "017": 17.0,
    "0o17": 15.0,
    "0x1F": 31.0,
}


@pytest.mark.parametrize(("text", "value"), NUMBERS.items())
def test_a_number_is_that_of_yaml_1_2(tmp_path, text, value):
    (cell,) = load(tmp_path, BASE + f"timeout_s: {text}\n").cells
    assert cell.timeout_s == value


NO_NUMBERS = {
    "1_000": "got `str`, found '1_000'; a number has no '_': write 1000",
    '"4"': "got `str`, found '4'; in quotes it is text: write 4",
    "'4'": "got `str`, found '4'; in quotes it is text: write 4",
    "12:30:00": "got `str`, found '12:30:00'",
    "0b11": "got `str`, found '0b11'",
    "4.0": "got `float`, found 4.0; write 4",
    "1e3": "got `float`, found 1000.0; write 1000",
    "4.5": "got `float`, found 4.5",
    "1,5": "got `str`, found '1,5'",
    "5s": "got `str`, found '5s'",
    "true": "got `bool`, found True",
    "yes": "got `str`, found 'yes'",
    "~": "got `null`",
    "null": "got `null`",
    "": "got `null`",
    ".nan": "got `float`, found nan",
    ".inf": "got `float`, found inf",
    "nan": "got `str`, found 'nan'",
    "-.inf": "got `float`, found -inf",
}


@pytest.mark.parametrize(("text", "message"), NO_NUMBERS.items())
def test_what_is_no_whole_number_is_refused_with_what_to_write(tmp_path, text, message):
    found = refusal(tmp_path, BASE + f"queries: {text}\n")
    assert found == f"s.yaml:3:1: queries: Expected `int`, {message}"


@pytest.mark.parametrize("text", [".nan", ".inf", "-.inf", "1e999", "-0.0"])
@pytest.mark.parametrize("field", ["timeout_s", "stragglers.delay_s", "arrivals.rate_per_s"])
def test_what_is_not_finite_and_positive_is_no_time(tmp_path, text, field):
    outer, _, inner = field.partition(".")
    line = f"{outer}: {{{inner}: {text}}}\n" if inner else f"{outer}: {text}\n"
    if (field, text) == ("stragglers.delay_s", "-0.0"):
        assert load(tmp_path, BASE + line).cells[0].stragglers.delay_s == 0
    else:
        assert f"{field}: Expected `float` " in refusal(tmp_path, BASE + line)


@pytest.mark.parametrize("word", ["no", "off", "yes", "on", "y", "n", "No", "2001-01-01", "a#b"])
def test_words_stay_text(tmp_path, word):
    assert load(tmp_path, f"name: {word}\nworkload: {{partition_labels: AABB}}\n").name == word


@pytest.mark.parametrize("word", ["true", "12", "1e3", "~", ""])
def test_what_yaml_takes_for_something_else_is_no_name(tmp_path, word):
    text = f"name: {word}\nworkload: {{partition_labels: AABB}}\n"
    assert refusal(tmp_path, text).startswith("s.yaml:1:1: name: Expected `str`, got ")
    assert (
        load(
            tmp_path,
            text.replace(word, f"'{word}'", 1) if word else text.replace("name: ", "name: ''", 1),
        ).name
        == word
    )


@pytest.mark.parametrize("labels", ["NOON", "null", "NULL", "Null", "true", "TRUE", "offs", "yess"])
def test_partition_labels_are_letters_whatever_they_spell(tmp_path, labels):
    """In their own field and in a sweep."""
    (cell,) = load(tmp_path, f"name: a\nworkload: {{partition_labels: {labels}}}\n").cells
    assert cell.workload.partition_labels == labels
    swept = load(
        tmp_path,
        "name: a\nworkload: {shots: 9}\nsweep:\n"
        f"  - workload.partition_labels: [{labels}, AABB]\n",
    )
    assert [cell.workload.partition_labels for cell in swept.cells] == [labels, "AABB"]


@pytest.mark.parametrize("labels", ["NO", "ON", "YES"])
def test_short_labels_that_spell_a_word_are_counted_as_letters(tmp_path, labels):
    found = refusal(tmp_path, f"name: a\nworkload: {{partition_labels: {labels}}}\n")
    assert f"{labels!r} has {len(labels)} letters" in found


@pytest.mark.parametrize("labels", ["~", "", "1122"])
def test_what_is_no_word_is_no_labels(tmp_path, labels):
    found = refusal(tmp_path, f"name: a\nworkload:\n  partition_labels: {labels}\n")
    assert found.startswith("s.yaml:3:3: workload.partition_labels: Expected `str`, got ")


KEYS = {
    "at the top": (
        BASE + "seed: 1\nseed: 2\n",
        "4:1: the key 'seed' stands twice, first in line 3",
    ),
    "further in": (
        "name: a\nworkload:\n  partition_labels: AABB\n  shots: 1\n\n  shots: 1\n",
        "6:3: the key 'shots' stands twice, first in line 4",
    ),
    "in a sweep": (
        BASE + "sweep:\n  - window: [1]\n    queries: [1]\n    window: [2]\n",
        "6:5: the key 'window' stands twice, first in line 4",
    ),
    "in quotes": (BASE + "'name': b\n", "3:1: the key 'name' stands twice, first in line 1"),
}


@pytest.mark.parametrize(("text", "message"), KEYS.values(), ids=KEYS)
def test_a_key_that_stands_twice_is_refused_with_both_lines(tmp_path, text, message):
    assert refusal(tmp_path, text) == f"s.yaml:{message}"


WRITTEN = {
    "a tab that indents": (
        BASE + "pool:\n\tworkers: 2\n",
        "4:1: not valid YAML: a tab; YAML is indented with spaces",
    ),
    "a tab at the start": ("\tname: a\n", "1:1: not valid YAML: a tab; YAML is indented with "),
    "two documents": (
        BASE + "---\n" + BASE,
        "3:1: not valid YAML: a second document begins here; a file holds one",
    ),
    "no space after a colon": (
        "name:a\nworkload: {partition_labels: AABB}\n",
        "2:9: not valid YAML: a ':' where none can be; indent the line as its neighbours, and have",
    ),
    "too far in": (
        "name: a\nworkload:\n  partition_labels: AABB\n   shots: 3\n",
        "4:9: not valid YAML: a ':' where none can be",
    ),
    "a space that does not break": (
        BASE + "queries:\N{NO-BREAK SPACE}3\n",
        "3:1: not valid YAML: this line is no 'field: value'; have a space after the ':'",
    ),
    "a bracket that stays open": (
        BASE + "pool: {workers: 2\nseed: 1\nqueries: 2\n",
        "4:5: not valid YAML: did not find expected ',' or '}' (while parsing a flow mapping that "
        "began in line 3)",
    ),
    "a merge key": (
        BASE + "stragglers: &s {delay_s: 1}\nsweep:\n  - stragglers: [{<<: *s}]\n",
        "5:19: '<<' does not merge in YAML 1.2; write the fields out (an alias, '*name', can",
    ),
    "a list as a key": (BASE + "? [a, b]\n: 3\n", "3:3: a key must be text, not a list or a"),
    "null as a key": (BASE + "~: 3\n", "3:1: a key must be text, not None"),
}


@pytest.mark.parametrize(("text", "message"), WRITTEN.values(), ids=WRITTEN)
def test_a_slip_of_the_pen_is_named_where_it_is_with_what_to_do(tmp_path, text, message):
    assert refusal(tmp_path, text).startswith(f"s.yaml:{message}")


@pytest.mark.parametrize("text", ["seed:\t3", "seed: 3\t", "seed: 3\t# x"])
def test_a_tab_that_does_not_indent_is_a_space(tmp_path, text):
    assert load(tmp_path, f"{BASE}{text}\n").seed == 3


def test_an_alias_stands_for_a_whole_value(tmp_path):
    scenario = load(
        tmp_path,
        BASE + "stragglers: &usual {probability: 0.1, delay_s: 1}\nsweep:\n"
        "  - stragglers: [*usual, {probability: 0.2, delay_s: 1}]\n",
    )
    assert [cell.stragglers.probability for cell in scenario.cells] == [0.1, 0.2]


def bomb(levels: str, last: str) -> str:
    """Ten to the power of ``levels`` values, by aliases of aliases."""
    lines = ["name: a", "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"{n}: &{n} [{', '.join([f'*{m}'] * 10)}]" for m, n in pairwise(levels)]
    return "\n".join([*lines, last]) + "\n"


@pytest.mark.parametrize("last", ["", "? *p\n: 1", "pool: *p", "sweep: *p"])
def test_a_bomb_of_aliases_is_refused_quickly(tmp_path, last):
    text = bomb("abcdefghijklmnop", last)
    begun = time.perf_counter()
    assert "holds more than 100000 values" in refusal(tmp_path, text)
    assert time.perf_counter() - begun < QUICK_S


def test_a_key_that_is_a_bomb_of_aliases_is_refused_quickly(tmp_path):
    levels = "abcdefghijklmnop"
    lines = [f"- &{n} [{', '.join([f'*{m}'] * 10)}]" for m, n in pairwise(levels)]
    text = "? \n" + "".join(f"  {line}\n" for line in ["- &a [1, 1]", *lines]) + ": 1\n"
    begun = time.perf_counter()
    assert "a key must be text, not a list or a mapping" in refusal(tmp_path, text)
    assert time.perf_counter() - begun < QUICK_S


def test_a_very_long_file_is_refused_quickly_and_a_long_one_is_read(tmp_path):
    assert load(tmp_path, BASE + "# a line of comment\n" * 100_000).name == "a"
    begun = time.perf_counter()
    assert "is larger than 8 MiB; a scenario is not" in refusal(tmp_path, BASE + "#\n" * 5_000_000)
    assert time.perf_counter() - begun < QUICK_S


def test_a_device_that_never_ends_is_refused():
    with pytest.raises(ScenarioError, match="/dev/zero: is larger than 8 MiB"):
        load_scenario("/dev/zero")


@pytest.mark.parametrize("value", ["1" * 100_000, "[" + "1, " * 30_000 + "1]", "x" * 100_000])
def test_a_very_long_value_is_cut_in_the_message(tmp_path, value):
    found = refusal_of_bytes(tmp_path, f"{BASE}queries: {value}\n".encode())
    assert "..." in found
    assert len(found) < 1000
    assert found.splitlines()[0].startswith("s.yaml:3:")


def test_the_caret_below_a_very_long_line_is_below_the_value(tmp_path):
    text = BASE + "pool: {" + " " * 5000 + "workers: none}\n"
    _, line, caret = refusal_of_bytes(tmp_path, text.encode()).splitlines()
    assert line[caret.index("^") :].startswith("workers: none")
    assert len(line) < 200


ENDS = {"unix": "\n", "windows": "\r\n", "old mac": "\r"}


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_line_ends_and_a_byte_order_mark_change_nothing(tmp_path, mark, end):
    text = (BASE + "seed: 3\n").replace("\n", end).encode()
    assert load_bytes(tmp_path, mark + text) == load(tmp_path, BASE + "seed: 3\n")
    found = refusal_of_bytes(tmp_path, mark + b"nme: a" + end.encode() + text)
    assert found.startswith("s.yaml:1:1: nme: unknown field; ")
    assert found.splitlines()[1:] == ["    nme: a", "    ^"]


OTHER_TEXT = {
    "latin-1": "name: größe\n".encode("latin-1"),
    "utf-16": BASE.encode("utf-16"),
    "a picture": b"\x89PNG\r\n\x1a\n\x00",
}


@pytest.mark.parametrize("data", OTHER_TEXT.values(), ids=OTHER_TEXT)
def test_a_file_that_is_not_utf_8_is_refused_with_its_line(tmp_path, data):
    found = refusal_of_bytes(tmp_path, data)
    assert found.startswith("s.yaml: not a text file in UTF-8 (")
    assert found.endswith("in line 1); save it as UTF-8")


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "---\n...\n", "\N{BYTE ORDER MARK}"])
def test_a_file_that_holds_nothing_is_refused(tmp_path, text):
    found = refusal_of_bytes(tmp_path, text.encode())
    assert found.startswith("s.yaml:1:1: the file is empty") or "a scenario is a mapping" in found


NEEDED = ["workload:", "pool: ~", "stragglers: null", "sweep:", "seed: ~", "arrivals:"]


@pytest.mark.parametrize("line", NEEDED)
def test_nothing_where_a_value_is_needed_is_refused(tmp_path, line):
    field = line.partition(":")[0]
    text = f"name: a\n{line}\n" + ("" if field == "workload" else BASE.split("\n")[1] + "\n")
    assert refusal(tmp_path, text).startswith(f"s.yaml:2:1: {field}: ")
