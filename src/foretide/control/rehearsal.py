"""This file knows how the cadence of learning would have gone: weeks of it on a virtual clock.

Demand that is known whole is shown hour by hour, as it would have come: forecasts are issued by
the champions of the hour and scored as their time comes, what is due is taught, what is on trial
is judged, exactly as `foretide train` does it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from foretide.control.champions import Champions
from foretide.control.lessons import matured_of
from foretide.control.outcome import Beat
from foretide.control.parts import PartMap, forecast_map, here
from foretide.control.train import beat
from foretide.errors import InvalidValueError
from foretide.forecast.base import DAY_S
from foretide.forecast.retrain import Keep
from foretide.forecast.tally import HOUR_S, LEVELS, Tally, add_matured, empty_tally
from foretide.forecast.wallclock import epoch_s
from foretide.model.demand import Demand
from foretide.store.models import Registry

_HOUR = timedelta(seconds=HOUR_S)


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How often things happen.

    Parameters
    ----------
    issue_h : int
        Hours from one forecast to the next, 1 ... 24.
    beat_h : int
        Hours from one look at what is due to the next, 1 ... 24.
    """

    issue_h: int = 6
    beat_h: int = 1

    def __post_init__(self) -> None:
        for field in ("issue_h", "beat_h"):
            hours = getattr(self, field)
            if not 1 <= hours <= 24:
                raise InvalidValueError(f"{field} must lie in [1, 24], was {hours}")


def rehearsed(
    champions: Champions,
    registry: Registry,
    demands: Sequence[Demand],
    *,
    start: datetime,
    end: datetime,
    timezone: ZoneInfo,
    pace: Pace = Pace(),  # noqa: B008 (frozen)
    mapped: PartMap = here,
) -> Iterator[Beat]:
    """Yield the beats between two instants in which anything was done.

    Parameters
    ----------
    champions : Champions
        Of the model to teach; nothing known, or what an earlier rehearsal left.
    registry : Registry
        Where its lessons are kept.
    demands : sequence of Demand
        The whole of it; at each hour only what had ended by then is used.
    start, end : datetime
        First beat, and when to stop; aware UTC, at the full hour.
    timezone : ZoneInfo
        Whose wall clock days and weeks follow.
    pace : Pace
    mapped : callable
        Who does the work; see `foretide.control.pools.part_map`.

    Yields
    ------
    Beat
        Without the outcomes that keep everything as it is.
    """
    first = epoch_s(start) // HOUR_S
    hours = epoch_s(end) // HOUR_S - first
    tally = empty_tally(len(demands), first_hour=first, hours=hours + DAY_S // HOUR_S)
    for hour in range(hours):
        now = start + hour * _HOUR
        if hour % pace.beat_h == 0:
            before = _adopted(champions, demands)
            done = beat(
                champions, registry, demands, now=now, timezone=timezone, tally=tally,
                mapped=mapped,
            )  # fmt: skip
            for row, adopted in enumerate(_adopted(champions, demands)):
                if adopted != before[row]:
                    # what the former champion said of hours to come is not the new one's
                    _forget(tally, row, hour)
            moved = tuple(one for one in done.outcomes if not isinstance(one.decision, Keep))
            if moved or done.notes:
                yield msgspec.structs.replace(done, outcomes=moved)
        if hour % pace.issue_h == 0:
            _issue(champions, demands, tally, now, timezone, mapped)


def _adopted(champions: Champions, demands: Sequence[Demand]) -> list[datetime | None]:
    standings = (champions.standings.get(champions.unit_of(one.series_id)) for one in demands)
    return [None if one is None else one.adopted_at for one in standings]


def _forget(tally: Tally, row: int, hour: int) -> None:
    for part in (tally.loss, tally.missed, tally.points):
        part[row, hour:] = 0


def _issue(  # noqa: PLR0917
    champions: Champions,
    demands: Sequence[Demand],
    tally: Tally,
    now: datetime,
    timezone: ZoneInfo,
    mapped: PartMap,
) -> None:
    # A point is counted into its hour at once; a beat looks at hours gone by alone.
    made = forecast_map(
        champions,
        [one.until(now) for one in demands],
        instants=[now],
        horizon_s=DAY_S,
        levels=LEVELS,
        timezone=timezone,
        mapped=mapped,
    )
    for row, one in enumerate(forecast for part in made for forecast in part):
        add_matured(tally, row, matured_of([one], demands[row], until=one.end))
