"""The referee's rules, by which every policy is played and scored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.errors import InputError
from foretide.model.demand import Demand, FloatArray
from foretide.simulate.backtest import backtest, check_policies, trace_for
from foretide.simulate.counts import Counts, IntArray
from foretide.simulate.oracle import front_cost_at
from foretide.simulate.outcome import SeriesOutcome
from foretide.simulate.record import journal_path
from foretide.simulate.rivals.hpa import hpa_counts
from foretide.simulate.rounds import play_all
from foretide.simulate.scenario import Scenario
from foretide.store.journal import Entry, MemoryJournal, read_journal

START = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = 2.25
RULES = Scenario(objective=0.01, warm_price_fraction=0.2, warmup_days=1.0)
ALL = ("foretide", "hpa", "oracle")


def made(values: FloatArray, step_s: int, series_id: str = "web") -> Demand:
    return Demand(series_id=series_id, start=START, step_s=step_s, values=values)


def daily(step_s: int = 60, *, days: float = DAYS, seed: int = 3) -> Demand:
    """Return users by day, two jumps and a gap; about 20 instances of what is served by one."""
    rng = np.random.default_rng(seed)
    hours = np.arange(int(days * 86_400 / step_s)) * step_s / 3600
    rate = 4.0 * step_s * (1 - 0.9 * np.cos(hours * np.pi / 12))
    rate[(hours > 34) & (hours < 35)] *= 2
    values = rng.poisson(rate).astype(np.float64)
    values[(hours > 40) & (hours < 40.4)] = np.nan
    return made(values, step_s)


def played(
    demand: Demand, rules: Scenario = RULES, policies: tuple[str, ...] = ALL
) -> tuple[SeriesOutcome, list[Entry]]:
    journal = MemoryJournal()
    return backtest(demand, scenario=rules, policies=policies, journal=journal), journal.entries


def counts_of(outcome: SeriesOutcome, policy: str) -> Counts:
    return next(run.counts for run in outcome.runs if run.policy == policy)


def as_rows(counts: Counts) -> IntArray:
    return np.stack([counts.serving, counts.warm, counts.booting])


@pytest.fixture(scope="module")
def by_minute() -> tuple[SeriesOutcome, list[Entry]]:
    return played(daily())


@pytest.fixture(scope="module")
def cold() -> SeriesOutcome:
    """Return the same without a warm pool."""
    return played(daily(), msgspec.structs.replace(RULES, warm_price_fraction=1.0))[0]


@pytest.mark.parametrize(
    ("step_s", "instant"), [(60, 2000), (60, 2401), (60, 3001), (300, 2000), (300, 2403)]
)
@pytest.mark.parametrize("wrong", [0.0, 80.0])
def test_what_comes_after_an_instant_changes_nothing_before_it(
    step_s: int, instant: int, wrong: float
) -> None:
    demand = daily(step_s)
    corrupted = demand.values.copy()
    corrupted[-(-instant * 60 // step_s) :] = wrong * step_s
    rules = msgspec.structs.replace(RULES, capacity_rps={"web": 0.4})
    truth, written = played(demand, rules, ("foretide", "hpa"))
    other, rewritten = played(made(corrupted, step_s), rules, ("foretide", "hpa"))
    known = instant // (step_s // 60) * (step_s // 60)  # the bucket that holds it is open
    # an entry holds the forecast's need and the plan: all that was issued and decided
    assert written[: known + 1] == rewritten[: known + 1]
    scored = known + 1 - 1440
    for policy in ("foretide", "hpa"):
        rows = [as_rows(counts_of(one, policy))[:, :scored] for one in (truth, other)]
        np.testing.assert_array_equal(rows[0], rows[1])
    assert written[known + 1 :] != rewritten[known + 1 :]  # else the corruption was not seen


@pytest.mark.parametrize("boot_s", [60, 300, 301, 600])
@pytest.mark.parametrize("policy", ["foretide", "hpa"])
@pytest.mark.parametrize("warm_price_fraction", [0.2, 1.0])
def test_a_launch_serves_one_boot_later_and_is_billed_from_the_launch(
    policy: str, boot_s: float, warm_price_fraction: float
) -> None:
    rules = msgspec.structs.replace(
        RULES, boot_s=boot_s, warm_price_fraction=warm_price_fraction, warmup_days=0,
        capacity_rps={"web": 0.4},
    )  # fmt: skip
    outcome, _ = played(daily(300, days=1.3), rules, (policy,))
    counts = counts_of(outcome, policy)
    ready = counts.serving + counts.warm
    # nobody serves who was not there the minute before, ready or at the end of the boot
    rises = np.flatnonzero(np.diff(ready) > 0) + 1
    first = np.searchsorted(rises, 5)  # the fleet the HPA is given in its first minute
    assert len(rises) > first
    for minute in rises[first:]:
        came = ready[minute] - ready[minute - 1]
        since = minute - rules.boot_minutes
        assert (counts.booting[max(since, 0) : minute] >= came).all()
    if policy == "hpa" or warm_price_fraction == 1:
        assert not counts.warm.any()
    assert counts.serving.min() >= 1


def test_a_launch_is_never_shorter_than_its_boot() -> None:
    rules = msgspec.structs.replace(RULES, warmup_days=0, capacity_rps={"web": 0.4})
    outcome, entries = played(daily(300, days=1.3), rules, ("foretide",))
    counts = counts_of(outcome, "foretide")
    launched, ended = np.zeros((2, len(entries)), np.int64)
    for minute, entry in enumerate(entries):
        verbs = [type(action).__name__ for action in entry.plan.actions]
        launched[minute] = verbs.count("Launch")
        ended[minute] = verbs.count("Terminate") + verbs.count("Drain")
    total = counts.serving + counts.warm + counts.booting
    np.testing.assert_array_equal(total, 1 + np.cumsum(launched) - np.cumsum(ended))
    # what boots now was launched within the last boot, less what was called off
    recent = np.convolve(launched, np.ones(rules.boot_minutes))[: len(launched)]
    assert (counts.booting <= recent).all()
    assert (counts.booting[launched > 0] >= 1).all()


def test_what_is_billed_is_what_is_there() -> None:
    counts = Counts(serving=np.array([1, 5]), warm=np.array([0, 10]), booting=np.array([2, 0]))
    np.testing.assert_allclose(counts.billed(0.2), [3.0, 7.0])


def test_the_score_is_the_sum_over_the_scored_minutes(
    by_minute: tuple[SeriesOutcome, list[Entry]],
) -> None:
    outcome, _ = by_minute
    demand = outcome.demand_rps
    seen = np.isfinite(demand)
    assert 0 < (~seen).sum() < 60
    for run in outcome.runs:
        billed = run.counts.serving + run.counts.booting + 0.2 * run.counts.warm
        over = np.maximum(demand - outcome.capacity_rps * run.counts.serving, 0)[seen].sum()
        assert run.score.scored_minute_count == seen.sum()
        assert run.score.cost_usd == pytest.approx(
            billed[seen].sum() * RULES.price_usd_per_hour / 60
        )
        assert run.score.violation_fraction == pytest.approx(over / demand[seen].sum())


def test_foretide_keeps_the_objective_for_less_than_the_hpa(
    by_minute: tuple[SeriesOutcome, list[Entry]],
) -> None:
    outcome, _ = by_minute
    scores = {run.policy: run.score for run in outcome.runs}
    assert scores["foretide"].violation_fraction <= 2 * RULES.objective
    assert scores["foretide"].cost_usd < scores["hpa"].cost_usd


def test_without_a_cheaper_warm_instance_there_is_none(cold: SeriesOutcome) -> None:
    for run in cold.runs:
        assert not run.counts.warm.any()
        assert run.counts.serving.min() >= 1


def test_with_a_warm_pool_some_are_held_warm(
    by_minute: tuple[SeriesOutcome, list[Entry]],
) -> None:
    assert counts_of(by_minute[0], "foretide").warm.any()
    assert not counts_of(by_minute[0], "hpa").warm.any()


def bounded(outcome: SeriesOutcome) -> bool:
    assert outcome.front is not None
    return all(
        run.score.cost_usd >= front_cost_at(outcome.front, run.score.violation_fraction) - 1e-9
        for run in outcome.runs
    )


def test_nobody_beats_the_limit(
    by_minute: tuple[SeriesOutcome, list[Entry]], cold: SeriesOutcome
) -> None:
    assert bounded(by_minute[0])
    assert bounded(cold)


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    warm_price_fraction=st.sampled_from([0.1, 0.5, 1.0]),
    boot_s=st.sampled_from([60.0, 300.0]),
    objective=st.sampled_from([0.001, 0.2]),
)
def test_nobody_beats_the_limit_on_any_trace(
    seed: int, warm_price_fraction: float, boot_s: float, objective: float
) -> None:
    rng = np.random.default_rng(seed)
    level = np.exp(np.cumsum(rng.normal(0, 0.15, 240)))
    values = rng.poisson(np.repeat(level, 5) * 30).astype(np.float64)
    values[rng.random(len(values)) < 0.05] = np.nan
    rules = Scenario(
        objective=objective, boot_s=boot_s, warm_price_fraction=warm_price_fraction,
        warmup_days=0.25, capacity_rps={"web": max(float(np.nanmax(values)) / 60 / 8, 0.01)},
    )  # fmt: skip
    policies = ("foretide", "hpa", "hpa@0.3", "hpa@1.5", "oracle")
    assert bounded(played(made(values, 60), rules, policies)[0])


@pytest.mark.parametrize(
    ("warmup_days", "minutes", "first"),
    [(14, 1000, 500), (0, 1000, 0), (0.25, 1000, 360), (1e9, 1001, 500)],
)
def test_the_warm_up_is_at_most_half(warmup_days: float, minutes: int, first: int) -> None:
    rules = msgspec.structs.replace(RULES, warmup_days=warmup_days)
    trace = trace_for(made(np.full(minutes, 60.0), 60), rules)
    assert trace.first_scored == first


def test_an_instance_is_sized_by_the_peak_of_the_warm_up() -> None:
    values = np.full(2000, 6000.0)
    values[1000:] = 90_000.0  # after the warm-up: must not be known
    assert trace_for(made(values, 60), RULES).capacity_rps == pytest.approx(100 / 50)
    given_rps = msgspec.structs.replace(RULES, capacity_rps={"web": 3.0})
    assert trace_for(made(values, 60), given_rps).capacity_rps == 3.0


def test_demand_is_held_within_its_bucket() -> None:
    trace = trace_for(made(np.array([300.0, np.nan, 600.0, 0.0]), 300), RULES)
    expected = np.repeat([1.0, np.nan, 2.0, 0.0], 5)
    np.testing.assert_array_equal(trace.minutes_rps, expected)


@pytest.mark.parametrize(
    ("demand", "rules", "named"),
    [
        (made(np.ones(100), 90), RULES, "whole minutes"),
        (made(np.ones(100), 7200), RULES, "whole minutes"),
        (made(np.array([1.0] * 50 + [np.nan] * 50), 60), RULES, "no demand was observed"),
        (made(np.array([0.0] * 50 + [1.0] * 50), 60), RULES, "capacity_rps"),
        (
            made(np.full(100, 6e6), 60),
            msgspec.structs.replace(RULES, capacity_rps={"web": 0.1}),
            "10000 instances",
        ),
    ],
)
def test_what_cannot_be_played_is_refused(demand: Demand, rules: Scenario, named: str) -> None:
    with pytest.raises(InputError, match=named) as refused:
        trace_for(demand, rules)
    assert str(refused.value).startswith("web: ")


@pytest.mark.parametrize(
    "policies",
    [["hpa2"], ["hpa@"], ["hpa@0"], ["hpa@x"], ["hpa@nan"], ["hpa", "hpa"], ["oracle@1"]],
)
def test_an_unknown_policy_is_refused(policies: list[str]) -> None:
    with pytest.raises(InputError, match="--policy"):
        check_policies(policies)
    with pytest.raises(InputError, match="--policy"):
        played(daily(300, days=0.1), RULES, tuple(policies))


def test_a_target_can_be_given_to_the_hpa() -> None:
    demand = daily(300, days=0.5)
    outcome, _ = played(demand, RULES, ("hpa@0.5", "hpa"))
    trace = trace_for(demand, RULES)
    half = hpa_counts(
        trace.minutes_rps, capacity_rps=trace.capacity_rps, scenario=RULES, target=0.5
    ).from_minute(trace.first_scored)
    np.testing.assert_array_equal(as_rows(counts_of(outcome, "hpa@0.5")), as_rows(half))
    assert outcome.runs[0].score.cost_usd > outcome.runs[1].score.cost_usd


def test_runs_keep_the_order_asked_for() -> None:
    asked = ("oracle", "hpa", "foretide")
    outcome, entries = played(daily(300, days=0.25), RULES, asked)
    assert tuple(run.policy for run in outcome.runs) == asked
    assert len(entries) == 360


def test_series_played_at_once_come_to_the_same(tmp_path: Path) -> None:
    demands = [
        made(daily(300, days=0.5, seed=seed).values, 300, f"shop/f{seed}") for seed in (1, 2)
    ]
    told = dict[int, list[float]]()
    outcomes = {
        jobs: play_all(
            demands, scenario=RULES, policies=("foretide",), folder=tmp_path / str(jobs),
            jobs=jobs, progress=told.setdefault(jobs, []).append,
        )
        for jobs in (1, 2)
    }  # fmt: skip
    for one, other in zip(outcomes[1], outcomes[2], strict=True):
        assert one.series_id == other.series_id
        np.testing.assert_array_equal(as_rows(one.runs[0].counts), as_rows(other.runs[0].counts))
        journals = [journal_path(tmp_path / jobs, one.series_id) for jobs in ("1", "2")]
        assert journals[0].read_bytes() == journals[1].read_bytes()
        assert len(list(read_journal(journals[0]))) == 720
    assert told[1][-1] == told[2][-1] == 2
    assert told[1] == sorted(told[1])


def test_minutes_follow_from_the_start_of_the_scored_part() -> None:
    outcome, _ = played(daily(300, days=0.5), RULES, ("hpa",))
    assert outcome.start == START + timedelta(minutes=360)
    assert len(outcome.demand_rps) == len(outcome.runs[0].counts.serving) == 360
