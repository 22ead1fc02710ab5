"""This file knows what was known at instants of the last weeks, and at the present.

All in square roots of demand over its mean. What is known at an instant is how far demand was off
its profile (what earlier days say of a bucket) over the last hours, minutes and bucket; how
restless it was; and how far it stood from its profile at the same time the day before. Sums run
over blocks of about five minutes counted back from the present, so that a fit on hundreds of
instants costs little more than one.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from foretide.forecast.days import Floats
from foretide.forecast.short_profile import Cut, by_block, cut_of, profiles, ring_sums, rooted
from foretide.forecast.wallclock import IntArray
from foretide.model.demand import FloatArray

_Float = TypeVar("_Float", bound=np.floating[Any])

DAY_S = 86_400
_TRAIN_DAYS = 14
_HALF_LIFE_DAYS = 4.0
_RESTLESS_SMOOTH_S = 840  # on either side
_WINDOWS_S = (7_200, 1_800, 600, 300, 180, 60)
_RESTLESS_S = (14_400, 1_800)
_RATIOS_S = (1_800, 3_600, 43_200)
_SUDDEN = 4.0  # times the usual square of how far they are apart: half is believed
_YESTERDAY_S = 1_800
_LEAST_SPREAD = 0.002
_STRIDE = 6  # of the instants before the last day, one in so many is learned from


class State(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What was known at instants, the last of which is the present.

    Parameters
    ----------
    step_s, per_block : int
        Length of a bucket in seconds, and buckets in a block.
    scale : ndarray, shape (series,)
        Mean amount, which everything is relative to.
    root, seen : ndarray of float32, shape (series, buckets)
        Root demand, 0 where not observed; and 1 where it was. Ends with the last closed bucket.
    profile, wander, weekly : ndarray of float32, shape (series, buckets + a day)
        Expected root demand, its minute-bound part, and its weekday's part.
    closed : ndarray of int, shape (instants,)
        Buckets closed at each instant.
    known : ndarray of float32, shape (series, features, instants)
        What may tell of later buckets.
    latest : ndarray, shape (series, instants)
        How far demand was off its profile when last observed.
    ratios : tuple of ndarray, each of shape (series, instants)
        What demand was of its profile over the last hour, and half day.
    restless, typical : ndarray
        Mean move between buckets: at each instant, (series, instants); and usual in each block of
        the day that ends with the present, (series, blocks a day).
    yesterday : ndarray, shape (series, blocks + blocks a day)
        How far demand was off its profile around the same block the day before.
    least : ndarray, shape (series,)
        The least spread that is believed.
    """

    step_s: int
    per_block: int
    scale: FloatArray
    root: Floats
    seen: Floats
    profile: Floats
    wander: Floats
    weekly: Floats
    closed: IntArray
    known: Floats
    latest: Floats
    ratios: tuple[Floats, ...]
    restless: FloatArray
    typical: FloatArray
    yesterday: Floats
    least: FloatArray


