"""This file knows what befalls the nodes of a made world: losses, partitions, others' traffic.

Drawn from the seed, one generator for each kind; nothing is drawn where nothing can go wrong.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import numpy as np

from foretide.simulate.faults import Contention, Faults, NodeLosses, Partitions

_DAY_S = 86_400


class NodeMishaps:
    """The bad luck of one world's nodes.

    Parameters
    ----------
    faults : Faults
        `node_losses`, `partitions` and `contention`.
    service : str
        Whose world it is: another has other luck.
    nodes : tuple of str
        Their names.
    """

    def __init__(self, faults: Faults, service: str, nodes: tuple[str, ...]) -> None:
        self._contention = faults.contention
        self._lost = _Spells(faults.node_losses, faults.generator("node_losses", service), nodes)
        self._cut = _Spells(faults.partitions, faults.generator("partitions", service), nodes)
        self._busy = _Spells(faults.contention, faults.generator("contention", service), nodes)

    @property
    def away(self) -> frozenset[str]:
        """Nodes that are lost and not back yet."""
        return self._lost.under_way

    @property
    def hidden(self) -> frozenset[str]:
        """Nodes that run and cannot be reached."""
        return self._cut.under_way

    def others_fraction(self, node_id: str) -> float:
        """Return which share of a node's link others take, in [0, 1]."""
        if self._contention is None or node_id not in self._busy.under_way:
            return 0.0
        return self._contention.fraction

    def advance(self, before: datetime, now: datetime) -> frozenset[str]:
        """Let time pass, and return which nodes were lost in it."""
        lost = self._lost.advance(before, now)
        self._cut.advance(before, now)
        self._busy.advance(before, now)
        return lost


class _Spells:
    # Spells of one kind: each node falls into one by chance, and out of it after a while.

    def __init__(
        self,
        kind: NodeLosses | Partitions | Contention | None,
        rng: np.random.Generator,
        nodes: tuple[str, ...],
    ) -> None:
        self._kind, self._rng, self._nodes = kind, rng, nodes
        self._until: dict[str, datetime] = {}
        self.under_way: frozenset[str] = frozenset()

    def advance(self, before: datetime, now: datetime) -> frozenset[str]:
        kind = self._kind
        if kind is None:
            return frozenset()
        chance = -math.expm1(-kind.per_node_day * (now - before).total_seconds() / _DAY_S)
        self._until = {node: until for node, until in self._until.items() if until > now}
        fresh = set[str]()
        for node, luck in zip(self._nodes, self._rng.random(len(self._nodes)), strict=True):
            if luck < chance and node not in self._until:
                spell = timedelta(seconds=kind.mean_s * float(self._rng.standard_exponential()))
                self._until[node] = now + spell
                fresh.add(node)
        self.under_way = frozenset(self._until)
        return frozenset(fresh)
