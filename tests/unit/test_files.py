"""Files are written whole or not at all, and what cannot be written is named."""

from __future__ import annotations

import pytest

from qcutsim.errors import InputError
from qcutsim.files import exists, locked, write_whole

TOO_LONG = "x" * 300


def test_a_file_is_replaced_and_nothing_stays_beside_it(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    assert write_whole(path, b"new").read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_that_is_too_long_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be looked at"):
        exists(tmp_path / TOO_LONG)
    with pytest.raises(InputError, match=r"cannot be written \(File name too long\)"):
        write_whole(tmp_path / TOO_LONG, b"")


def test_a_file_of_the_users_that_is_named_like_a_part_is_left_alone(tmp_path):
    part = tmp_path / "a.json.part"
    part.write_text("mine")
    write_whole(tmp_path / "a.json", b"new")
    assert part.read_text() == "mine"


def test_a_folder_in_the_place_of_a_file_is_named_and_left_alone(tmp_path):
    folder = tmp_path / "a.json"
    folder.mkdir()
    with pytest.raises(InputError, match=r"a\.json: cannot be written \("):
        write_whole(folder, b"")
    assert list(tmp_path.iterdir()) == [folder]


def test_a_file_that_is_being_written_is_nobody_elses(tmp_path):
    path = tmp_path / "a.jsonl"
    with (
        locked(path),
        pytest.raises(InputError, match="another process is writing it"),
        locked(path),
    ):
        pytest.fail("two hold the lock")
    with locked(path):
        assert path.read_bytes() == b""
