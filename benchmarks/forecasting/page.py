"""The page of the documentation that the benchmark writes of itself."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from importlib.metadata import version
from itertools import dropwhile, takewhile
from pathlib import Path

from forecasting.measured import HORIZONS, Coverage, Measured, measured, reached
from forecasting.rivals import FLEET, HOLIDAYS, Rival
from forecasting.scores import Losses, ratio
from forecasting.sources import CHOSEN, HELD_OUT, SOURCES
from forecasting.speed import Speed
from forecasting.speed import measured as timed
from forecasting.tables import by_source, interval, table
from forecasting.targets import TARGETS, verdicts

_SHORT_LEADS = Path(__file__).parents[1] / "short.py"
_TRIED = Path(__file__).with_name("tried.toml")
_REPEATS = 3
_HEAD = """# How good the forecasts are

This page is written by `benchmarks/forecast.py --full --page`; nothing on it is typed by hand but
what was tried. Everything was asked in one run; answers of rivals may come from an earlier run
where history, instant and version are the very same.

## How it is measured

Every series is put on an hourly grid and forecast 7 days ahead from several instants, at varying
hours and weekdays, with at most 8 weeks of history. WQL = 2 x pinball loss ÷ demand, mean over the
levels .1 .5 .9 .95 .99, over all instants of a series. Losses are compared series by series, then
by source (a source is one origin, however many series it brings), then over sources, each time by
geometric mean; below 1 is better than the rival. The 95 % interval comes from drawing sources
again, 4,000 times. Half of the sources, **chosen**, may be looked at while the engine is worked
on; the other half, **held out**, only to report. The split was fixed before anything was run.

Rivals answer as their libraries do, **with their own intervals**: Prophet with its default
settings, and tuned (square roots, hour-of-week Fourier series, steadier trend); LightGBM and an
LSTM learned from all series of a half together, one training per instant, with quantile loss; MSTL
with AutoETS for the trend; the last week repeated, and the median of the last four, both with
quantiles of their own errors.
"""


_AGAIN = """## Measuring again

`make bench` prints a short version from the project's own traces. For this page, with the checkout
as the working folder:

```text
.venv/bin/python benchmarks/forecasting/fetch.py FOLDER
.venv/bin/python benchmarks/forecast.py --data FOLDER --full \\
    --page docs/explanation/forecast-accuracy.md
```

