from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from cases.kept import START, hourly, hours
from foretide.control.rolling import judged, origins, summed
from foretide.errors import InvalidValueError
from foretide.forecast.seasonal_naive import SeasonalNaive

DAY_S = 86_400
VALUES = np.random.default_rng(1).poisson(50.0, 24 * 20).astype(np.float64)


def test_origins_are_a_day_apart_and_the_last_horizon_ends_with_the_data() -> None:
    demand = hourly(VALUES)
    found = origins([demand], count=3, horizon_s=2 * DAY_S)
    assert found == tuple(START + timedelta(days=day) for day in (16, 17, 18))
    most = origins([demand], count=17, horizon_s=2 * DAY_S)
    assert most[0] == START + timedelta(days=2)
    with pytest.raises(InvalidValueError, match="at most 17, was 18"):
        origins([demand], count=18, horizon_s=2 * DAY_S)
    with pytest.raises(InvalidValueError, match="none at this horizon"):
        origins([hourly(VALUES[:60])], count=1, horizon_s=2 * DAY_S)


def test_each_forecast_sees_nothing_after_its_origin() -> None:
    at = (START + timedelta(days=10),)
    later = VALUES.copy()
    later[24 * 10 :] += 7
    found = [
        next(
            judged(
                [hourly(values)], [SeasonalNaive()],
                origins=at, horizon_s=DAY_S, timezone=ZoneInfo("UTC"),
            )
        )
        for values in (VALUES, later)
    ]  # fmt: skip
    assert found[0].kept.forecast.values.tobytes() == found[1].kept.forecast.values.tobytes()
    assert found[0].scores != found[1].scores


def test_series_without_a_past_at_an_origin_are_left_out() -> None:
    young = hourly(np.concatenate([np.full(24 * 15, np.nan), VALUES[: 24 * 5]]), "shop/new")
    both = [hourly(VALUES), young]
    at = [START + hours(24 * 10), START + hours(24 * 18)]
    found = list(
        judged(both, [SeasonalNaive()], origins=at, horizon_s=DAY_S, timezone=ZoneInfo("UTC"))
    )
    assert [one.kept.forecast.series_id for one in found] == ["shop/cart", "shop/cart", "shop/new"]
    (cart, new) = summed(found, lambda _kept, score: str(score.day))
    assert (cart.forecast_count, cart.day_count, cart.tally.bucket_count) == (2, 2, 48)
    assert (new.key, new.forecast_count, new.last) == ("1", 1, START + hours(24 * 19))
