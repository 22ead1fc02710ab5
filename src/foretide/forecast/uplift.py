"""This file knows by what factor holidays and events move demand, and how surely.

One Gaussian process per series over blocks of three hours: the logarithm of the factor has a prior
(a holiday goes part of the way to a day of rest, an event has its declared uplift), and what was
observed on past occasions moves it; most for the same occasion, still in progress, then for those
of the same name, least for other holidays. So one sum gives what is learned of an event seen
twice, corrects one that runs, and says how wide to be. Reference: kriging; the kernel is ours.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from foretide.forecast.base import DAY_S
from foretide.forecast.occasions import Occasion
from foretide.forecast.usual import Usual
from foretide.forecast.wallclock import IntArray
from foretide.model.demand import FloatArray

_BLOCK_S = 10_800
_BLOCKS_MOST = 480
# Standard deviations of the prior: of the likeness to a day of rest, and of the level,
# shared by all holidays of the series, by those of one name, and of one occasion. Levels, and how
# long a part of a day has its own, in multiples of how much the days of the series differ.
_LIKENESS_STRAY = (0.25, 0.25, 0.15)
_LEVEL_STRAY = (0.1, 0.3, 0.3)
# Holidays that follow upon each other share the mood of the season, for some days.
_SEASON_STRAY, _SEASON_S = 0.3, 2 * DAY_S
_PART_STRAY = 0.3
_CONTRAST_MAX = 0.5
# How unsure a holiday is goes with how much of one it is, and so does what it learns of others.
_FULL_LIKENESS, _LEAST_KINSHIP = 0.7, 0.3
# The same of an event: by name and by occasion; and how long a part of an occasion has its own.
_EVENT_STRAY = (0.5, 0.2)
_PHASE_STRAY = 0.15
_PHASE_S = 6 * 3600
_FACTOR_LOG_MAX = 4.0


class Uplift(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The logarithm of each occasion's factor, bin by bin.

    Parameters
    ----------
    occasion, place : ndarray of int, shape (pairs,)
        Which occasion, and which bin of `Usual` counted from its first day.
    mean, stray : ndarray, shape (pairs,)
        Expected logarithm, and its standard deviation.
    """

    occasion: IntArray
    place: IntArray
    mean: FloatArray
    stray: FloatArray


