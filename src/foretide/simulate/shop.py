"""This file knows the synthetic web shop: sessions that walk a funnel, as events and as demand.

Nothing here was observed. The shop exists so that a stranger can watch Foretide work without
data of their own, and so that tests know the truth (the funnel's lag, the surges) they look for.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import numpy.typing as npt

from foretide.errors import InvalidValueError
from foretide.model.demand import Demand, FloatArray
from foretide.model.ids import series_id
from foretide.model.instant import require_utc
from foretide.simulate.shop_arrivals import COUNTRIES, arrivals

if TYPE_CHECKING:
    import polars as pl

APP = "shop"
FEATURES = ("home", "search", "product", "cart", "checkout", "account")
DEVICES = ("phone", "desktop", "tablet", "other")
_CART, _CHECKOUT = FEATURES.index("cart"), FEATURES.index("checkout")
_LEAD_IN_MINUTES = 90
_ENTRY = np.array([0.50, 0.18, 0.30, 0.0, 0.0, 0.02])
# From (row) to (column) each feature; the rest of a row's sum leaves the shop.
_STEP = np.array(
    [
        [0.00, 0.45, 0.30, 0.00, 0.00, 0.07],
        [0.00, 0.22, 0.58, 0.00, 0.00, 0.00],
        [0.05, 0.17, 0.28, 0.20, 0.00, 0.00],
        [0.00, 0.00, 0.20, 0.00, 0.50, 0.00],
        [0.00, 0.00, 0.00, 0.00, 0.00, 0.40],
        [0.20, 0.00, 0.00, 0.00, 0.00, 0.00],
    ]
)
_THINK_MEDIAN_S = np.array([12.0, 15.0, 35.0, 25.0, 60.0, 30.0])
_THINK_SIGMA = 0.8
_DURATION_MEDIAN_S = np.array([0.04, 0.12, 0.06, 0.05, 0.35, 0.08])
_DURATION_SIGMA = 0.4
FUNNEL_LAG_S = 420.0  # median from cart to checkout: address, card, second thoughts
_FUNNEL_SIGMA = 0.2  # 90 % of them within 5 to 10 minutes
_MAX_STEPS = 60


class ShopTruth(msgspec.Struct, frozen=True, kw_only=True):
    """What is true of the shop by construction, for tests and for the person who watches.

    Parameters
    ----------
    label : str
        Says that nothing here was observed.
    funnel_from, funnel_to : str
        The feature whose calls announce calls of another.
    funnel_lag_s : float
        Median seconds between them in one session.
    push_times : tuple of datetime
        Newsletters, each week at the same hours.
    burst_at : datetime
        The one surge that was not announced.
    """

    label: str
    funnel_from: str
    funnel_to: str
    funnel_lag_s: float
    push_times: tuple[datetime, ...]
    burst_at: datetime


class ShopEvents(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Every call of the shop's features, in order of time.

    Parameters
    ----------
    start, end : datetime
        The period played, aware UTC; every event lies in [start, end).
    ts_us : ndarray of int64, shape (events,)
        Microseconds since the epoch, never falling.
    session : ndarray of int64, shape (events,)
        Number of the session, unique within the shop.
    feature, device, country : ndarray of int8, shape (events,)
        Index into `FEATURES`, `DEVICES`, `COUNTRIES`.
    duration_s : ndarray of float32, shape (events,)
        How long the call took.
    truth : ShopTruth
        What is true by construction.
    """

    start: datetime
    end: datetime
    ts_us: npt.NDArray[np.int64]
    session: npt.NDArray[np.int64]
    feature: npt.NDArray[np.int8]
    device: npt.NDArray[np.int8]
    country: npt.NDArray[np.int8]
    duration_s: npt.NDArray[np.float32]
    truth: ShopTruth


