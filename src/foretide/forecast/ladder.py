"""This file knows how to speak of a series too young to speak for itself.

Before the first bucket observed it is given a past: the shape of its app's other features, or of
the series it succeeds, at its own level. The forecaster works on that as on any history; as own
days arrive they take over, the sooner the better they do without. Nothing is as sure as the
borrowed past looks, so in the first days intervals are widened to what the series itself shows,
and before that to what the elders differ by.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from foretide.errors import InvalidValueError
from foretide.forecast.base import DAY_S, Forecaster, Trainable, check_asked, first_step
from foretide.forecast.level import Level, agreement, level_of
from foretide.forecast.shape_bank import (
    Elder,
    Estimate,
    Shape,
    flat_shape,
    last_buckets,
    shape_for,
    since_birth,
    weightiest,
)
from foretide.forecast.special import is_trainable
from foretide.model.demand import AMOUNT_MAX, Demand, FloatArray
from foretide.model.forecast import Forecast

_OLD_DAYS = 14
# From the third own day on the series is asked whether it does better without its elders.
_COMPARED_H = 72.0
_FLAT_H = 24.0
# Full widening for a day, none from the fourth on: by then the backtest sees own days.
_WIDE_H, _WIDE_FADES_H = 24.0, 72.0
_SPREAD_LEVELS = (0.1, 0.5, 0.9)
_SPREAD_Z = 2.563  # standard deviations between the outer two
_NAMED_ELDERS = 3

_ForecastOf = Callable[[Sequence[Demand], tuple[float, ...]], list[Forecast]]


class _Young(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    # What is made of a young series: its lent past, and how far that is to be believed.
    lent: Demand
    own: Demand
    elder_share: float
    level: Level
    note: str


class Laddered:
    """Any forecaster, helped over the first two weeks of a series.

    Parameters
    ----------
    forecaster : Forecaster
        Keeps its name.
    elders : sequence of Elder
        Series of the same users with a longer past; may hold the series asked for.
    estimates : sequence of Estimate
        What was declared of series before anything was observed of them.
    """

    def __init__(
        self,
        forecaster: Forecaster,
        elders: Sequence[Elder],
        estimates: Sequence[Estimate] = (),
    ) -> None:
        self.name = forecaster.name
        self._forecaster = forecaster
        self._elders = tuple(elders)
        self._estimates = {one.series_id: one for one in estimates}

    def forecast(
        self,
        demands: Sequence[Demand],
        *,
        issued_at: datetime,
        horizon_s: int,
        levels: tuple[float, ...],
        timezone: ZoneInfo,
    ) -> list[Forecast]:
        """Forecast every demand; see `Forecaster.forecast`."""
        check_asked(horizon_s, levels)

        def forecast_of(some: Sequence[Demand], asked: tuple[float, ...]) -> list[Forecast]:
            return self._forecaster.forecast(
                some, issued_at=issued_at, horizon_s=horizon_s, levels=asked, timezone=timezone
            )

        return self._helped(demands, issued_at, levels, forecast_of, forecast_of)

    def _helped(
        self,
        demands: Sequence[Demand],
        issued_at: datetime,
        levels: tuple[float, ...],
        lent_forecast: _ForecastOf,
        own_forecast: _ForecastOf,
    ) -> list[Forecast]:
        born = [since_birth(one, issued_at) for one in demands]
        young = self._young(born, issued_at)
        if not young:
            return lent_forecast(born, levels)
        asked = tuple(sorted({*levels, *_SPREAD_LEVELS}))
        lent = lent_forecast(_lent(born, young), asked)
        compared = [at for at, one in young.items() if one.elder_share < 1]
        own = own_forecast([young[at].own for at in compared], asked) if compared else []
        alone = dict(zip(compared, own, strict=True))
        return [
            _climbed(plain, young.get(at), alone.get(at), levels) for at, plain in enumerate(lent)
        ]

    def _young(self, demands: Sequence[Demand], issued_at: datetime) -> dict[int, _Young]:
        new = [at for at, demand in enumerate(demands) if not _is_old(demand, issued_at)]
        if not new:
            return {}
        elders = weightiest(self._elders, issued_at)
        found = {at: self._lent_past(demands[at], elders, issued_at) for at in new}
        return {at: one for at, one in found.items() if one is not None}

    def _lent_past(
        self, demand: Demand, elders: Sequence[Elder], issued_at: datetime
    ) -> _Young | None:
        # None where nobody has anything to lend.
        own, until = demand.until(issued_at), first_step(demand, issued_at)
        estimate = self._estimates.get(demand.series_id)
        shape = shape_for(own, elders, issued_at=issued_at, until=until)
        if shape is None and estimate is not None:
            shape = flat_shape(demand.step_s)
        if shape is None:
            return None
        observed = last_buckets(own, until, len(shape.values))
        level = level_of(observed, shape, demand.step_s, estimate)
        if not level.mean > 0:
            return None
        share = _elder_share(observed, shape, demand.step_s, level.seen_h)
        if not share > 0:
            return None
        seen = np.flatnonzero(np.isfinite(observed))
        first = int(seen[0]) if len(seen) else len(observed)
        values = np.concatenate([level.mean * shape.values[:first], observed[first:]])
        return _Young(
            lent=Demand(
                series_id=demand.series_id,
                start=until - timedelta(seconds=demand.step_s * len(values)),
                step_s=demand.step_s,
                values=np.minimum(values, AMOUNT_MAX),
            ),
            own=own,
            elder_share=share,
            level=level,
            note=_said(shape, level.seen_h, share, estimate),
        )


class LadderedTrainable(Laddered):
    """The same of a forecaster whose learning can be kept.

    Parameters
    ----------
    forecaster : Trainable
        Keeps its name.
    elders : sequence of Elder
        Series of the same users with a longer past.
    estimates : sequence of Estimate
        What was declared of series before anything was observed of them.
    """

    def __init__(
        self, forecaster: Trainable, elders: Sequence[Elder], estimates: Sequence[Estimate] = ()
    ) -> None:
        super().__init__(forecaster, elders, estimates)
        self._trainable = forecaster

    def train(self, demands: Sequence[Demand], *, issued_at: datetime, timezone: ZoneInfo) -> bytes:
        """Learn with lent pasts, and without them where both are compared; see `Trainable`."""
        born = [since_birth(one, issued_at) for one in demands]
        young = self._young(born, issued_at)
        alone = [one.own for one in young.values() if one.elder_share < 1]
        learned = [
            self._trainable.train(some, issued_at=issued_at, timezone=timezone) if some else b""
            for some in (_lent(born, young), alone)
        ]
        return msgspec.msgpack.encode(learned)

    def forecast_trained(
        self,
        trained: bytes,
        demands: Sequence[Demand],
        *,
        issued_at: datetime,
        horizon_s: int,
        levels: tuple[float, ...],
        timezone: ZoneInfo,
    ) -> list[Forecast]:
        """Forecast with what was learned earlier; see `Trainable.forecast_trained`."""
        check_asked(horizon_s, levels)
        try:
            learned = msgspec.msgpack.decode(trained, type=tuple[bytes, bytes])
        except msgspec.DecodeError:
            raise InvalidValueError(
                f"trained was not made by {self.name} with elders; train again"
            ) from None

        def forecast_with(kept: bytes) -> _ForecastOf:
            def forecast_of(some: Sequence[Demand], asked: tuple[float, ...]) -> list[Forecast]:
                return self._trainable.forecast_trained(
                    kept, some, issued_at=issued_at, horizon_s=horizon_s, levels=asked,
                    timezone=timezone,
                )  # fmt: skip

            return forecast_of

        # a series that was not compared when this was trained may have grown to be since
        with_elders, alone = (forecast_with(kept or learned[0]) for kept in learned)
        return self._helped(demands, issued_at, levels, with_elders, alone)


def laddered(
    forecaster: Forecaster, elders: Sequence[Elder], estimates: Sequence[Estimate] = ()
) -> Forecaster:
    """Return a forecaster that helps the young; itself where there is nobody to help them.

    Parameters
    ----------
    forecaster : Forecaster
        One whose learning can be kept stays such.
    elders : sequence of Elder
        Series of the same users with a longer past.
    estimates : sequence of Estimate
        What was declared of series before anything was observed of them.
    """
    if not elders and not estimates:
        return forecaster
    if is_trainable(forecaster):
        return LadderedTrainable(forecaster, elders, estimates)
    return Laddered(forecaster, elders, estimates)


def _is_old(demand: Demand, issued_at: datetime) -> bool:
    count = int((issued_at - demand.start) / timedelta(seconds=demand.step_s))
    before = demand.values[: max(0, count - _OLD_DAYS * DAY_S // demand.step_s)]
    return bool(np.isfinite(before).any())


def _lent(demands: Sequence[Demand], young: dict[int, _Young]) -> list[Demand]:
    return [young[at].lent if at in young else demand for at, demand in enumerate(demands)]


def _elder_share(observed: FloatArray, shape: Shape, step_s: int, seen_h: float) -> float:
    # Between one, to the elders alone, and nothing.
    if not shape.elders:
        return max(0.0, 1 - seen_h / _FLAT_H)
    if seen_h < _COMPARED_H:
        return 1.0
    return agreement(observed, shape, step_s)


def _climbed(
    plain: Forecast, young: _Young | None, alone: Forecast | None, levels: tuple[float, ...]
) -> Forecast:
    # The answer at the levels asked for, widened and mixed where the series is young.
    asked = [plain.levels.index(level) for level in levels]
    if young is None:
        return msgspec.structs.replace(
            plain, levels=levels, values=np.ascontiguousarray(plain.values[:, asked])
        )
    values = _widened(plain.values, plain.levels, young.level)
    if alone is not None:
        values = young.elder_share * values + (1 - young.elder_share) * alone.values
    values = np.maximum.accumulate(values[:, asked], axis=1)
    note = "; ".join(one for one in (young.note, plain.note) if one)
    return msgspec.structs.replace(plain, levels=levels, values=values, note=note)


def _widened(values: FloatArray, levels: tuple[float, ...], level: Level) -> FloatArray:
    # In square roots, away from the middle, to at least the stray that is owed.
    share = min(max(1 - (level.seen_h - _WIDE_H) / _WIDE_FADES_H, 0.0), 1.0)
    roots = np.sqrt(values)
    low, middle, high = (roots[:, levels.index(one)] for one in _SPREAD_LEVELS)
    own = float(np.square((high - low) / _SPREAD_Z).mean())
    factor = max(1.0, float(np.sqrt(share * level.root_variance / max(own, 1e-300))))
    moved = middle[:, None] + (roots - middle[:, None]) * min(factor, 1e3)
    return np.square(np.maximum(moved, 0.0))


def _said(shape: Shape, seen_h: float, share: float, estimate: Estimate | None) -> str:
    span = f"{seen_h / 24:.1f} days" if seen_h >= 48 else f"{seen_h:.1f} h"
    if not shape.elders:
        return f"only {span} of history: declared estimate, at all hours alike, wide by prior"
    named = ", ".join(shape.elders[:_NAMED_ELDERS])
    more = len(shape.elders) - _NAMED_ELDERS
    named += f" and {more} more" if more > 0 else ""
    level = "the declared level" if estimate is not None and not seen_h else "its own level"
    if share < 1:
        return f"only {span} of history: {share:.0%} by the shape of {named}, the rest by own days"
    return f"only {span} of history: the shape of {named} at {level}, widened"
