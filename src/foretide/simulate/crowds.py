"""This file knows crowds that come over the synthetic shop: labelled surges to judge forecasts by.

Three kinds: a crowd that walks the shop's funnel as its customers do, a flash crowd that looks at
one page and leaves, and bots that hammer one feature in a handful of endless sessions.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from foretide.errors import InvalidValueError
from foretide.model.demand import FloatArray
from foretide.model.instant import EPOCH
from foretide.simulate.shop import FEATURES, ShopEvents

_US_PER_S = 1_000_000
_USUAL_MIN = 60  # what a crowd is a multiple of is counted in the hour before it
_BOTS = 5


class Crowd(msgspec.Struct, frozen=True, kw_only=True):
    """One surge.

    Parameters
    ----------
    kind : {"funnel", "one call", "bots"}
        What it does: walk the shop, call `home` once a session, or call `search` for ever.
    start : datetime
        When it begins, aware UTC.
    minutes : int
        How long people or calls keep coming, >= 1.
    factor : float
        Sessions (funnel) or calls of the feature (others) at its height over those of the hour
        before, > 0.
    rise_min, fall_min : float
        How long it takes to reach its height, and to fall away at its end: crowds that a link
        brings come within minutes and go at once, those of the evening news fade. >= 0.
    """

    kind: Literal["funnel", "one call", "bots"]
    start: datetime
    minutes: int
    factor: float
    rise_min: float = 3.0
    fall_min: float = 0.0

    def __post_init__(self) -> None:
        if self.minutes < 1 or not self.factor > 0:
            raise InvalidValueError(
                f"a crowd needs minutes >= 1 and factor > 0, had {self.minutes} and {self.factor}"
            )
        if not (self.rise_min >= 0 and self.fall_min >= 0):
            raise InvalidValueError(
                f"a crowd needs rise_min and fall_min >= 0, had {self.rise_min} and {self.fall_min}"
            )


def with_crowds(events: ShopEvents, crowds: Sequence[Crowd], *, seed: int) -> ShopEvents:
    """Return the shop's events with those of crowds among them.

    Parameters
    ----------
    events : ShopEvents
        The shop.
    crowds : sequence of Crowd
        Within the shop's time, an hour or more after its start.
    seed : int
        Of all randomness, >= 0.

    Returns
    -------
    ShopEvents
        Ordered by time.
    """
    rng = np.random.default_rng(seed)
    own = np.arange(len(events.ts_us))
    parts = [(events.ts_us, events.session, own)]
    feature_parts = [events.feature]
    next_session = int(events.session.max()) + 1
    for crowd in crowds:
        ts_us, session, like, feature = _drawn(events, crowd, rng)
        parts.append((ts_us, session + next_session, like))
        feature_parts.append(feature)
        next_session += int(session.max(initial=0)) + 1
    ts_us, session, like = (np.concatenate([p[at] for p in parts]) for at in range(3))
    feature = np.concatenate(feature_parts)
    end_us = (events.end - EPOCH) // timedelta(microseconds=1)
    order = np.argsort(ts_us, kind="stable")
    order = order[ts_us[order] < end_us]
    return msgspec.structs.replace(
        events,
        ts_us=ts_us[order],
        session=session[order],
        feature=feature[order],
        device=events.device[like[order]],
        country=events.country[like[order]],
        duration_s=events.duration_s[like[order]],
    )


_Drawn = tuple[
    npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int8]
]


def _drawn(events: ShopEvents, crowd: Crowd, rng: np.random.Generator) -> _Drawn:
    # Instants, sessions from 0, the shop's event each is like, features.
    start_us = (crowd.start - EPOCH) // timedelta(microseconds=1)
    since_us = start_us - _USUAL_MIN * 60 * _US_PER_S
    begin, end = (int(np.searchsorted(events.ts_us, at)) for at in (since_us, start_us))
    lately: npt.NDArray[np.int64] = np.arange(begin, end)
    if crowd.kind == "funnel":
        return _walkers(events, crowd, rng, lately, start_us)
    feature = FEATURES.index("home" if crowd.kind == "one call" else "search")
    calls = lately[events.feature[lately] == feature]
    came_us = start_us + _instants_us(crowd, rng, len(calls) / _USUAL_MIN)
    session = np.arange(len(came_us))
    if crowd.kind == "bots":
        session = session % _BOTS
    like = rng.choice(calls, len(came_us))
    return came_us, session, like, np.full(len(came_us), feature, dtype=np.int8)


def _walkers(
    events: ShopEvents,
    crowd: Crowd,
    rng: np.random.Generator,
    lately: npt.NDArray[np.int64],
    start_us: int,
) -> _Drawn:
    # Each walks as a customer of the hours before did, from a moment of its own.
    walked, firsts, counts = np.unique(
        events.session[: lately[-1] + 1], return_index=True, return_counts=True
    )
    is_late = events.ts_us[firsts] >= events.ts_us[lately[0]] - 6 * 3600 * _US_PER_S
    is_whole = events.ts_us[firsts] < start_us - 3600 * _US_PER_S
    pool = np.flatnonzero(is_late & is_whole)
    begun = (events.ts_us[firsts] >= events.ts_us[lately[0]]).sum() / _USUAL_MIN
    offset_us = _instants_us(crowd, rng, float(begun))
    chosen = rng.choice(pool, len(offset_us))
    by_session = np.argsort(events.session[: lately[-1] + 1], kind="stable")
    start_of = np.searchsorted(events.session[by_session], walked[chosen])
    lengths = counts[chosen]
    session = np.repeat(np.arange(len(chosen)), lengths)
    within = np.arange(len(session)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    like = by_session[np.repeat(start_of, lengths) + within]
    shift = start_us + offset_us - events.ts_us[firsts[chosen]]
    return events.ts_us[like] + np.repeat(shift, lengths), session, like, events.feature[like]


def _instants_us(
    crowd: Crowd, rng: np.random.Generator, usual_per_min: float
) -> npt.NDArray[np.int64]:
    # Of a rate that rises, stays, and falls within the crowd's minutes.
    minute = np.arange(crowd.minutes)
    height = np.minimum((minute + 1) / max(crowd.rise_min, 1.0), 1.0)
    height = np.minimum(height, (crowd.minutes - minute) / max(crowd.fall_min, 1.0))
    rate: FloatArray = crowd.factor * usual_per_min * height
    came = np.repeat(minute, rng.poisson(rate))
    return ((came + rng.random(len(came))) * 60 * _US_PER_S).astype(np.int64)
