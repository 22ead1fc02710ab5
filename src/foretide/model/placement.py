"""This file knows what an instance needs of a node, what each node has free, and where one goes."""

from __future__ import annotations

import math

import msgspec

from foretide.errors import InvalidValueError
from foretide.model.ids import check_name

MBIT_PER_MIB = 8 * 1024 * 1024 / 1e6


class Size(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one instance takes of its node.

    Parameters
    ----------
    cpu_cores, memory_mib : float
        Under full load, >= 0.
    steady_mbps : float
        Bandwidth of its own traffic under full load, Mbit/s, >= 0.
    boot_s : float
        From its content being there to ready, >= 0.
    """

    cpu_cores: float
    memory_mib: float
    steady_mbps: float = 0.0
    boot_s: float = 0.0

    def __post_init__(self) -> None:
        for field in ("cpu_cores", "memory_mib", "steady_mbps", "boot_s"):
            if not 0 <= getattr(self, field) < math.inf:
                raise InvalidValueError(f"{field} must be >= 0, was {getattr(self, field)}")


class NodeRoom(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    rename={
        "node_id": "id",
        "failure_domain": "domain",
        "free_cpu_cores": "cpu",
        "free_memory_mib": "mib",
        "link_mbps": "link",
        "used_fraction": "used",
        "promised_fraction": "owed",
        "fetch_mib": "fetch",
        "domain_count": "near",
        "node_count": "here",
        "price_usd_per_hour": "usd",
    },
):
    """What a node has free for one more instance; short names, as the journal holds them.

    Parameters
    ----------
    node_id : str
        The node.
    failure_domain : str
        Nodes of one domain may be lost together.
    free_cpu_cores, free_memory_mib : float
        Not yet promised to an instance; below 0 where more was promised than there is.
    link_mbps : float
        All its link carries, Mbit/s, > 0.
    used_fraction : float
        Share of the link that is in use while the instance would come, in [0, 1].
    promised_fraction : float
        Share of the link that its instances were promised for their own traffic, >= 0.
    fetch_mib : float
        What of the content is not there yet, MiB, >= 0.
    domain_count, node_count : int
        Instances of the same service in its failure domain, and on itself.
    price_usd_per_hour : float
        What an instance costs there, >= 0; equal for all where nothing is paid by node.
    """

    node_id: str
    failure_domain: str = "default"
    free_cpu_cores: float
    free_memory_mib: float
    link_mbps: float
    used_fraction: float = 0.0
    promised_fraction: float = 0.0
    fetch_mib: float = 0.0
    domain_count: int = 0
    node_count: int = 0
    price_usd_per_hour: float = 0.0

    def __post_init__(self) -> None:
        check_name("node_id", self.node_id)
        if not 0 <= self.used_fraction <= 1:
            raise InvalidValueError(f"used_fraction must lie in [0, 1], was {self.used_fraction}")
        if not 0 < self.link_mbps < math.inf:
            raise InvalidValueError(f"link_mbps must be > 0, was {self.link_mbps}")
        for field in (
            "promised_fraction", "fetch_mib", "domain_count", "node_count", "price_usd_per_hour"
        ):  # fmt: skip
            if not 0 <= getattr(self, field) < math.inf:
                raise InvalidValueError(f"{field} must be >= 0, was {getattr(self, field)}")
        for field in ("free_cpu_cores", "free_memory_mib"):
            if not math.isfinite(getattr(self, field)):
                raise InvalidValueError(f"{field} must be finite, was {getattr(self, field)}")

    @property
    def free_mbps(self) -> float:
        """Bandwidth that is free while the instance would come and not promised, Mbit/s, >= 0."""
        return self.link_mbps * max(0.0, 1 - max(self.used_fraction, self.promised_fraction))


class Rooms(msgspec.Struct, frozen=True, kw_only=True):
    """Where one more instance of a version may go: what it takes, and what every node has free.

    Parameters
    ----------
    size : Size
        Of the instance.
    nodes : tuple of NodeRoom
        Those that can be reached.
    """

    size: Size
    nodes: tuple[NodeRoom, ...]


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """Where an instance goes, and when it is expected to serve.

    Parameters
    ----------
    node_id : str
        The node.
    transfer_s : float
        Until its content is there; 0 where it lies already.
    serve_s : float
        Until it is ready, the transfer included.
    """

    node_id: str
    transfer_s: float
    serve_s: float
