"""This file knows how one scenario becomes several: other lead times, pools, ways to scale down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from foretide.errors import InputError
from foretide.simulate.scenario import ScaleDown, Scenario

_POOLS = {"": (None,), "on": (True,), "off": (False,), "both": (True, False)}
_DESCENTS: dict[str, tuple[ScaleDown | None, ...]] = {
    "": (None,), "strict": ("strict",), "soft": ("soft",), "both": ("strict", "soft"),
}  # fmt: skip


def variants(
    scenarios: dict[str, Scenario],
    *,
    boots_s: Sequence[float] = (),
    warm: str = "",
    scale_down: str = "",
) -> dict[str, Scenario]:
    """Return every scenario with every lead time, warm pool and way of scaling down asked for.

    Parameters
    ----------
    scenarios : dict of str to Scenario
        By name; the name of a single one is left out of the names that come back.
    boots_s : sequence of float
        Lead times in seconds; none: as each scenario says.
    warm : str
        `on`, `off`, `both`; empty: as each scenario says.
    scale_down : str
        `strict`, `soft`, `both`; empty: as each scenario says.

    Returns
    -------
    dict of str to Scenario
        By what tells them apart, such as `boot 60 s, no warm pool`; the plain one first.

    Raises
    ------
    InputError
        When a word is not known, or a scenario has no price for the warm pool asked for.
    """
    for flag, word, known in (("--warm", warm, _POOLS), ("--scale-down", scale_down, _DESCENTS)):
        if word not in known:
            raise InputError(f"{flag} {word}: give one of {', '.join(filter(None, known))}")
    found: dict[str, Scenario] = {}
    for name, scenario in scenarios.items():
        if warm in {"on", "both"} and not scenario.has_warm_pool:
            raise InputError(
                f"--warm {warm}: scenario {name or 'given'} has no warm pool to be had; write "
                "warm_price_fraction = 0.2 (below 1) into it"
            )
        lead = [name] if len(scenarios) > 1 else []
        for said, made in _made(scenario, boots_s, _POOLS[warm], _DESCENTS[scale_down]):
            found[", ".join([*lead, *said])] = made
    return found


def _made(
    scenario: Scenario,
    boots_s: Sequence[float],
    pools: Sequence[bool | None],
    descents: Sequence[ScaleDown | None],
) -> Iterator[tuple[list[str], Scenario]]:
    for boot_s in boots_s or (None,):
        for has_pool in pools:
            for descent in descents:
                said: list[str] = []
                made = scenario
                if boot_s is not None:
                    made = msgspec.structs.replace(made, boot_s=float(boot_s))
                    said += [f"boot {boot_s:g} s"] * (len(boots_s) > 1)
                if has_pool is not None:
                    said += ["warm pool" if has_pool else "no warm pool"] * (len(pools) > 1)
                if has_pool is False:
                    made = msgspec.structs.replace(made, warm_price_fraction=1.0)
                if descent is not None:
                    made = msgspec.structs.replace(made, scale_down=descent)
                    said += [f"{descent} scale-down"] * (len(descents) > 1)
                yield said, made