FOLDER lies outside the checkout; answers of rivals are kept there, `--fresh` asks them again. MSTL
is asked in an environment of its own that holds statsforecast and polars, its interpreter named by
`FORETIDE_BENCH_STATSFORECAST`; without one it is left out.
"""


def written(data: Path | None, wanted: Sequence[Rival], *, is_fresh: bool, effort: float) -> str:
    """Measure everything and return the page."""
    found = measured(data, wanted, is_fresh=is_fresh, effort=effort)
    speed = timed(_REPEATS)
    leads = _leads()
    figures = {**reached(found), **_speeds(speed)}
    worst = _worst_lead(leads)
    if worst is not None:
        figures["lead"] = worst
    parts = [
        _HEAD,
        f"## What is reached\n\n{verdicts(figures)}\n\n{_tried(figures)}",
        f"## Side by side\n\n{_side_by_side(found)}",
        *(_sources(found, half) for half in (HELD_OUT, CHOSEN)),
        f"## Little history\n\n{_short(found)}",
        f"## Coverage\n\n{_coverage(found)}",
        f"## A new level\n\n{_shift(found)}",
        f"## The first two hours\n\n{leads}",
        f"## Speed\n\n{speed_table(speed)}",
        f"## Sources\n\n{_provenance(found)}",
        _AGAIN,
        f"## Versions\n\n{_versions(found)}",
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _side_by_side(found: Measured) -> str:
    parts = [_over_rivals(found, FLEET, found.rivals)]
    if HOLIDAYS in found.rivals:
        told = (
            "The same engine, told the public holidays of each source's country as "
            "`foretide forecast --country` would, where there is one:"
        )
        parts += [told, _over_rivals(found, HOLIDAYS, found.rivals)]
    parts += [f"{label} is left out: {why}." for label, why in found.left_out.items()]
    return "\n\n".join(parts)


def _over_rivals(found: Measured, ours: Rival, rivals: Sequence[Rival]) -> str:
    rows = [
        [
            f"{one.label} {one.version()}".strip(),
            *(
                _ratio(
                    found.losses[horizon, half, ours.name], found.losses[horizon, half, one.name]
                )
                for half in (HELD_OUT, CHOSEN)
                for horizon in HORIZONS
            ),
        ]
        for one in rivals
        if one not in {FLEET, HOLIDAYS}
    ]
    head = [f"{half}, {at}" for half in ("held out", "chosen") for at in HORIZONS]
    return table([f"{ours.label} ÷", *head], rows)


def _ratio(ours: Losses, theirs: Losses) -> str:
    if not ours:
        return "-"
    over = ratio(ours, theirs)
    return f"**{over.middle:.3f}** ({interval(over)})"


def _sources(found: Measured, half: str) -> str:
    parts: list[str] = []
    for horizon in HORIZONS:
        losses = {one: found.losses[horizon, half, one.name] for one in found.rivals}
        if losses[FLEET]:
            title = f"### {half.replace('-', ' ').capitalize()}, {horizon}"
            parts.append(f"{title}\n\n{by_source(FLEET, losses)}")
    return "\n\n".join(parts)


def _short(found: Measured) -> str:
    if not found.short:
        return "Prophet is not installed: not measured."
    rows = [
        [
            f"{days} d",
            horizon,
            *(f"**{one.middle:.3f}** ({interval(one)})" for one in over.values()),
        ]
        for (days, horizon), over in found.short.items()
    ]
    names = next(iter(found.short.values()))
    told = (
        "The same instants with the history cut; all sources. *The better* is chosen series by "
        "series, in hindsight.\n\n"
    )
    return told + table(["history", "horizon", *(f"fleet ÷ {name}" for name in names)], rows)


def _coverage(found: Measured) -> str:
    told = (
        "Share of truths within the interval by day of the horizon, series of which the time of "
        "day explains half of the variance, all hours alike; P(y ≤ Q.95) over all series, all "
        "hours alike and all series alike: the same where long and short histories fare alike. "
        "Rivals are asked at fewer instants.\n\n"
    )
    return f"{told}{_covered(found.coverage)}\n\nOnly 3 and 4 weeks of history:\n\n" + _covered(
        found.coverage_short
    )


def _covered(coverage: Sequence[Coverage]) -> str:
    rows = [
        [one.label if at == 0 else "", f"{one.forecast_count:,}" if at == 0 else "", name]
        + [f"{share:.3f}" for share in days]
        + [f"{one.below_95.pooled:.3f}, {one.below_95.by_series:.3f}" if at == 0 else ""]
        for one in coverage
        for at, (name, days) in enumerate(one.by_day.items())
    ]
    days = [f"day {day}" for day in range(1, 8)]
    return table(["model", "forecasts", "interval", *days, "P(y ≤ Q.95)"], rows)


def _shift(found: Measured) -> str:
    rows = [
        [horizon, f"**{one.of_means:.3f}**", f"{one.middle.middle:.3f} ({interval(one.middle)})"]
        for horizon, one in found.shift.items()
    ]
    told = (
        "Demand is doubled from 12 h before the forecast on, for good; series with 4 weeks of "
        "history or more. The mean of ratios is ruled by series that are otherwise foreseen "
        "almost exactly.\n\n"
    )
    head = ["horizon", "mean WQL ÷ without the shift", "geometric mean of ratios"]
    return told + table(head, rows)


def _leads() -> str:
    if not _SHORT_LEADS.exists():
        return "Not measured here."
    found = subprocess.run(
        [sys.executable, str(_SHORT_LEADS)], check=True, stdout=subprocess.PIPE, text=True
    )
    return re.sub(r"^#+ ", "### ", found.stdout.strip(), flags=re.MULTILINE)


def _worst_lead(leads: str) -> float | None:
    # The last column of the first table is our loss over the better rival's, by trace.
    lines = leads.splitlines()
    first = list(takewhile(_is_row, dropwhile(lambda line: not _is_row(line), lines)))
    cells = [line.rstrip("| ").split("|")[-1].strip(" *") for line in first]
    numbers = [float(cell) for cell in cells if re.fullmatch(r"\d+\.\d+", cell)]
    return max(numbers) if numbers else None


def _is_row(line: str) -> bool:
    return line.startswith("|")


def _speeds(speed: Speed) -> dict[str, float]:
    return {
        "rate": speed.series_per_s.middle,
        "command": speed.command_series_per_s.middle,
        "many": speed.many_s.middle,
        "memory": speed.many_mib.middle,
        "fine": speed.fine_ms.middle,
        "import": speed.import_s.middle,
    }


def speed_table(speed: Speed) -> str:
    """Return what things take."""
    rows = [
        ["2,000 hourly series, 8 weeks, 168 h, 7 quantiles, in process",
         f"{speed.series_per_s.text()} series/s"],
        ["the same by `foretide forecast FILE --out FILE`, reading and writing too",
         f"{speed.command_series_per_s.text()} series/s"],
        ["10,000 of them", f"{speed.many_s.text(1)} s"],
        ["peak memory of that process", f"{speed.many_mib.text()} MiB"],
        ["1-min buckets, 8 weeks, 7 days ahead, one series", f"{speed.fine_ms.text(1)} ms"],
        ["`import foretide`, with the interpreter's own start", f"{speed.import_s.text(2)} s"],
    ]  # fmt: skip
    told = "CPU seconds on one thread: middle (fastest … slowest) of repeats.\n\n"
    return told + table(["what", "figure"], rows)


def _tried(figures: dict[str, float]) -> str:
    # What a person wrote down of lines whose target is not reached.
    told: dict[str, list[str]] = tomllib.loads(_TRIED.read_text()) if _TRIED.exists() else {}
    parts = [
        f"**{one.what}**. Tried: " + "; ".join(told[one.key]) + "."
        for one in TARGETS
        if one.key in told and one.key in figures and one.verdict(figures[one.key]) != "stretch"
    ]
    return "\n\n".join(parts)


def _provenance(found: Measured) -> str:
    seen: dict[str, list[float]] = {}
    for case in found.cases:
        seen.setdefault(case.source, []).append(case.days)
    series = {name: len({case.series_id for case in found.cases if case.source == name})
              for name in seen}  # fmt: skip
    rows = [
        [
            one.name,
            one.what,
            one.origin,
            one.licence,
            one.split.replace("-", " "),
            f"{series[one.name]}",
            f"{len(seen[one.name])}",
            f"{min(seen[one.name]):.0f} to {max(seen[one.name]):.0f}",
        ]
        for one in SOURCES
        if one.name in seen
    ]
    head = ["source", "what", "origin", "licence", "half", "series", "forecasts", "days of history"]
    told = (
        "None of these data is part of this project. The first eight are the project's own "
        "collection; the others are read out of data packages by "
        "`benchmarks/forecasting/fetch.py`.\n\n"
    )
    return told + table(head, rows)


def _versions(found: Measured) -> str:
    own = [f"{name} {version(name)}" for name in ("foretide", "numpy", "polars")]
    others = [f"{one.part} {one.version()}" for one in found.rivals if one.part]
    parts = ", ".join(dict.fromkeys([*own, *others]))
    return f"Python {platform.python_version()}, {parts}; {platform.machine()}, one thread."
