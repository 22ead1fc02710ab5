"""What behaviour is worth and expects, in words, from the events of a store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cases.command import runner
from foretide.cli.behaviour import behaviour_behind, behaviour_gain, behind_lines, gain_lines
from foretide.errors import InputError
from foretide.model.behaviour import BehaviourBehind, BehaviourGain, Behind, Gain, Source
from foretide.simulate.crowds import Crowd, with_crowds
from foretide.simulate.shop import shop_events, shop_frame
from foretide.store.warehouse import Warehouse

START = datetime(2026, 3, 2, tzinfo=UTC)


def stored(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Path:
    crowd = Crowd(kind="funnel", start=START + timedelta(hours=34), minutes=40, factor=8.0)
    shop = shop_events(seed=2, start=START, days=2, peak_sessions_per_minute=20)
    events = shop_frame(with_crowds(shop, [crowd], seed=1))
    until = START + timedelta(hours=34, minutes=20)
    events.filter(pl.col("ts") < until).select(
        "ts", "feature", pl.col("session").cast(pl.String)
    ).write_parquet(folder / "events.parquet")
    run = runner(monkeypatch, capsys, folder)
    done = run("import", "events.parquet", "--app", "shop")
    assert done.returncode == 0, done.stderr
    return next(folder.rglob("*.duckdb"))


def test_the_store_tells_what_behaviour_is_worth_and_what_is_behind_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = stored(tmp_path, monkeypatch, capsys)
    with Warehouse(path) as warehouse:
        calls = warehouse.calls("shop")
        assert calls.has_sessions
        assert len(calls.ts_us) == warehouse.counts().events
        gain = behaviour_gain(warehouse, "shop")
        behind = behaviour_behind(warehouse, "shop", feature="checkout")
        with pytest.raises(InputError, match="no events"):
            behaviour_gain(warehouse, "nobody")
    lines = gain_lines(gain, feature="checkout")
    assert len([line for line in lines if line.startswith("checkout")]) == 5
    assert "sessions" in lines[0]
    told = behind_lines(behind)
    assert any(
        line.startswith("checkout in 5 min: ") and "sessions that called cart" in line
        for line in told
    )
    assert np.all([source.sessions >= 20 for one in behind.behinds for source in one.sources])


def test_nothing_gained_is_said() -> None:
    nothing = Gain(
        feature="home", lead_min=5, calls_per_min=3.0, with_wql=0.4, without_wql=0.4,
        baseline_wql=0.5, trusted="own past", trusted_fraction=0.9,
    )  # fmt: skip
    answer = BehaviourGain(app="a", has_sessions=True, minutes=900, gains=(nothing,))
    assert gain_lines(answer)[-1] == "at 5 min they gain nothing: counts alone do as well"
    short = BehaviourGain(app="a", has_sessions=True, minutes=0, gains=(), note="too short")
    assert gain_lines(short)[-1] == "too short"


def test_a_forecast_names_the_sessions_it_rests_on() -> None:
    searched = Source(feature="search", from_min=5, to_min=10, sessions=90, calls=42.0)
    behind = Behind(
        feature="checkout", lead_min=5, calls=60.0, arriving_calls=3.0, sources=(searched,),
        trusted_fraction=1.0,
    )  # fmt: skip
    told = behind_lines(BehaviourBehind(app="shop", at=START, behinds=(behind,)))
    assert told[1] == (
        "checkout in 5 min: 42 of 60 expected calls come from 90 sessions that called search "
        "5-10 min ago"
    )
