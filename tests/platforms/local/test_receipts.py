"""Answers are remembered across restarts, and what was begun is known."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cases.local import act, launch
from foretide.errors import PlatformError, PlatformUnavailableError
from foretide.model.plan import Promote
from foretide.platforms.local.receipts import Receipts, accepted, refused


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "receipts.jsonl"


def test_answers_outlive_a_restart(path: Path) -> None:
    first = Receipts(path)
    done, no = launch("a"), act(Promote, "b")
    for action, answer in ((done, accepted(done)), (no, refused(no, "b is gone"))):
        first.begin(action)
        first.answer(answer)
    first.close()
    again = Receipts(path)
    assert again.known(done.action_id) == accepted(done)
    assert again.known(no.action_id) == refused(no, "b is gone")
    assert again.unanswered() == ()
    assert again.launch("a") == done
    again.close()


def test_what_was_begun_and_not_answered_is_known(path: Path) -> None:
    first = Receipts(path)
    for action in (launch("a"), act(Promote, "b")):
        first.begin(action)
    first.answer(accepted(launch("a")))
    # no close: killed
    again = Receipts(path)
    assert again.unanswered() == (act(Promote, "b"),)
    assert again.known(act(Promote, "b").action_id) is None
    again.close()
    first.close()


def test_a_line_that_was_cut_off_was_not_begun(path: Path) -> None:
    first = Receipts(path)
    first.begin(launch("a"))
    first.close()
    path.write_bytes(path.read_bytes() + b'{"begun":{"verb":"launch","ac')
    again = Receipts(path)
    assert again.unanswered() == (launch("a"),)
    again.begin(launch("b"))
    again.close()
    third = Receipts(path)
    assert third.unanswered() == (launch("a"), launch("b"))
    third.close()


def test_it_stays_small_and_forgets_no_answer_before_its_launch(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("foretide.platforms.local.receipts._KEPT_COUNT", 10)
    monkeypatch.setattr("foretide.platforms.local.receipts._LONGEST_COUNT", 40)
    first = Receipts(path)
    open_one = launch("open")
    first.begin(open_one)
    for number in range(100):
        action = launch(f"a{number}") if number < 50 else act(Promote, f"a{number}")
        first.begin(action)
        first.answer(accepted(action))
    assert len(path.read_bytes().splitlines()) <= 42
    first.close()
    again = Receipts(path)
    assert again.unanswered() == (open_one,)  # an old launch is not begun again
    assert again.known(act(Promote, "a99").action_id) is not None
    again.close()


def test_nothing_may_be_done_while_it_cannot_be_written(path: Path) -> None:
    first = Receipts(path)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, first._handle)  # pyright: ignore[reportPrivateUsage]
    os.close(full)
    with pytest.raises(PlatformUnavailableError, match="No space left on device"):
        first.begin(launch("a"))
    assert first.unanswered() == ()
    first.close()


def test_a_damaged_line_is_told(path: Path) -> None:
    path.write_text("{}\nwhat\n")
    with pytest.raises(PlatformError, match=r"receipts.jsonl:2 is no receipt .*remove the line"):
        Receipts(path)
