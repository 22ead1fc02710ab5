"""This file knows what earlier days say of each bucket of the last weeks, and of the day ahead.

In square roots of demand over its mean. What is smooth is found on blocks of about five minutes;
what a bucket always adds to that is its wander, and what its weekday does the weekly part.
"""

from __future__ import annotations

import msgspec
import numpy as np

from foretide.forecast.days import Floats
from foretide.model.demand import FloatArray

_BLOCK_S = 300
_HALF_LIFE_DAYS = 4.0
_SMOOTH_S = 420  # on either side
_WEEKS = ((7, 1.0), (14, 0.63), (21, 0.4))  # days back, and what such a day counts
_WEEKS_PRIOR = 1.0
_BUSY_FRACTION = 0.5


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """How time is cut.

    Parameters
    ----------
    step_s : int
        Seconds in a bucket.
    per_block : int
        Buckets in a block.
    """

    step_s: int
    per_block: int

    def blocks(self, seconds: int) -> int:
        """Return how many blocks there are in a while, at least one."""
        return max(1, seconds // (self.step_s * self.per_block))

    @property
    def ring(self) -> int:
        """Buckets that a smoothed block is the mean of."""
        return self.per_block * (2 * self.blocks(_SMOOTH_S) + 1)


def cut_of(step_s: int) -> Cut:
    """Return the longest blocks of at most five minutes that divide a day."""
    per_day = 86_400 // step_s
    longest = max(1, _BLOCK_S // step_s)
    return Cut(
        step_s=step_s,
        per_block=next(count for count in range(longest, 0, -1) if per_day % count == 0),
    )


def rooted(recent: FloatArray) -> tuple[Floats, Floats, FloatArray]:
    """Return roots of demand over its mean, what was observed, and the mean.

    Parameters
    ----------
    recent : ndarray, shape (series, days, buckets a day)
        Amounts; NaN where not observed.

    Returns
    -------
    tuple of ndarray
        Roots, 0 where not observed, and 1 where they were, else 0: float32, shaped as `recent`;
        and the mean of each series.
    """
    # A series that has been busy since its first event was born with it: the zeros before say
    # nothing of it. Those of a series of rare events do.
    flat = recent.reshape(len(recent), -1)
    positive = flat > 0
    first = np.argmax(positive, axis=1)
    lived = np.maximum(flat.shape[1] - first, 1)
    first = np.where(positive.sum(axis=1) >= lived * _BUSY_FRACTION, first, 0)
    seen = np.isfinite(flat) & (np.arange(flat.shape[1]) >= first[:, None])
    values = np.where(seen, flat, 0.0)
    scale = values.sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    scale = np.maximum(scale, 1e-300)
    root = np.sqrt((values / scale[:, None]).astype(np.float32))
    return root.reshape(recent.shape), seen.astype(np.float32).reshape(recent.shape), scale


def profiles(
    root: Floats, seen: Floats, level: Floats, first: int, cut: Cut
) -> tuple[Floats, Floats, Floats]:
    """Return what the days before each say of it: smooth, its wander, its weekday's part.

    Parameters
    ----------
    root, seen : ndarray, shape (series, days, buckets a day)
        From `rooted`.
    level : ndarray, shape (series,)
        Expected where no earlier day tells.
    first : int
        The first day wanted; earlier ones are history only.
    cut : Cut

    Returns
    -------
    tuple of three ndarray, shape (series, buckets)
        From day `first` to the day after the last.
    """
    series, days, per_day = root.shape
    keep = np.float32(0.5 ** (1 / _HALF_LIFE_DAYS))
    total = np.zeros((series, days + 1, per_day), dtype=np.float32)
    weight = np.zeros_like(total)
    for day in range(days):
        total[:, day + 1] = keep * total[:, day] + root[:, day]
        weight[:, day + 1] = keep * weight[:, day] + seen[:, day]
    total, weight = total[:, first:], weight[:, first:]
    blocks = [by_block(part, cut.per_block) for part in (root, seen, total, weight)]
    smooth_blocks = _smooth(blocks[2], blocks[3], level[:, None, None], cut)
    smooth = _lined(smooth_blocks, cut.per_block)
    wander = _mean(total, weight, smooth) - smooth
    weekly = np.zeros_like(smooth_blocks)
    begin = max(first, 7)
    if begin <= days:
        sums = [_weeks_back(part, begin) for part in blocks[:2]]
        shown = smooth_blocks[:, begin - first :]
        # One week tells little of the next, and an outage would come again: half is believed.
        count = ring_sums(sums[1], cut.blocks(_SMOOTH_S)) / cut.ring
        trust = (count / (count + _WEEKS_PRIOR)).astype(np.float32)
        weekly[:, begin - first :] = trust * (_smooth(sums[0], sums[1], shown, cut) - shown)
    shape = (series, -1)
    weekly = _lined(weekly, cut.per_block)
    return smooth.reshape(shape), wander.reshape(shape), weekly.reshape(shape)


def _smooth(total: Floats, weight: Floats, fallback: Floats, cut: Cut) -> Floats:
    # Mean over some blocks on either side, round midnight.
    half = cut.blocks(_SMOOTH_S)
    return _mean(ring_sums(total, half), ring_sums(weight, half), fallback)


def _lined(blocks: Floats, per_block: int) -> Floats:
    # From blocks to buckets, by straight lines between the middles of blocks.
    if per_block == 1:
        return blocks
    ring = np.concatenate([blocks[..., -1:], blocks, blocks[..., :1]], axis=-1)
    found = np.empty((*blocks.shape, per_block), dtype=np.float32)
    for at in range(per_block):
        place = (at + 0.5) / per_block + 0.5
        begin = 0 if place < 1 else 1
        part = np.float32(place - begin)
        lower, upper = (ring[..., begin + k : begin + k + blocks.shape[-1]] for k in (0, 1))
        found[..., at] = lower + part * (upper - lower)
    return found.reshape(*blocks.shape[:-1], -1)


def _weeks_back(rows: Floats, begin: int) -> Floats:
    # Weighted sum of the same weekdays before each day from `begin` to the one after the last.
    series, days, per_day = rows.shape
    total = np.zeros((series, days + 1 - begin, per_day), dtype=np.float32)
    for back, share in _WEEKS:
        from_day = max(back, begin)
        if from_day <= days:
            total[:, from_day - begin :] += (
                np.float32(share) * rows[:, from_day - back : days + 1 - back]
            )
    return total


def ring_sums(rows: Floats, half: int) -> Floats:
    """Return sums over `half` neighbours on either side along the last axis, round midnight."""
    ring = np.concatenate([rows[..., -half:], rows, rows[..., :half]], axis=-1)
    sums = np.cumsum(ring, axis=-1, dtype=np.float64)
    width = 2 * half + 1
    found = sums[..., width - 1 :].copy()
    found[..., 1:] -= sums[..., :-width]
    return found


def _mean(total: Floats, weight: Floats, fallback: Floats) -> Floats:
    known = weight > 1e-3
    return np.where(known, total / np.where(known, weight, 1), fallback).astype(np.float32)


def by_block(values: Floats, per_block: int) -> Floats:
    """Return sums of `per_block` neighbours along the last axis."""
    blocks = values.reshape(*values.shape[:-1], -1, per_block)
    total = blocks[..., 0].copy()
    for at in range(1, per_block):
        total += blocks[..., at]
    return total
