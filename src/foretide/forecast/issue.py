"""This file knows how what a model says of days becomes the forecast of every series asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import numpy.typing as npt

from foretide.forecast.base import DAY_S, check_asked, first_step, step_count
from foretide.forecast.coldstart import silent_quantiles, unseen_quantiles
from foretide.forecast.days import Days, Floats, masked, picked
from foretide.forecast.history import Chunk, chunks
from foretide.forecast.short_lead import refined
from foretide.model.demand import Demand, FloatArray
from foretide.model.forecast import Forecast

_SILENT_S = 3 * 3600
# Nothing beyond this many times what was ever seen is forecast, at any level.
_CEILING = 100.0


class Past(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What a model is shown of a chunk of series with equally many days.

    Parameters
    ----------
    whole_days : int
        Whole days of history, 0 ... 56.
    days, sampled : Days, shape (series, max(whole_days, 1), bins)
        Bin means, and one single bucket of each bin, relative to each series' recent mean.
    weekend : ndarray of bool, shape (days + 7, bins)
        Whether a bin falls on a Saturday or Sunday.
    series_ids : tuple of str
        Whose past each row is.
    """

    series_ids: tuple[str, ...]
    whole_days: int
    days: Days
    sampled: Days
    weekend: npt.NDArray[np.bool_]

    def rows(self, chosen: Sequence[int]) -> Past:
        """Return the past of some of the series."""
        return Past(
            series_ids=tuple(self.series_ids[row] for row in chosen),
            whole_days=self.whole_days,
            days=picked(self.days, chosen),
            sampled=picked(self.sampled, chosen),
            weekend=self.weekend,
        )


