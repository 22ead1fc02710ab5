"""This file knows which forecast to trust for each (feature, lead), by what each was worth.

Every candidate is scored as its minutes come to be, by pinball loss over many levels. On usual days
trust follows a slow memory and the last hour. In a surge, when all lose far more than they use to,
it follows the last minutes, and a regression must be better than what cannot go astray to be heard
at all. While any feature surges, what rests on other features is not heard far ahead: a crowd that
looks and leaves would carry its promise there. A candidate that goes astray a few minutes ahead is
not trusted further ahead either: there the proof comes too late.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from foretide.model.demand import FloatArray

BoolArray = npt.NDArray[np.bool_]
_SLOW, _HOUR, _FAST = 0, 1, 2  # mean losses of the last day, hour and minutes
_HALF_LIVES_MIN = np.array([1440.0, 60.0, 3.0])[:, None, None]
_PACES = 1 - 0.5 ** (1 / _HALF_LIVES_MIN)
# Beyond this many times the usual loss and this many calls, no loss counts more, and a minute of a
# surge counts for little: one surge must not decide for a day.
_CLIPPED, _CLIPPED_CALLS, _SURGE_WEIGHT = 3.0, 3.0, 0.05
_KNOWN_MIN = 60.0  # minutes after which the usual loss is known
_ODD = 2.0  # times that: nobody could have known, and nothing is learned of how counts spread
_SURGE_BEGINS = 5.0  # times the usual loss
_SURGE_CALLS = 3.0  # a minute: fewer are no surge, however rare calls are
_SURGE_ENDS_MIN = 20
# How sharply trust falls with a loss beyond the best: of the day, of the hour, of the hour beside
# the safe ones (regressions), of the last minutes in a surge.
_OF_DAY, _OF_HOUR, _OF_SAFE, _OF_SURGE = 25.0, 8.0, 10.0, 12.0
_ASTRAY, _ASTRAY_IN_ALARM, _OF_ASTRAY = 1.5, 1.2, 8.0
# Outside of surges, what is usual may be off for hours: the first weekend, a holiday.
_OFF, _OF_OFF, _OFF_LEAST = 2.0, 4.0, 1e-3
# What a regression's loss is multiplied by in a surge: once what it said in the surge has come to
# be, and before.
_BURDEN, _BURDEN_UNPROVEN = 1.15, 1.5
# While any feature surges the last candidate is not heard beyond this lead.
_ALARM_LEAD_MIN, _BARRED = 10.0, 20.0
# The longer a surge has lasted, for how far one looks ahead, the more it is held to go on: more
# likely than not once it has lasted five eighths of that, whatever its length is in the end then
# costs about as little. At leads of up to ten minutes what was better in it so far decides too.
_LAST_LEAST, _LAST_MOST, _LAST_STRETCH = 0.3, 0.8, 1.25
_PROVEN_LEAD_MIN, _PROOF_POWER = 10.0, 2.5
_LOSS_PER_CALL = 3.44  # of a call too few, over the five levels scored
_TINY = 1e-12


class Selector:
    """Trust in several candidates, of which the first two cannot go astray.

    Parameters
    ----------
    candidates : int
        The last value, what is usual at its level, then regressions; the last of them rests on
        other features too.
    leads : tuple of int
        Minutes ahead, rising.
    features : int
    """

    def __init__(self, candidates: int, leads: tuple[int, ...], features: int) -> None:
        shape = (candidates, len(leads), features)
        self._lost = np.zeros((3, *shape))
        self._weight = np.zeros(shape[1:])
        self._leads = np.array(leads, dtype=np.float64)[:, None]
        self._surge_min, self._quiet_min = np.zeros(features), np.zeros(features)

    def score(self, losses: FloatArray) -> BoolArray:
        """Take in what each candidate lost in the minute that has come.

        Parameters
        ----------
        losses : ndarray, shape (candidates, leads, features)
            Pinball losses; NaN where nothing is to be judged.

        Returns
        -------
        ndarray of bool, shape (leads, features)
            Where the minute was so odd that nothing is to be learned of how counts spread.
        """
        known = np.isfinite(losses.sum(axis=0))
        lost = losses if known.all() else np.where(known, losses, 0.0)
        usual = self._usual_loss()
        bound = _CLIPPED * usual + _CLIPPED_CALLS * _LOSS_PER_CALL
        is_sure = self._weight > _KNOWN_MIN
        odd = is_sure & (lost[:2].min(axis=0) > _ODD * bound)
        heard = known * np.where(self._surge_min > 0, _SURGE_WEIGHT, 1.0)
        self._weight += heard
        pace = np.maximum(_PACES, 1 / np.maximum(self._weight, 1.0))
        pace *= heard
        pace[_FAST] = known * _PACES[_FAST]
        step = np.empty_like(self._lost)
        np.minimum(lost, np.where(is_sure, bound, np.inf), out=step[:_FAST])
        step[_FAST] = lost
        step -= self._lost
        step *= pace[:, None]
        self._lost += step
        self._watch(usual)
        return odd

    def _watch(self, usual: FloatArray) -> None:
        safe = self._lost[_FAST, :2].min(axis=0)
        hot = (safe > _SURGE_BEGINS * usual).any(axis=0)
        hot &= safe.max(axis=0) > _SURGE_CALLS * _LOSS_PER_CALL
        self._quiet_min = np.where(hot, 0.0, self._quiet_min + 1)
        goes_on = (self._quiet_min < _SURGE_ENDS_MIN) & (hot | (self._surge_min > 0))
        self._surge_min = np.where(goes_on, self._surge_min + 1, 0.0)

    def surges(self) -> BoolArray:
        """Return in which features a surge is under way, shape (features,)."""
        return self._surge_min > 0

    def _usual_loss(self) -> FloatArray:
        return self._lost[_SLOW].min(axis=0)

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
        surges = self.surges()
        is_alarmed = bool(surges.any())
        part = self._usual_parts(allowed, is_alarmed=is_alarmed)
        if is_alarmed:
            part = np.where(surges, self._surge_parts(allowed), part)
        mixed = part * self._faith(_ASTRAY_IN_ALARM if is_alarmed else _ASTRAY)
        return mixed / mixed.sum(axis=0)

    def _usual_parts(self, allowed: tuple[int, ...], *, is_alarmed: bool) -> FloatArray:
        exponent = _OF_DAY * _beyond_best(self._lost[_SLOW], allowed)
        exponent += _OF_HOUR * _beyond_best(self._lost[_HOUR], allowed)
        beside = self._lost[_HOUR, 2:] / (self._lost[_HOUR, :2].min(axis=0) + _TINY)
        exponent[2:] += _OF_SAFE * np.maximum(beside - 1.0, 0.0)
        if is_alarmed:
            exponent[-1] += np.where(self._leads > _ALARM_LEAD_MIN, _BARRED, 0.0)
        return _parts(exponent, allowed)

    def _surge_parts(self, allowed: tuple[int, ...]) -> FloatArray:
        lost = self._lost[_FAST].copy()
        lost[2:] *= np.where(self._surge_min > self._leads + 1, _BURDEN, _BURDEN_UNPROVEN)
        parts = _parts(_OF_SURGE * _beyond_best(lost, allowed), allowed)
        if not {0, 1} <= set(allowed):
            return parts
        lasted = self._surge_min / (_LAST_STRETCH * self._leads)
        hold = np.clip(lasted, _LAST_LEAST, _LAST_MOST)
        power = _PROOF_POWER * np.clip(2 - self._leads / _PROVEN_LEAD_MIN, 0.0, 1.0)
        proof = (self._lost[_FAST, 1] + _TINY) / (self._lost[_FAST, 0] + _TINY)
        odds = hold / (1 - hold) * np.clip(proof, 0.1, 10.0) ** power
        safe = parts[0] + parts[1]
        parts[0], parts[1] = safe * odds / (1 + odds), safe / (1 + odds)
        return parts

    def _faith(self, astray: float) -> FloatArray:
        # Falls for regressions that lose more than the safe ones just now, at this lead or before,
        # and for the usual where it loses far more than the last value does.
        fast = self._lost[_FAST]
        beside = np.maximum(fast[:2].min(axis=0), self._usual_loss()) + _TINY
        over = fast / beside
        ratio = np.maximum.accumulate(over, axis=1)
        faith = np.exp(-_OF_ASTRAY * np.maximum(ratio - astray, 0.0))
        faith[0] = 1.0
        off = np.maximum(np.exp(-_OF_OFF * np.maximum(over[1] - _OFF, 0.0)), _OFF_LEAST)
        faith[1] = np.where(self.surges(), 1.0, off)
        # Where only regressions were left, the safe ones come back.
        return np.maximum(faith, _TINY)


def _beyond_best(loss: FloatArray, allowed: tuple[int, ...]) -> FloatArray:
    # By what part each loses more than the best of those allowed.
    best = loss[list(allowed)].min(axis=0)
    return (loss - best) / (best + _TINY)


def _parts(exponent: FloatArray, allowed: tuple[int, ...]) -> FloatArray:
    among = exponent[list(allowed)]
    parts = np.exp(-np.minimum(among - among.min(axis=0), 500.0))
    found = np.zeros_like(exponent)
    found[list(allowed)] = parts / parts.sum(axis=0)
    return found
