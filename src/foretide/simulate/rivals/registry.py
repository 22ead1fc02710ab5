"""This file knows every rival by name: what it is, and how it is played.

`check_rival` refuses a name before anything is played; `rival_counts` plays one. A name is one of
`RIVALS`, with what may be set behind an `@`: `hpa@0.5`, `hpa-warm@0.7+4`, `csv:forecast.csv`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from foretide.errors import InputError
from foretide.model.demand import Demand, FloatArray
from foretide.simulate.counts import Counts
from foretide.simulate.rivals.capacities import capacity_counts, read_capacities
from foretide.simulate.rivals.cloud_predictive import cloud_predictive_counts
from foretide.simulate.rivals.hpa import hpa_counts, hpa_warm_counts
from foretide.simulate.rivals.keda import keda_counts
from foretide.simulate.rivals.plain import plain_counts
from foretide.simulate.rivals.static_peak import static_peak_counts
from foretide.simulate.rivals.step_scaling import step_scaling_counts
from foretide.simulate.rivals.target_tracking import target_tracking_counts
from foretide.simulate.rivals.tuned import POOLS, tuned_counts
from foretide.simulate.rivals.warm_pool import warm_pool_counts
from foretide.simulate.scenario import FLEET_MAX_COUNT, Scenario

DEFAULT_TARGET = 0.7  # of a rival whose owner says nothing else
DEFAULT_POOL = 4
TARGET_MAX = 2.0

RIVALS: dict[str, str] = {
    "hpa": "Kubernetes' HPA; hpa@0.5 aims at 50 %",
    "hpa-warm": "an HPA beside a fixed warm pool; hpa-warm@0.7+4 holds 4 warm",
    "hpa-tuned": "an HPA whose target is chosen anew every night",
    "hpa-warm-tuned": "an HPA whose target and warm pool are chosen anew every night",
    "keda": "KEDA on requests per second; keda@0.5",
    "target-tracking": "a cloud's target tracking; target-tracking@0.5",
    "step-scaling": "a cloud's step scaling around a threshold; step-scaling@0.5",
    "cloud-predictive": "a cloud's predictive scaling beside target tracking; cloud-predictive@0.5",
    "warm-pool": "an HPA beside a tenth of the usual peak, warm; warm-pool@0.5",
    "static-peak": "as many instances as the warm-up's peak took, always",
    "plain": "the plain algorithm on the forecast one boot ahead; plain@0.5",
    "csv": "capacities from a file, csv:FILE with the columns ts and capacity",
}
_UNTARGETED = frozenset({"hpa-tuned", "hpa-warm-tuned", "static-peak", "csv"})


class _Asked(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    # One rival on one trace.
    target: float
    pool_count: int
    demand: Demand
    minutes_rps: FloatArray
    scenario: Scenario
    capacity_rps: float
    first_scored: int


def check_rival(name: str, demands: Sequence[Demand] = ()) -> None:
    """Refuse a rival that cannot be played.

    Parameters
    ----------
    name : str
        As a person gave it.
    demands : sequence of Demand
        The series it is to be played on: a file of capacities must cover them.

    Raises
    ------
    InputError
        Naming the rival and those that are known, what is wrong behind its `@`, or its file.
    """
    kind, _, rest = name.partition(":")
    if kind == "csv" and rest:
        capacities = read_capacities(Path(rest))
        for demand in demands:
            capacities.of(demand)
        return
    _parsed(name)


def rival_counts(
    name: str,
    *,
    demand: Demand,
    minutes_rps: FloatArray,
    scenario: Scenario,
    capacity_rps: float,
    first_scored: int,
) -> Counts:
    """Play a rival over a trace.

    Parameters
    ----------
    name : str
        One of `RIVALS`, with what is set behind it.
    demand : Demand
        The trace in its own buckets, of whole minutes.
    minutes_rps : ndarray, shape (minutes,)
        The same in every minute, NaN where not observed.
    scenario : Scenario
        The rules.
    capacity_rps : float
        Requests/s one instance serves, > 0.
    first_scored : int
        First minute after the warm-up.

    Returns
    -------
    Counts
        One entry per minute of the whole trace.

    Raises
    ------
    InputError
        As `check_rival`.
    """
    kind, _, rest = name.partition(":")
    if kind == "csv" and rest:
        return capacity_counts(read_capacities(Path(rest)), demand, scenario=scenario)
    kind, target, pool = _parsed(name)
    return _PLAYED[kind](
        _Asked(
            target=target,
            pool_count=pool,
            demand=demand,
            minutes_rps=minutes_rps,
            scenario=scenario,
            capacity_rps=capacity_rps,
            first_scored=first_scored,
        )
    )


def _parsed(name: str) -> tuple[str, float, int]:
    """Return the rival's plain name, its target and the size of its pool."""
    kind, at, settings = name.partition("@")
    if kind not in RIVALS or kind == "csv":
        known = ", ".join(f"{one}:FILE" if one == "csv" else one for one in RIVALS)
        raise InputError(f"--policy {name}: not known; give one of foretide, oracle, {known}")
    text, plus, pool = settings.partition("+")
    if at and kind in _UNTARGETED:
        raise InputError(f"--policy {name}: {kind} takes no target; leave @{settings} out")
    if plus and kind != "hpa-warm":
        raise InputError(f"--policy {name}: +{pool} stands behind hpa-warm alone; leave it out")
    if not at:
        return kind, DEFAULT_TARGET, DEFAULT_POOL
    target = _target(text)
    if target is None:
        raise InputError(
            f"--policy {name}: its target must lie in (0, {TARGET_MAX:g}]; write {kind}@0.5"
        )
    if plus and not (pool.isascii() and pool.isdigit() and int(pool) <= FLEET_MAX_COUNT):
        raise InputError(
            f"--policy {name}: its warm pool must be 0 ... {FLEET_MAX_COUNT} instances; "
            f"write {kind}@{text}+4"
        )
    return kind, target, int(pool) if plus else DEFAULT_POOL


