"""This file knows how a demo is played: the product's tick, shown as it goes, beside an HPA."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from foretide.cli.live_view import LiveFrame, LiveView, Standing
from foretide.cli.words import describe
from foretide.forecasters.registry import forecaster
from foretide.simulate.backtest import Trace, finish
from foretide.simulate.play import Moment, Play
from foretide.simulate.record import journal_path
from foretide.simulate.rivals.hpa import hpa_counts
from foretide.simulate.scenario import MINUTE_S, Scenario
from foretide.store.journal import FileJournal

if TYPE_CHECKING:
    from foretide.model.demand import Demand, FloatArray
    from foretide.simulate.counts import Counts
    from foretide.simulate.outcome import SeriesOutcome

_FRAME_MINUTES = 10
_FRAME_S = 0.012  # two weeks pass in half a minute: a person can follow the tide
_FORECAST_MINUTES = 360
_DAY_S, _DAY_MINUTES = 86_400, 1440
_LEVELS = (0.05, 0.5, 0.95)


def play(trace: Trace, rules: Scenario, *, folder: Path, title: str) -> SeriesOutcome:
    """Play a trace under the eyes of a person and return what it came to.

    Parameters
    ----------
    trace : Trace
        The series, laid out.
    rules : Scenario
        The rules.
    folder : Path
        Below it the journal goes.
    title : str
        Shown above the view.
    """
    rival = hpa_counts(trace.minutes_rps, capacity_rps=trace.capacity_rps, scenario=rules)
    path = journal_path(folder, trace.demand.series_id)
    path.unlink(missing_ok=True)
    pause = Event()
    with FileJournal(path, is_durable=False) as journal, LiveView(title) as view:
        game = Play(trace.demand, scenario=rules, capacity_rps=trace.capacity_rps, journal=journal)
        for frame in frames(trace, rules, game.moments(), (game.counts(), rival)):
            view.show(frame)
            if view.is_watched:
                pause.wait(_FRAME_S)
    return finish(trace, rules, game, policies=("hpa", "oracle"))


def frames(
    trace: Trace, rules: Scenario, moments: Iterator[Moment], counts: tuple[Counts, ...]
) -> Iterator[LiveFrame]:
    """Yield what is to be seen of a play, every ten minutes of it.

    Parameters
    ----------
    trace : Trace
        What is played.
    rules : Scenario
        The rules.
    moments : iterator of Moment
        The play.
    counts : tuple of Counts
        Foretide's as they grow, then the HPA's; empty where nothing is to be compared.
    """
    ahead = np.empty((0, len(_LEVELS)))
    for moment in moments:
        if moment.minute % _FORECAST_MINUTES == 0:
            ahead = day_ahead(trace.demand, moment.at)
        if moment.minute % _FRAME_MINUTES == 0:
            yield _frame(trace, rules, moment, ahead, counts)


def day_ahead(demand: Demand, now: datetime) -> FloatArray:
    """Return the quantiles of the day from `now` on, as issued then; empty without history.

    Parameters
    ----------
    demand : Demand
        Only what was known by then is used.
    now : datetime
        Aware UTC.

    Returns
    -------
    ndarray, shape (steps, 3)
        5, 50 and 95 % quantiles in requests/s, a step for each of demand's buckets.
    """
    known = demand.until(now)
    if not np.isfinite(known.values).any():
        return np.empty((0, len(_LEVELS)))
    issued = forecaster("fleet").forecast(
        [known], issued_at=now, horizon_s=_DAY_S, levels=_LEVELS, timezone=ZoneInfo("UTC")
    )
    return issued[0].values / known.step_s


def _frame(
    trace: Trace,
    rules: Scenario,
    moment: Moment,
    ahead: FloatArray,
    counts: tuple[Counts, ...],
) -> LiveFrame:
    now = moment.minute
    passed = (now % _FORECAST_MINUTES) * MINUTE_S // trace.demand.step_s
    return LiveFrame(
        now=moment.at,
        progress_fraction=(now + 1) / len(trace.minutes_rps),
        history_rps=trace.minutes_rps[max(0, now - _DAY_MINUTES) : now],
        history_step_s=MINUTE_S,
        low_rps=ahead[passed:, 0],
        median_rps=ahead[passed:, 1],
        high_rps=ahead[passed:, 2],
        ahead_step_s=trace.demand.step_s,
        serving_count=moment.serving,
        warm_count=moment.warm,
        booting_count=moment.booting,
        planned_serving_count=moment.plan.serving_count,
        planned_warm_count=moment.plan.warm_count,
        decision=describe(moment.plan.decision),
        objective=rules.objective,
        standings=tuple(
            _standing(name, one, trace, rules, now)
            for name, one in zip(("Foretide", "HPA"), counts, strict=False)
            if now > trace.first_scored  # before it, everyone still learns
        ),
    )


def _standing(name: str, counts: Counts, trace: Trace, rules: Scenario, now: int) -> Standing:
    """Return what a policy has come to in the scored minutes so far."""
    span = slice(trace.first_scored, max(now, trace.first_scored))
    demand = trace.minutes_rps[span]
    seen = np.isfinite(demand)
    over = np.maximum(demand - trace.capacity_rps * counts.serving[span], 0.0)[seen].sum()
    billed = counts.billed(rules.warm_price_fraction)[span][seen].sum()
    total = demand[seen].sum()
    return Standing(
        name=name,
        cost_usd=float(billed) * rules.price_usd_per_hour * MINUTE_S / 3600,
        violation_fraction=float(over / total) if total > 0 else 0.0,
    )
