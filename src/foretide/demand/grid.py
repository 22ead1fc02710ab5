"""This file knows how stamped amounts become demand on regular grids.

Stamps are starts of buckets. Every series gets one grid: its step is the most common difference
of consecutive distinct stamps (the smallest of equals), its buckets begin at whole multiples of
the step since the Unix epoch. What does not fit is mended the same way whatever the order of the
rows, and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from foretide.errors import InvalidValueError
from foretide.model.demand import Demand, FloatArray

IntArray = npt.NDArray[np.int64]

US_PER_S = 1_000_000
STEP_MAX_S = 86_400
STEP_ALONE_S = 3600  # of a series with one stamp, where no series has two
# One wrong year in one stamp would otherwise ask for gigabytes: 20 million minutes are 38 years.
BUCKETS_MAX = 20_000_000
BUCKETS_OF_ALL_MAX = 10 * BUCKETS_MAX


class Gridded(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Demand on regular grids, and what had to be mended for it.

    Parameters
    ----------
    demands : tuple of Demand
        One per name, in their order.
    notes : tuple of str
        One line for each kind of mended row, with how many there were.
    """

    demands: tuple[Demand, ...]
    notes: tuple[str, ...]


class _Rows(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    # In the order of series, then time, then of coming: code = index into `names`.
    names: Sequence[str]
    code: IntArray
    at_us: IntArray
    value: FloatArray


def on_grids(names: Sequence[str], code: IntArray, at_us: IntArray, value: FloatArray) -> Gridded:
    """Return the demand that rows of series, stamp and amount tell of.

    Parameters
    ----------
    names : sequence of str
        The series; each has at least one row.
    code : ndarray of int, shape (rows,)
        Which of `names` a row belongs to.
    at_us : ndarray of int, shape (rows,)
        Start of its bucket in microseconds since the Unix epoch.
    value : ndarray, shape (rows,)
        Amount in the bucket, finite and >= 0, or NaN where not observed.

    Returns
    -------
    Gridded
        Buckets without a row are NaN. Of rows for one stamp, or of stamps in one bucket, the last
        that is not NaN counts.

    Raises
    ------
    InvalidValueError
        When the stamps are too far apart, too wide a span, or too dense for any grid.
    """
    notes: list[str] = []
    rows = _sorted(names, code, at_us, value, notes)
    step_s = _steps_s(rows, notes)
    bucket = rows.at_us // (step_s[rows.code] * US_PER_S)
    _count_mends(rows, bucket, step_s, notes)
    return Gridded(demands=_filled(rows, bucket, step_s), notes=tuple(notes))


def _sorted(
    names: Sequence[str], code: IntArray, at_us: IntArray, value: FloatArray, notes: list[str]
) -> _Rows:
    order = np.argsort(code, kind="stable")
    goes_back = (np.diff(at_us[order]) < 0) & (np.diff(code[order]) == 0)
    if goes_back.any():
        _note(notes, goes_back, "stood behind a later one and were sorted")
        order = np.lexsort((at_us, code))
    return _Rows(names=names, code=code[order], at_us=at_us[order], value=value[order])


def _filled(rows: _Rows, bucket: IntArray, step_s: IntArray) -> tuple[Demand, ...]:
    begins = np.searchsorted(rows.code, np.arange(len(rows.names)))
    ends = np.append(begins[1:], len(bucket)) - 1
    first = bucket[begins]
    counts = bucket[ends] - first + 1
    _check_span(rows, counts, step_s)
    offsets = np.append(0, np.cumsum(counts))
    values = np.full(int(offsets[-1]), np.nan)
    place = bucket + (offsets[:-1] - first)[rows.code]
    seen = np.flatnonzero(~np.isnan(rows.value))
    # Of several values for one place NumPy keeps the last; rows are in order, so it is the latest.
    values[place[seen]] = rows.value[seen]
    return tuple(
        Demand(
            series_id=name,
            start=datetime.fromtimestamp(int(first[i] * step_s[i]), UTC),
            step_s=int(step_s[i]),
            values=values[offsets[i] : offsets[i + 1]],
        )
        for i, name in enumerate(rows.names)
    )


def _check_span(rows: _Rows, counts: IntArray, step_s: IntArray) -> None:
    longest = int(counts.argmax())
    if counts[longest] > BUCKETS_MAX or counts.sum() > BUCKETS_OF_ALL_MAX:
        raise InvalidValueError(
            f"series {rows.names[longest]!r} spans {counts[longest]} buckets of {step_s[longest]} "
            f"s, more than can be held; correct its first or last ts"
        )


def _steps_s(rows: _Rows, notes: list[str]) -> IntArray:
    step_s = _common_gaps_s(rows)
    unknown = (step_s == 0) | (step_s > STEP_MAX_S)
    if not unknown.any():
        return step_s
    name = rows.names[int(unknown.argmax())]
    known, times = np.unique(step_s[~unknown], return_counts=True)
    if not len(known) and step_s.any():
        name = rows.names[int(step_s.argmax())]
        raise InvalidValueError(
            f"series {name!r} has rows {step_s.max()} s apart, a bucket is at most {STEP_MAX_S} s; "
            "give demand by the day or finer"
        )
    step_s[unknown] = known[times.argmax()] if len(known) else STEP_ALONE_S
    notes.append(
        f"{int(unknown.sum())} series whose rows do not tell the length of a bucket "
        f"(first {name!r}): taken as buckets of {step_s[unknown][0]} s"
    )
    return step_s


def _common_gaps_s(rows: _Rows) -> IntArray:
    # Of each series, 0 for one with a single stamp. Whole seconds first: stamps a few
    # milliseconds off would make every difference unique.
    gap_s = np.diff(rows.at_us // US_PER_S)
    inside = (np.diff(rows.code) == 0) & (gap_s > 0)
    common = (
        pl.DataFrame({"code": rows.code[1:][inside], "gap_s": gap_s[inside]})
        .group_by("code", "gap_s")
        .len()
        .sort(["code", "len", "gap_s"], descending=[False, True, False])
        .group_by("code", maintain_order=True)
        .first()
    )
    found = np.zeros(len(rows.names), dtype=np.int64)
    found[common["code"].to_numpy()] = common["gap_s"].to_numpy()
    return found


def _count_mends(rows: _Rows, bucket: IntArray, step_s: IntArray, notes: list[str]) -> None:
    missing = np.isnan(rows.value)
    code, at_us, value, place = (
        part[~missing] for part in (rows.code, rows.at_us, rows.value, bucket)
    )
    follows = np.diff(code) == 0
    repeats = follows & (np.diff(at_us) == 0)
    same = repeats & (value[1:] == value[:-1])
    shares = follows & (np.diff(place) == 0) & ~repeats
    if shares.sum() > len(place) / 2:
        raise InvalidValueError(
            f"most rows share a bucket ({step_s.min()} s long or longer) with another; add up "
            "their values by bucket first"
        )
    off_grid = rows.at_us % (step_s[rows.code] * US_PER_S) != 0
    _note(notes, missing, "had no value (NaN): taken as not observed")
    _note(notes, same, "repeated another exactly and were left out")
    _note(notes, repeats & ~same, "had the stamp of another with another value: the last counts")
    _note(notes, off_grid, "were off the grid and counted in their bucket")
    _note(notes, shares, "shared a bucket with a later one, which counts")


def _note(notes: list[str], which: npt.NDArray[np.bool_], what: str) -> None:
    if which.any():
        notes.append(f"rows that {what}: {int(which.sum())}")
