"""This file knows `[budget]`: what all services of a file may have together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from foretide.config.checks import AboveZero, Count


class BudgetConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[budget]`: what all services of this file may have together; it stops growth alone."""

    instances: Annotated[
        Count | None,
        Meta(description="Instances of all services together, warm ones included.", examples=[120]),
    ] = None
    usd_per_hour: Annotated[
        AboveZero | None,
        Meta(
            description="What they may cost together, warm ones at their full price.",
            examples=[15.0],
        ),
    ] = None


def faults_of_budget(
    budget: BudgetConfig, least: Sequence[tuple[int, float]]
) -> Iterator[tuple[str, str]]:
    """Yield where a budget is less than what its services always have, and the fix.

    Parameters
    ----------
    budget : BudgetConfig
    least : sequence of (int, float)
        Instances each service always has, and the price of one in USD per hour.

    Yields
    ------
    tuple
        Name of the setting in `[budget]`; what is wrong and the fix.
    """
    count = sum(instances for instances, _ in least)
    usd = math.fsum(instances * price for instances, price in least)
    always, fix = "must be at least what the services always", "raise it or lower min_instances"
    if budget.instances is not None and budget.instances < count:
        yield "instances", f"{always} have, {count}, was {budget.instances}; {fix}"
    if budget.usd_per_hour is not None and budget.usd_per_hour < usd * (1 - 1e-9):
        yield "usd_per_hour", f"{always} cost, {usd:g}, was {budget.usd_per_hour:g}; {fix}"
