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
    same: npt.NDArray[np.bool_]  # whether a row is of the series of the row before


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
    regular = _regular(names, code, at_us, value)
    rest = [at for at, one in enumerate(regular) if one is None]
    if not rest:
        return Gridded(demands=tuple(filter(None, regular)), notes=())
    if len(rest) == len(names):
        return _mended(names, code, at_us, value, ())
    place = np.full(len(names), -1, dtype=np.int64)
    place[rest] = np.arange(len(rest))
    kept = np.flatnonzero(place[code] >= 0)
    mended = _mended(
        [names[at] for at in rest], place[code[kept]], at_us[kept], value[kept],
        [one.step_s for one in regular if one is not None],
    )  # fmt: skip
    found = dict(zip(rest, mended.demands, strict=True))
    demands = tuple(one or found[at] for at, one in enumerate(regular))
    return Gridded(demands=demands, notes=mended.notes)


def _regular(
    names: Sequence[str], code: IntArray, at_us: IntArray, value: FloatArray
) -> list[Demand | None]:
    # The demand of each series whose rows stand together, in order, one for each bucket; None of
    # the others. Series by series everything stays in the processor's cache.
    found: list[Demand | None] = [None] * len(names)
    edges = np.flatnonzero(code[1:] != code[:-1]) + 1
    if len(edges) + 1 != len(names):
        return found
    begins = [0, *edges.tolist()]
    for begin, end in zip(begins, [*begins[1:], len(code)], strict=True):
        stamps, amounts = at_us[begin:end], value[begin:end]
        step_us = int(stamps[1] - stamps[0]) if len(stamps) > 1 else 0
        if step_us % US_PER_S or not 0 < step_us <= STEP_MAX_S * US_PER_S:
            continue
        if stamps[0] % step_us or (stamps[1:] - stamps[:-1] != step_us).any():
            continue
        if np.isnan(amounts).any():
            continue
        at = int(code[begin])
        found[at] = Demand(
            series_id=names[at],
            start=datetime.fromtimestamp(int(stamps[0]) // US_PER_S, UTC),
            step_s=step_us // US_PER_S,
            values=amounts.copy(),
        )
    return found


def _mended(
    names: Sequence[str],
    code: IntArray,
    at_us: IntArray,
    value: FloatArray,
    others_s: Sequence[int],
) -> Gridded:
    # others_s: the steps of the series that need no mending.
    notes: list[str] = []
    rows = _sorted(names, code, at_us, value, notes)
    step_s = _steps_s(rows, notes, others_s)
    bucket = rows.at_us // (step_s[rows.code] * US_PER_S)
    _count_mends(rows, bucket, step_s, notes)
    return Gridded(demands=_filled(rows, bucket, step_s), notes=tuple(notes))


def _sorted(
    names: Sequence[str], code: IntArray, at_us: IntArray, value: FloatArray, notes: list[str]
) -> _Rows:
    sought = code, at_us, value
    if (code[1:] < code[:-1]).any():
        # few series are told apart by small numbers, which sort five times as fast
        small = code.astype(np.int16) if len(names) < 2**15 else code
        order = np.argsort(small, kind="stable")
        code, at_us, value = code[order], at_us[order], value[order]
    goes_back = (at_us[1:] < at_us[:-1]) & (code[1:] == code[:-1])
    if goes_back.any():
        _note(notes, goes_back, "stood behind a later one and were sorted")
        code, at_us, value = sought
        order = np.lexsort((at_us, code))
        code, at_us, value = code[order], at_us[order], value[order]
    same = code[1:] == code[:-1]
    return _Rows(names=names, code=code, at_us=at_us, value=value, same=same)


def _filled(rows: _Rows, bucket: IntArray, step_s: IntArray) -> tuple[Demand, ...]:
    begins = np.searchsorted(rows.code, np.arange(len(rows.names)))
    ends = np.append(begins[1:], len(bucket)) - 1
    first = bucket[begins]
    counts = bucket[ends] - first + 1
    _check_span(rows, counts, step_s)
    offsets = np.append(0, np.cumsum(counts))
    follows = bucket[1:] == bucket[:-1] + 1
    if (follows | ~rows.same).all():
        values = rows.value.copy()  # every bucket has one row
    else:
        values = np.full(int(offsets[-1]), np.nan)
        place = bucket + (offsets[:-1] - first)[rows.code]
        seen = np.flatnonzero(~np.isnan(rows.value))
        # Of several values for one place NumPy keeps the last; rows are in order, so it is the
        # latest.
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


def _steps_s(rows: _Rows, notes: list[str], others_s: Sequence[int]) -> IntArray:
    step_s = _common_gaps_s(rows)
    unknown = (step_s == 0) | (step_s > STEP_MAX_S)
    if not unknown.any():
        return step_s
    name = rows.names[int(unknown.argmax())]
    all_s = np.append(step_s[~unknown], np.array(others_s, dtype=np.int64))
    known, times = np.unique(all_s, return_counts=True)
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
    inside = rows.same & (gap_s > 0)
    found = np.zeros(len(rows.names), dtype=np.int64)
    if len(inside) and (gap_s[inside] == gap_s[inside.argmax()]).all():
        found[rows.code[1:][inside]] = gap_s[inside.argmax()]
        return found
    common = (
        pl.DataFrame({"code": rows.code[1:][inside], "gap_s": gap_s[inside]})
        .group_by("code", "gap_s")
        .len()
        .sort(["code", "len", "gap_s"], descending=[False, True, False])
        .group_by("code", maintain_order=True)
        .first()
    )
    found[common["code"].to_numpy()] = common["gap_s"].to_numpy()
    return found


def _count_mends(rows: _Rows, bucket: IntArray, step_s: IntArray, notes: list[str]) -> None:
    missing = np.isnan(rows.value)
    at_us, value, place, follows = rows.at_us, rows.value, bucket, rows.same
    if missing.any():
        code, at_us, value, place = (part[~missing] for part in (rows.code, at_us, value, place))
        follows = code[1:] == code[:-1]
    shares = follows & (place[1:] == place[:-1])
    repeats = shares & (at_us[1:] == at_us[:-1])
    same = repeats & (value[1:] == value[:-1])
    shares &= ~repeats
    if shares.sum() > len(place) / 2:
        raise InvalidValueError(
            f"most rows share a bucket ({step_s.min()} s long or longer) with another; add up "
            "their values by bucket first"
        )
    off_grid = rows.at_us != bucket * step_s[rows.code] * US_PER_S
    _note(notes, missing, "had no value (NaN): taken as not observed")
    _note(notes, same, "repeated another exactly and were left out")
    _note(notes, repeats & ~same, "had the stamp of another with another value: the last counts")
    _note(notes, off_grid, "were off the grid and counted in their bucket")
    _note(notes, shares, "shared a bucket with a later one, which counts")


def _note(notes: list[str], which: npt.NDArray[np.bool_], what: str) -> None:
    if which.any():
        notes.append(f"rows that {what}: {int(which.sum())}")
