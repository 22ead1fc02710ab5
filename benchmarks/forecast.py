"""Score the built-in forecasters on real demand by rolling origins, and time them.

    python benchmarks/forecast.py [FOLDER] [--origins N] [--source NAME]

Every series is forecast at up to N instants after its first weeks, one day and seven days ahead,
by the engine, by seasonal-naive and by a weekly median with intervals from its own errors. The
tables are Markdown. WQL = 2 x pinball / demand, mean over .1 .5 .9 .95 .99; ratios are geometric
means over the series of a source, then over sources.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from zoneinfo import ZoneInfo

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import msgspec
import numpy as np
import numpy.typing as npt

from foretide.forecast.base import Forecaster
from foretide.forecast.coldstart import short_quantiles
from foretide.forecast.conformal import moved, spread_of
from foretide.forecast.days import daily_profile, weekly_middle, windows
from foretide.forecast.fleet import Fleet
from foretide.forecast.issue import Answer, Past, issue
from foretide.forecast.score import coverage, pinball
from foretide.forecast.seasonal_naive import SeasonalNaive
from foretide.model.demand import Demand, FloatArray
from foretide.model.forecast import Forecast
from foretide.sources.demand_table import read_demand

LEVELS = (0.025, 0.1, 0.5, 0.9, 0.95, 0.975, 0.99)
SCORED = (0.1, 0.5, 0.9, 0.95, 0.99)
HORIZONS = {"24 h": 86_400, "7 d": 7 * 86_400}
# Wall clocks the sources were recorded by; the stamps of the others are already local or unknown.
ZONES = {"nasa_http_1min": "America/New_York"}
DEFAULT_FOLDER = Path(__file__).parents[1] / "../shared/data/demand"
REGULAR_STRENGTH = 0.5


class WeeklyMedian:
    """The middle of the last four same weekdays, with quantiles of its own errors."""

    name = "weekly-median"

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
        return issue(
            demands,
            model=self.name,
            issued_at=issued_at,
            horizon_s=horizon_s,
            levels=levels,
            zone=timezone,
            finest_s=1,
            quantiles_of=_weekly_median,
        )


def _weekly_median(past: Past, days_ahead: int, levels: tuple[float, ...]) -> Answer:
    days, rows = past.days, past.days.values.shape[1]
    if past.whole_days < 8:
        return Answer(quantiles=short_quantiles(days, days_ahead, levels), note="")
    middle = weekly_middle(days, daily_profile(days, 4.0), days_ahead)
    seen = days.seen[:, 7:]
    strays = (np.sqrt(days.values[:, 7:]) - np.sqrt(middle[:, : rows - 7])) * seen
    spread = spread_of(strays[:, :, None], seen[:, :, None], levels, np.ones(len(seen)))
    ahead = windows(middle, rows - 7, days_ahead)[:, 0]
    return Answer(quantiles=moved(ahead, spread), note="")


class Tally(msgspec.Struct, kw_only=True):
    """Losses and coverage of one model on one series and horizon."""

    loss: float = 0.0
    demand: float = 0.0
    within_80: list[float] = []
    within_95: list[float] = []
    below_95: list[float] = []
    day_80: list[tuple[int, float]] = []
    day_95: list[tuple[int, float]] = []
    seconds: float = 0.0
    forecast_count: int = 0


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT_FOLDER)
    parser.add_argument("--origins", type=int, default=8)
    parser.add_argument("--source", action="append")
    parser.add_argument("--max-days", type=int, default=0, help="keep only this much history")
    asked = parser.parse_args()
    models: list[Forecaster] = [Fleet(), SeasonalNaive(), WeeklyMedian()]
    tallies: dict[tuple[str, str, str, str], Tally] = defaultdict(Tally)
    strengths: dict[tuple[str, str], float] = {}
    files = sorted(asked.folder.glob("*.parquet"))
    if not files:
        sys.exit(f"{asked.folder}: no .parquet files; name the folder of demand")
    for path in files:
        if asked.source and path.stem not in asked.source:
            continue
        for demand in read_demand(path).demands:
            strengths[path.stem, demand.series_id] = daily_strength(demand)
            zone = ZoneInfo(ZONES.get(path.stem, "UTC"))
            for issued_at in origins(demand, asked.origins):
                known = _last_days(demand, issued_at, asked.max_days)
                for horizon, horizon_s in HORIZONS.items():
                    for model in models:
                        began = time.perf_counter()
                        (found,) = model.forecast(
                            [known],
                            issued_at=issued_at,
                            horizon_s=horizon_s,
                            levels=LEVELS,
                            timezone=zone,
                        )
                        tally = tallies[path.stem, demand.series_id, horizon, model.name]
                        tally.seconds += time.perf_counter() - began
                        _count(tally, found, demand)
    _print_accuracy(tallies, [model.name for model in models])
    _print_coverage(tallies, strengths, [model.name for model in models])
    _print_speed(tallies)


def _last_days(demand: Demand, issued_at: datetime, days: int) -> Demand:
    if not days:
        return demand
    first = max(0, int((issued_at - demand.start).total_seconds() - days * 86_400))
    first //= demand.step_s
    return Demand(
        series_id=demand.series_id,
        start=demand.start + timedelta(seconds=first * demand.step_s),
        step_s=demand.step_s,
        values=demand.values[first:],
    )


def origins(demand: Demand, count: int) -> list[datetime]:
    """Return up to `count` instants at which to forecast, at varying hours of the day."""
    days = (demand.end - demand.start) / timedelta(days=1)
    begin, end = min(28.0, days * 0.55), days - 1.05
    stride = max((end - begin) / count, 7 / 24)
    instants = [begin + stride * at for at in range(count) if begin + stride * at <= end]
    hours = [round(instant * 24) for instant in instants]
    return [demand.start.replace(minute=0, second=0) + timedelta(hours=hour) for hour in hours]


def daily_strength(demand: Demand) -> float:
    """Return how much of the hourly variance the time of day explains, 0 ... 1."""
    per_day = 86_400 // demand.step_s
    values = demand.values[: len(demand.values) // per_day * per_day].reshape(-1, per_day)
    with np.errstate(invalid="ignore"):
        left = values - _nanmean(values)
    whole = float(np.nanvar(values))
    return 1 - float(np.nanvar(left)) / whole if whole > 0 else 0.0


def _nanmean(values: FloatArray) -> FloatArray:
    seen = np.isfinite(values)
    return np.where(seen, values, 0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)


def _count(tally: Tally, found: Forecast, demand: Demand) -> None:
    first = int((found.start - demand.start).total_seconds()) // demand.step_s
    actual = np.full(len(found.values), np.nan)
    known = demand.values[first : first + len(actual)]
    actual[: len(known)] = known
    tally.forecast_count += 1
    seen = np.isfinite(actual)
    if seen.mean() < 0.1:
        return
    columns = [LEVELS.index(level) for level in SCORED]
    loss = pinball(found.values[:, columns], SCORED, actual)
    tally.loss += 2 * float(np.nansum(loss)) / len(SCORED)
    tally.demand += float(np.nansum(actual))
    below = found.values[:, LEVELS.index(0.95)]
    tally.below_95.append(coverage(np.full_like(below, -1), below, actual))
    per_day = 86_400 // demand.step_s
    for day in range(-(-len(actual) // per_day)):
        part = np.s_[day * per_day : (day + 1) * per_day]
        if not seen[part].any():
            continue
        for low, high, overall, by_day in (
            (0.1, 0.9, tally.within_80, tally.day_80),
            (0.025, 0.975, tally.within_95, tally.day_95),
        ):
            lower, upper = (found.values[part, LEVELS.index(at)] for at in (low, high))
            share = coverage(lower, upper, actual[part])
            overall.append(share)
            by_day.append((day, share))


def _print_accuracy(tallies: dict[tuple[str, str, str, str], Tally], models: Sequence[str]) -> None:
    print("## Accuracy: WQL by source (geometric mean of its series)\n")
    print("| source | horizon | " + " | ".join(models) + " |")
    print("|---|---|" + "---|" * len(models))
    sources = sorted({key[0] for key in tallies})
    for horizon in HORIZONS:
        rows: list[npt.NDArray[np.float64]] = []
        for source in sources:
            row = np.array([_geometric(tallies, source, horizon, name) for name in models])
            rows.append(row)
            print(f"| {source} | {horizon} | " + " | ".join(f"{wql:.4f}" for wql in row) + " |")
        whole = np.exp(np.log(np.array(rows)).mean(axis=0))
        ratios = " | ".join(f"**{whole[0] / wql:.3f}**" for wql in whole)
        print(f"| **fleet ÷ model** | {horizon} | {ratios} |")
    print()


def _geometric(
    tallies: dict[tuple[str, str, str, str], Tally], source: str, horizon: str, model: str
) -> float:
    losses = [
        max(tally.loss / tally.demand, 1e-6)
        for (of, _, within, name), tally in tallies.items()
        if (of, within, name) == (source, horizon, model) and tally.demand > 0
    ]
    return float(np.exp(np.mean(np.log(losses)))) if losses else float("nan")


def _print_coverage(
    tallies: dict[tuple[str, str, str, str], Tally],
    strengths: dict[tuple[str, str], float],
    models: Sequence[str],
) -> None:
    print(f"## Coverage, series with daily strength >= {REGULAR_STRENGTH}, and all\n")
    print(
        "| model | series | 80 % day 1 | day 4 | day 7 | 95 % day 1 | day 4 | day 7 |"
        " all days 80 % | 95 % | P(y <= Q.95) |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for model in models:
        for label, least in (("regular", REGULAR_STRENGTH), ("all", -1.0)):
            chosen = [
                tally
                for (source, series, horizon, name), tally in tallies.items()
                if name == model and horizon == "7 d" and strengths[source, series] >= least
            ]
            cells = [
                _day_mean([one for tally in chosen for one in getattr(tally, field)], day)
                for field in ("day_80", "day_95")
                for day in (0, 3, 6)
            ]
            cells += [
                float(np.mean([np.mean(shares) for shares in of_series]))
                for of_series in (
                    [tally.within_80 for tally in chosen],
                    [tally.within_95 for tally in chosen],
                    [tally.below_95 for tally in chosen],
                )
            ]
            print(
                f"| {model} | {label} ({len(chosen)}) | "
                + " | ".join(f"{cell:.3f}" for cell in cells)
                + " |"
            )
    print()


def _day_mean(shares: Sequence[tuple[int, float]], day: int) -> float:
    return float(np.mean([share for at, share in shares if at == day] or [np.nan]))


def _print_speed(tallies: dict[tuple[str, str, str, str], Tally]) -> None:
    print("## Speed\n")
    print("| what | figure |\n|---|---|")
    rng = np.random.default_rng(7)
    hours = np.arange(1344)
    rate = 50 * (1 + 0.6 * np.sin(hours * 2 * np.pi / 24)) * (1 + 0.3 * (hours // 24 % 7 < 5))
    made = [
        Demand(
            series_id=f"made-{at}",
            start=datetime(2026, 1, 1, tzinfo=UTC),
            step_s=3600,
            values=rng.poisson(rate * (1 + at % 9)).astype(float),
        )
        for at in range(1000)
    ]
    began = time.perf_counter()
    Fleet().forecast(
        made, issued_at=made[0].end, horizon_s=7 * 86_400, levels=LEVELS, timezone=ZoneInfo("UTC")
    )
    rate_per_s = len(made) / (time.perf_counter() - began)
    print(f"| fleet, hourly, 8 weeks, 168 h, 7 quantiles | {rate_per_s:,.0f} series/s |")
    for suffix in ("1min", "5min"):
        slow = [
            tally
            for (source, _, horizon, name), tally in tallies.items()
            if source.endswith(suffix) and horizon == "7 d" and name == "fleet"
        ]
        if slow:
            mean_ms = 1000 * sum(one.seconds for one in slow)
            mean_ms /= sum(one.forecast_count for one in slow)
            print(f"| fleet, {suffix} buckets, 7 d, one series | {mean_ms:.1f} ms |")
    parts = ", ".join(f"{name} {version(name)}" for name in ("foretide", "numpy", "polars"))
    print(f"\nPython {platform.python_version()}, {parts}, one thread of {platform.machine()}.")


if __name__ == "__main__":
    main()
