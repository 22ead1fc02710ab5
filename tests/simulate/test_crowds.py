"""Crowds over the shop rise, stay and fall as they are told to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from foretide.errors import InvalidValueError
from foretide.simulate.crowds import Crowd, with_crowds
from foretide.simulate.shop import FEATURES, shop_events

START = datetime(2026, 3, 2, tzinfo=UTC)
BEGIN = START + timedelta(hours=12)


def crowd(**shape: float) -> Crowd:
    return Crowd(kind="one call", start=BEGIN, minutes=60, factor=15.0, **shape)


def test_a_crowd_rises_stays_and_falls() -> None:
    events = shop_events(seed=2, start=START, days=1, peak_sessions_per_minute=60)
    more = with_crowds(events, [crowd(rise_min=10, fall_min=20)], seed=1)
    begin_us = int(BEGIN.timestamp()) * 1_000_000
    home = FEATURES.index("home")
    by_minute = [
        np.bincount(((one.ts_us[one.feature == home] - begin_us) // 60_000_000)[
            (one.ts_us[one.feature == home] >= begin_us)
        ], minlength=720)[:60]
        for one in (events, more)
    ]  # fmt: skip
    came = by_minute[1] - by_minute[0]
    height = came[15:35].mean()
    assert came[:5].mean() < 0.5 * height
    assert came[50:55].mean() < 0.6 * height
    assert came[58:].mean() < 0.2 * height
    assert height == pytest.approx(15 * by_minute[0].mean(), rel=0.35)


def test_a_crowd_without_a_shape_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="rise_min and fall_min >= 0"):
        crowd(fall_min=-1)
    with pytest.raises(InvalidValueError, match="minutes >= 1"):
        Crowd(kind="bots", start=BEGIN, minutes=0, factor=2.0)
