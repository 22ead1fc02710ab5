"""What every notch would have done on a day, and how the notch and the forecast follow it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from foretide.control.lookahead import Lookahead
from foretide.control.nights import Nights, surprise_rps
from foretide.model.demand import Demand, FloatArray
from foretide.plan.capacity import linear_curve
from foretide.plan.knob import knob_for_objective, prior_notch
from foretide.plan.need import TAIL_LEVELS, NeedBlock
from foretide.plan.policy import ServicePolicy

_START = datetime(2026, 3, 2, tzinfo=UTC)
_LEVELS = (0.05, 0.5, 0.95)


def _policy(objective: float = 0.001) -> ServicePolicy:
    return ServicePolicy(
        service="web",
        version="v1",
        curve=linear_curve(1.0),
        knob=knob_for_objective(objective, has_warm_pool=True),
        guard_knob=knob_for_objective(objective, has_warm_pool=True, is_guard=True),
        objective_fraction=objective,
        boot_s=300,
        has_warm_pool=True,
    )


def _block(bands: list[list[int]], minutes: int) -> NeedBlock:
    flat = np.full(minutes, 10.0)
    return NeedBlock(
        low_rps=flat,
        predicted_rps=flat,
        upper_rps=flat,
        width_fraction=flat * 0,
        bands=np.repeat(np.array([bands]), minutes, axis=0),
        tail_rps=np.repeat(np.arange(minutes)[:, None], len(TAIL_LEVELS), axis=1).astype(float),
    )


def _demand(days: float, seed: int = 3, noise: float = 0.05) -> Demand:
    rng = np.random.default_rng(seed)
    hours = np.arange(int(days * 288)) / 12
    rate = 20 * (1 - 0.7 * np.cos(hours * np.pi / 12)) * rng.lognormal(0, noise, len(hours))
    return Demand(series_id="web", start=_START, step_s=300, values=300 * rate)


def _at(minute: int) -> datetime:
    return _START + timedelta(minutes=minute)


def test_a_night_counts_what_each_knob_leaves_unmet() -> None:
    minutes, rps = 60, np.full(60, 10.0)
    quantiles = np.repeat([[9.0, 10.0, 11.0]], minutes, axis=0)
    night = Nights(_policy(), 2).play(
        rps, rps, rps, bucket_minutes=5,
        block=_block([[9, 9, 9, 9], [12, 12, 14, 14]], minutes), next_rps=quantiles,
        levels=_LEVELS, width_max_fraction=0.3,
    )  # fmt: skip
    assert night.asked == 600
    # the surge layer serves ten as soon as it may; nothing is unmet by the careful one
    assert night.unmet[0] > night.unmet[1] == 0
    assert night.expected[0] > night.expected[1] == 0


def test_a_surprise_is_told_once_for_each_bucket_by_what_was_said_a_boot_before() -> None:
    told = surprise_rps(_block([[1, 1, 1, 1]], 30), 5, 5)
    # the bucket that closes at minute 15 began at 10, and was spoken of at 5
    assert told[15] == 5.0
    assert np.flatnonzero(np.isfinite(told)).tolist() == [10, 15, 20, 25]


def test_the_notch_is_told_and_follows_a_bursting_series() -> None:
    rng = np.random.default_rng(8)
    calm = _demand(6)
    bursts = np.where(rng.random(len(calm.values)) < 0.05, rng.uniform(2, 4, len(calm.values)), 1)
    wild = Demand(series_id="web", start=_START, step_s=300, values=calm.values * bursts)
    notches = {
        name: [_notch(outlook, day) for day in range(1, 6)]
        for name, outlook in (
            ("calm", Lookahead(_policy(), calm)), ("wild", Lookahead(_policy(), wild)),
        )
    }  # fmt: skip
    prior = prior_notch(0.001, has_warm_pool=True)
    assert notches["calm"][0] == notches["wild"][0] == prior
    assert notches["wild"][-1] > max(prior, notches["calm"][-1])


def _notch(outlook: Lookahead, day: int) -> int:
    need = outlook.need(_at(day * 1440))
    assert need is not None
    assert need.notch is not None
    return need.notch


def test_a_service_that_brings_a_history_is_tuned_on_it_at_once() -> None:
    wild = _demand(6, noise=0.6)
    assert _notch(Lookahead(_policy(), wild), 5) > prior_notch(0.001, has_warm_pool=True)


@pytest.mark.parametrize("factor", [0.8, 1.2])
def test_a_forecast_that_is_off_is_put_right_within_hours(factor: float) -> None:
    demand = _demand(4)
    outlooks = [Lookahead(_policy(), demand, issued_factor=one) for one in (1.0, factor)]
    off: list[FloatArray] = []
    for minute in range(3 * 1440, 3 * 1440 + 900, 300):
        for outlook in outlooks:
            assert outlook.need(_at(minute)) is not None
        right, wrong = (np.array(outlook.band(_at(minute))) for outlook in outlooks)
        off.append(wrong / right)
    assert np.abs(np.array(off) - 1).max() < 0.05
