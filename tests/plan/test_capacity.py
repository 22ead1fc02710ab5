"""Capacity curves, their inverse, the queue behind them, and what layers are cut from."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from foretide.errors import InvalidValueError
from foretide.model.capacity import CapacityCurve
from foretide.plan.capacity import (
    instances_for,
    latency_curve,
    layer_counts,
    linear_curve,
    served_rps,
)

_WEB = {"latency_objective_s": 0.5, "service_time_s": 0.1}
_steps = st.lists(st.floats(0.01, 500), min_size=1, max_size=30)


def _curve(steps: list[float]) -> CapacityCurve:
    return CapacityCurve(version="c", served_rps=np.concatenate([[0.0], np.cumsum(steps)]))


_curves = st.one_of(
    st.floats(1e-3, 1e4).map(linear_curve),
    _steps.map(_curve),
    _steps.map(lambda steps: _curve(sorted(steps, reverse=True))),
    st.builds(
        latency_curve,
        latency_objective_s=st.floats(0.31, 3),
        service_time_s=st.floats(0.01, 0.1),
        workers=st.integers(1, 8),
        max_instances=st.integers(1, 12),
    ),
)


def test_a_linear_curve_goes_on_for_ever() -> None:
    curve = linear_curve(12.5)
    assert [served_rps(curve, k) for k in (0, 1, 2, 1000)] == [0, 12.5, 25, 12_500]
    assert [instances_for(curve, d) for d in (0, 0.1, 12.5, 12.6, 12_500)] == [0, 1, 1, 2, 1000]


@pytest.mark.parametrize("rps", [0, -1, float("nan")])
def test_an_instance_that_serves_nothing_is_refused(rps: float) -> None:
    with pytest.raises(InvalidValueError, match="instance_rps must be > 0, was"):
        linear_curve(rps)


@given(curve=_curves, share=st.floats(0, 1), top=st.integers(1, 100_000))
def test_instances_for_is_the_smallest_count_that_serves(
    curve: CapacityCurve, share: float, top: int
) -> None:
    rps = share * served_rps(curve, top)
    count = instances_for(curve, rps)
    assert served_rps(curve, count) >= rps
    assert count == 0 or served_rps(curve, count - 1) < rps


@given(curve=_curves, count=st.integers(1, 100_000))
@example(curve=linear_curve(0.1), count=3)
@example(curve=linear_curve(1 / 3), count=99_999)
def test_instances_for_is_exact_at_a_whole_instance_and_a_hair_beside_it(
    curve: CapacityCurve, count: int
) -> None:
    full = served_rps(curve, count)
    assert instances_for(curve, full) == count
    assert instances_for(curve, math.nextafter(full, math.inf)) == count + 1
    assert instances_for(curve, math.nextafter(full, 0)) == count


@given(curve=_curves, first=st.floats(0, 1e6), second=st.floats(0, 1e6))
def test_more_demand_never_takes_fewer_instances(
    curve: CapacityCurve, first: float, second: float
) -> None:
    low, high = sorted((first, second))
    assert instances_for(curve, low) <= instances_for(curve, high)


@given(
    objective=st.floats(0.31, 3),
    service=st.floats(0.01, 0.1),
    workers=st.integers(1, 8),
)
def test_a_latency_curve_fills_its_waiting_time_and_no_more(
    objective: float, service: float, workers: int
) -> None:
    curve = latency_curve(
        latency_objective_s=objective, service_time_s=service, workers=workers, max_instances=10
    )
    for count in range(1, 11):
        slots, rps = count * workers, served_rps(curve, count)
        utilisation = rps * service / slots
        # Sakasegawa: the probability to wait at all, and to wait longer than is left
        waits = utilisation ** (math.sqrt(2 * (slots + 1)) - 1)
        late = waits * math.exp(-(slots / service - rps) * (objective - 3 * service))
        assert late <= 0.05 + 1e-9
        assert late == pytest.approx(0.05) or utilisation == pytest.approx(0.95)


@given(
    objective=st.floats(0.31, 3),
    service=st.floats(0.01, 0.1),
    workers=st.integers(1, 8),
)
def test_instances_serve_more_together_than_alone(
    objective: float, service: float, workers: int
) -> None:
    table = latency_curve(
        latency_objective_s=objective, service_time_s=service, workers=workers, max_instances=40
    ).served_rps
    assert (np.diff(table) > 0).all()
    each = table[1:] / np.arange(1, len(table))
    assert (np.diff(each) >= -1e-9 * each[:-1]).all()
    assert each[-1] * service <= 0.95 * workers * (1 + 1e-9)


def test_a_small_fleet_serves_less_each_than_a_large_one() -> None:
    table = latency_curve(**_WEB, workers=1, max_instances=20).served_rps
    assert table[1] < 0.9 * table[20] / 20


def test_a_stricter_objective_leaves_less() -> None:
    loose = latency_curve(latency_objective_s=1.0, service_time_s=0.1, workers=2, max_instances=9)
    strict = latency_curve(latency_objective_s=0.35, service_time_s=0.1, workers=2, max_instances=9)
    assert (strict.served_rps[1:] < loose.served_rps[1:]).all()


@pytest.mark.parametrize("objective", [0.3, 0.1])
def test_an_objective_without_time_to_wait_is_refused_by_name(objective: float) -> None:
    with pytest.raises(InvalidValueError, match=r"latency_objective_s must exceed.*0\.3 s.*raise"):
        latency_curve(latency_objective_s=objective, service_time_s=0.1, workers=4, max_instances=3)


@given(
    curve=_curves,
    reach=st.integers(0, 60),
    least=st.integers(1, 20),
    most=st.integers(1, 80),
)
def test_layers_lie_between_the_bounds_and_reach_the_top(
    curve: CapacityCurve, reach: int, least: int, most: int
) -> None:
    least = min(least, most)
    counts = layer_counts(curve, served_rps(curve, reach), least, most).tolist()
    assert counts == list(range(len(counts)))
    assert least <= counts[-1] <= most
    assert counts[-1] == most or served_rps(curve, counts[-1]) >= served_rps(curve, reach)


@given(st.floats(0, 2e5), st.floats(0, 2e5), st.integers(300, 10_000))
def test_a_higher_top_only_adds_layers(top: float, higher: float, most: int) -> None:
    curve = linear_curve(10)
    top, higher = sorted((top, higher))
    short, long = (layer_counts(curve, one, 1, most) for one in (top, higher))
    assert long[: len(short) - 1].tolist() == short[:-1].tolist()
    assert (np.diff(short) > 0).all()
    assert short[-1] <= most
    # thick only where it does not matter, so that the largest fleets take a thousand layers
    assert len(short) <= 1000
    assert (np.diff(short) <= np.maximum(1, short[1:] / 64)).all()
