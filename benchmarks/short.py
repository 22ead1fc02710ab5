"""Score the first two hours of forecasts in short buckets, and time what short buckets cost.

    python benchmarks/short.py [FOLDER] [--origins N]

Every series in buckets of 1 to 5 minutes is forecast at N instants of its last half, at varying
minutes. The rivals are the last value carried on, and the profile of the week (of the day until
there is a week) scaled to the level of the last two hours; both get quantiles of their own errors
at each lead over the last two weeks, in square roots. WQL = 2 x pinball / demand, mean over .1 .5
.9 .95 .99, over leads of 1 to 120 minutes. The tables are Markdown.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt

from foretide.forecast.fleet import Fleet
from foretide.forecast.profile import trailing_mean
from foretide.forecast.score import pinball
from foretide.model.demand import Demand, FloatArray
from foretide.sources.demand_table import read_demand

DEFAULT_FOLDER = Path(__file__).parents[1] / "../shared/data/demand"
SCORED = (0.1, 0.5, 0.9, 0.95, 0.99)
SPEED_LEVELS = (0.025, 0.1, 0.5, 0.9, 0.95, 0.975, 0.99)
DAY_S, REACH_S, MINUTE_S = 86_400, 7_200, 60
RIVALS = ("last value", "weekly profile x level")
# Wall clocks the sources were recorded by; the stamps of the others are already local or unknown.
ZONES = {"nasa_http_1min": "America/New_York"}
_ERROR_DAYS, _ERROR_COUNT = 14, 1_000
_LEVEL_S = 7_200
_SMOOTH_S = 900


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT_FOLDER)
    parser.add_argument("--origins", type=int, default=100)
    asked = parser.parse_args()
    files = [path for path in sorted(asked.folder.glob("*.parquet")) if path.stem.endswith("min")]
    if not files:
        sys.exit(f"{asked.folder}: no .parquet files of short buckets; name the folder of demand")
    print("## The first two hours: WQL over leads of 1 to 120 minutes\n")
    print(f"| series | buckets | origins | {RIVALS[0]} | {RIVALS[1]} | fleet | fleet / better |")
    print("|---|---|---|---|---|---|---|")
    ratios = list(_accuracy(files, asked.origins))
    mean = float(np.exp(np.mean(np.log(ratios))))
    print(f"| **geometric mean of {len(ratios)}** | | | | | | **{mean:.3f}** |")
    print(f"| **worst** | | | | | | **{max(ratios):.3f}** |\n")
    _print_speed()


def _accuracy(files: Sequence[Path], count: int) -> Iterator[float]:
    # Prints a row for every series, and yields the engine's loss over that of the better rival.
    for path in files:
        for demand in read_demand(path).demands:
            if demand.step_s > 5 * MINUTE_S:
                continue
            zone = ZoneInfo(ZONES.get(path.stem, "UTC"))
            losses = np.zeros(3)
            total, origins = 0.0, origins_of(demand, count)
            for first in origins:
                actual = demand.values[first : first + REACH_S // demand.step_s]
                total += float(np.nansum(actual))
                said = (*rivals(demand, first), _fleet(demand, first, zone))
                losses += [2 * np.nansum(pinball(one, SCORED, actual)) for one in said]
            wql = losses / (len(SCORED) * total)
            ratio = float(wql[2] / wql[:2].min())
            print(
                f"| {demand.series_id} | {demand.step_s // MINUTE_S} min | {len(origins)} | "
                + " | ".join(f"{one:.4f}" for one in wql)
                + f" | {ratio:.3f} |",
                flush=True,
            )
            yield ratio


def origins_of(demand: Demand, count: int) -> list[int]:
    """Return up to `count` buckets of the last half at which to forecast, at varying minutes.

    Some demand is observed within two hours of each.
    """
    reach = REACH_S // demand.step_s
    seen = np.concatenate([[0], np.cumsum(np.isfinite(demand.values))])
    may = np.arange(len(demand.values) // 2, len(demand.values) - reach)
    may = may[seen[may + reach] > seen[may]]
    drawn = np.random.default_rng(5).random(count)
    place = (np.arange(count) + drawn) / count * len(may)
    return np.unique(may[place.astype(np.int64)]).tolist()


def _fleet(demand: Demand, first: int, zone: ZoneInfo) -> FloatArray:
    issued_at = demand.start + timedelta(seconds=first * demand.step_s)
    (found,) = Fleet().forecast(
        [demand], issued_at=issued_at, horizon_s=REACH_S, levels=SCORED, timezone=zone
    )
    return found.values


def rivals(demand: Demand, first: int) -> tuple[FloatArray, FloatArray]:
    """Return what both rivals say of the two hours from bucket `first` on.

    Returns
    -------
    tuple of ndarray, each of shape (steps, levels)
    """
    reach, per_day = REACH_S // demand.step_s, DAY_S // demand.step_s
    begin = max(0, first - _ERROR_DAYS * per_day)
    known = demand.values[:first]
    last = _carried(known)
    still = np.full(reach, last[-1] if len(last) else 0.0)
    level, profile = _level_and_profile(known, begin, reach, per_day, demand.step_s)
    stride = max(1, (first - begin) // _ERROR_COUNT)
    at = np.arange(begin + 1, first - reach, stride)
    then = at[:, None] + np.arange(reach)
    guesses = (
        (np.repeat(last[at - 1][:, None], reach, axis=1), still),
        (profile[then - begin] * level[at - begin][:, None], profile[first - begin :] * level[-1]),
    )
    weekly = guesses[1]
    return (
        _with_errors(known[then], *guesses[0]),
        _with_errors(known[then], weekly[0], weekly[1]),
    )


def _carried(known: FloatArray) -> FloatArray:
    # The last observed value at every bucket.
    place = np.maximum.accumulate(np.where(np.isfinite(known), np.arange(len(known)), 0))
    return np.nan_to_num(known[place])


def _level_and_profile(
    known: FloatArray, begin: int, reach: int, per_day: int, step_s: int
) -> tuple[FloatArray, FloatArray]:
    # Of the buckets from `begin` to `reach` after the history: the mean of the same time of the
    # last four weeks, else of the last seven days, smoothed over a quarter of an hour; and by
    # what demand was of it over the two hours before each bucket of history, and at its end.
    at = np.arange(begin, len(known) + reach)
    profile = _mean_before(known, at, [7 * per_day * back for back in (1, 2, 3, 4)], step_s)
    daily = _mean_before(known, at, [per_day * back for back in range(1, 8)], step_s)
    profile = np.where(np.isfinite(profile), profile, daily)
    mean = float(np.nanmean(known[begin:])) if np.isfinite(known[begin:]).any() else 0.0
    profile = np.where(np.isfinite(profile), profile, mean)
    came = known[begin:]
    width = _LEVEL_S // step_s
    expected = np.where(np.isfinite(came), profile[: len(came)], np.nan)
    ratio = trailing_mean(came, width) / np.maximum(trailing_mean(expected, width), 1e-12)
    ratio = np.where(np.isfinite(ratio), np.clip(ratio, 0.1, 10), 1.0)
    return np.concatenate([[1.0], ratio]), profile


def _mean_before(
    known: FloatArray, at: npt.NDArray[np.int64], backs: Sequence[int], step_s: int
) -> FloatArray:
    total, count = np.zeros(len(at)), np.zeros(len(at))
    for back in backs:
        place = at - back
        is_there = (place >= 0) & (place < len(known))
        values = np.where(is_there, known[np.clip(place, 0, len(known) - 1)], np.nan)
        total += np.nan_to_num(values)
        count += np.isfinite(values)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    half = _SMOOTH_S // step_s // 2
    around = np.concatenate([mean, np.full(half, np.nan)])
    return trailing_mean(around, 2 * half + 1)[half:]


def _with_errors(came: FloatArray, said: FloatArray, now: FloatArray) -> FloatArray:
    # Quantiles of past errors in square roots, at every lead.
    errors = np.sort(np.sqrt(came) - np.sqrt(said), axis=0)
    count = np.isfinite(errors).sum(axis=0)
    place = np.array(SCORED)[:, None] * np.maximum(count - 1, 0)
    low = place.astype(np.int64)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    known = np.nan_to_num(errors)
    below, above = (np.take_along_axis(known, index, axis=0) for index in (low, high))
    return np.square(np.maximum(np.sqrt(now) + below + (place - low) * (above - below), 0)).T


def _print_speed() -> None:
    print("## Speed: 7 days ahead, 7 quantiles, CPU time of one thread\n")
    print("| buckets | history | ms per series, 24 at once | one alone |\n|---|---|---|---|")
    for minutes, days, count in ((1, 56, 24), (1, 16, 24), (5, 56, 24), (60, 56, 240)):
        made = [_made(f"made-{at}", minutes * MINUTE_S, days, at) for at in range(count)]
        together, alone = (1000 * _seconds(part) / len(part) for part in (made, made[:1]))
        print(f"| {minutes} min | {days} d | {together:.1f} | {alone:.1f} |")
    print("\nThe hourly row is of 240 series.")


def _made(series_id: str, step_s: int, days: int, seed: int) -> Demand:
    hours = np.arange(days * DAY_S // step_s) * step_s / 3_600
    rate = 50 * (1 + 0.6 * np.sin(hours * np.pi / 12)) * (1 + 0.3 * (hours // 24 % 7 < 5))
    values = np.random.default_rng(seed).poisson(rate * (1 + seed % 9)).astype(np.float64)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return Demand(series_id=series_id, start=start, step_s=step_s, values=values)


def _seconds(demands: Sequence[Demand]) -> float:
    # The least of some runs: what else the machine does only ever adds.
    found: list[float] = []
    for _ in range(5):
        began = time.process_time()
        Fleet().forecast(
            demands,
            issued_at=demands[0].end,
            horizon_s=7 * DAY_S,
            levels=SPEED_LEVELS,
            timezone=ZoneInfo("UTC"),
        )
        found.append(time.process_time() - began)
    return min(found)


if __name__ == "__main__":
    main()
