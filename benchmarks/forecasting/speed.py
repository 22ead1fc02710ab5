"""How long the engine takes and how much memory, each figure from processes of its own.

Every figure is the middle of its repeats, with the fastest and the slowest; CPU seconds, so that a
busy machine counts less. One thread.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
import numpy as np

_LEVELS = "(0.025, 0.1, 0.5, 0.9, 0.95, 0.975, 0.99)"
_MADE = """
import sys, time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo
import numpy as np
from foretide.forecast.fleet import Fleet
from foretide.model.demand import Demand

def made(first, count, step_s, days):
    rng = np.random.default_rng(first)
    steps = np.arange(days * 86400 // step_s)
    hours = steps * step_s / 3600
    rate = 50 * (1 + 0.6 * np.sin(hours * np.pi / 12)) * (1 + 0.3 * (hours // 24 % 7 < 5))
    return [
        Demand(
            series_id=f"made-{at}", start=datetime(2026, 1, 1, tzinfo=UTC), step_s=step_s,
            values=rng.poisson(rate * (1 + at % 9)).astype(float),
        )
        for at in range(first, first + count)
    ]

def spent(demands):
    began = time.process_time()
    Fleet().forecast(
        demands, issued_at=demands[0].end, horizon_s=7 * 86400, levels=LEVELS,
        timezone=ZoneInfo("UTC"),
    )
    return time.process_time() - began

spent(made(0, 20, 3600, 56))
""".replace("LEVELS", _LEVELS)
_IN_PROCESS = _MADE + "print(2000 / spent(made(0, 2000, 3600, 56)))"
_FINE = _MADE + "print(1000 * spent(made(0, 20, 60, 56)) / 20)"
_MANY = (
    _MADE
    + """
print(sum(spent(made(first, 250, 3600, 56)) for first in range(0, 10_000, 250)))
# Not ru_maxrss: it starts at what the process had that started this one.
(peak,) = (line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(peak.split()[1]) / 1024)
"""
)
_TABLE = (
    _MADE
    + """
import polars as pl
demands = made(0, 2000, 3600, 56)
count = len(demands[0].values)
stamps = pl.datetime_range(
    demands[0].start, demands[0].end, "1h", closed="left", eager=True, time_unit="us"
)
pl.DataFrame({
    "series_id": np.repeat([one.series_id for one in demands], count),
    "ts": pl.concat([stamps] * len(demands)),
    "value": np.concatenate([one.values for one in demands]),
}).write_parquet(sys.argv[1])
"""
)


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """The middle, least and greatest of some repeats."""

    middle: float
    least: float
    greatest: float

    def text(self, digits: int = 0) -> str:
        """Return it as it is printed."""
        middle, least, greatest = (
            f"{one:,.{digits}f}" for one in (self.middle, self.least, self.greatest)
        )
        return f"{middle} ({least} … {greatest})"


class Speed(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured; rates per CPU second of one core."""

    series_per_s: Spread
    command_series_per_s: Spread
    many_s: Spread
    many_mib: Spread
    fine_ms: Spread
    import_s: Spread


def measured(repeats: int) -> Speed:
    """Measure everything, each figure `repeats` times."""
    many = [_printed(_MANY) for _ in range(repeats)]
    return Speed(
        series_per_s=_spread([_printed(_IN_PROCESS)[0] for _ in range(repeats)]),
        command_series_per_s=_spread(_command(repeats)),
        many_s=_spread([one[0] for one in many]),
        many_mib=_spread([one[1] for one in many]),
        fine_ms=_spread([_printed(_FINE)[0] for _ in range(repeats)]),
        import_s=_spread([_cpu_s([sys.executable, "-c", "import foretide"])
                          for _ in range(2 * repeats + 1)]),
    )  # fmt: skip


def _command(repeats: int) -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        table, out = Path(folder) / "demand.parquet", Path(folder) / "out.parquet"
        subprocess.run([sys.executable, "-c", _TABLE, str(table)], check=True, env=_one_thread())
        levels = [
            part for level in _LEVELS.strip("()").split(", ") for part in ("--quantile", level)
        ]
        command = [sys.executable, "-m", "foretide", "forecast", str(table), "--horizon", "168h"]
        whole = [*command, *levels, "--out", str(out)]
        return [2000 / _cpu_s(whole) for _ in range(repeats)]


def _printed(script: str) -> list[float]:
    found = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=_one_thread(),
    )
    return [float(line) for line in found.stdout.split()]


def _cpu_s(command: list[str]) -> float:
    before = os.times()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=_one_thread())
    after = os.times()
    return (
        after.children_user + after.children_system - before.children_user - before.children_system
    )


def _one_thread() -> dict[str, str]:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")
    return {**os.environ, **dict.fromkeys(names, "1")}


def _spread(found: list[float]) -> Spread:
    return Spread(middle=float(np.median(found)), least=min(found), greatest=max(found))