def _target(text: str) -> float | None:
    try:
        target = float(text)
    except ValueError:
        return None
    return target if math.isfinite(target) and 0 < target <= TARGET_MAX else None


def _by_target(play: Callable[..., Counts]) -> Callable[[_Asked], Counts]:
    """Return how a rival is played that needs nothing but a target."""

    def played(asked: _Asked) -> Counts:
        return play(
            asked.minutes_rps,
            capacity_rps=asked.capacity_rps,
            scenario=asked.scenario,
            target=asked.target,
        )

    return played


def _tuned(pools: tuple[int, ...]) -> Callable[[_Asked], Counts]:
    def played(asked: _Asked) -> Counts:
        return tuned_counts(
            asked.minutes_rps, capacity_rps=asked.capacity_rps, scenario=asked.scenario, pools=pools
        )

    return played


def _hpa_warm(asked: _Asked) -> Counts:
    return hpa_warm_counts(
        asked.minutes_rps,
        capacity_rps=asked.capacity_rps,
        scenario=asked.scenario,
        target=asked.target,
        pool_count=asked.pool_count,
    )


def _cloud_predictive(asked: _Asked) -> Counts:
    return cloud_predictive_counts(
        asked.minutes_rps,
        capacity_rps=asked.capacity_rps,
        scenario=asked.scenario,
        start=asked.demand.start,
        target=asked.target,
    )


def _warm_pool(asked: _Asked) -> Counts:
    return warm_pool_counts(
        asked.minutes_rps,
        capacity_rps=asked.capacity_rps,
        scenario=asked.scenario,
        first_scored=asked.first_scored,
        target=asked.target,
    )


def _static_peak(asked: _Asked) -> Counts:
    return static_peak_counts(
        asked.minutes_rps, capacity_rps=asked.capacity_rps, first_scored=asked.first_scored
    )


def _plain(asked: _Asked) -> Counts:
    return plain_counts(
        asked.demand,
        asked.minutes_rps,
        capacity_rps=asked.capacity_rps,
        scenario=asked.scenario,
        target=asked.target,
    )


_PLAYED: dict[str, Callable[[_Asked], Counts]] = {
    "hpa": _by_target(hpa_counts),
    "hpa-warm": _hpa_warm,
    "hpa-tuned": _tuned((0,)),
    "hpa-warm-tuned": _tuned(POOLS),
    "keda": _by_target(keda_counts),
    "target-tracking": _by_target(target_tracking_counts),
    "step-scaling": _by_target(step_scaling_counts),
    "cloud-predictive": _cloud_predictive,
    "warm-pool": _warm_pool,
    "static-peak": _static_peak,
    "plain": _plain,
}
