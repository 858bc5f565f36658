"""What `check` and `hint` say, and when they raise."""

from __future__ import annotations

import pytest

from vzlab.learn import check, checking, hint


def test_check_prints_and_gives_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("01-first-byte", 0x78) is None  # type: ignore[func-returns-value]
    assert capsys.readouterr().out.startswith("✓ 01-first-byte: Right. ")


def test_a_wrong_answer_raises_in_strict_mode_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    check("01-first-byte", 3)
    assert capsys.readouterr().out.startswith("✗ 01-first-byte: Not yet. ")
    monkeypatch.setenv("VZLAB_STRICT", "1")
    with pytest.raises(AssertionError, match="Not yet"):
        check("01-first-byte", 3)
    with pytest.raises(AssertionError, match="Your turn"):
        check("01-first-byte", ...)
    check("01-first-byte", 0x78)


def test_each_hint_says_more_and_the_last_one_stays(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checking, "_given", {})
    for _ in range(3):
        hint("01-first-byte")
    first, second, third = capsys.readouterr().out.splitlines()
    assert "Hint 1 of 2" in first
    assert "Hint 2 of 2" in second
    assert third == second


def test_a_hint_for_an_unknown_exercise_says_which_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    hint("01-nothing")
    assert "01-first-byte" in capsys.readouterr().out
