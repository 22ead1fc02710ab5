"""This file knows what runs on a platform, and how an instance may move from state to state."""

from __future__ import annotations

import math
from datetime import datetime
from enum import StrEnum

import msgspec

from foretide.errors import InvalidValueError
from foretide.model.ids import check_name
from foretide.model.instant import require_utc


class InstanceState(StrEnum):
    """Where an instance stands between being asked for and being gone."""

    REQUESTED = "requested"  # asked for, the platform has not begun
    BOOTING = "booting"  # being started, cannot serve yet
    WARM = "warm"  # started and held in a minimal state
    WAKING = "waking"  # promoted, not serving yet
    SERVING = "serving"
    PARKING = "parking"  # finishing its requests on the way to warm
    DRAINING = "draining"  # finishing its requests on the way out
    TERMINATED = "terminated"
    FAILED = "failed"  # gone without having been asked to go


_S = InstanceState

# Every legal move with the reason for which it happens. What is not here is a bug.
LIFECYCLE: dict[tuple[InstanceState, InstanceState], str] = {
    (_S.REQUESTED, _S.BOOTING): "the platform began to start it",
    (_S.REQUESTED, _S.FAILED): "the platform refused it",
    (_S.REQUESTED, _S.TERMINATED): "terminated before it began",
    (_S.BOOTING, _S.SERVING): "ready, launched to serve",
    (_S.BOOTING, _S.WARM): "ready, launched as warm",
    (_S.BOOTING, _S.FAILED): "never became ready",
    (_S.BOOTING, _S.TERMINATED): "terminated while starting",
    (_S.WARM, _S.WAKING): "promote",
    (_S.WARM, _S.TERMINATED): "terminate",
    (_S.WARM, _S.FAILED): "lost while warm",
    (_S.WAKING, _S.SERVING): "awake",
    (_S.WAKING, _S.FAILED): "lost while waking",
    (_S.SERVING, _S.PARKING): "park",
    (_S.SERVING, _S.DRAINING): "drain or terminate",
    (_S.SERVING, _S.FAILED): "lost while serving",
    (_S.PARKING, _S.WARM): "parked",
    (_S.PARKING, _S.WAKING): "promoted before it was parked",
    (_S.PARKING, _S.FAILED): "lost while parking",
    (_S.DRAINING, _S.TERMINATED): "drained",
    (_S.DRAINING, _S.FAILED): "lost while draining",
}


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A machine that hosts instances.

    Parameters
    ----------
    node_id : str
        Its name.
    cpu_cores, memory_mib, link_mbps : float
        What it has in all, > 0.
    failure_domain : str
        Nodes of one domain may be lost together.
    price_usd_per_hour : float
        What an instance costs there, >= 0; equal for all where nothing is paid by node.
    """

    node_id: str
    cpu_cores: float
    memory_mib: float
    link_mbps: float
    failure_domain: str = "default"
    price_usd_per_hour: float = 0.0

    def __post_init__(self) -> None:
        check_name("node_id", self.node_id)
        for field in ("cpu_cores", "memory_mib", "link_mbps"):
            if not getattr(self, field) > 0:
                raise InvalidValueError(f"{field} must be > 0, was {getattr(self, field)}")
        if not 0 <= self.price_usd_per_hour < math.inf:
            raise InvalidValueError(
                f"price_usd_per_hour must be >= 0, was {self.price_usd_per_hour}"
            )


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """A copy of a service's application on a node.

    Parameters
    ----------
    instance_id, service, version : str
        Its name, what it belongs to, and the version it runs.
    state : InstanceState
        Where it stands in the lifecycle.
    since : datetime
        When it entered that state, aware UTC.
    is_serving_next : bool
        Whether a requested, booting, or waking instance will serve (True) or be held warm.
    node_id : str, optional
        Where it is, None until placed.
    """

    instance_id: str
    service: str
    version: str
    state: InstanceState
    since: datetime
    is_serving_next: bool = True
    node_id: str | None = None


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """What a platform reports of one service.

    Parameters
    ----------
    service : str
        Whose instances these are.
    observed_at : datetime
        When the platform looked, aware UTC.
    instances : tuple of Instance
        All that are not gone, each once, oldest first.
    """

    service: str
    observed_at: datetime
    instances: tuple[Instance, ...]

    def __post_init__(self) -> None:
        require_utc("observed_at", self.observed_at)
        if len({i.instance_id for i in self.instances}) != len(self.instances):
            raise InvalidValueError("a fleet must hold each instance once")

    def in_state(self, *states: InstanceState) -> list[Instance]:
        """Return the instances in one of `states`, oldest first."""
        return [i for i in self.instances if i.state in states]

    def count(self, *states: InstanceState) -> int:
        """Return how many instances are in one of `states`."""
        return sum(i.state in states for i in self.instances)


class LeadTimes(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How long a platform takes to bring capacity, as measured lately.

    Parameters
    ----------
    boot_p50_s, boot_p90_s : float, optional
        From a cold launch to ready; None where unmeasured.
    boot_count : int
        Launches measured.
    wake_p50_s, wake_p90_s : float, optional
        From a promote to serving.
    wake_count : int
        Promotes measured.
    full_p50_s, full_p90_s : float, optional
        From a promote to full throughput.
    full_count : int
        Promotes of which that was measured.
    """

    boot_p50_s: float | None = None
    boot_p90_s: float | None = None
    boot_count: int = 0
    wake_p50_s: float | None = None
    wake_p90_s: float | None = None
    wake_count: int = 0
    full_p50_s: float | None = None
    full_p90_s: float | None = None
    full_count: int = 0

    def __post_init__(self) -> None:
        for kind in ("boot", "wake", "full"):
            told = [getattr(self, f"{kind}_{level}_s") for level in ("p50", "p90")]
            if any(value is not None and not 0 <= value < math.inf for value in told):
                raise InvalidValueError(f"{kind} lead times must be finite and >= 0, were {told}")
