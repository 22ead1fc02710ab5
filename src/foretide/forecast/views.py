"""This file knows how the engine looks at the past of series: one whole backtest, with its outcome.

The experts guess the next days from each of the last weeks' days (the origins); what they missed
sets their weights (`choose`), what the combination still missed is carried forward (`correct`), a
new level is followed (`shift`), and what is still missed becomes the quantiles (`conformal`).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from foretide.forecast.choose import combine, weights_of
from foretide.forecast.conformal import moved, spread_of, wander_of, weekly_wander_of
from foretide.forecast.correct import carry_of, corrected
from foretide.forecast.days import Days, Floats, calmed, mean_level, windows
from foretide.forecast.experts import guesses, names_of_experts
from foretide.forecast.fitted import Fitted, stacked
from foretide.forecast.issue import Past
from foretide.forecast.shift import relevelled, threshold_of

# The engine always looks this far, so that a day's forecast is the week's first.
DAYS_AHEAD = 7
DAYS_FOR_WEEKS_ALONE = 14
_DAYS_FOR_WEEKS, _DAYS_FOR_ALL_EXPERTS = 8, 10
_ORIGINS_LONG, _ORIGINS_LEAST = 28, 14
# Ways to look: no weekdays; all experts; only those that know weekdays or at least weekends.
_DAILY, _WEEKLY, _WEEKDAYS = "daily", "weekly", "weekdays"
_COMPARED_ORIGINS = 3


class View(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One way of looking at a chunk of series: with or without weekdays.

    Parameters
    ----------
    way : str
        "daily", "weekly" or "weekdays": by which experts; see `experts_of`.
    fitted : Fitted
        What was learned.
    centre : ndarray, shape (series, 7, bins)
        The combined forecast of the days ahead.
    plain : ndarray, shape of `centre`
        The same before the last errors and a new level moved it.
    shift : ndarray, shape (series,)
        New level / old; 1 where it has not shifted.
    share : ndarray, shape (series, 7)
        How much of the forecast of each day comes from this view.
    past_centre : ndarray, shape (series, origins, 7, bins)
        What would have been forecast from every past origin.
    first : int
        The row of the past before which the first of them lies.
    """

    way: str
    fitted: Fitted
    centre: Floats
    plain: Floats
    shift: Floats
    share: Floats
    past_centre: Floats
    first: int


def experts_of(view: View) -> tuple[str, ...]:
    """Return the names of the experts that took part, in the order of their weights."""
    return names_of_experts(has_weeks=view.way != _DAILY, has_days=view.way != _WEEKDAYS)


def blended(views: Sequence[View], levels: tuple[float, ...]) -> Floats:
    """Return the quantiles of the days ahead, shape (series, 7, bins, levels)."""
    parts = [moved(view.centre, view.fitted.spread, levels) for view in views]
    if len(parts) == 1:
        return parts[0]
    daily, weekly = (view.share[:, :, None, None] for view in views)
    return parts[0] * daily + parts[1] * weekly


