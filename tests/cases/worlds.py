"""Seeded worlds: one service, its demand and its bad luck from one seed, and laws for every tick.

A world that breaks a law says how to run it again: `PYTHONPATH=tests python -m cases.worlds SEED`.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import cast

import msgspec
import numpy as np

from cases.terrains import node_faults, overfull, terrain_of
from foretide.control.links import Links
from foretide.control.lookahead import Lookahead
from foretide.control.replay import judged
from foretide.control.tick import Beat, tick
from foretide.model.demand import Demand, FloatArray
from foretide.model.fleet import Fleet, Instance, InstanceState
from foretide.model.plan import Action, Drain, Launch, Park, Plan, Reason, Terminate
from foretide.plan.capacity import latency_curve, linear_curve
from foretide.plan.guard import is_stale
from foretide.plan.knob import knob_for_objective
from foretide.plan.policy import ServicePolicy
from foretide.platforms.base import Outcome, Receipt
from foretide.simulate.disturb import disturbed
from foretide.simulate.faults import (
    ClockSkew,
    Drift,
    FailedLaunches,
    Faults,
    FlashCrowd,
    ForecastBias,
    InstanceLosses,
    LateReports,
    LaunchLimit,
    LevelShift,
    LostAnswers,
    MetricGaps,
    OpenBuckets,
    RepeatedReports,
    SlowBoots,
)
from foretide.simulate.feed import Feed
from foretide.simulate.ground import Terrain
from foretide.simulate.world import SimulatedPlatform
from foretide.store.journal import Entry, MemoryJournal

START = datetime(2026, 3, 2, tzinfo=UTC)
DAY_MINUTES = 1440
_S = InstanceState
_ON = (_S.SERVING, _S.WAKING)


class MadeWorld(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What a seed makes."""

    seed: int
    policy: ServicePolicy
    demand: Demand
    faults: Faults
    serving_count: int
    warm_count: int
    terrain: Terrain | None


