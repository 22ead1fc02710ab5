"""What a forecast asks of a service: the bands, their order, and the width of the interval."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import Generator, default_rng

from foretide.errors import InvalidValueError
from foretide.model.demand import FloatArray
from foretide.plan.capacity import latency_curve, linear_curve
from foretide.plan.knob import Knob, knob_for_objective, ladder
from foretide.plan.layers import IntArray
from foretide.plan.need import Need, NeedBlock, layers_for, low_width_bound, needs
from foretide.plan.policy import ServicePolicy

_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
_BANDS = ("serving_up", "serving_low", "total_up", "total_low")


def _policy(knob: Knob | None = None, **changed: object) -> ServicePolicy:
    known: dict[str, object] = {
        "service": "web", "version": "v1", "curve": linear_curve(10), "boot_s": 300.0,
        "has_warm_pool": True,
    }  # fmt: skip
    known |= {"knob": knob or knob_for_objective(0.001, has_warm_pool=True)} | changed
    return ServicePolicy(**known)  # pyright: ignore[reportArgumentType]


_QUEUE = latency_curve(latency_objective_s=0.4, service_time_s=0.1, workers=1, max_instances=30)


@st.composite
def _policies(draw: st.DrawFn) -> ServicePolicy:
    pool, least = draw(st.booleans()), draw(st.integers(1, 5))
    objective = draw(st.sampled_from([0.05, 0.01, 0.003, 0.001, 0.0002]))
    return _policy(
        knob_for_objective(objective, has_warm_pool=pool),
        has_warm_pool=pool,
        boot_s=draw(st.sampled_from([30.0, 60.0, 300.0, 420.0])),
        min_count=least,
        max_count=least + draw(st.sampled_from([0, 3, 1000])),
        curve=draw(st.sampled_from([linear_curve(10), _QUEUE])),
    )


def _flat(rps: float, spread: float = 0.1, instants: int = 1) -> FloatArray:
    around = np.array([1 - spread, 1 - spread / 2, 1, 1 + spread / 2, 1 + spread])
    return np.full((instants, 31, 5), rps) * around


def _random(rng: Generator, instants: int = 3) -> FloatArray:
    level = rng.uniform(0, 150, (instants, 1)) + np.cumsum(rng.normal(0, 8, (instants, 31)), axis=1)
    return np.sort(np.maximum(level[:, :, None] + rng.normal(0, 12, (instants, 31, 5)), 0), axis=2)


def _needs(quantiles: FloatArray, policy: ServicePolicy, peak_rps: float = 100) -> NeedBlock:
    return needs(quantiles, _LEVELS, policy=policy, peak_rps=peak_rps, knobs=(policy.knob,))


def _bands(block: NeedBlock) -> IntArray:
    return block.bands[:, 0].T


@given(seed=st.integers(0, 2**32), policy=_policies(), peak=st.floats(0, 300))
@settings(max_examples=60, deadline=None)
def test_bands_are_ordered_and_within_the_fleet(
    seed: int, policy: ServicePolicy, peak: float
) -> None:
    block = _needs(_random(default_rng(seed)), policy, peak)
    bands = _bands(block)
    assert (bands >= policy.min_count).all()
    assert (bands <= policy.max_count).all()
    serving_up, serving_low, total_up, total_low = bands
    assert (serving_up <= serving_low).all()
    assert (total_up <= total_low).all()
    assert (serving_up <= total_up).all()
    assert (block.low_rps <= block.predicted_rps).all()
    assert (block.predicted_rps <= block.upper_rps).all()
    assert (block.width_fraction >= 0).all()


@given(seed=st.integers(0, 2**32), policy=_policies(), peak=st.floats(0, 300))
@settings(max_examples=60, deadline=None)
def test_more_demand_never_asks_for_fewer(seed: int, policy: ServicePolicy, peak: float) -> None:
    rng = default_rng(seed)
    demand = _random(rng)
    more = demand + rng.exponential(15, (1, 31, 1))
    assert (_bands(_needs(more, policy, peak)) >= _bands(_needs(demand, policy, peak))).all()


@given(seed=st.integers(0, 2**32), scale=st.floats(1, 40))
@settings(max_examples=40, deadline=None)
def test_more_demand_never_asks_a_large_fleet_for_fewer(seed: int, scale: float) -> None:
    # where several instances make one layer, the cuts must not move with demand
    policy, rng = _policy(), default_rng(seed)
    demand = scale * _random(rng, instants=2)
    more = demand + scale * rng.exponential(3, (1, 31, 1))
    assert (_bands(_needs(more, policy, 500)) >= _bands(_needs(demand, policy, 500))).all()


@given(
    seed=st.integers(0, 2**32), objective=st.sampled_from([0.03, 0.01, 0.001]), pool=st.booleans()
)
@settings(max_examples=30, deadline=None)
def test_the_spend_guard_never_holds_less(seed: int, objective: float, pool: bool) -> None:
    usual = knob_for_objective(objective, has_warm_pool=pool)
    careful = knob_for_objective(objective, has_warm_pool=pool, is_guard=True)
    block = needs(
        _random(default_rng(seed)), _LEVELS, policy=_policy(has_warm_pool=pool), peak_rps=100,
        knobs=(usual, careful),
    )  # fmt: skip
    assert (block.bands[:, 1] >= block.bands[:, 0]).all()
    guard = block.at(1, forecast_id="f", width_max_fraction=0.3, guard_knob=1).guard
    assert guard is not None
    assert [getattr(guard, name) for name in _BANDS] == block.bands[1, 1].tolist()


@given(seed=st.integers(0, 2**32), policy=_policies())
@settings(max_examples=30, deadline=None)
def test_many_knobs_at_once_are_each_as_if_alone(seed: int, policy: ServicePolicy) -> None:
    demand, knobs = _random(default_rng(seed)), ladder(has_warm_pool=policy.has_warm_pool)
    layers = layers_for(policy, 300)
    together = needs(demand, _LEVELS, policy=policy, peak_rps=90, knobs=knobs, layers=layers)
    for row, knob in enumerate(knobs):
        alone = needs(demand, _LEVELS, policy=policy, peak_rps=90, knobs=(knob,))
        assert (together.bands[:, row] == alone.bands[:, 0]).all()


@given(seed=st.integers(0, 2**32), policy=_policies())
@settings(max_examples=30, deadline=None)
def test_an_instant_asks_the_same_alone_as_among_others(seed: int, policy: ServicePolicy) -> None:
    demand = _random(default_rng(seed), instants=5)
    together = _needs(demand, policy, 100)
    for row in range(len(demand)):
        alone = _needs(demand[row : row + 1], policy, 100)
        one, among = (
            block.at(at, forecast_id="f", width_max_fraction=0.3)
            for block, at in ((alone, 0), (together, row))
        )
        assert one == among


def test_a_steady_demand_asks_for_what_it_takes() -> None:
    # 100 requests/s on instances of 10, known for sure
    block = _needs(_flat(100, 0), _policy(Knob(run_rho=4)), 100)
    assert _bands(block)[:, 0].tolist() == [10, 10, 10, 10]


def test_head_room_and_warm_floor_are_fractions_of_the_peak() -> None:
    knob = Knob(run_rho=4, run_head_fraction=0.04, warm_floor_fraction=0.16)
    block = _needs(_flat(100, 0), _policy(knob), 200)
    # the peak is 20 instances: 0.8 -> 1 of head-room, 3.2 -> 4 held warm
    assert _bands(block)[[0, 2], 0].tolist() == [11, 15]


def test_without_a_warm_pool_all_there_is_serves() -> None:
    policy = _policy(Knob(run_rho=4, run_head_fraction=0.1), has_warm_pool=False)
    block = _needs(_flat(100, 0.3), policy, 100)
    bands = _bands(block)
    assert bands[2:].tolist() == bands[:2].tolist()


def test_the_interval_is_read_one_boot_ahead() -> None:
    demand = _flat(100, 0.1)
    demand[0, 5] = [40, 70, 80, 90, 120]
    block = _needs(demand, _policy(), 100)
    assert (block.predicted_rps[0], block.upper_rps[0], block.width_fraction[0]) == (80, 120, 1.0)
    # near nothing, the width is told in instances: a few requests/s are no uncertainty
    small = _needs(_flat(1, 0.5), _policy(), 100)
    assert small.width_fraction[0] == pytest.approx(0.1)


def test_the_low_width_follows_the_usual_one_and_is_never_below_a_fifth() -> None:
    assert low_width_bound(np.empty(0)) == 0.2
    assert low_width_bound(np.array([0.1, 0.2, 0.9])) == pytest.approx(0.25)
    assert low_width_bound(np.full(5, 0.01)) == 0.2
    assert low_width_bound(np.full(5, 4.0)) == 5.0


@pytest.mark.parametrize("crossed", [("serving_up", 6), ("total_up", 9)])
def test_a_band_that_ends_below_where_it_begins_is_refused(crossed: tuple[str, int]) -> None:
    bands = {"serving_up": 4, "serving_low": 5, "total_up": 7, "total_low": 8}
    need = Need(
        forecast_id="f", predicted_rps=1, upper_rps=2, width_fraction=0.1, width_max_fraction=0.3,
        **bands,  # pyright: ignore[reportArgumentType]
    )  # fmt: skip
    with pytest.raises(InvalidValueError, match="must not end below"):
        msgspec.structs.replace(need, **{crossed[0]: crossed[1]})


def test_a_forecast_that_contradicts_itself_is_told_from_its_neighbours() -> None:
    levels = (0.05, 0.5, 0.75, 0.95)
    policy = _policy(boot_s=300)
    made = np.sort(default_rng(0).uniform(50, 150, (5, policy.horizon_minutes, 4)), axis=2)
    broken = made.copy()
    broken[1, 7, 2] = np.nan
    broken[2, 3, 3] = np.inf
    broken[3, 5] = broken[3, 5, ::-1]
    broken[4, 0, 0] = -1.0
    found, usual = (
        needs(one, levels, policy=policy, peak_rps=150.0, knobs=(policy.knob,))
        for one in (broken, made)
    )
    assert [
        found.at(row, forecast_id="f", width_max_fraction=0.3).is_sound for row in range(5)
    ] == [True, False, False, False, False]
    assert found.bands[0].tolist() == usual.bands[0].tolist()
