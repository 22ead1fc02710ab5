"""This file knows what Foretide decides: actions, the plan that holds them, and the reasons.

Reading order of the whole product: this file, `plan/planner.py`, `control/tick.py`,
`platforms/base.py`, `simulate/backtest.py`.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

import msgspec

from foretide.errors import InvalidValueError
from foretide.model.instant import require_utc


class _Action(msgspec.Struct, frozen=True, kw_only=True, tag_field="verb"):
    action_id: str
    service: str


class Launch(_Action, frozen=True, kw_only=True, omit_defaults=True, tag="launch"):
    """Start one new instance, to serve or to be held warm.

    Without a `node_id` the platform chooses the node.
    """

    instance_id: str
    version: str
    is_warm: bool = False
    node_id: str | None = None


class Promote(_Action, frozen=True, kw_only=True, tag="promote"):
    """Wake a warm instance so that it serves."""

    instance_id: str


class Park(_Action, frozen=True, kw_only=True, tag="park"):
    """Let a serving instance finish its requests, then hold it warm."""

    instance_id: str


class Resize(_Action, frozen=True, kw_only=True, tag="resize"):
    """Give or take resources of a running instance in place."""

    instance_id: str
    cpu_cores: float
    memory_mib: float


class Drain(_Action, frozen=True, kw_only=True, tag="drain"):
    """Let a serving instance finish its requests, then end it."""

    instance_id: str


class Terminate(_Action, frozen=True, kw_only=True, tag="terminate"):
    """End an instance that serves nobody: warm, requested or booting."""

    instance_id: str


class Update(_Action, frozen=True, kw_only=True, tag="update"):
    """Bring one instance to another version, in place or by replacement."""

    instance_id: str
    version: str
    method: Literal["in_place", "replace"]


class PlaceBid(_Action, frozen=True, kw_only=True, tag="place_bid"):
    """Ask a spot market for instances at no more than a price."""

    market: str
    instance_count: int
    bid_usd_per_hour: float


class LowerBid(_Action, frozen=True, kw_only=True, tag="lower_bid"):
    """Lower a standing bid, so that the market takes its instances back."""

    market: str
    bid_usd_per_hour: float


Action = Launch | Promote | Park | Resize | Drain | Terminate | Update | PlaceBid | LowerBid


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """An expected no: what was refused, why, and what would make it a yes."""

    what: str
    reason: str
    fix: str


class Branch(StrEnum):
    """Which way a decision went."""

    SCALE_UP = "scale_up"
    SCALE_DOWN = "scale_down"
    PARK = "park"  # the total stays, serving moves to warm
    PROMOTE = "promote"  # the total stays, warm moves to serving
    HOLD = "hold"


class Choice(StrEnum):
    """Which of the plans that are weighed against each other, tick by tick."""

    REACTIVE = "reactive"  # the HPA formula on the demand of now
    PRE_SCALED = "pre_scaled"  # what the forecast says will serve, and nothing warm beyond it
    PRE_SCALED_WARM = "pre_scaled_warm"  # all the forecast asks for
    HELD = "held"  # nothing is added


class Reason(StrEnum):
    """Why a decision is what it is; several may hold at once. Short, as every minute tells some."""

    FORECAST_RISES = "rises"
    FORECAST_FALLS = "falls"
    INTERVAL_LOW = "sure"
    INTERVAL_TOO_WIDE = "unsure"
    COST_FACTOR = "cost"
    LESS_SKILL = "less_skill"
    REACTIVE_PROMOTE = "surge"
    SURPRISE = "surprise"
    SPEND_GUARD = "spent"
    NO_HISTORY = "no_history"
    FALLBACK = "fallback"
    FORECAST_BROKEN = "broken"
    FORECAST_OLD = "old"
    DATA_STALE = "stale"
    INSTANCES_MISSING = "missing"
    INSTANCES_UNKNOWN = "unknown"
    LAUNCH_UNSEEN = "unseen"
    REPORT_LATE = "late"
    STEP_UP_LIMIT = "step_up"
    STEP_DOWN_LIMIT = "step_down"
    DISRUPTION_LIMIT = "disruption"
    UPDATE_IN_FLIGHT = "update"
    VERSION_OLD = "version"
    CEILING = "ceiling"
    MAX_INSTANCES = "max"
    MIN_INSTANCES = "min"
    NO_ROOM = "no_room"


class Decision(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    rename={
        "reasons": "why",
        "forecast_id": "forecast",
        "curve_version": "curve",
        "demand_rps": "rps",
        "predicted_rps": "q50",
        "upper_rps": "q95",
        "width_fraction": "width",
        "width_max_fraction": "bound",
        "serving": "run",
        "total": "all",
        "confidence_fraction": "trust",
        "cost_usd": "cost",
    },
):
    """Why the fleet should be what the plan says, with the numbers it rests on.

    Numbers are rounded to what a person reads, and their names in the journal are short: a
    decision is written every minute.

    Parameters
    ----------
    branch : Branch
        The way it went.
    reasons : tuple of Reason
        In the order in which they acted.
    forecast_id, curve_version : str
        Which forecast and which capacity curve were used.
    demand_rps : float, optional
        Demand of the last closed bucket, None when there is none.
    predicted_rps : float, optional
        Median at lead = boot.
    upper_rps : float, optional
        95 % quantile at lead = boot.
    width_fraction, width_max_fraction : float, optional
        Relative width of the 90 % interval at lead = boot, and the bound below which it is low.
    serving, total : (int, int), optional
        The bands that acted: grow to the first, shrink to no less than the second.
    confidence_fraction : float, optional
        How far the forecast is trusted, in [0, 1].
    choice : Choice, optional
        The plan that acted where it is not the one that follows the forecast: another takes its
        place when its cost factor has been lower for long.
    cost_usd : tuple of float, optional
        Cost factors over the horizon of the plans in the order of `Choice`.
    lacking : str, optional
        What the nodes lack for the launches that go nowhere, with the numbers.
    """

    branch: Branch
    reasons: tuple[Reason, ...]
    forecast_id: str
    curve_version: str
    demand_rps: float | None = None
    predicted_rps: float | None = None
    upper_rps: float | None = None
    width_fraction: float | None = None
    width_max_fraction: float | None = None
    serving: tuple[int, int] | None = None
    total: tuple[int, int] | None = None
    confidence_fraction: float | None = None
    choice: Choice | None = None
    cost_usd: tuple[float, float, float, float] | None = None
    lacking: str | None = None

    @property
    def serving_up(self) -> int | None:
        """Grow what serves to this."""
        return self.serving[0] if self.serving else None

    @property
    def serving_low(self) -> int | None:
        """Shrink what serves to no less than this."""
        return self.serving[1] if self.serving else None

    @property
    def total_up(self) -> int | None:
        """Grow the whole fleet to this."""
        return self.total[0] if self.total else None

    @property
    def total_low(self) -> int | None:
        """Shrink the whole fleet to no less than this."""
        return self.total[1] if self.total else None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What one service's fleet should be, the actions that lead there, and why.

    Parameters
    ----------
    service : str
        Whose fleet is planned.
    made_at : datetime
        The instant of the tick, aware UTC.
    serving_count, warm_count : int
        What the fleet becomes once every action is done; counts what is already on its way.
    actions : tuple of Action
        In the order in which they are to be applied: what adds capacity comes first.
    decision : Decision
        The reasons.
    """

    service: str
    made_at: datetime
    serving_count: int
    warm_count: int
    actions: tuple[Action, ...]
    decision: Decision

    def __post_init__(self) -> None:
        require_utc("made_at", self.made_at)
        if self.serving_count < 0 or self.warm_count < 0:
            raise InvalidValueError("a plan must not count fewer than 0 instances")
