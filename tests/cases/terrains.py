"""Nodes of seeded worlds: some roomy, some tight, and what befalls them."""

from __future__ import annotations

from collections import Counter

import numpy as np

from foretide.model.fleet import Fleet, Node
from foretide.model.placement import Size
from foretide.simulate.faults import Contention, NodeLosses, Partitions
from foretide.simulate.ground import Terrain

_ROOMY = 3.0


def terrain_of(seed: int, max_count: int) -> Terrain | None:
    """Return the nodes of a seed: in half of all worlds some, which hold half to thrice the most.

    A world without may have faults that befall nodes; it then has those of every such world.
    """
    rng = np.random.default_rng([seed, 1])
    if rng.random() < 0.5:
        return None
    count = int(rng.integers(1, 7))
    each = max(1.0, max_count * rng.uniform(0.5, _ROOMY) / count)
    return Terrain(
        nodes=tuple(
            Node(
                node_id=f"n{i}",
                cpu_cores=float(np.ceil(each * rng.uniform(0.5, 1.5))),
                memory_mib=1e6,
                link_mbps=float(rng.choice([20, 100, 1000])),
                failure_domain=f"d{int(rng.integers(0, 3))}",
                price_usd_per_hour=float(rng.choice([0, 0.1])),
            )
            for i in range(count)
        ),
        needs=Size(cpu_cores=1, memory_mib=100, steady_mbps=float(rng.choice([0, 0.5]))),
        content_mib=float(rng.choice([0, 1, 100, 1000])),
    )


def node_faults(seed: int) -> dict[str, NodeLosses | Partitions | Contention]:
    """Return what befalls the nodes of a seed: each kind in a third of all worlds."""
    rng = np.random.default_rng([seed, 2])
    every = {
        "node_losses": NodeLosses(per_node_day=float(rng.uniform(0, 2)), mean_s=3600),
        "partitions": Partitions(
            per_node_day=float(rng.uniform(0, 6)), mean_s=float(rng.uniform(60, 1800))
        ),
        "contention": Contention(per_node_day=6, fraction=float(rng.uniform(0.5, 1))),
    }
    return {kind: fault for kind, fault in every.items() if rng.random() < 1 / 3}


def overfull(terrain: Terrain, before: Fleet, after: Fleet) -> list[str]:
    """Return the nodes that were given more than they hold."""
    was, is_now = (Counter(i.node_id for i in fleet.instances) for fleet in (before, after))
    holds = {
        node.node_id: min(
            node.cpu_cores / terrain.needs.cpu_cores,
            node.memory_mib / terrain.needs.memory_mib,
            node.link_mbps / terrain.needs.steady_mbps if terrain.needs.steady_mbps else np.inf,
        )
        for node in terrain.nodes
    }
    return [name for name, most in holds.items() if is_now[name] > max(most + 1e-6, was[name])]
