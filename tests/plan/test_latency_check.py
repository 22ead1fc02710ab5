"""The latency check: what instances are believed to serve follows what was measured."""

from __future__ import annotations

import itertools
import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.errors import InvalidValueError
from foretide.plan.capacity import latency_curve, linear_curve, response_p95_s, served_rps
from foretide.plan.latency_check import LatencyCheck, believed_curve, checked

START = datetime(2026, 3, 2, tzinfo=UTC)
RATIOS = st.lists(st.floats(0.2, 3.0), min_size=1, max_size=60)


def _played(ratios: list[float], utilisation: float = 0.8) -> list[LatencyCheck]:
    found = [LatencyCheck()]
    for minute, ratio in enumerate(ratios):
        found.append(
            checked(
                found[-1], now=START + timedelta(minutes=minute), utilisation=utilisation,
                predicted_p95_s=ratio * 0.2, measured_p95_s=0.2,
            )
        )  # fmt: skip
    return found


@settings(max_examples=500)
@given(ratios=RATIOS)
def test_the_factor_stays_in_bounds_and_rises_slowly(ratios: list[float]) -> None:
    found = _played(ratios)
    for before, after in itertools.pairwise(found):
        assert 0.7 <= after.factor <= 1
        assert after.factor <= before.factor + 0.1 / 60 + 1e-9


@settings(max_examples=500)
@given(ratios=RATIOS, slower=st.floats(0.5, 1))
def test_slower_answers_never_raise_the_factor(ratios: list[float], slower: float) -> None:
    usual, slow = _played(ratios), _played([slower * ratio for ratio in ratios])
    assert slow[-1].factor <= usual[-1].factor + 1e-9


def test_two_bad_minutes_of_five_prove_nothing() -> None:
    assert _played([0.3, 1, 1, 0.3, 1, 1, 1, 0.3, 0.3, 1])[-1].factor == 1
    assert _played([0.3, 1, 0.3, 1, 0.3])[-1].factor < 1


def test_an_hour_of_slow_answers_is_believed_down_to_seven_tenths() -> None:
    assert _played([0.5] * 600)[-1].factor == pytest.approx(0.7)
    assert _played([0.8] * 600)[-1].factor == pytest.approx(0.8, abs=1e-3)


def test_a_quiet_fleet_and_a_missing_measurement_prove_nothing() -> None:
    assert _played([0.3] * 100, utilisation=0.5)[-1] == LatencyCheck()
    unmeasured = checked(
        LatencyCheck(), now=START, utilisation=0.9, predicted_p95_s=0.2, measured_p95_s=math.nan
    )
    assert unmeasured == LatencyCheck()


def test_a_new_version_is_believed_after_half_an_hour() -> None:
    curve = linear_curve(10)
    new = believed_curve(curve, LatencyCheck(factor=0.9), measured_s=1799)
    assert served_rps(new, 7) == pytest.approx(70 * 0.85 * 0.9)
    assert new.version == "linear-10~new0.85~slow0.9"
    assert believed_curve(curve, LatencyCheck(), measured_s=1800) is curve
    with pytest.raises(InvalidValueError, match="measured_s must be >= 0, was nan"):
        believed_curve(curve, LatencyCheck(), measured_s=math.nan)


VARIATION = st.floats(0, 3)


@settings(max_examples=100)
@given(one=VARIATION, other=VARIATION, service=VARIATION)
def test_more_variation_never_serves_more(one: float, other: float, service: float) -> None:
    calm, wild = (
        latency_curve(
            latency_objective_s=0.5, service_time_s=0.1, workers=2, max_instances=12,
            arrival_variation=variation, service_variation=service,
        ).served_rps
        for variation in sorted((one, other))
    )  # fmt: skip
    assert (wild <= calm * (1 + 1e-9)).all()


def test_the_owners_target_bounds_the_curve_and_names_it() -> None:
    curve = latency_curve(
        latency_objective_s=5, service_time_s=0.1, workers=4, max_instances=100, max_utilisation=0.6
    )
    assert (np.diff(curve.served_rps) <= 0.6 * 40 * (1 + 1e-9)).all()
    assert curve.version == "latency-5-0.1-4-u0.6"
    with pytest.raises(InvalidValueError, match=r"max_utilisation must lie in \(0, 0.95\], was 1"):
        latency_curve(
            latency_objective_s=5, service_time_s=0.1, workers=4, max_instances=9, max_utilisation=1
        )


@settings(max_examples=200)
@given(count=st.integers(1, 60))
def test_what_the_curve_serves_keeps_the_objective(count: int) -> None:
    curve = latency_curve(latency_objective_s=0.5, service_time_s=0.1, workers=2, max_instances=60)
    served = served_rps(curve, count)
    assert response_p95_s(served, service_time_s=0.1, worker_count=2 * count) <= 0.5 + 1e-6
    assert response_p95_s(20.0 * count, service_time_s=0.1, worker_count=2 * count) == math.inf
