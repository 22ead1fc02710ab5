"""This file knows how a decision about training is said in one line."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, assert_never

from foretide.forecast.retrain import (
    TRIAL_MIN,
    Challenge,
    Judge,
    Keep,
    Reason,
    Reconform,
    Retrain,
)

if TYPE_CHECKING:
    from foretide.control.outcome import Outcome


def verb(outcome: Outcome) -> str:
    """Return in one word what was done."""
    match outcome.decision:
        case Retrain() | Challenge():
            return "trained"
        case Judge():
            return "judged"
        case Reconform():
            return "narrowed"
        case Keep():
            return "kept"
        case _ as never:
            assert_never(never)


def said(outcome: Outcome) -> str:
    """Return in one line what was decided, and the numbers it rests on."""
    due, numbers = f"due every {_days(outcome.interval_s)}", _numbers(outcome)
    match outcome.decision:
        case Retrain(reason=Reason.FIRST):
            text = f"trained for the first time; {due}"
        case Retrain(reason=Reason.ASKED):
            text = f"trained because you asked, and in use; {due}"
        case Retrain():
            text = f"due, a challenger was trained ({numbers}); {_trial(outcome.at)}; {due}"
        case Challenge():
            text = f"{_trouble(outcome)}: a challenger was trained; {_trial(outcome.at)}; {due}"
        case Judge():
            text = _verdict(outcome)
        case Reconform():
            text = f"intervals hold too much ({numbers}): narrowed, without training"
        case Keep(reason=Reason.ON_TRIAL):
            text = f"a challenger is on trial ({numbers})"
        case Keep(reason=Reason.WAITING):
            text = f"worse than usual ({numbers}), but challengers lost of late; {due}"
        case Keep():
            text = f"not due ({numbers}); {due}"
        case _ as never:
            assert_never(never)
    return text


def _verdict(outcome: Outcome) -> str:
    ratio = f"its loss is {outcome.loss_ratio:.3f} of the champion's"
    if outcome.has_won:
        return f"the challenger won, {ratio}; it serves from now on"
    return f"the challenger lost, {ratio}; the champion stays"


def _trouble(outcome: Outcome) -> str:
    seen = outcome.evidence
    if seen is not None and seen.day_ratio > seen.day_ratio_now:
        return f"loss of 24 h {seen.day_ratio:.2f} of usual, alarm at {seen.day_ratio_now:.2f}"
    if isinstance(outcome.decision, Challenge) and outcome.decision.reason is Reason.LOSS:
        return _numbers(outcome)
    return f"intervals hold too little ({_numbers(outcome)})"


def _numbers(outcome: Outcome) -> str:
    seen = outcome.evidence
    if seen is None or seen.ratio != seen.ratio:
        return "too little matured to compare"
    told = f"loss of 48 h {seen.ratio:.2f} of usual, alarm at {seen.ratio_now:.2f}"
    if seen.under_p < 1 and seen.point_count:
        told += f"; chance of so many misses {seen.under_p:.2g}"
    return told


def _trial(at: datetime) -> str:
    return f"on trial until {at + TRIAL_MIN:%Y-%m-%d %H:%M} UTC"


def _days(interval_s: float) -> str:
    return f"{timedelta(seconds=interval_s) / timedelta(days=1):.3g} d"