class _Atoms(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    # Pairs of an occasion and a block it touches; what the kernel is a function of.
    occasion: IntArray
    block: IntArray
    name: IntArray
    is_holiday: FloatArray  # 1 or 0
    kinship: FloatArray
    rest: FloatArray
    phase_s: FloatArray
    at_s: FloatArray
    prior: FloatArray


class _Told(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    # What was observed: one row for each block of time.
    weight: FloatArray  # (rows, atoms) share of the block that lies within the occasion
    missed: FloatArray  # (rows,) log of what was, less what the prior says
    noise: FloatArray  # (rows, rows)


def learned_uplift(
    usual: Usual,
    occasions: Sequence[Occasion],
    touched: Sequence[tuple[IntArray, FloatArray]],
) -> Uplift:
    """Learn from what was observed by what factor each occasion moves demand.

    Parameters
    ----------
    usual : Usual
        What would have been, and how far what was observed strayed from it.
    occasions : sequence of Occasion
        Past and coming ones.
    touched : sequence of tuple
        For each occasion the bins it touches, and the share of each, in (0, 1].

    Returns
    -------
    Uplift
        For every occasion and every bin it touches.
    """
    owner = np.concatenate([np.full(len(bins), at) for at, (bins, _) in enumerate(touched)])
    place = np.concatenate([bins for bins, _ in touched])
    share = np.concatenate([part for _, part in touched])
    rest = usual.rest.ravel()[place]
    block = place // max(1, _BLOCK_S // usual.length_s)
    pair, found = np.unique(np.stack([owner, block]), axis=1, return_inverse=True)
    atom_of: IntArray = found.ravel()
    atoms = _atoms(pair, _mean_by(atom_of, rest), occasions, usual)
    told = _told(usual, atoms, place, block, _mean_by(atom_of, share))
    mean, variance, gained = _posterior(atoms, told, min(usual.contrast, _CONTRAST_MAX))
    likeness = np.array([one.likeness_fraction for one in occasions])[atoms.occasion] + gained
    # within a block the factor follows the shape of the day of rest
    fine = (likeness * atoms.is_holiday)[atom_of] * (rest - atoms.rest[atom_of])
    return Uplift(
        occasion=owner,
        place=place,
        mean=np.clip(mean[atom_of] + fine, -_FACTOR_LOG_MAX, _FACTOR_LOG_MAX),
        stray=np.sqrt(np.maximum(variance, 1e-6))[atom_of],
    )


def _told(
    usual: Usual, atoms: _Atoms, place: IntArray, block: IntArray, share: FloatArray
) -> _Told:
    # One observation for every block in which something was seen, by whichever occasions met.
    stray, doubt = usual.stray.ravel(), usual.doubt.ravel()
    bins, first = np.unique(place, return_index=True)
    seen = np.isfinite(stray[bins])
    bins, in_block = bins[seen], block[first[seen]]
    blocks, row = np.unique(in_block, return_inverse=True)
    row: IntArray = row.ravel()
    kept = slice(max(0, len(blocks) - _BLOCKS_MOST), None)
    blocks = blocks[kept]
    count = np.bincount(row)[kept]
    total, doubts = (np.bincount(row, weights=one[bins])[kept] for one in (stray, doubt))
    weight = np.where(blocks[:, None] == atoms.block, share, 0.0)
    missed = total / count - weight @ atoms.prior
    unsure = np.sqrt(doubts / count)
    day = blocks * max(_BLOCK_S, usual.length_s) // DAY_S
    noise = np.square(usual.day_stray) * (day[:, None] == day) * unsure[:, None] * unsure
    noise = noise + np.diag(np.square(usual.bin_stray * unsure) / count)
    return _Told(weight=weight, missed=missed, noise=noise)


def _posterior(
    atoms: _Atoms, told: _Told, contrast: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    # Mean and variance of each atom's logarithm, and what its likeness to rest gained.
    prior = _kernel(atoms, contrast)
    if not len(told.missed):
        return atoms.prior, np.diagonal(prior), np.zeros(len(prior))
    cross = prior @ told.weight.T
    slope = _slope_kernel(atoms) @ told.weight.T
    gram = told.weight @ cross + told.noise
    inputs = np.concatenate([told.missed[:, None], cross.T], axis=1)
    solved: FloatArray = np.asarray(np.linalg.solve(gram, inputs), dtype=np.float64)
    variance = np.diagonal(prior) - (cross * solved[:, 1:].T).sum(axis=1)
    return atoms.prior + cross @ solved[:, 0], variance, slope @ solved[:, 0]


def _mean_by(index: IntArray, values: FloatArray) -> FloatArray:
    return np.bincount(index, weights=values) / np.bincount(index)


def _atoms(pair: IntArray, rest: FloatArray, occasions: Sequence[Occasion], usual: Usual) -> _Atoms:
    names = {name: at for at, name in enumerate(dict.fromkeys(one.name for one in occasions))}
    block_s = max(_BLOCK_S, usual.length_s)
    of = pair[0]
    is_holiday = np.array([one.is_holiday for one in occasions], dtype=np.float64)[of]
    likeness = np.array([one.likeness_fraction for one in occasions])[of]
    declared = np.array([one.declared_log for one in occasions])[of]
    first = np.full(len(occasions), np.iinfo(np.int64).max)
    np.minimum.at(first, of, pair[1])
    return _Atoms(
        occasion=of,
        block=pair[1],
        name=np.array([names[one.name] for one in occasions])[of],
        is_holiday=is_holiday,
        kinship=np.clip(likeness / _FULL_LIKENESS, _LEAST_KINSHIP, 1.0),
        rest=rest,
        phase_s=((pair[1] - first[of]) * block_s).astype(np.float64),
        at_s=(pair[1] * block_s).astype(np.float64),
        prior=is_holiday * likeness * rest + declared,
    )


def _kernel(atoms: _Atoms, contrast: float) -> FloatArray:
    # Prior covariance of the logarithms of any two factors, shape (atoms, atoms).
    same_name, same = _same(atoms.name), _same(atoms.occasion)
    near = np.exp(-_apart(atoms.phase_s) / _PHASE_S) * (same_name + same) / 2
    level_all, level_name, level_one = np.square(_LEVEL_STRAY)
    season = np.square(_SEASON_STRAY) * np.exp(-_apart(atoms.at_s) / _SEASON_S)
    level = level_all + level_name * same_name + level_one * same + season
    level = (level + np.square(_PART_STRAY) * near) * np.square(contrast)
    holiday = _slope_kernel(atoms) * atoms.rest[:, None]
    holiday = holiday + level * _outer(atoms.kinship * atoms.is_holiday)
    event_name, event_one = np.square(_EVENT_STRAY)
    event = event_name * same_name + event_one * same + np.square(_PHASE_STRAY) * near
    return holiday + event * _outer(1 - atoms.is_holiday)


def _slope_kernel(atoms: _Atoms) -> FloatArray:
    # Prior covariance of each occasion's likeness to a day of rest with each factor.
    shared, by_name, own = np.square(_LIKENESS_STRAY)
    slope = shared + by_name * _same(atoms.name) + own * _same(atoms.occasion)
    return slope * _outer(atoms.kinship * atoms.is_holiday) * atoms.rest


def _same(index: IntArray) -> FloatArray:
    return (index[:, None] == index).astype(np.float64)


def _apart(values: FloatArray) -> FloatArray:
    return np.abs(values[:, None] - values)


def _outer(values: FloatArray) -> FloatArray:
    return values[:, None] * values
