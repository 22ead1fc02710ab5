"""This file knows how what a forecast rests on is told to a person."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from foretide.cli.work import Work
from foretide.control.issuing import has_past
from foretide.forecast.base import DAY_S
from foretide.forecast.classes import class_of
from foretide.model.accuracy import Accuracy, SeriesClass

if TYPE_CHECKING:
    from foretide.forecast.explain import Explanation
    from foretide.forecast.factors import Effect
    from foretide.model.demand import Demand, FloatArray
    from foretide.model.forecast import Forecast

_LEVELS = (0.1, 0.5, 0.9)
_SHOWN_WEIGHT = 0.03
_MANY_ORIGINS = 14
_WIDER = 1.1
_CLASSES = {
    SeriesClass.YOUNG: "less than two weeks of history",
    SeriesClass.SPARSE: "more than half of its buckets are zero",
    SeriesClass.DRIFTING: "its last week is unlike the weeks before",
    SeriesClass.BURSTY: "now and then several times what is usual at that hour",
    SeriesClass.WEEKLY: "the hour of the week explains it",
    SeriesClass.REGULAR: "the hour of the day explains it",
    SeriesClass.IRREGULAR: "neither hour nor weekday explains it",
}


def explanation_lines(work: Work, horizon_s: int, record: Sequence[Accuracy]) -> Iterator[str]:
    """Yield the lines that tell what the forecast of one series rests on.

    Parameters
    ----------
    work : Work
        One series and one instant, with the calendar and the forecaster.
    horizon_s : int
        How far ahead.
    record : sequence of Accuracy
        How its earlier forecasts turned out, by day of the horizon; empty when nothing is known.
    """
    from foretide.forecast.explain import explain
    from foretide.forecast.special import usual_demand

    demand, instant = work.demands[0], work.instants[0]
    (forecast,) = work.forecaster.forecast(
        [demand], issued_at=instant, horizon_s=horizon_s, levels=_LEVELS, timezone=work.zone
    )
    usual = demand
    if not work.calendar.is_empty:
        usual = usual_demand(demand, work.calendar, issued_at=instant)
    found = explain(usual, issued_at=instant, horizon_s=horizon_s, timezone=work.zone)
    kind = class_of(demand, instant)
    yield f"{demand.series_id}: forecast by {forecast.model}, issued {_said(instant)}"
    yield f"history: {found.whole_days} days; {kind.value}: {_CLASSES[kind]}"
    if forecast.note:
        yield f"note: {forecast.note}"
    yield ""
    yield from _table(forecast, found)
    yield ""
    yield _level(found)
    yield from _calendar(_effects(work, demand, instant, horizon_s))
    yield from _interval(forecast, found, kind)
    yield from _record(record)
    if not has_past(demand, instant):
        yield "nothing was observed yet: all of this is assumed"


def _table(forecast: Forecast, found: Explanation) -> Iterator[str]:
    # Days across, what makes them up downwards.
    means = _day_means(forecast)
    days = len(means)
    stamps = [forecast.start + timedelta(days=day) for day in range(days)]
    rows = [
        ("from", [f"{stamp:%a %d %b %H:%M}" for stamp in stamps]),
        ("expected per bucket", [_amount(mean[1]) for mean in means]),
        ("80 % interval", [f"{_amount(mean[0])}-{_amount(mean[2])}" for mean in means]),
        ("moved by last errors", [_signed(share) for share in found.correction_fraction[:days]]),
    ]
    ranked = sorted(found.weights.items(), key=lambda item: -sum(item[1]))
    big = [item for item in ranked if max(item[1], default=0) >= _SHOWN_WEIGHT]
    rows += [(f"expert: {name}", [f"{w:.0%}" for w in shares[:days]]) for name, shares in big]
    rest = [shares for _, shares in ranked[len(big) :]]
    if rest:
        sums = [sum(column) for column in zip(*rest, strict=True)][:days]
        rows.append((f"{len(rest)} other experts", [f"{w:.0%}" for w in sums]))
    lines = [("", *[f"day {day + 1}" for day in range(days)])]
    lines += [(name, *cells, *[""] * (days - len(cells))) for name, cells in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(days + 1)]
    for name, *cells in lines:
        right = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        yield "  ".join([name.ljust(widths[0]), *right]).rstrip()


def _level(found: Explanation) -> str:
    if math.isclose(found.shift_ratio, 1, abs_tol=0.005):
        return "level: no shift seen"
    return f"level: {found.shift_ratio:.2f} times that of the weeks before; the forecast follows it"


def _effects(work: Work, demand: Demand, instant: datetime, horizon_s: int) -> tuple[Effect, ...]:
    from foretide.forecast.seasonal_naive import SeasonalNaive
    from foretide.forecast.special import Calendared

    if work.calendar.is_empty:
        return ()
    # what moves a day is told by calendar and past alone, whoever forecasts
    calendared = Calendared(SeasonalNaive(), work.calendar)
    return calendared.effects(demand, issued_at=instant, horizon_s=horizon_s)


def _calendar(effects: Sequence[Effect]) -> Iterator[str]:
    if not effects:
        yield "calendar: no holiday or event within the horizon"
    for one in effects:
        learned = f"learned from {one.seen_count}" if one.seen_count else "by prior, none seen yet"
        yield (
            f"calendar: {one.occasion.name}: x {one.factor:.2f} "
            f"({one.low_factor:.2f}-{one.high_factor:.2f}), {learned}"
        )


def _interval(forecast: Forecast, found: Explanation, kind: SeriesClass) -> Iterator[str]:
    low, middle, high = np.stack(_day_means(forecast), axis=1)
    widths = (high - low) / 2 / np.maximum(middle, 1e-9)
    span = f"± {widths[0]:.0%} on day 1"
    span += f", ± {widths[-1]:.0%} on day {len(widths)}" if len(widths) > 1 else ""
    yield f"interval (80 %): {span}, from {_counted(found.origin_count, 'past forecast')}"
    if found.origin_count < _MANY_ORIGINS:
        yield "interval: few past forecasts to learn from, so it is widened"
    if kind in {SeriesClass.BURSTY, SeriesClass.SPARSE, SeriesClass.DRIFTING}:
        yield f"interval: wide because {_CLASSES[kind]}"
    told = found.interval_fraction[: len(widths)]
    moved = [day + 1 for day, usual in enumerate(told) if widths[day] > _WIDER * usual]
    if moved:
        days = ", ".join(map(str, moved))
        yield f"interval: wider on day {days} because the calendar's factor is itself unsure"


def _day_means(forecast: Forecast) -> list[FloatArray]:
    day_of = np.arange(len(forecast.values)) * forecast.step_s // DAY_S
    return [forecast.values[day_of == day].mean(axis=0) for day in range(int(day_of[-1]) + 1)]


def _record(record: Sequence[Accuracy]) -> Iterator[str]:
    if not record:
        yield "record: no forecast of it is scored yet"
    for one in record:
        if one.day in {0, 1, record[-1].day}:
            which = f"day {one.day}" if one.day else "all days"
            yield (
                f"record, {which}: skill {_share(one.skill)}, 80 % interval held "
                f"{_share(one.coverage_80)}, 95 % {_share(one.coverage_95)} "
                f"({_counted(one.day_count, 'different day')})"
            )


def _said(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _share(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{value:.0%}"


def _signed(share: float) -> str:
    return f"{share * 100:+.1f} %"


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
