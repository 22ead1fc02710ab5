"""This file knows how the notch of a service's ladder follows what came of every notch lately.

Every night each notch is played through the day that has passed. Two witnesses say what it would
have left unmet: the demand that came, and the forecast, which expects some of it to exceed what
serves. The forecast's word is calm and nearly right where demand is foreseeable; demand's own word
knows of shocks that no forecast does, and is led astray by a single one. So the expected counts,
and the realised counts above it at most ten times as much; of two nights and more the worst of
each is left out.

A notch that leaves more than 0.75 of the objective gives way to the first that leaves less than
0.2, four notches a night at most, and no further than it is worth: to lose half as much may cost
up to 1.4 times as much, and more where demand is hard to foresee. Where crowds come out of nowhere
the first minutes are lost at any notch, and the objective would be paid for without being met.

One notch below is taken where that would leave less than 0.4; below the first notch, a single one,
where it would leave less than 0.2. A loose objective is made up of many misses, which tell more:
0.5 and 0.4 there. The belief that the first notch is right counts for one night.

References
----------
Ours; measured by `benchmarks/planner.py`.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from foretide.model.demand import FloatArray

_HALF_LIFE_NIGHTS = 30.0
_KEPT_NIGHTS = 60
_RISE_ABOVE, _RISE_TO, _RISE_NOTCHES = 0.75, 0.2, 4
# half as much lost may cost 2 ** 0.5 times as much
_DEAR, _SEEN_NOTCHES, _SOIL = 0.5, 3, 0.05
_USUAL_ERROR, _MOST_DOUBT = 0.07, 3.0
# one notch below the one in use, and one below the first; where the objective is strict, or loose
_FALL_BELOW, _FALL_FURTHER = (0.4, 0.5), (0.2, 0.4)
_FALL_NOTCHES, _FALL_AFTER = 1, 2
_LOOSE_FRACTION = 0.005
_REALISED_MOST = 10.0  # times the expected
_TRIMMED_FROM = 2  # of as many nights the worst is left out
_BELIEF_NIGHTS, _BELIEF, _BELIEF_STEP = 1.0, 0.6, 1.45
_LEAST_SHARE, _LEAST_BELIEF, _MOST_BELIEF = 1e-3, 0.02, 20.0


class Night(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What every notch would have done in a day.

    Parameters
    ----------
    asked : float
        All demand, in requests/s x minutes.
    unmet, expected : ndarray, shape (notches,)
        Demand that found no capacity, and what the forecast had expected of it; same unit.
    billed : ndarray, shape (notches,)
        Instances x minutes paid for, in serving ones.
    error_fraction : float
        How far the forecast was off one boot ahead / demand, >= 0.
    """

    asked: float
    unmet: FloatArray
    expected: FloatArray
    billed: FloatArray
    error_fraction: float = 0.0


class Tuning(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Where a service's notch lies, and why.

    Parameters
    ----------
    notch : int
        In use.
    prior : int
        The notch it began with.
    nights : tuple of Night
        The last 60, oldest first.
    """

    notch: int
    prior: int
    nights: tuple[Night, ...] = ()


def unmet_share(nights: tuple[Night, ...], objective_fraction: float, prior: int) -> FloatArray:
    """Return what each notch leaves unmet / the objective, as far as nights can tell.

    Parameters
    ----------
    nights : tuple of Night
        Oldest first; at least one.
    objective_fraction : float
        In (0, 1).
    prior : int
        The notch believed right before the first night.

    Returns
    -------
    ndarray, shape (notches,)
        Above 1 where the objective is missed.
    """
    weight, asked = _weights(nights)
    unmet = weight[:, None] * np.array([night.unmet for night in nights])
    expected = weight[:, None] * np.array([night.expected for night in nights])
    total, told = _usual(unmet), _usual(expected)
    seen = np.maximum(told, np.minimum(total, _REALISED_MOST * told))
    share = np.maximum(seen / (asked * objective_fraction), _LEAST_SHARE)
    steps = prior - np.arange(len(share), dtype=np.float64)
    belief = _BELIEF * np.clip(_BELIEF_STEP**steps, _LEAST_BELIEF, _MOST_BELIEF)
    known = float(weight.sum())
    mixed = known * np.log(share) + _BELIEF_NIGHTS * np.log(belief)
    return np.exp(mixed / (known + _BELIEF_NIGHTS))


def _weights(nights: tuple[Night, ...]) -> tuple[FloatArray, float]:
    """Return what each night counts, and all demand by these weights."""
    age = np.arange(len(nights) - 1, -1, -1.0)
    weight = 0.5 ** (age / _HALF_LIFE_NIGHTS)
    return weight, max(float(weight @ np.array([night.asked for night in nights])), 1e-12)


def _usual(amounts: FloatArray) -> FloatArray:
    """Return each notch's sum over the nights, as if the worst had been like the others."""
    count = len(amounts)
    if count < _TRIMMED_FROM:
        return amounts.sum(axis=0)
    return (amounts.sum(axis=0) - amounts.max(axis=0)) * count / (count - 1)


def worth_rising(nights: tuple[Night, ...], objective_fraction: float) -> npt.NDArray[np.bool_]:
    """Return from which notches a rise loses enough less for what it costs more.

    No night is left out: what a single shock would have cost at each notch is just what is asked.

    Parameters
    ----------
    nights : tuple of Night
        Oldest first; at least one.
    objective_fraction : float
        In (0, 1).

    Returns
    -------
    ndarray of bool, shape (notches,)
        Whether one of the next three notches is worth its price; never the last.
    """
    weight, asked = _weights(nights)
    lost = weight @ np.array([(night.unmet + night.expected) / 2 for night in nights])
    saved = np.log(lost / (asked * objective_fraction) + _SOIL)
    price = np.log(np.maximum(weight @ np.array([night.billed for night in nights]), 1e-12))
    error = float(np.median([night.error_fraction for night in nights]))
    dear = _DEAR * min(max(error / _USUAL_ERROR, 1.0), _MOST_DOUBT)
    is_worth = np.zeros(len(saved), dtype=np.bool_)
    for step in range(1, _SEEN_NOTCHES + 1):
        less, more = saved[:-step] - saved[step:], price[step:] - price[:-step]
        is_worth[:-step] |= (less > 0) & (more <= dear * less)
    return is_worth


def tuned(tuning: Tuning, night: Night, objective_fraction: float) -> Tuning:
    """Return where the notch lies after one more night.

    Parameters
    ----------
    tuning : Tuning
        Before it.
    night : Night
        What every notch would have done.
    objective_fraction : float
        In (0, 1).
    """
    nights = (*tuning.nights, night)[-_KEPT_NIGHTS:]
    if not night.asked > 0:
        return tuning
    share = unmet_share(nights, objective_fraction, tuning.prior)
    notch = tuning.notch
    if share[notch] > _RISE_ABOVE:
        is_worth = worth_rising(nights, objective_fraction)
        highest = min(notch + _RISE_NOTCHES, len(share) - 1)
        while notch < highest and share[notch] > _RISE_TO and is_worth[notch]:
            notch += 1
    elif len(nights) >= _FALL_AFTER and notch > max(0, tuning.prior - _FALL_NOTCHES):
        bounds = _FALL_BELOW if notch > tuning.prior else _FALL_FURTHER
        notch -= int(share[notch - 1] < bounds[objective_fraction >= _LOOSE_FRACTION])
    return Tuning(notch=notch, prior=tuning.prior, nights=nights)
