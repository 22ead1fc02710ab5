"""This file knows the next hour of an app's features from what its sessions are doing.

Minute by minute four candidates forecast every feature: its last value, what is usual at its
present level, a regression on its own past, and that with what the sessions here are about to call
(or, where calls name no session, with what other features were called just now). An online
selector trusts each for what it was lately worth.

State depends only on the closed minutes, in order: any way of cutting the calls into batches gives
the same bits.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from foretide.errors import InvalidValueError
from foretide.forecast.count_spread import DISPERSIONS, POISSON_AT, quantiles
from foretide.forecast.kernel import SessionKernel
from foretide.forecast.online_ridge import OnlineRidge
from foretide.forecast.own_past import HALF_LIVES_MIN, OwnPast
from foretide.forecast.path_stage import SESSION_END_MIN
from foretide.forecast.pool import POOL_LEVELS, averaged, pooled
from foretide.forecast.selector import Selector
from foretide.forecast.visits import LEARNERS_ONE_IN, ActiveSessions, MinuteCalls
from foretide.model.demand import FloatArray

LEADS_MIN = (1, 2, 3, 5, 10, 15, 20, 30, 45, 60)
SCORED_LEVELS = (0.1, 0.5, 0.9, 0.95, 0.99)
CANDIDATES = ("last value", "usual x level", "own past", "own past + sessions")
_NO_SESSIONS = (*CANDIDATES[:3], "own past + other features")
WITHOUT_SESSIONS, ALL = (0, 1, 2), (0, 1, 2, 3)
_ANCHORS = (0.1, 0.5, 0.9, 0.99)  # levels at which the spread is learned
_BLOCK_MIN = 30  # what changes slowly is renewed that often
_KERNEL_BLOCKS = 8
_YOUNG_BLOCKS = 48
_KERNEL_HALF_LIFE_MIN = 5 * 1440.0
_RIDGE_HALF_LIFE_MIN = 7 * 1440.0
_SPREAD_HALF_LIFE_MIN = 2 * 1440.0
_SPREAD_EVERY = 3  # one minute in this many tells enough of the spread
_BUSY_STARTS = 100.0  # sessions a minute above which one in eight is learned from
_WILD = 3.0
_OWN_INPUTS = 4 + len(HALF_LIVES_MIN)


class Behaviour:
    """Forecasts the features of one app minute by minute.

    Parameters
    ----------
    features : tuple of str
        The features told apart; calls of others share one more.
    leads : tuple of int
        Minutes ahead that are forecast, rising, 1 ... 60.
    has_sessions : bool
        Whether calls name their session; without, other features' last calls take their place.
    turn_min : int
        Minute of the UTC day at which the names of sessions are forgotten.
    active_max : int
        Most sessions held at a time.
    """

    def __init__(
        self,
        features: tuple[str, ...],
        *,
        leads: tuple[int, ...] = LEADS_MIN,
        has_sessions: bool = True,
        turn_min: int = 0,
        active_max: int = 1_000_000,
    ) -> None:
        if not leads or leads[0] < 1 or leads[-1] > 60 or any(a >= b for a, b in pairwise(leads)):
            raise InvalidValueError(f"leads must rise within 1 ... 60 minutes, were {leads}")
        self.features = features
        self.leads = leads
        self.has_sessions = has_sessions
        self.candidates = CANDIDATES if has_sessions else _NO_SESSIONS
        self.minute = -1
        count = len(features) + 1
        self._count = count
        self._sessions = ActiveSessions(turn_min=turn_min, active_max=active_max)
        self.kernel = SessionKernel(count, leads)
        self._past = OwnPast(count + 1, leads[-1] + 1)  # the last series: sessions that begin
        shape = (len(CANDIDATES), len(leads), count)
        own = np.zeros(_OWN_INPUTS)
        own[[3, -2]] = 0.5
        more = np.zeros(_OWN_INPUTS + 2) if has_sessions else np.append(own, np.zeros(2 * count))
        more[-2:] = 1.0 if has_sessions else 0.0
        self._ridges = (OnlineRidge(*shape[1:], own), OnlineRidge(*shape[1:], more))
        self._selector = Selector(len(CANDIDATES), leads, count)
        rows = leads[-1] + _BLOCK_MIN + 1
        self._rows = rows
        self._inputs = np.zeros((rows, *shape[1:], len(more)))
        self._means = np.full((rows, *shape), np.nan)
        self._issued = np.full((rows, *shape, len(SCORED_LEVELS)), np.nan)
        self._actual = np.full((rows, count), np.nan)
        self._spread = np.full((len(_ANCHORS), *shape), POISSON_AT)
        self._spread_losses = np.zeros((*self._spread.shape, len(DISPERSIONS)))
        self._closed = 0

    def close(self, calls: MinuteCalls) -> None:
        """Take in the calls of the next minute.

        Raises
        ------
        InvalidValueError
            When it is not the minute after the last one.
        """
        minute = calls.minute
        if self.minute >= 0 and minute != self.minute + 1:
            raise InvalidValueError(f"minute must be {self.minute + 1}, was {minute}")
        self.minute = minute
        starts = self._move_sessions(calls)
        counts = np.bincount(calls.feature, minlength=self._count).astype(np.float64)
        seen = np.append(counts, float(starts)) if calls.is_observed else None
        self._actual[minute % self._rows] = counts if calls.is_observed else np.nan
        self._past.add(minute, seen)
        self._mature()
        self._closed += 1
        if self._closed % _BLOCK_MIN == 0:
            self._learn()
        self._foresee()

    def _move_sessions(self, calls: MinuteCalls) -> int:
        if not self.has_sessions:
            return 0
        self._sessions.turn(calls.minute)
        self.kernel.age(calls.minute)
        is_busy = self._past.means[1, -1] > _BUSY_STARTS
        visits = self._sessions.visit(calls, one_in=LEARNERS_ONE_IN if is_busy else 1)
        # Of sessions whose names were just forgotten nobody knows what they did before.
        learned = calls.is_observed and self._sessions.known_min > SESSION_END_MIN
        self.kernel.move(visits, calls.minute, is_learned=learned)
        return int(visits.is_start.sum())

    def _foresee(self) -> None:
        # What every candidate says of the coming minutes, kept until they have come.
        minute, count = self.minute, self._count
        past = self._past
        shape = (len(self.leads), count)
        day, week = past.usual(minute + np.array(self.leads))
        means = past.means[:, :count]
        inputs = self._inputs[minute % self._rows]
        inputs[..., 0] = 1.0
        inputs[..., 1] = past.last[:count]
        inputs[..., 2 : 2 + len(means)] = means.T
        inputs[..., _OWN_INPUTS - 2] = day[:, :count]
        inputs[..., _OWN_INPUTS - 1] = week[:, :count]
        ceiling = np.maximum(means.max(axis=0), past.last[:count])
        ceiling = np.maximum(np.maximum(day, week)[:, :count], ceiling)
        if self.has_sessions:
            here, arriving = self.kernel.expected(minute), self.arriving_calls()
            inputs[..., -2], inputs[..., -1] = here, arriving
            ceiling_all = np.maximum(ceiling, here + arriving)
        else:
            inputs[..., _OWN_INPUTS:] = np.append(means[0], means[1])
            ceiling_all = ceiling
        found = self._means[minute % self._rows]
        found[0] = np.broadcast_to(past.last[:count], shape)
        found[1] = 0.5 * (day[:, :count] + week[:, :count])
        own = inputs[..., :_OWN_INPUTS]
        found[2] = np.clip(self._ridges[0].predicted(own), 0.0, _WILD * ceiling)
        found[3] = np.clip(self._ridges[1].predicted(inputs), 0.0, _WILD * ceiling_all)
        self._issued[minute % self._rows] = self._quantiles(SCORED_LEVELS)

    def _quantiles(self, levels: tuple[float, ...]) -> FloatArray:
        # Of every candidate at the present minute, shape (candidates, leads, features, levels).
        at = np.interp(levels, _ANCHORS, np.arange(len(_ANCHORS)))
        low = np.floor(at).astype(np.int64)
        high = np.minimum(low + 1, len(_ANCHORS) - 1)
        near = (at - low)[:, None, None, None]
        spread = self._spread[low] * (1 - near) + self._spread[high] * near
        index = np.moveaxis(np.rint(spread).astype(np.int64), 0, -1)
        return quantiles(self._means[self.minute % self._rows], index, levels)

    def _mature(self) -> None:
        # Score what was said, one lead ago each, of the minute that has just closed.
        row, leads = self.minute % self._rows, np.array(self.leads)
        said = self._issued[(row - leads) % self._rows, :, np.arange(len(leads))]
        over = self._actual[row][:, None] - said
        levels = np.array(SCORED_LEVELS)
        losses = np.maximum(levels * over, (levels - 1) * over).sum(axis=-1)
        self._selector.score(np.moveaxis(losses, 1, 0))

    def _learn(self) -> None:
        # Slow things, once for a block of minutes that have come.
        leads = np.array(self.leads)
        then = self.minute - np.arange(_BLOCK_MIN - 1, -1, -1)
        rows = (then[:, None] - leads) % self._rows
        lead = np.arange(len(leads))
        inputs, means = self._inputs[rows, lead], self._means[rows, :, lead]
        actual = np.broadcast_to(
            self._actual[then % self._rows][:, None], (*rows.shape, self._count)
        )
        actual = np.where(np.isfinite(means[:, :, 1]), actual, np.nan)
        variance = np.maximum(np.maximum(means[:, :, 1], inputs[..., 3]), 0.05)
        weight = np.nan_to_num(1.0 / variance)
        decay = 0.5 ** (_BLOCK_MIN / _RIDGE_HALF_LIFE_MIN)
        for ridge, width in zip(self._ridges, (_OWN_INPUTS, inputs.shape[-1]), strict=True):
            ridge.absorb(inputs[..., :width], actual, weight, decay)
            ridge.solve()
        self._learn_spread(means[::_SPREAD_EVERY], actual[::_SPREAD_EVERY])
        if self.has_sessions:
            block = self._closed // _BLOCK_MIN
            self.kernel.absorb(0.5 ** (_BLOCK_MIN / _KERNEL_HALF_LIFE_MIN))
            if block <= _YOUNG_BLOCKS or block % _KERNEL_BLOCKS == 0:
                self.kernel.renew()

    def _learn_spread(self, means: FloatArray, actual: FloatArray) -> None:
        every = np.arange(len(DISPERSIONS))[:, None]
        self._spread_losses *= 0.5 ** (_BLOCK_MIN / _SPREAD_HALF_LIFE_MIN)
        known = np.isfinite(means) & np.isfinite(actual)[:, :, None]
        mean = np.where(known, means, 0.0)[..., None]
        index = np.broadcast_to(every, (*mean.shape[:-1], len(DISPERSIONS), 1))
        for place, level in enumerate(_ANCHORS):
            said = quantiles(np.broadcast_to(mean, index.shape[:-1]), index, (level,))[..., 0]
            over = np.where(known, actual[:, :, None], 0.0)[..., None] - said
            losses = np.maximum(level * over, (level - 1) * over) * known[..., None]
            self._spread_losses[place] += np.moveaxis(losses.sum(axis=0), 1, 0)
        prior = 1e-6 * np.abs(np.arange(len(DISPERSIONS)) - POISSON_AT)
        self._spread = np.argmin(self._spread_losses + prior, axis=-1)

    def issue(self, levels: tuple[float, ...], allowed: tuple[int, ...] = ALL) -> FloatArray:
        """Return quantiles of the coming minutes.

        Parameters
        ----------
        levels : tuple of float
            Rising, each in (0, 1).
        allowed : tuple of int
            Which of `CANDIDATES` may be trusted.

        Returns
        -------
        ndarray, shape (leads, features + 1, levels)
            Calls in the minute that ends each lead after the last one closed, never crossing.
        """
        trust = self._selector.trust(allowed)
        is_kept = levels == SCORED_LEVELS
        row = self._issued[self.minute % self._rows]
        mixed = averaged(row if is_kept else self._quantiles(levels), trust)
        surges = self._selector.surges()
        if surges.any():
            pool = self._quantiles(POOL_LEVELS)[:, :, surges]
            mixed[:, surges] = pooled(pool, trust[:, :, surges], levels)
        return np.maximum.accumulate(mixed, axis=-1)

    def arriving_calls(self) -> FloatArray:
        """Return the calls expected of sessions yet to begin, shape (leads, features + 1)."""
        ahead = self.minute + 1 + np.arange(self.leads[-1])
        return self.kernel.arriving(self._past.usual(ahead)[0, :, -1])

    def trust(self, allowed: tuple[int, ...] = ALL) -> FloatArray:
        """Return what part each candidate has, shape (candidates, leads, features + 1)."""
        return self._selector.trust(allowed)