def shop_events(
    *,
    seed: int,
    start: datetime,
    days: int = 14,
    peak_sessions_per_minute: float = 75.0,
    growth_per_week_fraction: float = 0.03,
) -> ShopEvents:
    """Play a labelled synthetic web shop; the same arguments give the same events.

    Customers of seven time zones arrive by their own local day and week, walk a Markov funnel
    with lognormal think times, and follow newsletters; one surge is announced by nobody.

    Parameters
    ----------
    seed : int
        Of all randomness, >= 0.
    start : datetime
        First instant, aware, on a whole minute.
    days : int
        Days to play, >= 1.
    peak_sessions_per_minute : float
        Sessions per minute at the busiest minute of the smooth first week, > 0. At the default,
        two weeks hold about three million events.
    growth_per_week_fraction : float
        Growth from week to week, > -1.

    Returns
    -------
    ShopEvents
        Ordered by time.

    Raises
    ------
    InvalidValueError
        When an argument lies outside its range.
    """
    start = require_utc("start", start)
    if start.second or start.microsecond:
        raise InvalidValueError(f"start must be a whole minute, was {start.isoformat()}")
    if days < 1:
        raise InvalidValueError(f"days must be >= 1, was {days}")
    if not peak_sessions_per_minute > 0:
        raise InvalidValueError(
            f"peak_sessions_per_minute must be > 0, was {peak_sessions_per_minute}"
        )
    if not growth_per_week_fraction > -1:
        raise InvalidValueError(
            f"growth_per_week_fraction must be > -1, was {growth_per_week_fraction}"
        )
    rng = np.random.default_rng(seed)
    came = arrivals(
        rng,
        start=start,
        days=days,
        lead_in_minutes=_LEAD_IN_MINUTES,
        peak_sessions_per_minute=peak_sessions_per_minute,
        growth_per_week_fraction=growth_per_week_fraction,
    )
    device = _devices(rng, came.local_hour)
    at_s, session, feature = _walk(rng, came.start_s)
    in_period = (at_s >= 0) & (at_s < days * 86_400)
    order = np.flatnonzero(in_period)[np.argsort(at_s[in_period], kind="stable")]
    feature, session = feature[order], session[order]
    start_us = (start - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    duration = _DURATION_MEDIAN_S[feature] * np.exp(
        _DURATION_SIGMA * rng.standard_normal(len(feature))
    )
    return ShopEvents(
        start=start,
        end=start + timedelta(days=days),
        ts_us=start_us + (at_s[order] * 1e6).astype(np.int64),
        session=session,
        feature=feature,
        device=device[session],
        country=came.country[session],
        duration_s=duration.astype(np.float32),
        truth=ShopTruth(
            label="synthetic web shop: made by foretide.simulate.shop, not observed",
            funnel_from="cart",
            funnel_to="checkout",
            funnel_lag_s=FUNNEL_LAG_S,
            push_times=came.push_times,
            burst_at=came.burst_at,
        ),
    )


def shop_demand(events: ShopEvents, *, step_s: int = 60) -> list[Demand]:
    """Count the events of each feature in buckets.

    Parameters
    ----------
    events : ShopEvents
        What happened.
    step_s : int
        Length of a bucket in seconds; must divide a day.

    Returns
    -------
    list of Demand
        One per feature in the order of `FEATURES`, named `shop/<feature>`; all on one grid from
        `events.start` to `events.end`. Every bucket was observed, so none is NaN.

    Raises
    ------
    InvalidValueError
        When `step_s` does not divide a day.
    """
    if not 1 <= step_s <= 86_400 or 86_400 % step_s:
        raise InvalidValueError(f"step_s must divide 86400, was {step_s}")
    start_us = (events.start - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    buckets = (events.end - events.start) // timedelta(seconds=step_s)
    bucket = (events.ts_us - start_us) // (step_s * 1_000_000)
    cell = events.feature.astype(np.int64) * buckets + bucket
    counts = np.bincount(cell, minlength=len(FEATURES) * buckets).reshape(len(FEATURES), buckets)
    return [
        Demand(
            series_id=series_id(APP, feature),
            start=events.start,
            step_s=step_s,
            values=row.astype(np.float64),
        )
        for feature, row in zip(FEATURES, counts, strict=True)
    ]


def shop_frame(events: ShopEvents) -> pl.DataFrame:
    """Return the events as a table.

    Returns
    -------
    polars.DataFrame
        Columns `ts` (Datetime[us, UTC]), `session` (Int64), `feature`, `device`, `country` (Enum)
        and `duration_s` (Float32), ordered by `ts`.
    """
    import polars as pl  # noqa: PLC0415  (numpy is enough for who only wants the demand)

    def named(codes: npt.NDArray[np.int8], names: tuple[str, ...]) -> pl.Series:
        return pl.Series(names, dtype=pl.Enum(names)).gather(codes)

    return pl.DataFrame(
        {
            "ts": pl.Series(events.ts_us).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
            "session": events.session,
            "feature": named(events.feature, FEATURES),
            "device": named(events.device, DEVICES),
            "country": named(events.country, tuple(c.code for c in COUNTRIES)),
            "duration_s": events.duration_s,
        }
    )


def _devices(rng: np.random.Generator, local_hour: FloatArray) -> npt.NDArray[np.int8]:
    # Desks by day, sofas by night: the phone's share grows by a fifth outside office hours.
    at_desk = (local_hour >= 9) & (local_hour < 17)
    phone = np.where(at_desk, 0.45, 0.65)
    draw = rng.random(len(local_hour))
    rest = np.searchsorted([0.78, 0.98], (draw - phone) / (1 - phone), side="right")
    return np.where(draw < phone, 0, 1 + rest).astype(np.int8)


def _walk(
    rng: np.random.Generator, start_s: FloatArray
) -> tuple[FloatArray, npt.NDArray[np.int64], npt.NDArray[np.int8]]:
    # All sessions take their n-th step together; those that leave drop out of the arrays.
    onward = np.cumsum(_STEP, axis=1)
    session = np.arange(len(start_s))
    at_s = start_s
    feature = np.searchsorted(np.cumsum(_ENTRY), rng.random(len(start_s)), side="right")
    feature = np.minimum(feature, len(FEATURES) - 1)
    steps = [(at_s, session, feature.astype(np.int8))]
    for _ in range(_MAX_STEPS):
        following = (rng.random(len(feature))[:, None] >= onward[feature]).sum(axis=1)
        stays = following < len(FEATURES)
        session, before, feature = session[stays], feature[stays], following[stays]
        if not len(session):
            break
        is_funnel = (before == _CART) & (feature == _CHECKOUT)
        median = np.where(is_funnel, FUNNEL_LAG_S, _THINK_MEDIAN_S[before])
        sigma = np.where(is_funnel, _FUNNEL_SIGMA, _THINK_SIGMA)
        at_s = at_s[stays] + median * np.exp(sigma * rng.standard_normal(len(session)))
        steps.append((at_s, session, feature.astype(np.int8)))
    return (
        np.concatenate([s[0] for s in steps]),
        np.concatenate([s[1] for s in steps]),
        np.concatenate([s[2] for s in steps]),
    )
