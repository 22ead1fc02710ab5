"""A forecaster that knows a calendar: holidays, events and outages, learned and never peeked at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.remembering import Remembering
from foretide.control.calendar import calendar_for_flags
from foretide.forecast.base import Forecaster
from foretide.forecast.factors import Effect
from foretide.forecast.fleet import Fleet
from foretide.forecast.seasonal_naive import SeasonalNaive
from foretide.forecast.special import (
    Calendared,
    CalendaredTrainable,
    calendared,
    usual_demand,
)
from foretide.model.calendar import Calendar, DeclaredEvent, Holiday, Outage
from foretide.model.demand import Demand, FloatArray
from foretide.model.forecast import Forecast
from foretide.sources.demand_table import read_demand

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
LEVELS = (0.1, 0.5, 0.9)
HOUR_S, DAY_H = 3600, 24


def rhythm(days: int, *, seed: int = 1, sunday: float = 0.4, noise: float = 0.05) -> FloatArray:
    hours = np.arange(days * DAY_H)
    weekday = hours // DAY_H % 7
    rate = 500 * (1 + 0.6 * np.sin(2 * np.pi * (hours % DAY_H - 8) / DAY_H))
    rate *= np.where(weekday == 6, sunday, np.where(weekday == 5, (1 + sunday) / 2, 1.0))
    return rate * np.exp(np.random.default_rng(seed).normal(0, noise, len(hours)))


def demand(values: FloatArray, *, name: str = "shop/cart", step_s: int = HOUR_S) -> Demand:
    return Demand(series_id=name, start=MONDAY, step_s=step_s, values=values)


def day(number: int, hour: int = 0) -> datetime:
    return MONDAY + timedelta(days=number, hours=hour)


def sale(number: int, *, uplift_factor: float = 2.0, hours: int = 24) -> DeclaredEvent:
    start = day(number)
    return DeclaredEvent(
        name="sale", start=start, end=start + timedelta(hours=hours), uplift_factor=uplift_factor
    )


def issued(
    model: Forecaster,
    demands: Sequence[Demand],
    at: datetime,
    *,
    hours: int = 24,
    levels: tuple[float, ...] = LEVELS,
    zone: str = "UTC",
) -> list[Forecast]:
    return model.forecast(
        demands,
        issued_at=at,
        horizon_s=hours * HOUR_S,
        levels=levels,
        timezone=ZoneInfo(zone),
    )


def effect(values: FloatArray, calendar: Calendar, at: datetime) -> Effect:
    known = demand(values)
    (found,) = Calendared(Fleet(), calendar).effects(known, issued_at=at, horizon_s=24 * HOUR_S)
    return found


def test_an_empty_calendar_changes_nothing() -> None:
    known = demand(rhythm(30))
    fleet = Fleet()
    assert calendared(fleet, Calendar()) is fleet
    (plain,) = issued(fleet, [known], known.end)
    (told,) = issued(Calendared(fleet, Calendar()), [known], known.end)
    assert plain.values.tobytes() == told.values.tobytes()


def test_a_calendar_without_a_day_near_changes_nothing() -> None:
    known = demand(rhythm(30))
    far = Calendar(holidays=(Holiday(day=date(2030, 1, 1), name="far"),))
    (plain,) = issued(Fleet(), [known], known.end)
    (told,) = issued(Calendared(Fleet(), far), [known], known.end)
    assert plain.values.tobytes() == told.values.tobytes()
    assert plain.note == told.note


def test_an_event_is_first_taken_as_declared_then_as_seen() -> None:
    values = rhythm(42)
    events = (sale(16), sale(25), sale(37))
    for one in events[:2]:
        first = (one.start - MONDAY) // timedelta(hours=1)
        values[first : first + 24] *= 3
    calendar = Calendar(events=events)
    before, once, twice = (effect(values, calendar, day(number)) for number in (16, 25, 37))
    assert [one.seen_count for one in (before, once, twice)] == [0, 1, 2]
    assert before.factor == pytest.approx(2.0, rel=0.02)
    assert before.low_factor < 1.4
    assert before.high_factor > 2.8
    assert 2.6 < once.factor < 3.2
    assert twice.factor == pytest.approx(3.0, rel=0.07)
    widths = [np.log(one.high_factor / one.low_factor) for one in (before, once, twice)]
    assert widths[0] > widths[1] > widths[2]


def test_an_event_ahead_lifts_the_forecast_and_widens_it() -> None:
    known = demand(rhythm(30))
    calendar = Calendar(events=(sale(30, uplift_factor=2.5, hours=12),))
    (plain,) = issued(Fleet(), [known], known.end)
    (told,) = issued(Calendared(Fleet(), calendar), [known], known.end)
    ratio = told.values[:, 1] / plain.values[:, 1]
    assert ratio[:12] == pytest.approx(2.5, rel=0.03)
    assert ratio[12:] == pytest.approx(1.0)
    relative = [(one.values[:, 2] - one.values[:, 0]) / one.values[:, 1] for one in (plain, told)]
    assert (relative[1][:12] > 1.3 * relative[0][:12]).all()
    assert told.note == "sale from 2026-04-01 00:00Z: x2.50, never seen before"


def test_an_event_in_progress_corrects_itself() -> None:
    values = rhythm(31)
    values[30 * DAY_H :] *= 3
    calendar = Calendar(events=(sale(30, uplift_factor=1.3),))
    factors = [effect(values, calendar, day(30, hour)).factor for hour in (0, 3, 8)]
    assert factors[0] == pytest.approx(1.3, rel=0.02)
    assert factors[1] > 2.4
    assert factors[2] == pytest.approx(3.0, rel=0.1)


def test_after_an_event_the_forecast_is_of_usual_days_again() -> None:
    values = rhythm(31)
    values[30 * DAY_H :] *= 3
    known = demand(values)
    undisturbed = demand(rhythm(31))
    calendar = Calendar(events=(sale(30),))
    (told,) = issued(Calendared(Fleet(), calendar), [known], known.end)
    (plain,) = issued(Fleet(), [known], known.end)
    (best,) = issued(Fleet(), [undisturbed], known.end)
    off = [np.abs(one.values[:, 1] - best.values[:, 1]).mean() for one in (told, plain)]
    assert off[0] < 0.25 * off[1]
    assert off[0] < 0.1 * best.values[:, 1].mean()


def test_a_holiday_never_seen_lies_between_its_weekday_and_a_sunday() -> None:
    known = demand(rhythm(30))  # issued at the beginning of a Wednesday
    calendar = Calendar(holidays=(Holiday(day=date(2026, 4, 1), name="feast"),))
    (plain,) = issued(Fleet(), [known], known.end)
    (told,) = issued(Calendared(Fleet(), calendar), [known], known.end)
    ratio = told.values[:, 1].mean() / plain.values[:, 1].mean()
    assert 0.45 < ratio < 0.75
    assert told.values[:, 2].mean() > 0.75 * plain.values[:, 1].mean()


def test_holidays_teach_each_other_how_like_a_sunday_they_are() -> None:
    sunday = 0.4
    numbers = (15, 22, 30)  # two Tuesdays, and a Wednesday ahead
    days = [MONDAY.date() + timedelta(days=number) for number in numbers]
    feasts = tuple(Holiday(day=one, name=f"feast {at}") for at, one in enumerate(days))
    calendar = Calendar(holidays=feasts)
    kept, ignored = rhythm(30), rhythm(30)
    for number in numbers[:2]:
        kept[number * DAY_H : (number + 1) * DAY_H] *= sunday
    untaught = Calendar(holidays=feasts[2:])
    factors = [
        effect(values, told, day(30)).factor
        for values, told in ((kept, calendar), (rhythm(30), untaught), (ignored, calendar))
    ]
    assert 0.4 < factors[0] < 0.92 * factors[1]
    assert factors[1] == pytest.approx(sunday**0.6, rel=0.05)
    assert 1.15 * factors[1] < factors[2] < 1.0


def test_what_does_not_care_for_weekdays_does_not_care_for_holidays() -> None:
    values = rhythm(45, sunday=1.0)
    numbers = range(17, 45, 7)
    days = [MONDAY.date() + timedelta(days=number) for number in numbers]
    calendar = Calendar(holidays=tuple(Holiday(day=one, name="feast") for one in days))
    for at in (24, 31, 38):
        assert effect(values, calendar, day(at)).factor == pytest.approx(1.0, abs=0.05)
    known = demand(values)
    plain, told = (
        issued(model, [known], day(38))[0] for model in (Fleet(), Calendared(Fleet(), calendar))
    )
    assert told.values[:, 1] == pytest.approx(plain.values[:, 1], rel=0.05)


def test_a_closed_day_is_learned_and_leaves_no_trace() -> None:
    values = rhythm(45)
    days = [MONDAY.date() + timedelta(days=number) for number in (29, 36, 43)]
    calendar = Calendar(holidays=tuple(Holiday(day=one, name="closed") for one in days))
    for number in (29, 36):
        values[number * DAY_H : (number + 1) * DAY_H] = 0
    assert effect(values, calendar, day(43)).factor < 0.15
    usual = usual_demand(demand(values), calendar, issued_at=day(43))
    clean = rhythm(45)[29 * DAY_H : 30 * DAY_H]
    assert usual.values[29 * DAY_H : 30 * DAY_H].mean() == pytest.approx(clean.mean(), rel=0.2)


def test_nothing_is_learned_from_an_outage() -> None:
    outage = Outage(start=day(27, 9), end=day(27, 15))
    calendar = Calendar(outages=(outage,))
    found: list[bytes] = []
    for wrong in (0.0, 1e6, np.nan):
        values = rhythm(30)
        values[27 * DAY_H + 9 : 27 * DAY_H + 15] = wrong
        (told,) = issued(Calendared(Fleet(), calendar), [demand(values)], day(30))
        found.append(told.values.tobytes())
    assert found[0] == found[1] == found[2]


def test_an_outage_masks_every_bucket_it_touches() -> None:
    calendar = Calendar(outages=(Outage(start=day(1, 2) + timedelta(minutes=30), end=day(1, 4)),))
    usual = usual_demand(demand(rhythm(3)), calendar, issued_at=day(3))
    assert np.flatnonzero(np.isnan(usual.values)).tolist() == [26, 27]


def test_a_holiday_is_a_day_of_the_users_wall_clock() -> None:
    # On 2026-03-29 Paris has 23 hours, from 23:00 UTC the day before to 22:00 UTC.
    known = demand(rhythm(26, sunday=0.3))
    calendar = Calendar(
        timezone="Europe/Paris",
        holidays=(Holiday(day=date(2026, 3, 29), name="feast", likeness_fraction=0.9),),
        rest_weekday=0,
    )
    (found,) = Calendared(Fleet(), calendar).effects(
        known, issued_at=day(26), horizon_s=48 * HOUR_S
    )
    assert found.occasion.start == datetime(2026, 3, 28, 23, tzinfo=UTC)
    assert found.occasion.end == datetime(2026, 3, 29, 22, tzinfo=UTC)


@pytest.mark.parametrize("step_s", [60, 300, 1800, 86_400])
def test_an_event_moves_its_buckets_by_the_share_it_covers(step_s: int) -> None:
    count = 30 * 86_400 // step_s
    known = Demand(series_id="flat", start=MONDAY, step_s=step_s, values=np.full(count, 100.0))
    event = DeclaredEvent(name="e", start=day(30, 6), end=day(30, 12), uplift_factor=2.0)
    calendar = Calendar(events=(event,))
    (plain,) = issued(Fleet(), [known], known.end)
    (told,) = issued(Calendared(Fleet(), calendar), [known], known.end)
    added = (told.values[:, 1] / plain.values[:, 1] - 1).mean()
    assert added == pytest.approx(0.25, rel=0.03)


@settings(max_examples=40, deadline=None)
@given(
    step_s=st.sampled_from([60, 420, 3600, 50_000, 86_400]),
    count=st.integers(0, 300),
    kind=st.sampled_from(["noise", "zero", "huge", "missing", "tiny", "spiky"]),
    offset_h=st.integers(-30, 2000),
    event_h=st.integers(-30, 400),
    length_h=st.floats(0.1, 300),
    uplift_factor=st.sampled_from([1e-3, 0.5, 1.0, 3.0, 1e3]),
    zone=st.sampled_from(["UTC", "Europe/Paris", "Asia/Kolkata"]),
)
def test_whatever_the_demand_and_the_calendar_the_forecast_is_valid(
    step_s: int,
    count: int,
    kind: str,
    offset_h: int,
    event_h: int,
    length_h: float,
    uplift_factor: float,
    zone: str,
) -> None:
    rng = np.random.default_rng(count)
    values = {
        "noise": rng.gamma(0.5, 30, count),
        "zero": np.zeros(count),
        "huge": rng.random(count) * 1e15,
        "missing": np.full(count, np.nan),
        "tiny": rng.random(count) * 1e-306,
        "spiky": np.where(rng.random(count) < 0.02, 1e6, rng.poisson(0.2, count)),
    }[kind].astype(np.float64)
    known = Demand(series_id="any", start=MONDAY, step_s=step_s, values=values)
    start = MONDAY + timedelta(hours=event_h)
    calendar = Calendar(
        timezone=zone,
        holidays=(Holiday(day=date(2026, 3, 4), name="a"), Holiday(day=date(2026, 3, 8), name="b")),
        events=(
            DeclaredEvent(
                name="e",
                start=start,
                end=start + timedelta(hours=length_h),
                uplift_factor=uplift_factor,
            ),
        ),
        outages=(Outage(start=start, end=start + timedelta(hours=1)),),
    )
    at = MONDAY + timedelta(hours=offset_h)
    model = Calendared(SeasonalNaive(), calendar)
    (found,) = issued(model, [known], at, hours=31, zone=zone)
    assert len(found.values) == -(-31 * HOUR_S // step_s)
    assert at <= found.start < at + timedelta(seconds=step_s)


@pytest.mark.parametrize("junk", [0.0, 1e9, np.nan])
def test_the_future_is_not_looked_at(junk: float) -> None:
    values = rhythm(40)
    calendar = Calendar(
        holidays=(
            Holiday(day=date(2026, 3, 24), name="a"),
            Holiday(day=date(2026, 4, 7), name="a"),
        ),
        events=(sale(20), sale(36)),
    )
    at = day(36, 7) + timedelta(minutes=20)
    corrupt = values.copy()
    corrupt[36 * DAY_H + 7 :] = junk
    model = Calendared(Fleet(), calendar)
    told = [issued(model, [demand(one)], at)[0] for one in (values, corrupt)]
    assert told[0].values.tobytes() == told[1].values.tobytes()
    assert told[0].note == told[1].note


def test_neighbours_and_other_levels_change_nothing() -> None:
    calendar = Calendar(events=(sale(20), sale(30)))
    broken = [np.full(720, np.nan), np.zeros(720), np.full(720, 1e15)]
    series = [demand(rhythm(30, seed=at), name=f"s{at}") for at in range(3)]
    series += [demand(values, name=f"odd{at}") for at, values in enumerate(broken)]
    model = Calendared(Fleet(), calendar)
    together = issued(model, series, day(30))
    for at, one in enumerate(series):
        (alone,) = issued(model, [one], day(30))
        assert alone.values.tobytes() == together[at].values.tobytes()
    (fewer,) = issued(model, series[:1], day(30), levels=(0.9,))
    assert fewer.values[:, 0].tobytes() == together[0].values[:, 2].tobytes()


def test_what_can_be_trained_still_can_and_learns_from_usual_days() -> None:
    values = np.full(720, 100.0)
    values[20 * DAY_H : 21 * DAY_H] = 200.0
    known = demand(values)
    calendar = Calendar(events=(sale(20), sale(30)))
    model = calendared(Remembering(), calendar)
    assert isinstance(model, CalendaredTrainable)
    trained = model.train([known], issued_at=known.end, timezone=ZoneInfo("UTC"))
    assert msgspec.json.decode(trained) == pytest.approx([100.0], rel=0.01)
    kept = model.forecast_trained(
        trained, [known], issued_at=known.end, horizon_s=24 * HOUR_S, levels=LEVELS,
        timezone=ZoneInfo("UTC"),
    )  # fmt: skip
    direct = issued(model, [known], known.end)
    assert kept[0].values.tobytes() == direct[0].values.tobytes()
    assert kept[0].values[:, 1] == pytest.approx(200.0, rel=0.05)


def _wql(actual: FloatArray, found: Forecast) -> tuple[float, float]:
    levels = np.asarray(found.levels)
    missed = actual[:, None] - found.values
    return float(np.maximum(levels * missed, (levels - 1) * missed).sum()), float(actual.sum())


@pytest.mark.parametrize(
    ("file", "series", "days", "at_most"),
    [
        ("nyc_taxi_30min", "nab-nyc_taxi", ("2014-11-27", "2014-12-25", "2015-01-01"), 0.75),
        ("aws_cloudwatch_5min", "nab-ec2_cpu_utilization_24ae8d", ("2014-02-17",), 1.01),
    ],
)
def test_real_holidays_gain_and_load_that_knows_none_loses_nothing(
    shared_data: Path, file: str, series: str, days: tuple[str, ...], at_most: float
) -> None:
    table = read_demand(shared_data / "demand" / f"{file}.parquet")
    (known,) = [one for one in table.demands if one.series_id == series]
    calendar = calendar_for_flags("US", "", timezone="UTC", first=known.start, last=known.end)
    losses = np.zeros(2)
    for text in days:
        at = datetime.fromisoformat(text).replace(tzinfo=UTC)
        begin = int((at - known.start).total_seconds()) // known.step_s
        actual = known.values[begin : begin + 86_400 // known.step_s]
        for which, model in enumerate((Calendared(Fleet(), calendar), Fleet())):
            (found,) = issued(model, [known], at)
            losses[which] += _wql(actual, found)[0]
    assert losses[0] < at_most * losses[1]
