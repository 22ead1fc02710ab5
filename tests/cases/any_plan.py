"""What the laws of the planner are tried on: any fleet, demand, need, memory and circumstances."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from hypothesis import strategies as st

from cases.planner import NOW, RPS, a_fleet, a_need, a_policy, told_of
from foretide.model.fleet import Fleet, InstanceState
from foretide.model.plan import Choice, Drain, Plan, Terminate
from foretide.plan.capacity import latency_curve, linear_curve
from foretide.plan.memory import Stance
from foretide.plan.need import Need
from foretide.plan.planner import Circumstances, Memory, RecentDemand, plan
from foretide.plan.policy import ServicePolicy
from foretide.plan.track import Issued, Track

_S = InstanceState
_PRESENT = (_S.SERVING, _S.WAKING, _S.WARM, _S.PARKING, _S.REQUESTED, _S.BOOTING)
_QUEUE = latency_curve(latency_objective_s=0.5, service_time_s=0.1, workers=1, max_instances=60)


_optional_instants = st.none() | st.integers(-10, 5).map(lambda m: NOW + timedelta(minutes=m))


@st.composite
def _policies(draw: st.DrawFn) -> ServicePolicy:
    least = draw(st.integers(1, 10))
    return a_policy(
        has_warm_pool=draw(st.booleans()),
        is_soft=draw(st.booleans()),
        min_count=least,
        max_count=least + draw(st.integers(0, 80)),
        curve=draw(st.sampled_from([linear_curve(RPS), _QUEUE])),
        objective_fraction=draw(st.none() | st.just(0.01)),
        disrupted_max_count=draw(st.none() | st.integers(1, 5)),
    )


_fleets = st.fixed_dictionaries(
    {
        _S.SERVING: st.integers(0, 50),
        _S.WARM: st.integers(0, 15),
        _S.BOOTING: st.integers(0, 8),
        _S.REQUESTED: st.integers(0, 3),
        _S.WAKING: st.integers(0, 3),
        _S.PARKING: st.integers(0, 3),
        _S.DRAINING: st.integers(0, 5),
    }
).map(a_fleet)
_rates = st.floats(0, 700)
_demands = st.builds(
    RecentDemand,
    last_rps=st.none() | _rates,
    previous_rps=st.none() | _rates,
    age_s=st.none() | st.floats(0, 400),
    step_s=st.just(60),
)


@st.composite
def _bands(draw: st.DrawFn) -> tuple[int, int]:
    low = draw(st.integers(1, 70))
    return low, low + draw(st.integers(0, 15))


@st.composite
def needs(draw: st.DrawFn) -> Need:
    need = a_need(draw(_bands()), draw(_bands()), width=draw(st.floats(0, 1.5)))
    return told_of(need, draw(st.floats(0, 600)))


@st.composite
def _wishes(draw: st.DrawFn) -> tuple[tuple[datetime, int], ...]:
    told = draw(st.lists(st.tuples(st.integers(-9, -1), st.integers(0, 80)), max_size=4))
    return tuple((NOW + timedelta(minutes=minute), wish) for minute, wish in told)


_stances = st.builds(
    Stance,
    confidence=st.floats(0, 1),
    choice=st.sampled_from(Choice),
    fallback_until=_optional_instants,
    floor_serving=st.integers(0, 60),
    floor_total=st.integers(0, 60),
    fresh_count=st.integers(0, 60),
)


@st.composite
def _tracks(draw: st.DrawFn) -> Track:
    said = Issued(
        for_s=NOW.timestamp() - 60, low_rps=0, predicted_rps=50, upper_rps=100,
        surprise_rps=draw(_rates), serving_count=5, total_count=10, reactive_count=8,
    )  # fmt: skip
    ahead, withheld = draw(st.floats(0, 1e4)), draw(st.floats(0, 1e4))
    return Track(
        issued=(said,) if draw(st.booleans()) else (),
        compared_count=100, inside_count=draw(st.floats(0, 100)), independent_count=20,
        ahead=ahead, wasted=draw(st.floats(0, 1)) * ahead,
        withheld=withheld, missed=draw(st.floats(0, 1)) * withheld,
    )  # fmt: skip


_arounds = st.builds(
    Circumstances,
    ceiling_count=st.none() | st.integers(0, 90),
    is_update_in_flight=st.booleans(),
    aggressiveness=st.sampled_from([1.0, 1.0, 0.4]),
)

_memories = st.builds(
    Memory,
    counted_at=_optional_instants.map(lambda at: None if at is None or at > NOW else at),
    over_rps=st.floats(0, 100),
    asked_rps=st.floats(0, 1000),
    stance=_stances,
    track=_tracks(),
    surprise_until=_optional_instants,
    surprise_count=st.integers(0, 80),
    surge_until=_optional_instants,
    surge_count=st.integers(0, 80),
    wishes=_wishes(),
    softened_at=_optional_instants,
)


class Case(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One tick's inputs."""

    fleet: Fleet
    demand: RecentDemand
    need: Need | None
    policy: ServicePolicy
    memory: Memory
    around: Circumstances = Circumstances()

    @property
    def current(self) -> int:
        return self.fleet.count(*_PRESENT)

    def planned(self) -> Plan:
        return self.step()[0]

    def step(self) -> tuple[Plan, Memory]:
        return plan(
            now=NOW, fleet=self.fleet, demand=self.demand, need=self.need, policy=self.policy,
            memory=self.memory, around=self.around,
        )  # fmt: skip

    def but(self, **changed: object) -> Case:
        return msgspec.structs.replace(self, **changed)


CASES = st.builds(
    Case, fleet=_fleets, demand=_demands, need=st.none() | needs(), policy=_policies(),
    memory=_memories, around=_arounds,
)  # fmt: skip


def ended_count(made: Plan) -> int:
    return sum(isinstance(action, Drain | Terminate) for action in made.actions)
