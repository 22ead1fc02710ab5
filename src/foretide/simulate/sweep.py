"""This file knows what a rival comes to with every setting of its knob."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from foretide.simulate.counts import Score
from foretide.simulate.outcome import Sweep

# Rivals whose one knob is the utilisation they aim at.
SWEPT = ("hpa", "keda", "target-tracking", "step-scaling", "cloud-predictive")
TARGETS = tuple(round(0.30 + 0.05 * place, 2) for place in range(14))


def swept(policies: Sequence[str], score_of: Callable[[str], Score]) -> tuple[Sweep, ...]:
    """Return every rival among `policies` that has a target, played with targets of .30 to .95.

    Parameters
    ----------
    policies : sequence of str
        As on the command line; each kind is swept once, whatever its target there.
    score_of : callable
        Plays one policy and returns what it came to.

    Returns
    -------
    tuple of Sweep
        In the order in which their kinds first appear.
    """
    kinds = dict.fromkeys(policy.partition("@")[0] for policy in policies)
    return tuple(_sweep(kind, score_of) for kind in kinds if kind in SWEPT)


def _sweep(kind: str, score_of: Callable[[str], Score]) -> Sweep:
    settings = tuple(f"{kind}@{target:g}" for target in TARGETS)
    scores = [score_of(setting) for setting in settings]
    return Sweep(
        name=kind,
        settings=settings,
        violation_fraction=np.array([one.violation_fraction for one in scores]),
        cost_usd=np.array([one.cost_usd for one in scores]),
    )