class Answer(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What a model says of the days ahead.

    Parameters
    ----------
    quantiles : ndarray of float32, shape (series, days ahead, bins, levels)
        Relative to each series' recent mean.
    note : str
        Why they are wide or simple, empty when nothing needs saying.
    """

    quantiles: Floats
    note: str


QuantilesOf = Callable[[Past, int, tuple[float, ...]], Answer]


def issue(
    demands: Sequence[Demand],
    *,
    model: str,
    issued_at: datetime,
    horizon_s: int,
    levels: tuple[float, ...],
    zone: ZoneInfo,
    finest_s: int,
    quantiles_of: QuantilesOf,
    recent_days: int = 0,
) -> list[Forecast]:
    """Forecast every demand with a model that works on days of chunks of series.

    Parameters
    ----------
    demands, issued_at, horizon_s, levels, zone
        As for `Forecaster.forecast`.
    model : str
        The forecaster's name.
    finest_s : int
        Shorter buckets are gathered into bins of at least this many seconds.
    quantiles_of : callable
        Takes a chunk's past, the days ahead and the levels.
    recent_days : int
        With any, the first two hours of short buckets follow from the present, by so many days.

    Returns
    -------
    list of Forecast
        One per demand, in the order given.

    Raises
    ------
    InvalidValueError
        When the horizon or a level is impossible.
    """
    check_asked(horizon_s, levels)
    # What is said of one level must not depend on which others are asked for: the middle, from
    # which the others are moved away, is always there.
    known = tuple(sorted({*levels, 0.5}))
    asked = [known.index(level) for level in levels]
    is_part = len(asked) < len(known)
    found: dict[int, tuple[FloatArray, str]] = {}
    for chunk in chunks(
        demands,
        issued_at=issued_at,
        horizon_s=horizon_s,
        zone=zone,
        finest_s=finest_s,
        recent_days=recent_days,
    ):
        ids = tuple(demands[int(index)].series_id for index in chunk.members)
        values, notes = _answered(chunk, ids, -(-horizon_s // DAY_S), known, quantiles_of)
        for row, index in enumerate(chunk.members):
            found[int(index)] = (values[row][:, asked] if is_part else values[row], notes[row])
    return [
        Forecast(
            series_id=demand.series_id,
            model=model,
            issued_at=issued_at,
            start=first_step(demand, issued_at),
            step_s=demand.step_s,
            levels=levels,
            values=values,
            note=note,
        )
        for index, demand in enumerate(demands)
        for values, note in [found.get(index) or _unseen(demand, horizon_s, levels)]
    ]


def _unseen(demand: Demand, horizon_s: int, levels: tuple[float, ...]) -> tuple[FloatArray, str]:
    steps = step_count(demand.step_s, horizon_s)
    values = np.tile(unseen_quantiles(levels), (steps, 1))
    return values, "nothing was observed yet: a wide guess of about one event a bucket"


def _answered(
    chunk: Chunk,
    ids: tuple[str, ...],
    days_ahead: int,
    levels: tuple[float, ...],
    quantiles_of: QuantilesOf,
) -> tuple[FloatArray, list[str]]:
    # Quantiles at each step, shape (series, steps, levels), and a note for each series.
    scale, highest = _scales(chunk.bins)
    days = masked(chunk.bins / scale)
    # where a bin is one bucket both are the same
    is_same = np.may_share_memory(chunk.bins, chunk.sampled)
    past = Past(
        series_ids=ids,
        whole_days=chunk.whole_days,
        days=days,
        sampled=days if is_same else masked(chunk.sampled / scale),
        weekend=chunk.weekend,
    )
    answer = quantiles_of(past, days_ahead, levels)
    series = len(chunk.members)
    bins = answer.quantiles.reshape(series, -1, len(levels)).astype(np.float64)
    # Steps are many and bins are few: everything but the steps' usual shares is done on bins.
    bins = np.maximum.accumulate(np.maximum(_aged(bins, levels, chunk.silent_s), 0), axis=2)
    bins = np.minimum(bins * scale, _CEILING * np.minimum(highest, 1e300)[:, None, None])
    values = chunk.at_steps(bins)
    empty = highest == 0
    if empty.any():
        values[empty] = silent_quantiles(levels, chunk.whole_days)
    values = refined(values, chunk, levels)
    return values, [
        _note(answer.note, bool(empty[row]), float(chunk.silent_s[row])) for row in range(series)
    ]


def _scales(bins: FloatArray) -> tuple[FloatArray, FloatArray]:
    # The mean of the last four weeks (of all when those are empty), and the highest bin.
    highest = np.nanmax(bins, axis=(1, 2), initial=0.0, where=np.isfinite(bins))
    safe = np.maximum(highest, 1e-300)[:, None, None]
    recent = _mean(bins[:, -28:] / safe)
    overall = np.where(recent > 0, recent, _mean(bins / safe))
    scale = np.where(overall > 0, overall * safe[:, 0, 0], 1.0)
    return np.maximum(scale, 1e-300)[:, None, None], highest


def _mean(bins: FloatArray) -> FloatArray:
    seen = np.isfinite(bins)
    total = np.where(seen, bins, 0).sum(axis=(1, 2))
    return total / np.maximum(seen.sum(axis=(1, 2)), 1)


def _aged(values: FloatArray, levels: tuple[float, ...], silent_s: FloatArray) -> FloatArray:
    # The longer a series has been silent the less its past binds: quantiles move away from the
    # middle one, in square roots, by the root of the days that passed.
    stretch = np.sqrt(1 + np.where(silent_s > _SILENT_S, silent_s, 0) / DAY_S)[:, None, None]
    roots = np.sqrt(values)
    middle = roots[:, :, levels.index(0.5)][:, :, None]
    aged = np.square(np.maximum(middle + (roots - middle) * stretch, 0))
    return np.where(stretch > 1, aged, values)


def _note(note: str, is_empty: bool, silent_s: float) -> str:
    notes = ["never above zero so far: a guess of few events"] if is_empty else []
    notes += [note] if note else []
    if silent_s > _SILENT_S:
        notes.append(f"nothing observed for the last {silent_s / 3600:.0f} h: widened")
    return "; ".join(notes)