def made_world(seed: int) -> MadeWorld:
    """Return the world of a seed: most of a day of one service, with about half of all faults."""
    rng = np.random.default_rng(seed)
    policy = _policy(rng)
    # a forecast begins after 12 hours; now and then a world sees a night's tuning too
    minutes = int(rng.integers(900, 1300)) + DAY_MINUTES * (seed % 20 == 10)
    step_s = int(rng.choice([60, 60, 60, 120, 300]))
    rps = _trace(rng, minutes, peak_rps=float(policy.curve.served_rps[1]) * rng.uniform(1, 40))
    buckets = rps[: minutes // (step_s // 60) * (step_s // 60)].reshape(-1, step_s // 60).mean(1)
    return MadeWorld(
        seed=seed,
        policy=policy,
        demand=Demand(series_id="web", start=START, step_s=step_s, values=buckets * step_s),
        faults=_faults(rng, seed),
        serving_count=int(rng.integers(0, policy.min_count + 3)),
        warm_count=int(rng.integers(0, 3)),
        terrain=terrain_of(seed, policy.max_count),
    )


def _policy(rng: np.random.Generator) -> ServicePolicy:
    has_warm_pool = bool(rng.random() < 0.6)
    objective = float(rng.choice([0.0003, 0.001, 0.01, 0.03]))
    is_linear = bool(rng.random() < 0.7)
    curve = latency_curve(
        latency_objective_s=0.4, service_time_s=0.1, workers=int(rng.integers(1, 5)),
        max_instances=80,
    )  # fmt: skip
    return ServicePolicy(
        service="web",
        version="v1",
        curve=linear_curve(float(rng.uniform(1, 100))) if is_linear else curve,
        knob=knob_for_objective(objective, has_warm_pool=has_warm_pool),
        guard_knob=knob_for_objective(objective, has_warm_pool=has_warm_pool, is_guard=True),
        objective_fraction=objective,
        boot_s=float(rng.integers(60, 601)),
        has_warm_pool=has_warm_pool,
        min_count=int(rng.integers(1, 4)),
        max_count=int(rng.choice([10, 40, 200])),
        is_soft=bool(rng.random() < 0.3),
    )


def _trace(rng: np.random.Generator, minutes: int, *, peak_rps: float) -> FloatArray:
    at = np.arange(minutes) / DAY_MINUTES
    tide = 0.5 + 0.45 * np.sin(2 * np.pi * (at - rng.random()))
    noise = np.exp(rng.uniform(0.01, 0.3) * rng.standard_normal(minutes))
    rps = peak_rps * tide * noise
    if rng.random() < 0.2:
        rps[tide < 0.3] = 0.0  # a night in which nobody comes
    return rps


def _faults(rng: np.random.Generator, seed: int) -> Faults:
    share = rng.uniform(0.0, 0.3)
    every = Faults(
        seed=seed,
        flash_crowd=FlashCrowd(per_week=10, factor=float(rng.uniform(2, 8))),
        level_shift=LevelShift(per_week=5, factor=float(rng.uniform(0.4, 2.5))),
        drift=Drift(fraction_per_day=float(rng.uniform(-0.3, 0.3))),
        metric_gaps=MetricGaps(per_day=6, mean_s=float(rng.uniform(60, 3600))),
        open_buckets=OpenBuckets(fraction=share, counted_fraction=float(rng.random())),
        clock_skew=ClockSkew(skew_s=float(rng.uniform(-600, 600))),
        forecast_bias=ForecastBias(factor=float(rng.uniform(0.7, 1.4))),
        slow_boots=SlowBoots(p99_factor=float(rng.uniform(1, 6))),
        failed_launches=FailedLaunches(fraction=share),
        launch_limit=LaunchLimit(per_minute=int(rng.integers(1, 6))),
        instance_losses=InstanceLosses(per_instance_day=float(rng.uniform(0, 3))),
        late_reports=LateReports(fraction=share, delay_s=float(rng.uniform(60, 400))),
        repeated_reports=RepeatedReports(fraction=share),
        lost_answers=LostAnswers(fraction=0.05 * share),
    )
    spared = {kind: None for kind in every.kinds() if rng.random() < 0.5}
    return msgspec.structs.replace(every, **spared, **node_faults(seed))


class Watched:
    """A platform and a journal in one: what is done must have been written before."""

    def __init__(self, world: MadeWorld) -> None:
        self.platform = SimulatedPlatform(
            "web", start=START, boot_s=world.policy.boot_minutes * 60, faults=world.faults,
            serving_count=world.serving_count, warm_count=world.warm_count, terrain=world.terrain,
        )  # fmt: skip
        self.kept = MemoryJournal()
        self.receipts: list[Receipt] = []
        self.seen: Fleet | None = None
        self.before = self.platform.reachable()
        self.every = self.platform.actual()
        self.cut_off: set[str] = set()  # now or before
        self._written: set[str] = set()

    def append(self, entry: Entry) -> None:
        self._written |= {action.action_id for action in entry.plan.actions}
        self.kept.append(entry)

    def observe(self, service: str) -> Fleet:
        self.before, self.every = self.platform.reachable(), self.platform.actual()
        if len(self.before.instances) < len(self.every.instances):
            reached = {i.instance_id for i in self.before.instances}
            self.cut_off |= {i.instance_id for i in self.every.instances} - reached
        self.seen = self.platform.observe(service)
        return self.seen

    def apply(self, action: Action) -> Receipt:
        assert action.action_id in self._written, f"{action.action_id} was not journaled"
        receipt = self.platform.apply(action)
        self.receipts.append(receipt)
        return receipt


def run(seed: int) -> int:
    """Play a world to its end; return how many ticks kept every law."""
    world = made_world(seed)
    found = disturbed(world.demand, world.faults)
    bias = world.faults.forecast_bias
    known = Lookahead(
        world.policy, found.seen, block_minutes=240, issued_factor=bias.factor if bias else 1.0
    )
    outlook = Feed(known, faults=world.faults, service="web")
    watched, beat = Watched(world), Beat()
    places = Links(watched.platform) if watched.platform.has_nodes else None
    for minute in range(len(world.demand.values) * world.demand.step_s // 60):
        now = START + timedelta(minutes=minute)
        watched.platform.advance(now)
        beat = tick(
            now, policy=world.policy, platform=watched, outlook=outlook, journal=watched,
            before=_remembered(watched, beat), is_acting=True, places=places,
        )  # fmt: skip
        before = watched.before
        _check(world, watched, before)
    verdict = judged(watched.kept.entries, world.policy)
    assert verdict.differing is None, f"replay differs at {verdict.differing.at}"
    return verdict.equal_count


def _remembered(watched: Watched, beat: Beat) -> Beat:
    """Return the beat, or what is left after a crash: what the journal says was asked for."""
    if beat.unanswered and len(watched.kept.entries) % 2:
        return Beat(unanswered=watched.kept.entries[-1].plan.actions)
    return beat


def _check(world: MadeWorld, watched: Watched, before: Fleet) -> None:
    entry, seen = watched.kept.entries[-1], watched.seen
    assert seen is not None
    after = watched.platform.reachable()
    _law_of_cut_off(watched, after)
    # what was cut off is back before a report that is late tells of it
    untold = watched.cut_off - {i.instance_id for i in seen.instances}
    before, after = _without(before, untold), _without(after, untold)
    if world.terrain is not None:
        full = overfull(world.terrain, watched.every, watched.platform.actual())
        assert not full, f"more on {full} than it holds"
    for law in (_law_of_actions, _law_of_counts, _law_of_bounds, _law_of_old_data):
        law(world, entry, seen, before, after)
    if not (world.faults.lost_answers or world.faults.partitions):
        for action in entry.plan.actions:
            outcome = watched.platform.apply(action).outcome
            assert outcome in (Outcome.ALREADY_DONE, Outcome.REFUSED), f"{action} was done twice"
        again = _without(watched.platform.reachable(), untold)
        assert again.instances == after.instances, "asking again changed it"


def _without(fleet: Fleet, names: set[str]) -> Fleet:
    left = tuple(i for i in fleet.instances if i.instance_id not in names)
    return msgspec.structs.replace(fleet, instances=left)


def _law_of_cut_off(watched: Watched, after: Fleet) -> None:
    seen = {i.instance_id for i in watched.before.instances}
    was = tuple(i for i in watched.every.instances if i.instance_id not in seen)
    reached = {i.instance_id for i in after.instances}
    is_now = watched.platform.actual().instances
    assert was == tuple(i for i in is_now if i.instance_id not in reached), "cut off is not gone"


def _law_of_actions(
    world: MadeWorld, entry: Entry, seen: Fleet, before: Fleet, after: Fleet
) -> None:
    del world, before, after
    known = {i.instance_id for i in seen.instances}
    actions = entry.plan.actions
    assert len({a.action_id for a in actions}) == len(actions), "an action id stands twice"
    moved = [_instance_of(action) for action in actions]
    assert len(set(moved)) == len(moved), "an instance is moved twice in one plan"
    for action, name in zip(actions, moved, strict=True):
        if isinstance(action, Launch):
            assert name not in known, f"{name} is launched and there"
        else:
            # a late report is not what is planned from: the one before, which is newer, is
            is_late = Reason.REPORT_LATE in entry.plan.decision.reasons
            assert is_late or name in known, f"{action} moves what is not there"


def _instance_of(action: Action) -> str:
    return cast("str", getattr(action, "instance_id"))  # noqa: B009  # bids have none


def _law_of_counts(
    world: MadeWorld, entry: Entry, seen: Fleet, before: Fleet, after: Fleet
) -> None:
    del world
    plan = entry.plan
    verbs = Counter(type(action) for action in plan.actions)
    planned = plan.serving_count + plan.warm_count
    added = verbs[Launch] - verbs[Drain] - verbs[Terminate]
    unsettled = {Reason.LAUNCH_UNSEEN, Reason.REPORT_LATE} & set(plan.decision.reasons)
    if not unsettled and not _is_doubting(plan):
        assert planned == len(seen.instances) + added, "the plan does not count what it does"
    was, is_now = ({i.instance_id for i in f.instances} for f in (before, after))
    launched = {_instance_of(a) for a in plan.actions if isinstance(a, Launch)}
    ended = {_instance_of(a) for a in plan.actions if isinstance(a, Drain | Terminate)}
    assert is_now - was <= launched, "an instance came from nowhere"
    assert was - is_now <= ended, "an instance went that nobody ended"
    assert len(after.instances) <= max(len(before.instances), planned), "launched twice"


def _is_doubting(plan: Plan) -> bool:
    return Reason.INSTANCES_MISSING in plan.decision.reasons


def _law_of_bounds(
    world: MadeWorld, entry: Entry, seen: Fleet, before: Fleet, after: Fleet
) -> None:
    policy = world.policy
    most = max(policy.max_count, len(before.instances))
    assert len(after.instances) <= most, f"{len(after.instances)} instances, may be {most}"
    # what is gone unseen can be missed; what is seen as it is must not be let go
    is_seen = _states(seen.instances) == _states(before.instances)
    if is_seen and before.count(*_ON) >= policy.min_count:
        assert after.count(*_ON) >= policy.min_count, "fewer serve than the least"
    assert entry.plan.serving_count >= 0


def _states(instances: tuple[Instance, ...]) -> dict[str, InstanceState]:
    return {i.instance_id: i.state for i in instances}


def _law_of_old_data(
    world: MadeWorld, entry: Entry, seen: Fleet, before: Fleet, after: Fleet
) -> None:
    del seen, before, after
    demand = entry.demand
    if demand.last_rps is None or is_stale(demand.age_s, demand.step_s):
        removed = [a for a in entry.plan.actions if isinstance(a, Drain | Terminate | Park)]
        # what was replaced while it was cut off and then came back may exceed the owner's maximum
        planned = entry.plan.serving_count + entry.plan.warm_count
        assert not removed or planned >= world.policy.max_count, f"old data removes {removed}"


def broken(seed: int) -> str:
    """Return how a world breaks a law, and how to run it again; empty when it keeps them all."""
    try:
        run(seed)
    except Exception as error:  # noqa: BLE001  # whatever it is, it is a finding
        at = f"seed {seed}: {type(error).__name__}: {error}"
        return f"{at}\n  again: PYTHONPATH=tests python -m cases.worlds {seed}"
    return ""


def main() -> Iterator[str]:
    """Yield one line for each world named on the command line."""
    for text in sys.argv[1:]:
        first, _, last = text.partition("-")
        for seed in range(int(first), int(last or first) + 1):
            yield broken(seed) or f"seed {seed}: every law kept"


if __name__ == "__main__":
    for line in main():
        sys.stdout.write(line + "\n")