class _Sums(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    # Running sums over blocks, of something and of how often it was observed.
    total: FloatArray
    count: FloatArray

    def within(self, first: IntArray, end: IntArray) -> tuple[FloatArray, FloatArray]:
        last = self.total.shape[1] - 1
        first, end = np.clip(first, 0, last), np.clip(end, 0, last)
        return (
            gathered_at(self.total, end) - gathered_at(self.total, first),
            gathered_at(self.count, end) - gathered_at(self.count, first),
        )


def state_of(recent: FloatArray, step_s: int, leads: int) -> State:
    """Return what was known at instants of the last two weeks, and is known now.

    Parameters
    ----------
    recent : ndarray, shape (series, days, buckets a day)
        Amounts, ending with the last closed bucket; NaN where not observed.
    step_s : int
        Length of a bucket in seconds; divides a day.
    leads : int
        Buckets after an instant that must be known to learn from it.
    """
    series, days, per_day = recent.shape
    root, seen, scale = rooted(recent)
    first = days - min(_TRAIN_DAYS, max(days - 1, 1))
    level = root.sum(axis=(1, 2)) / np.maximum(seen.sum(axis=(1, 2)), 1)
    cut = cut_of(step_s)
    per_block = cut.per_block
    profile, wander, weekly = profiles(root, seen, level, first, cut)
    root, seen = root[:, first:].reshape(series, -1), seen[:, first:].reshape(series, -1)
    off = (root - profile[:, : root.shape[1]]) * seen
    moves, pairs = _moves(off, seen)
    blocks = root.shape[1] // per_block
    at = _instants(
        blocks,
        -(-leads // per_block),
        _skipped(first, per_day, step_s) // per_block,
        per_day // per_block,
    )
    by_block, by_move = _sums(off, seen, per_block), _sums(moves, pairs, per_block)
    typical = _typical(moves, pairs, per_day // per_block, cut)
    latest, gone = _windows(by_block, off, seen, at, cut)
    yesterday = _yesterday(by_block, blocks, per_day // per_block, cut)
    here = at * per_block - 1
    gone += [gathered_at(part, here) for part in (wander, weekly)]
    gone += [gathered_at(yesterday, at - 1), np.ones(latest.shape)]
    return State(
        step_s=step_s, per_block=per_block, scale=scale, root=root, seen=seen, profile=profile,
        wander=wander, weekly=weekly, closed=at * per_block,
        known=np.stack(gone, axis=1).astype(np.float32), latest=latest,
        ratios=_ratios(root, (profile + weekly)[:, : root.shape[1]] * seen, at, cut),
        restless=_restless(by_move, typical, at, cut), typical=typical,
        yesterday=yesterday, least=np.maximum(_LEAST_SPREAD * level, 1e-9).astype(np.float64),
    )  # fmt: skip


def gathered_at(values: npt.NDArray[_Float], at: IntArray) -> npt.NDArray[_Float]:
    """Return `values[:, at]` laid out series by series: series come first.

    NumPy's own indexing lays it out by `at` first, and sums would then depend, in their last
    digits, on how many series there are.
    """
    return np.take(values, at, axis=1)


def told_of(state: State, then: IntArray, here: IntArray) -> Floats:
    """Return what is known beforehand of buckets, by series, then by feature.

    Parameters
    ----------
    state : State
    then, here : ndarray of int, one shape
        Buckets, and the last closed one when they are forecast.
    """
    ahead = [
        gathered_at(state.wander, then),
        gathered_at(state.weekly, then),
        gathered_at(state.profile, then) - gathered_at(state.profile, here),
        gathered_at(state.yesterday, then // state.per_block),
    ]
    return np.stack(ahead, axis=1).astype(np.float32)


def expected_of(state: State, kept: Floats, then: IntArray) -> Floats:
    """Return the whole profile of buckets, by series.

    Parameters
    ----------
    state : State
    kept : ndarray, shape (series,)
        How much of the wander is believed, 0 ... 1.
    then : ndarray of int
        Buckets.
    """
    wander = kept.reshape(-1, *[1] * then.ndim) * gathered_at(state.wander, then)
    return gathered_at(state.profile, then) + gathered_at(state.weekly, then) + wander


def _skipped(first: int, per_day: int, step_s: int) -> int:
    # Buckets at the beginning of which nothing is known: no day before, no hours before.
    return (per_day if first == 0 else 0) + _WINDOWS_S[0] // step_s


def _instants(blocks: int, ahead: int, skipped: int, per_day: int) -> IntArray:
    # Blocks closed at each instant: all of the last day whose future is known, some before.
    last = blocks - ahead
    begin = min(max(skipped, 0), last - 1)
    past = np.arange(last, begin, -1, dtype=np.int64)[::-1]
    return np.append(past[(past > last - per_day) | ((last - past) % _STRIDE == 0)], blocks)


def _moves(off: Floats, seen: Floats) -> tuple[Floats, Floats]:
    # How far each bucket moved from the one before, and whether both were observed.
    pairs = seen.copy()
    pairs[:, 0] = 0
    pairs[:, 1:] *= seen[:, :-1]
    moves = np.zeros_like(off)
    moves[:, 1:] = np.abs(off[:, 1:] - off[:, :-1])
    return moves * pairs, pairs


def _sums(values: Floats, weights: Floats, per_block: int) -> _Sums:
    def running(part: Floats) -> FloatArray:
        blocks = by_block(part, per_block)
        found = np.zeros((len(blocks), blocks.shape[1] + 1))
        np.cumsum(blocks, axis=1, out=found[:, 1:])
        return found

    return _Sums(total=running(values), count=running(weights))


def _typical(moves: Floats, pairs: Floats, blocks_a_day: int, cut: Cut) -> FloatArray:
    # Mean move in each block of the day, lately; smooth, and leaned on the mean of all.
    per_block = cut.per_block
    days = moves.shape[1] // (blocks_a_day * per_block)
    age = np.arange(days - 1, -1, -1, dtype=np.float64)
    fading = (0.5 ** (age / _HALF_LIFE_DAYS))[:, None]
    half = min(cut.blocks(_RESTLESS_SMOOTH_S), blocks_a_day // 2)
    total, count = (
        ring_sums(
            (by_block(part, per_block).reshape(len(part), days, -1) * fading).sum(axis=1), half
        )
        for part in (moves, pairs)
    )
    overall = moves.sum(axis=1) / np.maximum(pairs.sum(axis=1), 1)
    return (total + np.maximum(overall, 1e-9)[:, None] * per_block) / (count + per_block)


def _windows(
    sums: _Sums, off: Floats, seen: Floats, at: IntArray, cut: Cut
) -> tuple[Floats, list[Floats]]:
    # How far off of late: over the longest while, then what each shorter one adds to it.
    level = np.zeros((len(off), len(at)), dtype=np.float64)
    parts: list[Floats] = []
    for width in sorted({max(1, window // cut.step_s) for window in _WINDOWS_S}, reverse=True):
        if width >= cut.per_block:
            total, count = sums.within(at - width // cut.per_block, at)
        else:
            last = at[:, None] * cut.per_block - 1 - np.arange(width)
            total, count = (gathered_at(part, last).sum(axis=2) for part in (off, seen))
        nearer = np.where(count > 0, total / np.maximum(count, 1), level)
        parts.append(nearer - level)
        level = nearer
    return level.astype(np.float32), parts


def _ratios(came: Floats, expected: Floats, at: IntArray, cut: Cut) -> tuple[Floats, ...]:
    # By what roots were of the profile's, over some whiles. Of an hour and its last half the longer
    # is the surer; the shorter is believed by how unlike the usual it is that they differ.
    sums = _sums(came, expected, cut.per_block)
    found: list[FloatArray] = []
    for window in _RATIOS_S:
        total, usual = sums.within(at - cut.blocks(window), at)
        ratio = np.where(usual > 1e-6, total / np.maximum(usual, 1e-6), 1)
        found.append(np.clip(ratio, 1 / 3, 3))
    brief, hour, day = found
    apart = np.square(brief - hour)
    chance = np.maximum(_SUDDEN * apart.mean(axis=1, keepdims=True), 1e-12)
    recent = hour + apart / (apart + chance) * (brief - hour)
    return recent.astype(np.float32), day.astype(np.float32)


def _restless(sums: _Sums, typical: FloatArray, at: IntArray, cut: Cut) -> FloatArray:
    # Mean move over the last hours, and over the last minutes, in one; leaned on the usual.
    found = gathered_at(typical, (at - 1) % typical.shape[1])
    both = np.ones_like(found)
    for window in _RESTLESS_S:
        total, count = sums.within(at - cut.blocks(window), at)
        found = (total + found * cut.per_block) / (count + cut.per_block)
        both *= np.sqrt(found)
    return both


def _yesterday(sums: _Sums, blocks: int, per_day: int, cut: Cut) -> Floats:
    # Mean off the profile around each block a day before, of the past and of the day ahead.
    middle = np.arange(blocks + per_day, dtype=np.int64) - per_day
    half = cut.blocks(_YESTERDAY_S) // 2
    total, count = sums.within(middle - half, np.maximum(middle + half + 1, 0))
    return np.where(count > 0, total / np.maximum(count, 1), 0).astype(np.float32)
