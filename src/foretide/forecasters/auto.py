"""This file knows how the models at hand compete, series by series, and who answers.

Each forecasts from three instants of the last two weeks, with what was known then. The lowest
quantile loss wins; what comes within a twentieth of it shares the answer, for averages of close
models beat either. A model that can be trained is trained once for the three: a competition costs
each about two lessons.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeGuard
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from foretide.errors import ForetideError
from foretide.forecast.base import DAY_S, Forecaster, Trainable, check_asked
from foretide.forecast.score import pinball
from foretide.forecasters.pooled import Pooled
from foretide.model.demand import Demand
from foretide.model.forecast import Forecast

_LEVELS = (0.1, 0.5, 0.9)
_SPACING_DAYS = (0, 3, 6)  # three instants, on three days of the week
_DAYS_MIN = 14  # of history before the first of them
_CLOSE = 1.05
_SHARING_MAX = 3


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    issued_at: datetime
    horizon_s: int
    levels: tuple[float, ...]
    timezone: ZoneInfo


class _Verdict(msgspec.Struct, frozen=True, kw_only=True):
    # Who answers for one series, and why.
    names: tuple[str, ...]
    note: str


class Auto:
    """A competition of other forecasters; keeps nothing.

    Where trees or networks that learn from all series take part, what wins may depend on which
    series are asked for together.

    Parameters
    ----------
    rivals : sequence of Forecaster
        Of different names; the first answers for series too young for a competition.
    """

    name = "auto"

    def __init__(self, rivals: Sequence[Forecaster]) -> None:
        self._rivals = {rival.name: rival for rival in rivals}
        self._default = rivals[0].name

    def forecast(
        self,
        demands: Sequence[Demand],
        *,
        issued_at: datetime,
        horizon_s: int,
        levels: tuple[float, ...],
        timezone: ZoneInfo,
    ) -> list[Forecast]:
        """Forecast every demand by whoever did best on it; see `Forecaster.forecast`."""
        check_asked(horizon_s, levels)
        asked = _Asked(issued_at=issued_at, horizon_s=horizon_s, levels=levels, timezone=timezone)
        known = [demand.until(issued_at) for demand in demands]
        verdicts = self._verdicts(known, asked)
        found: list[list[Forecast]] = [[] for _ in demands]
        for name, rival in self._rivals.items():
            places = [at for at, one in enumerate(verdicts) if name in one.names]
            if places:
                answers = _answers(rival, known, places, asked)
                for at, answer in zip(places, answers, strict=True):
                    found[at].append(answer)
        return [_shared(one, verdict) for one, verdict in zip(found, verdicts, strict=True)]

    def _verdicts(self, known: Sequence[Demand], asked: _Asked) -> list[_Verdict]:
        instants = _instants(asked)
        places = [at for at, demand in enumerate(known) if _is_old_enough(demand, instants[0])]
        young = _Verdict(
            names=(self._default,),
            note=f"auto: {self._default}, too little history for a competition",
        )
        verdicts = [young] * len(known)
        if not places:
            return verdicts
        competing = [known[at] for at in places]
        losses: dict[str, list[float]] = {}
        absent: list[str] = []
        for name, rival in self._rivals.items():
            try:
                losses[name] = _losses(rival, competing, instants, asked)
            except ForetideError as error:
                absent.append(f"; {name} could not take part: {error}")
        for order, at in enumerate(places):
            own = {name: by_series[order] for name, by_series in losses.items()}
            verdicts[at] = _verdict(own, self._default, "".join(absent))
        return verdicts


def _instants(asked: _Asked) -> list[datetime]:
    # Earliest first; from the last one the whole horizon has come.
    days = -(-asked.horizon_s // DAY_S)
    return [asked.issued_at - timedelta(days=days + more) for more in reversed(_SPACING_DAYS)]


def _is_old_enough(demand: Demand, first: datetime) -> bool:
    seen = np.flatnonzero(np.isfinite(demand.values))
    if not len(seen):
        return False
    begin = demand.start + timedelta(seconds=int(seen[0]) * demand.step_s)
    return begin <= first - timedelta(days=_DAYS_MIN)


def _losses(
    rival: Forecaster, demands: Sequence[Demand], instants: Sequence[datetime], asked: _Asked
) -> list[float]:
    # The quantile loss of each series over all instants.
    trained = None
    if _is_trainable(rival):
        trained = rival.train(demands, issued_at=instants[0], timezone=asked.timezone)
    total = np.zeros(len(demands))
    for instant in instants:
        then = msgspec.structs.replace(asked, issued_at=instant, levels=_LEVELS)
        answers = _forecasts(rival, trained, demands, then)
        total += [_loss(one, demand) for one, demand in zip(answers, demands, strict=True)]
    return total.tolist()


def _loss(forecast: Forecast, demand: Demand) -> float:
    begin = (forecast.start - demand.start) // timedelta(seconds=demand.step_s)
    actual = demand.values[begin : begin + len(forecast.values)]
    losses = pinball(forecast.values[: len(actual)], forecast.levels, actual)
    # In parts of the largest amount: sums of such losses cannot overflow.
    return float(np.nansum(losses / max(np.nanmax(demand.values), 1e-300)))


def _verdict(losses: dict[str, float], default: str, absent: str) -> _Verdict:
    ranked = sorted(losses, key=lambda name: losses[name])  # stable: the first rival wins a draw
    best = losses[ranked[0]] if ranked else 0.0
    if best <= 0:
        return _Verdict(names=(default,), note=f"auto: {default}, nothing tells them apart{absent}")
    close = [name for name in ranked if losses[name] <= _CLOSE * best][:_SHARING_MAX]
    rest = [name for name in ranked if name not in close]
    behind = f", {losses[rest[0]] / best - 1:.0%} ahead of {rest[0]}" if rest else ""
    won = f"{close[0]} won" if len(close) == 1 else f"the average of {' and '.join(close)}"
    return _Verdict(
        names=tuple(close), note=f"auto: {won}{behind} in {len(_SPACING_DAYS)} trials{absent}"
    )


def _answers(
    rival: Forecaster, known: Sequence[Demand], places: Sequence[int], asked: _Asked
) -> list[Forecast]:
    # What learns from all series learns from those it does not answer for, too.
    trained = None
    if isinstance(rival, Pooled):
        trained = rival.train(known, issued_at=asked.issued_at, timezone=asked.timezone)
    return _forecasts(rival, trained, [known[at] for at in places], asked)


def _forecasts(
    rival: Forecaster, trained: bytes | None, demands: Sequence[Demand], asked: _Asked
) -> list[Forecast]:
    if trained is not None and _is_trainable(rival):
        return rival.forecast_trained(
            trained,
            demands,
            issued_at=asked.issued_at,
            horizon_s=asked.horizon_s,
            levels=asked.levels,
            timezone=asked.timezone,
        )
    return rival.forecast(
        demands,
        issued_at=asked.issued_at,
        horizon_s=asked.horizon_s,
        levels=asked.levels,
        timezone=asked.timezone,
    )


def _is_trainable(rival: Forecaster) -> TypeGuard[Trainable]:
    return hasattr(rival, "train") and hasattr(rival, "forecast_trained")


def _shared(found: Sequence[Forecast], verdict: _Verdict) -> Forecast:
    notes = dict.fromkeys(one.note for one in found if one.note)
    return msgspec.structs.replace(
        found[0],
        model=Auto.name,
        values=np.mean([one.values for one in found], axis=0),
        note="; ".join([verdict.note, *notes]),
    )
