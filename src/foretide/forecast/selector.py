"""This file knows which forecast to trust for each (feature, lead), by what each was worth.

Every candidate is scored as its minutes come to be, by pinball loss over many levels. On usual days
trust follows a slow memory. In a surge, when all lose far more than they use to, it follows a fast
one, and a regression must be better than what cannot go astray to be heard at all. A candidate
that goes astray a few minutes ahead is not trusted further ahead either: there the proof comes too
late.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from foretide.model.demand import FloatArray

BoolArray = npt.NDArray[np.bool_]
SLOW_HALF_LIFE_MIN, FAST_HALF_LIFE_MIN = 1440.0, 3.0
# Beyond this many times the usual loss and this many calls, no loss counts more: one surge must
# not decide for a day.
_CLIPPED, _CLIPPED_CALLS = 6.0, 5.0
_SURGE_BEGINS, _SURGE_SURE = 3.0, 6.0  # times the usual loss
_SURGE_CALLS = 3.0  # a minute: fewer are no surge, however rare calls are
_SURGE_ENDS_MIN = 20
_SHARPNESS, _SURGE_SHARPNESS = 40.0, 12.0
_ASTRAY, _ASTRAY_SHARPNESS = 1.5, 8.0
_BURDEN = 1.15  # what a regression's loss is multiplied by in a surge
# The longer a surge has lasted, for how far one looks ahead, the more it is held to go on; at leads
# of up to ten minutes what was better in the surge so far decides too.
_LASTING_FRACTION, _LAST_LEAST, _LAST_MOST = 1.0, 0.35, 0.7
_PROVEN_LEAD_MIN, _PROOF_POWER = 10.0, 2.5
_LOSS_PER_CALL = 3.44  # of a call too few, over the five levels scored
_TINY = 1e-12


class Selector:
    """Trust in several candidates, of which the first two cannot go astray.

    Parameters
    ----------
    candidates : int
        The last value, what is usual at its level, then regressions.
    leads : tuple of int
        Minutes ahead, rising.
    features : int
    """

    def __init__(self, candidates: int, leads: tuple[int, ...], features: int) -> None:
        shape = (candidates, len(leads), features)
        self._slow, self._fast = np.zeros(shape), np.zeros(shape)
        self._weight = np.zeros(shape[1:])
        self._fades = tuple(0.5 ** (1 / life) for life in (SLOW_HALF_LIFE_MIN, FAST_HALF_LIFE_MIN))
        self._leads = np.array(leads, dtype=np.float64)[:, None]
        self._surge_min, self._quiet_min = np.zeros(features), np.zeros(features)

    def score(self, losses: FloatArray) -> None:
        """Take in what each candidate lost in the minute that has come.

        Parameters
        ----------
        losses : ndarray, shape (candidates, leads, features)
            Pinball losses; NaN where nothing is to be judged.
        """
        known = np.isfinite(losses).all(axis=0)
        lost = np.where(known, losses, 0.0)
        slow, fast = self._fades
        usual = self._usual_loss()
        bound = _CLIPPED * usual + _CLIPPED_CALLS * _LOSS_PER_CALL
        clipped = np.where(self._weight > 60, np.minimum(lost, bound), lost)
        self._slow = np.where(known, self._slow * slow + clipped, self._slow)
        self._weight = np.where(known, self._weight * slow + 1.0, self._weight)
        self._fast = np.where(known, self._fast * fast + (1 - fast) * lost, self._fast)

        calls = self._fast[:2].min(axis=0) / _LOSS_PER_CALL
        hot = (self._surge() > 0).any(axis=0) & (calls > _SURGE_CALLS).any(axis=0)
        self._quiet_min = np.where(hot, 0.0, self._quiet_min + 1)
        lasts = self._quiet_min < _SURGE_ENDS_MIN
        self._surge_min = np.where(lasts & (hot | (self._surge_min > 0)), self._surge_min + 1, 0.0)

    def surges(self) -> BoolArray:
        """Return in which features a surge is under way, shape (features,)."""
        return self._surge_min > 0

    def _usual_loss(self) -> FloatArray:
        return self._slow.min(axis=0) / np.maximum(self._weight, 1.0)

    def _surge(self) -> FloatArray:
        # From 0 on usual days to 1, shape (leads, features).
        safe = self._fast[:2].min(axis=0) / (self._usual_loss() + _TINY)
        return np.clip((safe - _SURGE_BEGINS) / (_SURGE_SURE - _SURGE_BEGINS), 0.0, 1.0)

    def trust(self, allowed: tuple[int, ...]) -> FloatArray:
        """Return what part of the forecast each candidate makes.

        Parameters
        ----------
        allowed : tuple of int
            The candidates to choose from.

        Returns
        -------
        ndarray, shape (candidates, leads, features)
            >= 0, of sum 1; 0 where not allowed.
        """
        part = _parts(self._slow, _SHARPNESS, allowed)
        surges = self.surges()
        if surges.any():
            part = np.where(surges, self._surge_parts(allowed), part)
        mixed = part * self._faith()
        return mixed / mixed.sum(axis=0)

    def _surge_parts(self, allowed: tuple[int, ...]) -> FloatArray:
        burden = np.full((len(self._fast), 1, 1), _BURDEN)
        burden[:2] = 1.0
        parts = _parts(self._fast * burden, _SURGE_SHARPNESS, allowed)
        if not {0, 1} <= set(allowed):
            return parts
        lasted = self._surge_min / (_LASTING_FRACTION * self._leads)
        hold = np.clip(lasted, _LAST_LEAST, _LAST_MOST)
        power = _PROOF_POWER * np.clip(2 - self._leads / _PROVEN_LEAD_MIN, 0.0, 1.0)
        proof = (self._fast[1] + _TINY) / (self._fast[0] + _TINY)
        odds = hold / (1 - hold) * np.clip(proof, 0.1, 10.0) ** power
        safe = parts[0] + parts[1]
        parts[0], parts[1] = safe * odds / (1 + odds), safe / (1 + odds)
        return parts

    def _faith(self) -> FloatArray:
        # Falls for regressions that lose more than the safe ones just now, at this lead or before.
        beside = np.maximum(self._fast[:2].min(axis=0), self._usual_loss()) + _TINY
        ratio = np.maximum.accumulate(self._fast / beside, axis=1)
        faith = np.exp(-_ASTRAY_SHARPNESS * np.maximum(ratio - _ASTRAY, 0.0))
        faith[:2] = 1.0
        # Where only regressions were left, the safe ones come back.
        return np.maximum(faith, _TINY)


def _parts(loss: FloatArray, sharpness: float, allowed: tuple[int, ...]) -> FloatArray:
    among = loss[list(allowed)]
    best = among.min(axis=0)
    exponent = np.minimum(sharpness * (among - best) / (best + _TINY), 500.0)
    parts = np.exp(-exponent)
    found = np.zeros_like(loss)
    found[list(allowed)] = parts / parts.sum(axis=0)
    return found
