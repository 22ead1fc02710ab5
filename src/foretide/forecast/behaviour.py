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
from foretide.forecast.count_spread import DISPERSIONS, POISSON_AT, all_quantiles, quantiles
from foretide.forecast.kernel import SessionKernel
from foretide.forecast.online_ridge import OnlineRidge
from foretide.forecast.own_past import HALF_LIVES_MIN, OwnPast
from foretide.forecast.path_stage import SESSION_END_MIN, IntArray
from foretide.forecast.pool import POOL_LEVELS, averaged, pooled
from foretide.forecast.selector import BoolArray, Selector
from foretide.forecast.visits import LEARNERS_ONE_IN, ActiveSessions, MinuteCalls
from foretide.model.demand import FloatArray

LEADS_MIN = (1, 2, 3, 5, 10, 15, 20, 30, 45, 60)
SCORED_LEVELS = (0.1, 0.5, 0.9, 0.95, 0.99)
_LEVELS = np.array(SCORED_LEVELS)
CANDIDATES = ("last value", "usual x level", "own past", "own past + sessions")
_NO_SESSIONS = (*CANDIDATES[:3], "own past + other features")
WITHOUT_SESSIONS, ALL = (0, 1, 2), (0, 1, 2, 3)
_ANCHORS = (0.1, 0.5, 0.9, 0.99)  # levels at which the spread is learned
_BLOCK_MIN = 30  # what changes slowly is renewed that often
_KERNEL_BLOCKS = 8
_YOUNG_BLOCKS, _YOUNG_EVERY = 48, 2
_KERNEL_HALF_LIFE_MIN = 5 * 1440.0
_RIDGE_HALF_LIFE_MIN = 7 * 1440.0
_SPREAD_HALF_LIFE_MIN = 2 * 1440.0
_SPREAD_EVERY = 5  # one minute in this many tells enough of the spread
_BUSY_STARTS = 100.0  # sessions a minute above which one in eight is learned from
_WILD = 3.0
_FAR = 4.0  # standard deviations
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
        self._rows, self._leads = rows, np.array(leads)
        self._inputs = np.zeros((rows, *shape[1:], len(more)))
        self._inputs[..., 0] = 1.0
        self._means = np.full((rows, *shape), np.nan)
        self._issued = np.full((rows, *shape, len(SCORED_LEVELS)), np.nan)
        self._actual = np.full((rows, count), np.nan)
        self._odd = np.zeros((rows, *shape[1:]), dtype=np.bool_)
        self._surged = np.zeros((rows, count), dtype=np.bool_)
        # On usual days, and in surges.
        self._spread = np.full((2, len(_ANCHORS), *shape), POISSON_AT)
        self._spread_losses = np.zeros((*self._spread.shape, len(DISPERSIONS)))
        self._closed, self._unscored = 0, 0

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
        self._keep_inputs()
        self._closed += 1
        self._unscored += 1
        if self._closed % _BLOCK_MIN == 0:
            self._catch_up()
            self._learn()

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

    def _keep_inputs(self) -> None:
        # All that the candidates rest on.
        minute, count, past = self.minute, self._count, self._past
        inputs = self._inputs[minute % self._rows]
        inputs[..., 1] = past.last[:count]
        inputs[..., 2 : 2 + len(HALF_LIVES_MIN)] = past.means[:, :count].T
        ahead = past.usual(minute + 1, self.leads[-1])
        usual = ahead[:, self._leads - 1, :count]
        inputs[..., _OWN_INPUTS - 2], inputs[..., _OWN_INPUTS - 1] = usual
        if self.has_sessions:
            inputs[..., -2] = self.kernel.expected(minute)
            inputs[..., -1] = self.kernel.arriving(ahead[0, :, -1])
        else:
            inputs[..., _OWN_INPUTS:] = past.means[:2, :count].ravel()

    def _catch_up(self) -> None:
        # What every candidate said in the minutes closed since the last time, all at once, and
        # then, minute by minute, what it was worth.
        then = np.arange(self.minute + 1 - self._unscored, self.minute + 1)
        self._unscored = 0
        rows = then % self._rows
        means = self._foreseen(self._inputs[rows])
        self._means[rows] = means
        usual, wide = (_dispersions(spread, SCORED_LEVELS) for spread in self._spread)
        self._issued[rows] = quantiles(means, usual, SCORED_LEVELS)
        lead = np.arange(len(self._leads))
        said = self._issued[(rows[:, None] - self._leads) % self._rows, :, lead]
        lost = _lost(said, self._actual[rows][:, None, None])
        for at, row in enumerate(rows.tolist()):
            self._odd[row] = self._selector.score(lost[at].swapaxes(0, 1))
            surges = self._selector.surges()
            self._surged[row] = surges
            if surges.any():
                # Counts spread otherwise; what that loses in minutes that have come follows.
                at_surge = np.flatnonzero(surges)
                means = self._means[row][..., at_surge]
                said = quantiles(means, wide[:, :, at_surge], SCORED_LEVELS)
                self._issued[row][:, :, at_surge] = said
                near = np.flatnonzero(self._leads < len(rows) - at)
                then = at + self._leads[near]
                losses = _lost(said[:, near], self._actual[rows[then]][:, at_surge])
                lost[then[:, None], near[:, None], :, at_surge] = np.moveaxis(losses, 0, 2)

    def _foreseen(self, inputs: FloatArray) -> FloatArray:
        # Means by candidate, shape (minutes, candidates, leads, features).
        own = inputs[..., :_OWN_INPUTS]
        ceiling = own[..., 1:].max(axis=-1)
        ceiling_all = ceiling
        if self.has_sessions:
            ceiling_all = np.maximum(ceiling, inputs[..., -2] + inputs[..., -1])
        found = np.empty((len(inputs), *self._means.shape[1:]))
        found[:, 0] = inputs[..., 1]
        found[:, 1] = 0.5 * (inputs[..., _OWN_INPUTS - 2] + inputs[..., _OWN_INPUTS - 1])
        found[:, 2] = np.clip(self._ridges[0].predicted(own), 0.0, _WILD * ceiling)
        found[:, 3] = np.clip(self._ridges[1].predicted(inputs), 0.0, _WILD * ceiling_all)
        return found

    def _learn(self) -> None:
        # Slow things, once for a block of minutes that have come.
        then = self.minute - np.arange(_BLOCK_MIN - 1, -1, -1)
        rows = (then[:, None] - self._leads) % self._rows
        lead = np.arange(len(self._leads))
        inputs, means = self._inputs[rows, lead], self._means[rows, :, lead]
        actual = np.broadcast_to(
            self._actual[then % self._rows][:, None], (*rows.shape, self._count)
        )
        actual = np.where(np.isfinite(means[:, :, 1]), actual, np.nan)
        variance = np.maximum(np.maximum(means[:, :, 1], inputs[..., 3]), 0.05)
        weight = np.nan_to_num(1.0 / variance)
        decay = 0.5 ** (_BLOCK_MIN / _RIDGE_HALF_LIFE_MIN)
        for ridge, width, at in zip(
            self._ridges, (_OWN_INPUTS, inputs.shape[-1]), (2, 3), strict=True
        ):
            # Who misses by far counts by how far, not by its square: a burst is one event.
            missed = np.nan_to_num(np.abs(actual - means[:, :, at]) * np.sqrt(weight))
            heard = weight * _FAR / np.maximum(missed, _FAR)
            ridge.absorb(inputs[..., :width], actual, heard, decay)
            ridge.solve()
        usual = np.where(self._odd[then % self._rows], np.nan, actual)
        some = np.s_[::_SPREAD_EVERY]
        self._learn_spread(means[some], usual[some], self._surged[rows[some]])
        if self.has_sessions:
            block = self._closed // _BLOCK_MIN
            self.kernel.absorb(0.5 ** (_BLOCK_MIN / _KERNEL_HALF_LIFE_MIN))
            if block % (_YOUNG_EVERY if block <= _YOUNG_BLOCKS else _KERNEL_BLOCKS) == 0:
                self.kernel.renew()

    def _learn_spread(self, means: FloatArray, actual: FloatArray, surged: BoolArray) -> None:
        # In surges apart: what is said in them strays further.
        self._spread_losses *= 0.5 ** (_BLOCK_MIN / _SPREAD_HALF_LIFE_MIN)
        known = np.isfinite(means) & np.isfinite(actual)[:, :, None]
        said = all_quantiles(np.where(known, means, 0.0), _ANCHORS)
        over = np.subtract(np.where(known, actual[:, :, None], 0.0)[..., None], said, out=said)
        part = over * np.array(_ANCHORS)
        losses = np.maximum(part, np.subtract(part, over, out=over), out=over)
        for state in (0, 1) if surged.any() else (0,):
            counted = known & (surged == bool(state))[:, :, None]
            total = np.einsum("dmlcfa,mlcf->aclfd", losses, counted.astype(np.float64))
            self._spread_losses[state] += total
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
        self._catch_up()
        trust = self._selector.trust(allowed)
        row, surges = self.minute % self._rows, self._selector.surges()
        said = self._issued[row]
        if levels != SCORED_LEVELS:
            said = quantiles(self._means[row], _dispersions(self._spread[0], levels), levels)
        mixed = averaged(said, trust)
        if surges.any():
            means, spread = self._means[row][..., surges], self._spread[1][..., surges]
            pool = quantiles(means, _dispersions(spread, POOL_LEVELS), POOL_LEVELS)
            mixed[:, surges] = pooled(pool, trust[:, :, surges], levels)
        return np.maximum.accumulate(mixed, axis=-1)

    def arriving_calls(self) -> FloatArray:
        """Return the calls expected of sessions yet to begin, shape (leads, features + 1)."""
        ahead = self._past.usual(self.minute + 1, self.leads[-1])
        return self.kernel.arriving(ahead[0, :, -1])

    def trust(self, allowed: tuple[int, ...] = ALL) -> FloatArray:
        """Return what part each candidate has, shape (candidates, leads, features + 1)."""
        self._catch_up()
        return self._selector.trust(allowed)


def _dispersions(spread: IntArray, levels: tuple[float, ...]) -> IntArray:
    # From those at the anchors, shape (anchors, ...), to those at any levels, as the last axis.
    at = np.interp(levels, _ANCHORS, np.arange(len(_ANCHORS)))
    low = np.floor(at).astype(np.int64)
    high = np.minimum(low + 1, len(_ANCHORS) - 1)
    near = (at - low)[:, None, None, None]
    between = spread[low] * (1 - near) + spread[high] * near
    return np.moveaxis(np.rint(between).astype(np.int64), 0, -1)


def _lost(said: FloatArray, actual: FloatArray) -> FloatArray:
    # Pinball loss over the levels scored, of quantiles said of counts that came.
    over = actual[..., None] - said
    return np.maximum(_LEVELS * over, (_LEVELS - 1) * over).sum(axis=-1)