def views_of(past: Past, learned: dict[str, dict[str, Fitted]] | None = None) -> list[View]:
    """Look at the past of some series in every way their history allows.

    Parameters
    ----------
    past : Past
        At least three whole days.
    learned : dict, optional
        What was learned earlier of every one of the series, by way of looking; nothing of a way
        that is not in it: it is learned anew.

    Returns
    -------
    list of View
        One or two; their shares of every day sum to 1.
    """
    days = past.whole_days
    earliest: dict[str, int] = {}
    if days < DAYS_FOR_WEEKS_ALONE:
        earliest[_DAILY] = 2
    if days >= _DAYS_FOR_WEEKS:
        # What tells no day from another has its own view besides, and one or two past days cannot
        # weigh it here: a day like the one before tells nothing of the first of a weekend.
        way = _WEEKLY if days >= _DAYS_FOR_ALL_EXPERTS else _WEEKDAYS
        earliest[way] = min(max(days // 2, 7), 14)
    views: list[View] = []
    for way, first in earliest.items():
        known = [one[way] for of in past.series_ids if way in (one := (learned or {}).get(of, {}))]
        if len(known) == len(past.series_ids):
            views.append(_applied(past, way, stacked(known)))
        else:
            views.append(_learned(past, way, first))
    return views if len(views) == 1 else _shared(views)


def _shared(views: Sequence[View]) -> list[View]:
    # Weekdays matter more the better they told of late, and for every day ahead alike: so few weeks
    # are as unsure of the fourth day as the days before are.
    daily, weekly = views
    odds = np.square(daily.fitted.loss / weekly.fitted.loss)
    share = np.repeat((odds / (1 + odds))[:, None], DAYS_AHEAD, axis=1)
    return [
        msgspec.structs.replace(daily, share=1 - share),
        msgspec.structs.replace(weekly, share=share),
    ]


def _learned(past: Past, way: str, earliest: int) -> View:
    # One whole backtest, its first origin no earlier than the given row.
    days, rows = past.days, past.days.values.shape[1]
    origins = min(rows - earliest, max(rows - _ORIGINS_LONG, _ORIGINS_LEAST), _ORIGINS_LONG)
    first = rows - origins
    found = _guesses(past, way, first)
    actual, seen = outcomes(days, first)
    weights = weights_of(found, actual, seen)
    plain = combine(found, weights)
    carry = carry_of(plain, actual, seen)
    expected = _usual(found, way), plain
    threshold = threshold_of(expected, actual, seen)
    centre = corrected(plain, actual, seen, carry)
    centre, shift = relevelled(
        centre, expected, actual, seen, threshold=threshold, fullest=_fullest(days)
    )
    single, single_seen = outcomes(past.sampled, first)
    strays = np.sqrt(single) - np.sqrt(centre[:, :-1])
    strays *= single_seen
    wander = wander_of(days)
    if way != _DAILY:
        wander = np.minimum(wander, weekly_wander_of(days))
    spread = spread_of(strays, single_seen, np.sqrt(mean_level(days)), wander)
    fitted = Fitted(
        weights=weights,
        carry=carry,
        threshold=threshold,
        spread=spread,
        loss=_loss(centre, actual, seen),
        origin_count=origins,
    )
    return View(
        way=way,
        fitted=fitted,
        centre=centre[:, -1],
        plain=plain[:, -1],
        shift=shift,
        share=np.ones((len(centre), DAYS_AHEAD), dtype=np.float32),
        past_centre=centre[:, :-1],
        first=first,
    )


def _applied(past: Past, way: str, fitted: Fitted) -> View:
    # What was learned earlier, applied to what is known now: only the last day is tried.
    first = past.days.values.shape[1] - 1
    found = _guesses(past, way, first)
    plain = combine(found, fitted.weights)
    actual, seen = past.days.values[:, None, -1:], past.days.seen[:, None, -1:]
    centre = corrected(plain, actual, seen, fitted.carry)
    expected = _usual(found, way), plain
    centre, shift = relevelled(
        centre,
        expected,
        actual,
        seen,
        threshold=fitted.threshold,
        fullest=_fullest(past.days),
    )
    return View(
        way=way,
        fitted=fitted,
        centre=centre[:, -1],
        plain=plain[:, -1],
        shift=shift,
        share=np.ones((len(centre), DAYS_AHEAD), dtype=np.float32),
        past_centre=centre[:, :-1],
        first=first,
    )


def _loss(centre: Floats, actual: Floats, seen: Floats) -> Floats:
    # Mean error of the day ahead over the last origins, those that both views have.
    last = np.s_[:, -_COMPARED_ORIGINS:, 0]
    missed = np.abs(centre[:, :-1][last] - actual[last]) * seen[last]
    total = np.einsum("skb->sk", missed).sum(axis=1)
    return total / np.maximum(np.einsum("skb->sk", seen[last]).sum(axis=1), 1) + np.float32(1e-4)


def _guesses(past: Past, way: str, first: int) -> dict[str, Floats]:
    return guesses(
        calmed(past.days),
        past.weekend,
        first=first,
        days_ahead=DAYS_AHEAD,
        has_weeks=way != _DAILY,
        has_days=way != _WEEKDAYS,
    )


def _usual(found: dict[str, Floats], way: str) -> Floats:
    return found["daily median" if way == _DAILY else "weekly median"]


def _fullest(days: Days) -> Floats:
    # Bins observed on the day that had the most, shape (series or 1,).
    return np.einsum("srb->sr", days.seen).max(axis=1)


def outcomes(days: Days, first: int) -> tuple[Floats, Floats]:
    """Return what came after every origin from row `first` on, and where it was observed.

    Days that lie ahead of the present are not.

    Parameters
    ----------
    days : Days
        The past; shape (series, rows, bins).
    first : int
        The first origin, < rows.

    Returns
    -------
    tuple of ndarray, each of shape (series or 1, rows - first, 7, bins)
    """
    ahead = ((0, 0), (0, DAYS_AHEAD - 1), (0, 0))
    return (
        windows(np.pad(days.values, ahead), first, DAYS_AHEAD),
        windows(np.pad(days.seen, ahead), first, DAYS_AHEAD),
    )
