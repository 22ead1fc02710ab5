"""What the engine is to reach, line by line, and what it did reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from forecasting.tables import table


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the targets.

    Parameters
    ----------
    key : str
        Of the figure that is judged.
    what : str
    floor, target, stretch : float
        From what must be reached to what would be splendid.
    unit : str
    is_more_better : bool
    """

    key: str
    what: str
    floor: float
    target: float
    stretch: float
    unit: str = ""
    is_more_better: bool = False

    def verdict(self, reached: float) -> str:
        """Return the highest of the three that is met."""
        sign = -1 if self.is_more_better else 1
        steps = (("stretch", self.stretch), ("target", self.target), ("floor", self.floor))
        return next((name for name, bound in steps if sign * reached <= sign * bound), "**missed**")


def _over(key: str, what: str, *bounds: tuple[float, float, float]) -> list[Target]:
    return [
        Target(
            key=f"{key}/{horizon}",
            what=f"WQL ÷ {what}, {horizon}, sources held out",
            floor=floor,
            target=target,
            stretch=stretch,
        )
        for horizon, (floor, target, stretch) in zip(("24 h", "7 d"), bounds, strict=True)
    ]


def _short(days: int, floor: float, target: float, stretch: float) -> list[Target]:
    return [
        Target(
            key=f"short/{days}/{horizon}",
            what=f"{days} days of history, {horizon}: ÷ the better of seasonal-naive and Prophet",
            floor=floor,
            target=target,
            stretch=stretch,
        )
        for horizon in ("24 h", "7 d")
    ]


_SAME = (0.93, 0.89, 0.85)
TARGETS: tuple[Target, ...] = (
    *_over("prophet", "Prophet, default", (0.74, 0.69, 0.63), (0.76, 0.71, 0.65)),
    *_over("prophet-tuned", "Prophet, tuned", (0.82, 0.76, 0.70), (0.80, 0.72, 0.66)),
    *_over("lightgbm", "global quantile LightGBM", _SAME, _SAME),
    *_over("weekly-median", "weekly median", (0.76, 0.72, 0.68), (0.90, 0.85, 0.80)),
    Target(
        key="upper",
        what="the highest upper end of the 95 % intervals of these ratios",
        floor=1.0,
        target=0.95,
        stretch=0.9,
    ),
    Target(
        key="lead",
        what="1-5 min buckets, leads 1-120 min, worst trace: WQL ÷ the better of last value "
        "and weekly profile x level",
        floor=1.0,
        target=0.9,
        stretch=0.8,
    ),
    *_short(4, 1.0, 0.92, 0.85),
    *_short(8, 0.9, 0.8, 0.75),
    *_short(14, 0.85, 0.75, 0.7),
    Target(
        key="cover",
        what="80 % and 95 % interval, regular series: furthest from nominal on any horizon day",
        floor=4,
        target=3,
        stretch=2,
        unit=" points",
    ),
    Target(
        key="cover-short",
        what="the same with 3 to 4 weeks of history",
        floor=6,
        target=4,
        stretch=3,
        unit=" points",
    ),
    Target(
        key="below",
        what="P(y ≤ Q.95), pooled: from nominal",
        floor=2,
        target=1.5,
        stretch=1,
        unit=" points",
    ),
    Target(
        key="rate",
        what="hourly, 8 weeks, 168 h, 7 quantiles, in process",
        floor=1000,
        target=2000,
        stretch=4000,
        unit=" series/s",
        is_more_better=True,
    ),
    Target(
        key="command",
        what="the same as `foretide forecast` on a file of 2,000 series",
        floor=500,
        target=1000,
        stretch=1500,
        unit=" series/s",
        is_more_better=True,
    ),
    Target(key="many", what="10,000 series", floor=12, target=6, stretch=3, unit=" s"),
    Target(
        key="memory",
        what="their peak memory, with the interpreter",
        floor=1000,
        target=300,
        stretch=150,
        unit=" MB",
    ),
    Target(
        key="fine", what="1-min buckets, 7 days ahead", floor=8, target=3, stretch=1.5, unit=" ms"
    ),
    Target(key="import", what="`import foretide`", floor=0.5, target=0.3, stretch=0.2, unit=" s"),
    *(
        Target(
            key=f"shift/{horizon}",
            what=f"a level doubled 12 h ago, {horizon}: mean WQL ÷ without it",
            floor=1.5,
            target=1.35,
            stretch=1.2,
        )
        for horizon in ("24 h", "7 d")
    ),
)


def verdicts(reached: Mapping[str, float]) -> str:
    """Return the table of targets; a line without a figure says so."""
    return verdicts_of(TARGETS, reached)


def verdicts_of(targets: Sequence[Target], reached: Mapping[str, float]) -> str:
    """Return a table of targets; a line without a figure says so."""
    head = ["", "floor", "target", "stretch", "reached", "which is"]
    return table(head, [_row(one, reached.get(one.key)) for one in targets])


def _row(one: Target, reached: float | None) -> list[str]:
    bounds = [f"{bound:g}{one.unit}" for bound in (one.floor, one.target, one.stretch)]
    if reached is None:
        return [one.what, *bounds, "-", "not measured here"]
    digits = 0 if abs(reached) >= 100 else 2 if abs(reached) >= 1 else 3
    return [one.what, *bounds, f"{reached:,.{digits}f}{one.unit}", one.verdict(reached)]
