"""This file knows what a minute teaches the planner, for the minutes that follow.

What is learned never acts at once: within a minute more demand must not mean fewer instances, and
it would where demand itself decided which rule applies to it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from foretide.plan.capacity import instances_for
from foretide.plan.confidence import confidence_after, confidence_fraction
from foretide.plan.cost import Counts, Weighed, challenged, cost_factors, reactive_count
from foretide.plan.memory import Memory, Stance
from foretide.plan.need import TAIL_LEVELS, Need
from foretide.plan.policy import MINUTE_S, ServicePolicy
from foretide.plan.track import Issued, Track, compared, with_issue

_HIGH, _SURPRISE = TAIL_LEVELS.index(0.9), TAIL_LEVELS.index(0.98)
# Three surprises in a row, one boot apart: those of neighbouring minutes are one and the same.
_FALLBACK_SURPRISES = 3
_FALLBACK_BIAS_S = 3600.0
_FALLBACK = timedelta(minutes=30)


class Bucket(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A bucket of demand that has closed, and what had been said of it.

    Parameters
    ----------
    rps : float
        Demand in it.
    end_s, now_s : float
        When it closed, and the instant of the tick, seconds since 1970.
    step_s : int
        Its length.
    said : Issued, optional
        What had been said of it one boot before.
    is_new : bool
        Whether no plan has seen it yet.
    """

    rps: float
    end_s: float
    now_s: float
    step_s: int
    said: Issued | None
    is_new: bool

    @property
    def is_surprise(self) -> bool:
        """Whether it is new and above what was thought likely."""
        return self.is_new and self.said is not None and self.rps > self.said.surprise_rps


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a minute has shown.

    Parameters
    ----------
    need : Need, optional
        What the forecast asked for, where it could be used.
    total_up : int
        What its band asked for in all.
    bucket : Bucket, optional
        The last one; None while demand is stale.
    current : int
        Instances there were and on their way.
    serving_count, total_count : int
        What was planned.
    is_short : bool
        Whether more came over capacity lately than the objective allows, or a penalty prices each.
    is_formula : bool
        Whether the HPA formula made the plan.
    """

    need: Need | None
    total_up: int
    bucket: Bucket | None
    current: int
    serving_count: int
    total_count: int
    is_short: bool
    is_formula: bool


def learned(
    memory: Memory, now: datetime, seen: Seen, policy: ServicePolicy
) -> tuple[Stance, Track, Weighed | None]:
    """Return how plans are made from now on, what came of what was said, and the cost factors.

    Parameters
    ----------
    memory : Memory
        From the plan before.
    now : datetime
        The instant of the tick, aware UTC.
    seen : Seen
        What this minute has shown.
    policy : ServicePolicy
        The service.
    """
    track, weighed, saying = memory.track, None, None
    need, bucket = seen.need, seen.bucket
    if need is not None and need.tail_rps and bucket is not None:
        run = instances_for(policy.curve, need.tail_rps[_HIGH])
        counts = Counts(
            reactive=reactive_count(bucket.rps, policy),
            run=run,
            total=max(run, seen.total_up),
            current=seen.current,
        )
        weighed = cost_factors(need, counts, track=track, policy=policy, is_short=seen.is_short)
        saying = _said(need, bucket, counts, policy)
    if bucket is not None and bucket.is_new:
        track = compared(
            track, said=bucket.said, saying=saying, rps=bucket.rps, end_s=bucket.end_s,
            step_s=bucket.step_s, policy=policy,
        )  # fmt: skip
    elif bucket is not None and saying is not None:
        track = with_issue(track, saying, step_s=bucket.step_s, policy=policy)
    fresh_count = memory.stance.fresh_count if saying is None else saying.serving_count
    return (
        _stance_after(
            memory, now, seen, track=track, weighed=weighed, fresh_count=fresh_count, policy=policy
        ),
        track,
        weighed,
    )


def _said(need: Need, bucket: Bucket, counts: Counts, policy: ServicePolicy) -> Issued:
    return Issued(
        for_s=bucket.now_s + policy.boot_minutes * MINUTE_S,
        low_rps=need.low_rps,
        predicted_rps=need.predicted_rps,
        upper_rps=need.upper_rps,
        surprise_rps=need.tail_rps[_SURPRISE],
        serving_count=counts.run,
        total_count=counts.total,
        reactive_count=counts.reactive,
    )


def _stance_after(
    memory: Memory,
    now: datetime,
    seen: Seen,
    *,
    track: Track,
    weighed: Weighed | None,
    fresh_count: int,
    policy: ServicePolicy,
) -> Stance:
    before, need, bucket = memory.stance, seen.need, seen.bucket
    choice, challenger, challenged_at = before.choice, before.challenger, before.challenged_at
    if weighed is not None and policy.is_cost_weighed:
        choice, challenger, challenged_at = challenged(
            weighed, choice=choice, challenger=challenger, challenged_at=challenged_at, now=now
        )
    deserved = 0.0
    if need is not None and bucket is not None:
        deserved = confidence_fraction(
            width_fraction=need.width_fraction,
            coverage_fraction=track.coverage_fraction,
            independent_count=track.independent_count,
        )
    passed_s = (now - memory.counted_at).total_seconds() if memory.counted_at else 0.0
    is_told = not seen.is_formula
    return Stance(
        confidence=confidence_after(before.confidence, deserved, passed_s),
        choice=choice,
        challenger=challenger,
        challenged_at=challenged_at,
        fallback_until=_fallback_after(before.fallback_until, now, track, policy),
        # what bands asked for: what a surge or a surprise added is not to be kept for long
        floor_serving=min(seen.serving_count, seen.total_up) if is_told else before.floor_serving,
        floor_total=min(seen.total_count, seen.total_up) if is_told else before.floor_total,
        fresh_count=fresh_count,
    )


def _fallback_after(
    until: datetime | None, now: datetime, track: Track, policy: ServicePolicy
) -> datetime | None:
    """Return until when the formula stands in: half an hour after the last sign of failure."""
    biased_s = track.heard_s - track.biased_since_s if track.biased_since_s else 0.0
    surprised_s = track.heard_s - track.surprised_since_s if track.surprised_since_s else 0.0
    if surprised_s >= _FALLBACK_SURPRISES * policy.boot_s or biased_s >= _FALLBACK_BIAS_S:
        return now + _FALLBACK
    return until
