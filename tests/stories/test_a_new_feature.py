"""A feature nobody configured is called for the first time: twenty minutes later it is forecast."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cases.command import Run, runner
from foretide.model.demand import FloatArray

START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTES = 15 * 1440 - 720  # two weeks and a half, until noon
CONFIG = """
[app.shop]
timezone = "UTC"

[[app.shop.events]]
name = "launch"
start = 2026-03-16T18:00:00Z
end = 2026-03-16T20:00:00Z
uplift_factor = 3.0
"""


def calls(feature: str, rate_per_minute: FloatArray, first: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    counts = rng.poisson(rate_per_minute)
    begins_s = 60.0 * np.repeat(np.arange(len(counts)) + first, counts)
    seconds: list[float] = (begins_s + 60 * rng.random(int(counts.sum()))).tolist()
    return [
        json.dumps(
            {
                "ts": (START + timedelta(seconds=second)).isoformat(),
                "app": "shop",
                "feature": feature,
            }
        )
        for second in seconds
    ]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Return a function that runs a command beside two weeks of a shop's events."""
    hours = np.arange(MINUTES) / 60
    shape = 1 + 0.9 * np.sin(2 * np.pi * (hours - 6) / 24)
    lines = [
        *calls("cart", 0.2 * shape, 0, 1),
        *calls("home", 0.5 * shape, 0, 2),
        *calls("wishlist", np.full(20, 1.0), MINUTES - 20, 3),
    ]
    (tmp_path / "events.ndjson").write_text("\n".join(sorted(lines)) + "\n", encoding="utf-8")
    (tmp_path / "foretide.toml").write_text(CONFIG, encoding="utf-8")
    return runner(monkeypatch, capsys, tmp_path)


def test_twenty_minutes_after_its_first_call_a_feature_is_forecast(run: Run) -> None:
    assert run("import", "events.ndjson").returncode == 0
    done = run("forecast", "shop/wishlist", "--horizon", "24h", "--no-keep")
    assert done.returncode == 0, done.stderr
    assert "only 0.3 h of history: the shape of shop/" in done.stdout
    assert "launch from 2026-03-16 18:00Z: x3.00, never seen before" in done.stdout
    out = "forecast.parquet"
    done = run("forecast", "shop/wishlist", "--horizon", "24h", "--out", out, "--no-keep")
    assert done.returncode == 0, done.stderr
    table = pl.read_parquet(out).filter(pl.col("quantile") == 0.5).sort("ts")
    value = table.group_by_dynamic("ts", every="1h").agg(pl.col("value").sum())["value"].to_numpy()
    # noon now: the evening's launch, then the night that all of the shop keeps
    noon, launch, night = value[0], value[6:8].mean(), value[12:16].mean()
    assert 25 < noon < 110
    assert launch > 1.4 * value[5]
    assert launch > 2 * value[8]
    assert night < 0.5 * noon
