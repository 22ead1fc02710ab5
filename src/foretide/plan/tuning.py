"""This file knows how the notch of a service's ladder follows what came of every notch lately.

Every night each notch is played through the day that has passed. Two witnesses say what it would
have left unmet: the demand that came, and the forecast, which expects some of it to exceed what
serves. The forecast's word is calm and nearly right where demand is foreseeable; demand's own word
knows of shocks that no forecast does, and is led astray by a single one. So the expected counts,
and the realised counts above it at most five times as much. Of two nights and more the worst of
each is left out, of eight and more the worst two.

A notch that leaves more than 0.75 of the objective gives way to the first that leaves less than
0.2, four notches a night at most. One below is taken where that would leave less than 0.4; below
the first notch, a single one, where it would leave less than 0.2. The belief that the first notch
is right counts for one night.

References
----------
Ours; measured by `benchmarks/planner.py`.
"""

from __future__ import annotations

import msgspec
import numpy as np

from foretide.model.demand import FloatArray

_HALF_LIFE_NIGHTS = 30.0
_KEPT_NIGHTS = 60
_RISE_ABOVE, _RISE_TO, _RISE_NOTCHES = 0.75, 0.2, 4
_FALL_BELOW, _FALL_FURTHER, _FALL_NOTCHES, _FALL_AFTER = 0.4, 0.2, 1, 2
_REALISED_MOST = 5.0  # times the expected
_TRIMMED_FROM = (2, 8)  # of as many nights one, and another, is left out
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
    """

    asked: float
    unmet: FloatArray
    expected: FloatArray


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
    age = np.arange(len(nights) - 1, -1, -1.0)
    weight = 0.5 ** (age / _HALF_LIFE_NIGHTS)
    asked = max(float(weight @ np.array([night.asked for night in nights])), 1e-12)
    unmet = weight[:, None] * np.array([night.unmet for night in nights])
    expected = weight[:, None] * np.array([night.expected for night in nights])
    trimmed = sum(len(nights) >= count for count in _TRIMMED_FROM)
    kept = len(nights) - trimmed
    # the worst nights of each notch and witness last
    total, told = (np.sort(one, axis=0)[:kept].sum(axis=0) for one in (unmet, expected))
    asked *= kept / len(nights)
    seen = np.maximum(told, np.minimum(total, _REALISED_MOST * told))
    share = np.maximum(seen / (asked * objective_fraction), _LEAST_SHARE)
    steps = prior - np.arange(len(share), dtype=np.float64)
    belief = _BELIEF * np.clip(_BELIEF_STEP**steps, _LEAST_BELIEF, _MOST_BELIEF)
    known = float(weight.sum())
    mixed = known * np.log(share) + _BELIEF_NIGHTS * np.log(belief)
    return np.exp(mixed / (known + _BELIEF_NIGHTS))


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
    notch, top = tuning.notch, len(share) - 1
    if share[notch] > _RISE_ABOVE:
        highest = min(notch + _RISE_NOTCHES, top)
        while notch < highest and share[notch] > _RISE_TO:
            notch += 1
    elif len(nights) >= _FALL_AFTER and notch > max(0, tuning.prior - _FALL_NOTCHES):
        bound = _FALL_BELOW if notch > tuning.prior else _FALL_FURTHER
        notch -= int(share[notch - 1] < bound)
    return Tuning(notch=notch, prior=tuning.prior, nights=nights)
