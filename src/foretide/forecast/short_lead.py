"""This file knows the first two hours of a forecast, where the last minutes tell most.

A forecast of days is made of what days do. Its first two hours follow better from the present, and
how is learned here for every series from its own last two weeks: a ridge regression of how far
demand will be off its profile on how far it was of late (an autoregression at many scales), the
last value carried on, the profile scaled to the last hour, and the forecast of days itself.
Each is trusted at each lead by what it would have lost of late (`short_trust`); the forecast of
days is stood for by the profile scaled to the last half day. Their quantiles are averaged in square
roots, and fade into the forecast of days during the third hour. Of a series that began within the
last hours nothing can be learned yet: its last value is carried on, by a stated spread.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist

import msgspec
import numpy as np
from numpy.typing import NDArray

from foretide.forecast.days import Floats
from foretide.forecast.history import Chunk
from foretide.forecast.short_state import (
    DAY_S,
    State,
    expected_of,
    gathered_at,
    state_of,
    told_of,
)
from foretide.forecast.short_trust import SCORED, astray, losses_of, lost_by, weights_of
from foretide.forecast.wallclock import IntArray
from foretide.model.demand import FloatArray

RECENT_DAYS = 21
_REACH_S = 3 * 3600
_FULL_S = 2 * 3600  # trusted wholly until here, then less and less until _REACH_S
_LEADS_S = (60, 180, 360, 720, 1_440, 2_880, 5_040, 7_200)
_SCORED_EVERY = 3
_RIDGE, _RIDGE_COUNT = 1e-3, 5.0
_OUTLIER = 3.0  # times the mean error: beyond it an error pulls no harder
_LOSS_HALF_LIFE_DAYS = 7.0
_WIDEN_COUNT = 6.0  # instants that tell as much as one independent error
_INSTANTS_MIN = 3
_RESTLESS_LAST = 0.75
_LAST_VALUE = 1  # where it stands among the experts
_CALM_SHARE = 0.35  # of the usual move between buckets: what spread there always is
_LITTLE = 2.0  # spreads: by so much forecasts may always differ
# A series just born: how much it was seen to be half believed, and how far its root may stray, as a
# share of it, at once and after an hour.
_BORN_S = 600.0
_BORN_STRAY, _BORN_STRAY_HOUR = 0.1, 0.1
_CEILING = 3.0  # times the highest bucket seen
_TOGETHER = 16  # series: their arrays fit in a processor's cache


class _Expert(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    # What it said at past instants, (series, leads, instants), for its errors and for its loss;
    # and what it says now, (series, buckets ahead). Roots.
    fitted: Floats
    honest: Floats
    now: Floats
    restless: float = 1.0  # the power of restlessness that its errors grow with
    # How much further it may err now than it did, (series, leads): what it is asked may be unlike
    # all that it was fitted on.
    doubt: FloatArray | float = 1.0


class _Past(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    # What came after past instants, shape (series, leads, instants).
    leads: IntArray
    then: IntArray  # (leads, instants)
    came: Floats
    seen: Floats
    spread: Floats
    count: FloatArray  # (series, leads)
    # Of some of the instants: amounts, spread, and what they weigh in the loss.
    scored: Floats
    scored_spread: Floats
    scored_weight: Floats


def refined(quantiles: FloatArray, chunk: Chunk, levels: tuple[float, ...]) -> FloatArray:
    """Return a forecast whose first two hours follow from the present.

    Parameters
    ----------
    quantiles : ndarray, shape (series, steps, levels)
        The forecast of days, finite, >= 0, never crossing.
    chunk : Chunk
        The past of the series, with its last days bucket by bucket. After two hours in which
        nothing was observed the forecast of days stands alone.
    levels : tuple of float
        Quantile levels, rising.

    Returns
    -------
    ndarray, shape of `quantiles`
        Never crossing; beyond the third hour, and where too little was observed, as given.
    """
    step_s, recent = chunk.step_s, chunk.recent
    steps = min(quantiles.shape[1], _REACH_S // step_s - chunk.open_count)
    if steps < 1 or not recent.shape[1]:
        return quantiles
    for at in range(0, len(recent), _TOGETHER):
        part = np.s_[at : at + _TOGETHER]
        given = quantiles[part, :steps]
        found, known = _ahead(given, recent[part], step_s, chunk.open_count, levels)
        trust = _trust(steps, step_s, chunk.silent_s[part]) * known[:, None]
        mixed = given + trust[:, :, None] * (found - given)
        quantiles[part, :steps] = np.maximum.accumulate(mixed, axis=2)
    return quantiles


def _trust(steps: int, step_s: int, silent_s: FloatArray) -> FloatArray:
    lead_s = np.arange(1, steps + 1) * step_s
    fading = np.clip((_REACH_S - lead_s) / (_REACH_S - _FULL_S), 0, 1)
    return fading * np.clip(1 - silent_s / _FULL_S, 0, 1)[:, None]


def _ahead(
    given: FloatArray, recent: FloatArray, step_s: int, open_count: int, levels: tuple[float, ...]
) -> tuple[FloatArray, NDArray[np.bool_]]:
    # Quantiles of the buckets that `given` is about, and of which series enough was seen.
    leads = np.unique(np.maximum(np.array(_LEADS_S) // step_s, 1))
    state = state_of(recent, step_s, int(leads[-1]))
    if len(state.closed) < 2:
        return given, np.zeros(len(given), dtype=np.bool_)
    past = _past(state, leads)
    ahead = np.arange(open_count, open_count + given.shape[1], dtype=np.int64)
    number = np.arange(len(leads), dtype=np.float64)
    place: FloatArray = np.interp(np.log(ahead + 1), np.log(leads), number)
    spread = _spread(state, -1, ahead + int(state.closed[-1]))
    experts = _experts(state, past, ahead, place)
    days = np.sqrt(given / state.scale[:, None, None])
    said: list[FloatArray] = []
    lost: list[Floats] = []
    for expert in experts:
        own = past.spread**expert.restless
        ordered = _ordered((past.came - expert.fitted) / own, past.seen)
        shape = _shape(ordered, past.count, np.append(SCORED, levels))
        lost.append(_lost(past, expert, shape[..., : len(SCORED)]))
        stray = (spread**expert.restless)[..., None] * _between(shape[..., len(SCORED) :], place)
        said.append(np.maximum(expert.now[..., None] + stray, 0))
    said[-1] = days
    nows = [*(expert.now for expert in experts[:-1]), days[:, :, levels.index(0.5)]]
    weight = _between(_trusted(experts, past, lost, nows, spread), place)
    root = sum((weight[..., [at]] * one for at, one in enumerate(said)), np.zeros(days.shape))
    enough = (past.count.min(axis=1) >= _INSTANTS_MIN) & (state.root.max(axis=1) > 0)
    born = _born_s(state) * ~enough
    if born.any():
        share = (born / (born + _BORN_S))[:, None, None]
        root = np.where(enough[:, None, None], root, days)
        root += share * (_carried(experts[_LAST_VALUE].now, ahead, step_s, levels) - root)
    highest = _CEILING * np.square(state.root.max(axis=1))[:, None, None]
    found = np.minimum(np.square(root), np.maximum(highest, np.square(days)))
    return found * state.scale[:, None, None], enough | (born > 0)


def _trusted(
    experts: list[_Expert],
    past: _Past,
    lost: list[Floats],
    nows: Sequence[Floats],
    spread: Floats,
) -> FloatArray:
    # Shape (series, leads, experts).
    losses = losses_of(lost, past.scored_weight)
    shape = losses.shape[:2]
    losses = losses * np.stack([np.broadcast_to(one.doubt, shape) for one in experts], axis=2)
    at = np.minimum(past.leads, spread.shape[1]) - 1
    there = [gathered_at(now, at) for now in nows]
    fitted = [expert.fitted for expert in experts]
    off, usual = astray(fitted, there, weights_of(losses), past.seen)
    little = _LITTLE * gathered_at(spread, at)[..., None]
    doubt = np.maximum(1, off / (usual + little))
    doubt[..., _LAST_VALUE] = 1  # what is, is not in doubt
    return weights_of(losses * doubt)


def _born_s(state: State) -> FloatArray:
    # How long a series was seen that began of late, 0 where it was there before.
    lived = state.seen.sum(axis=1, dtype=np.float64)
    return np.where(lived < state.seen.shape[1] / 2, lived * state.step_s, 0)


def _carried(last: Floats, ahead: IntArray, step_s: int, levels: tuple[float, ...]) -> FloatArray:
    # The last value carried on, and how far it may stray by a stated prior. Roots.
    stray = _BORN_STRAY + _BORN_STRAY_HOUR * np.sqrt((ahead + 1) * step_s / 3600)
    return np.maximum(last[..., None] * (1 + stray[:, None] * _normal(levels)), 0)


@lru_cache(maxsize=64)
def _normal(levels: tuple[float, ...]) -> FloatArray:
    return np.array([NormalDist().inv_cdf(level) for level in levels])


def _past(state: State, leads: IntArray) -> _Past:
    closed = state.closed[:-1]
    then = closed + leads[:, None] - 1
    came = gathered_at(state.root, then)
    seen = gathered_at(state.seen, then) * gathered_at(state.seen, closed - 1)[:, None]
    spread = _spread(state, slice(0, -1), then)
    some = np.s_[..., ::_SCORED_EVERY]
    age = (state.closed[-1] - closed[some]) * state.step_s / DAY_S
    # Instants of the last day lie closer together, and each counts the less.
    gap = np.diff(closed, prepend=2 * closed[0] - closed[min(1, len(closed) - 1)])
    fading = (gap[some] * 0.5 ** (age / _LOSS_HALF_LIFE_DAYS)).astype(np.float32)
    return _Past(
        leads=leads,
        then=then,
        came=came,
        seen=seen,
        spread=spread,
        count=seen.sum(axis=2, dtype=np.float64),
        scored=np.square(came[some]),
        scored_spread=np.ascontiguousarray(spread[some]),
        scored_weight=seen[some] * fading,
    )


def _spread(state: State, instant: int | slice, then: IntArray) -> Floats:
    # How far demand may stray: half from how restless it is, half from the time of day. Never
    # next to nothing: a series that sleeps at night would wake without bounds.
    usual = gathered_at(state.typical, then // state.per_block % state.typical.shape[1])
    restless = state.restless[:, instant]
    restless = restless[:, None] if restless.ndim < usual.ndim else restless
    one = (-1, *[1] * (usual.ndim - 1))
    calm = np.square(_CALM_SHARE * state.typical.mean(axis=1)).reshape(one)
    return np.maximum(np.sqrt(restless * usual + calm), state.least.reshape(one)).astype(np.float32)


def _experts(state: State, past: _Past, ahead: IntArray, place: FloatArray) -> list[_Expert]:
    # The last one stands for the forecast of days.
    here = state.closed - 1
    last = gathered_at(state.profile, here) + state.latest
    shape = past.came.shape
    still = np.broadcast_to(last[:, None, :-1], shape)
    found = [
        _regression(state, past, ahead, place),
        _Expert(
            fitted=still,
            honest=still,
            now=np.repeat(last[:, -1:], len(ahead), axis=1),
            restless=_RESTLESS_LAST,
        ),
    ]
    kept = _kept_wander(state, past)
    usual = expected_of(state, kept, past.then)
    coming = expected_of(state, kept, ahead + int(state.closed[-1]))
    for ratio in state.ratios:
        scaled = usual * ratio[:, None, :-1]
        found.append(_Expert(fitted=scaled, honest=scaled, now=coming * ratio[:, -1:]))
    return found


def _kept_wander(state: State, past: _Past) -> Floats:
    # How much of the wander came true, by least squares at the first lead; shape (series,).
    then = past.then[0]
    wander = gathered_at(state.wander, then) * past.seen[:, 0]
    off = past.came[:, 0] - gathered_at(state.profile, then)
    square = np.maximum(np.square(wander).sum(axis=1), 1e-9)
    return np.clip((off * wander).sum(axis=1) / square, 0, 1)


def _regression(state: State, past: _Past, ahead: IntArray, place: FloatArray) -> _Expert:
    # Weighted ridge of how far off demand will be, at every lead at once. Its loss is taken on
    # the half of the past that it was not fitted on; its errors pull no harder than outliers do.
    inputs = _inputs(state, state.known[:, :, :-1], past.then, state.closed[:-1] - 1)
    off = past.came - gathered_at(state.profile, past.then)
    share = past.seen / past.spread
    scaled = inputs * share[:, :, None]
    target = off * share
    half = past.then.shape[1] // 2
    parts = (np.s_[..., :half], np.s_[..., half:])
    grams = [np.matmul(scaled[p], scaled[p].swapaxes(2, 3)).astype(np.float64) for p in parts]
    counts = [past.seen[p].sum(axis=2, dtype=np.float64) for p in parts]
    moment = np.matmul(scaled, target[..., None]).astype(np.float64)
    gram = grams[0] + grams[1]
    slope = _solved(gram, moment, past.count)
    fit = _product(slope, scaled)
    bound = _OUTLIER * np.abs(target - fit).sum(axis=2, keepdims=True)
    bound = bound / np.maximum(past.count, 1)[..., None]
    calm = (fit + np.clip(target - fit, -bound, bound)).astype(np.float32)[..., None]
    moments = [np.matmul(scaled[p], calm[..., p[1], :]).astype(np.float64) for p in parts]
    slope = _solved(gram, moments[0] + moments[1], past.count)
    others = [_solved(grams[at], moments[at], counts[at]) for at in (1, 0)]
    honest = [_product(other, inputs[p]) for other, p in zip(others, parts, strict=True)]
    profile = gathered_at(state.profile, past.then)
    now = _inputs(
        state, state.known[:, :, -1:], ahead + int(state.closed[-1]), state.closed[-1:] - 1
    )
    now = now.swapaxes(1, 2)
    change = (_between(slope, place) * now).sum(axis=2)
    return _Expert(
        fitted=profile + _product(slope, inputs),
        honest=profile + np.concatenate(honest, axis=2),
        now=gathered_at(state.profile, ahead + int(state.closed[-1])) + change,
        doubt=_doubt(state, past, gram, now),
    )


def _doubt(state: State, past: _Past, gram: FloatArray, now: Floats) -> FloatArray:
    # Root of 1 + leverage, by which a regression's error grows away from what it was fitted on.
    at = np.minimum(past.leads, now.shape[1]) - 1
    spread = _spread(state, -1, at + int(state.closed[-1]))
    scaled = (np.take(now, at, axis=1) / spread[..., None]).astype(np.float64)
    leverage = (scaled * _solved(gram, scaled[..., None], past.count)).sum(axis=2)
    return np.sqrt(1 + np.maximum(leverage, 0))


def _inputs(state: State, known: Floats, then: IntArray, here: IntArray) -> Floats:
    # Shape (series, leads, inputs, instants), or (series, inputs, buckets) for the present.
    told = told_of(state, then, np.broadcast_to(here, then.shape))
    if then.ndim == 1:
        return np.concatenate([told, np.repeat(known, len(then), axis=2)], axis=1)
    told = told.swapaxes(1, 2)
    shape = (*told.shape[:2], *known.shape[1:])
    return np.concatenate([told, np.broadcast_to(known[:, None], shape)], axis=2)


def _solved(gram: FloatArray, moment: FloatArray, count: FloatArray) -> FloatArray:
    # The last input is the constant, which is not shrunk.
    size = gram.shape[-1]
    count = np.maximum(count, 1)[..., None]
    gram = gram.copy()
    shrunk = np.arange(size - 1, dtype=np.int64)
    gram[..., shrunk, shrunk] *= 1 + _RIDGE + _RIDGE_COUNT / count
    gram += 1e-9 * count[..., None] * np.eye(size)
    return np.asarray(np.linalg.solve(gram, moment)[..., 0], dtype=np.float64)


def _product(slope: FloatArray, inputs: Floats) -> Floats:
    return np.matmul(slope.astype(np.float32)[..., None, :], inputs)[..., 0, :]


def _ordered(errors: Floats, seen: Floats) -> Floats:
    # What was not observed goes to the end, and is never looked at.
    is_seen = seen > 0
    if is_seen.all():
        return np.sort(errors, axis=2)
    ordered = np.sort(np.where(is_seen, errors, np.float32(np.inf)), axis=2)
    return np.where(np.isfinite(ordered), ordered, 0)


def _shape(ordered: Floats, count: FloatArray, levels: FloatArray) -> FloatArray:
    # Quantiles of the errors, (series, leads, levels), widened away from their median as a
    # Student t would be: neighbouring instants tell much the same.
    at = np.append(levels, 0.5)
    last = np.maximum(count - 1, 0)[..., None]
    place = np.clip(at * (count[..., None] + 1) - 1, 0, last)
    low = place.astype(np.int64)
    high = np.minimum(low + 1, last.astype(np.int64))
    below, above = (np.take_along_axis(ordered, index, axis=2) for index in (low, high))
    found = below + (place - low) * (above - below)
    middle = found[..., -1:]
    normal = _normal(tuple(levels.tolist()))
    few = 4 * np.maximum(count / _WIDEN_COUNT, 1)[..., None]
    return middle + (found[..., :-1] - middle) * (1 + (np.square(normal) + 1) / few)


def _lost(past: _Past, expert: _Expert, shape: FloatArray) -> Floats:
    centre = np.ascontiguousarray(expert.honest[..., ::_SCORED_EVERY])
    return lost_by(centre, past.scored_spread**expert.restless, shape, past.scored)


def _between(by_lead: FloatArray, place: FloatArray) -> FloatArray:
    # From the leads learned at to every bucket ahead, on a logarithmic scale.
    low = place.astype(np.int64)
    high = np.minimum(low + 1, by_lead.shape[1] - 1)
    part = (place - low)[:, None]
    return np.take(by_lead, low, axis=1) * (1 - part) + np.take(by_lead, high, axis=1) * part
