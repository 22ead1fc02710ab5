"""What is measured of one series at one objective, and kept for the next run of the same code."""

from __future__ import annotations

import hashlib
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np
from planning.cases import scenario_for
from planning.faults import measure as measured_under

import foretide
from foretide.model.demand import Demand
from foretide.plan.knob import ladder
from foretide.simulate.backtest import Trace, backtest, trace_for
from foretide.simulate.classes import series_class
from foretide.simulate.counts import Counts, Score, score
from foretide.simulate.faults import NO_FAULTS, Faults, ForecastBias
from foretide.simulate.oracle import front_cost_at, oracle_front
from foretide.simulate.outcome import Front
from foretide.simulate.play import Play
from foretide.simulate.scenario import Scenario
from foretide.simulate.tune import played, prepared
from foretide.sources.demand_table import read_demand
from foretide.store.journal import Entry

KEPT = Path(tempfile.gettempdir()) / "foretide-planner-benchmark"
RIVALS = ("hpa-tuned", "hpa-warm-tuned")
SPIKE_FACTOR, SPIKE_MINUTES, SPIKE_BEFORE_MINUTES = 6.0, 60, 2160
BIAS_FROM_MINUTES = 360
_DECIDING = ("plan", "control", "forecast", "simulate")


class Nowhere:
    """A journal for a world nobody replays: the time measured is the product's own."""

    def append(self, entry: Entry) -> None:
        """Forget the entry."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to measure.

    It is `own`, `spike`, `bias-0.8`, `bias-1.2`, `rivals`, `hindsight`, or a fault of
    `planning.faults` with a seed: `flash-crowd-1`.

    Parameters
    ----------
    path, series : str
        The file, and the series in it.
    objective : float
    kind : str
    code : str
        Digest of the code that measures it.
    """

    path: str
    series: str
    objective: float
    kind: str
    code: str


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a job came to.

    Parameters
    ----------
    job : Job
    over_limit : dict of str to float
        Cost / the clairvoyant's at max(violation, objective), by policy.
    violation : dict of str to float
        Requests over capacity / all requests, by policy.
    load_class : str
        Of the series, where the job can tell.
    wape : float
        One boot ahead.
    cost_usd : dict of str to float
        By policy, under a fault.
    changes_per_day : float
        Instances that began or ceased to serve.
    seconds : float
    """

    job: Job
    over_limit: dict[str, float]
    violation: dict[str, float]
    load_class: str = ""
    wape: float = 0.0
    cost_usd: dict[str, float] = {}
    changes_per_day: float = 0.0
    seconds: float = 0.0


def measured(job: Job) -> Result:
    """Return what a job comes to, from the last run where the code is the same."""
    kept = KEPT / f"{job.code}-{job.series}-{job.objective}-{job.kind}.json"
    if kept.exists():
        return msgspec.json.decode(kept.read_bytes(), type=Result)
    demand = next(d for d in read_demand(Path(job.path)).demands if d.series_id == job.series)
    began = time.process_time()
    found = _measure(job, demand, scenario_for(demand, job.objective))
    found = msgspec.structs.replace(found, seconds=time.process_time() - began)
    KEPT.mkdir(exist_ok=True)
    kept.write_bytes(msgspec.json.encode(found))
    return found


def code_digest() -> str:
    """Return what changes with any file that decides."""
    digest = hashlib.sha256()
    root = Path(foretide.__file__).parent
    for folder in _DECIDING:
        for path in sorted((root / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _measure(job: Job, demand: Demand, rules: Scenario) -> Result:
    trace = trace_for(demand, rules)
    match job.kind.partition("-"):
        case ("own", _, _):
            return _own(job, trace, rules, 1.0)
        case ("bias", _, factor):
            return _own(job, trace, rules, float(factor))
        case ("spike", _, _):
            return _spiked(job, trace, rules)
        case ("rivals", _, _):
            outcome = backtest(demand, scenario=rules, policies=RIVALS, journal=Nowhere())
            limit = _limit(trace, rules)
            scores = {run.policy: run.score for run in outcome.runs}
            return Result(
                job=job,
                over_limit={name: _over(limit, one, rules) for name, one in scores.items()},
                violation={name: one.violation_fraction for name, one in scores.items()},
            )
        case ("hindsight", _, _):
            return _every_notch(job, trace, rules)
        case _:
            return _faulted(job, demand)


def _own(job: Job, trace: Trace, rules: Scenario, factor: float) -> Result:
    play = _played(trace, rules, factor)
    first = trace.first_scored + (0 if factor == 1.0 else BIAS_FROM_MINUTES)
    counts = play.counts()
    found = _score(counts, trace, rules, first)
    known = series_class(
        trace.minutes_rps[trace.first_scored :], play.band(trace.first_scored), trace.capacity_rps
    )
    serving = counts.serving[first:]
    return Result(
        job=job,
        over_limit={"foretide": _over(_limit(trace, rules), found, rules)},
        violation={"foretide": found.violation_fraction},
        load_class=known.load_class.value,
        wape=known.wape_fraction or 0.0,
        changes_per_day=float(np.abs(np.diff(serving)).sum() / len(serving) * 1440),
    )


def _played(trace: Trace, rules: Scenario, factor: float) -> Play:
    faults = NO_FAULTS if factor == 1.0 else Faults(forecast_bias=ForecastBias(factor=factor))
    play = Play(
        trace.demand, scenario=rules, capacity_rps=trace.capacity_rps, journal=Nowhere(),
        faults=faults,
    )  # fmt: skip
    for _ in play.moments():
        pass
    return play


def _spiked(job: Job, trace: Trace, rules: Scenario) -> Result:
    """Compare with a run whose warm-up held one spike; the scored part is the same."""
    per_bucket = trace.demand.step_s // 60
    begin = max(0, (trace.first_scored - SPIKE_BEFORE_MINUTES)) // per_bucket
    values = trace.demand.values.copy()
    values[begin : begin + SPIKE_MINUTES // per_bucket] *= SPIKE_FACTOR
    spiked = msgspec.structs.replace(
        trace,
        demand=Demand(
            series_id=trace.demand.series_id, start=trace.demand.start,
            step_s=trace.demand.step_s, values=values,
        ),
    )  # fmt: skip
    found = _score(_played(spiked, rules, 1.0).counts(), trace, rules, trace.first_scored)
    return Result(
        job=job,
        over_limit={"foretide": _over(_limit(trace, rules), found, rules)},
        violation={"foretide": found.violation_fraction},
    )


def _faulted(job: Job, demand: Demand) -> Result:
    fault, _, seed = job.kind.rpartition("-")
    row = measured_under(demand, fault, int(seed))
    found = {"foretide": row.own, "hpa": row.hpa}
    return Result(
        job=job,
        over_limit={},
        violation={name: one.violation_fraction for name, one in found.items()},
        cost_usd={name: one.cost_usd for name, one in found.items()},
    )


def _every_notch(job: Job, trace: Trace, rules: Scenario) -> Result:
    play = Play(trace.demand, scenario=rules, capacity_rps=trace.capacity_rps, journal=Nowhere())
    # no spend guard, no cost factor: a notch that is never left
    ready = prepared(trace.demand, play.policy)
    limit = _limit(trace, rules)
    over, violation = dict[str, float](), dict[str, float]()
    for notch in range(len(ladder(has_warm_pool=rules.has_warm_pool))):
        fixed = np.full(len(trace.minutes_rps), notch)
        found = _score(played(ready, fixed, fixed), trace, rules, trace.first_scored)
        over[str(notch)] = _over(limit, found, rules)
        violation[str(notch)] = found.violation_fraction
    return Result(job=job, over_limit=over, violation=violation)


def _score(counts: Counts, trace: Trace, rules: Scenario, first: int) -> Score:
    return score(
        counts.from_minute(first),
        trace.minutes_rps[first:],
        capacity_rps=trace.capacity_rps,
        warm_price_fraction=rules.warm_price_fraction,
        price_usd_per_hour=rules.price_usd_per_hour,
    )


def _limit(trace: Trace, rules: Scenario) -> Front:
    return oracle_front(
        trace.minutes_rps, capacity_rps=trace.capacity_rps, scenario=rules,
        first_scored=trace.first_scored,
    )  # fmt: skip


def _over(limit: Front, found: Score, rules: Scenario) -> float:
    return found.cost_usd / front_cost_at(limit, max(found.violation_fraction, rules.objective))
