"""Lessons write to folders of their own, and never over what somebody else made."""

from __future__ import annotations

from pathlib import Path

import pytest

from vzlab.learn.folders import LAB_MARKER, fresh_folder


def test_outside_a_lab_it_is_temporary_and_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first, second = fresh_folder("01-bytes"), fresh_folder("01-bytes")
    assert first != second
    assert first.name == "01-bytes"
    assert first.parent.name.startswith("vzlab-")
    assert [path for path in second.iterdir() if not path.name.startswith(".")] == []
    assert list(tmp_path.iterdir()) == []


def test_in_a_lab_it_is_found_again_and_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / LAB_MARKER).touch()
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    folder = fresh_folder("01-bytes")
    assert folder == tmp_path / "work" / "01-bytes"
    (folder / "old.nc").touch()
    assert fresh_folder("01-bytes") == folder
    assert not (folder / "old.nc").exists()


def test_a_folder_that_no_lesson_made_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / LAB_MARKER).touch()
    mine = tmp_path / "work" / "01-bytes" / "mine.nc"
    mine.parent.mkdir(parents=True)
    mine.touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileExistsError, match="no lesson made it"):
        fresh_folder("01-bytes")
    assert mine.exists()


@pytest.mark.parametrize("name", ["", "..", ".", "a/b", "../up", "/etc"])
def test_only_one_part_of_a_path_is_a_name(name: str) -> None:
    with pytest.raises(ValueError, match="one part of a path"):
        fresh_folder(name)
