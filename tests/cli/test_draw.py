from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from foretide.cli.draw import drawn
from foretide.model.demand import Demand
from foretide.model.forecast import Forecast

START = datetime(2026, 1, 5, tzinfo=UTC)


def shown(past: list[float], ahead: list[float], *, width: int = 100) -> list[str]:
    demand = Demand(
        series_id="shop/cart", start=START, step_s=3600, values=np.array(past, dtype=np.float64)
    )
    middle = np.array(ahead, dtype=np.float64)
    forecast = Forecast(
        series_id="shop/cart",
        model="fleet",
        issued_at=demand.end,
        start=demand.end,
        step_s=3600,
        levels=(0.1, 0.5, 0.9),
        values=np.stack([middle / 2, middle, middle * 2], axis=1),
    )
    return drawn(demand, forecast, width=width, height=8)


@given(
    past=st.lists(st.floats(0, 1e15) | st.just(float("nan")), max_size=100),
    ahead=st.lists(st.floats(0, 1e15), min_size=24, max_size=48),
    width=st.integers(40, 120),
)
def test_anything_fits_the_picture(past: list[float], ahead: list[float], width: int) -> None:
    lines = shown(past, ahead, width=width)
    assert len(lines) == 10
    assert all(len(line) <= width for line in lines[1:-1])


def test_band_surrounds_the_middle_and_the_past_has_none() -> None:
    lines = shown([10.0] * 72, [10.0] * 24)
    shaded = [line for line in lines[1:-1] if "░" in line]
    assert 3 <= len(shaded) < 8
    issued = 11 + int(89 * 72 / 96)
    assert all("░" not in line[: issued - 1] for line in lines[1:-1])
    assert f"▲ {START + timedelta(hours=72):%Y-%m-%d %H:%M}Z" in lines[-1]


def test_a_gap_in_the_past_is_not_drawn_over() -> None:
    whole = shown([10.0] * 72, [10.0] * 24)
    holed = shown([10.0] * 24 + [float("nan")] * 24 + [10.0] * 24, [10.0] * 24)
    dots = [
        sum(0x2800 < ord(sign) < 0x2900 for line in of for sign in line) for of in (whole, holed)
    ]
    assert dots[1] < 0.8 * dots[0]
