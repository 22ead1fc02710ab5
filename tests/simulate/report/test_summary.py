"""What `summary.json` holds agrees with the scores, the front and itself."""

from __future__ import annotations

import json
from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from foretide.model.demand import FloatArray
from foretide.simulate.oracle import front_cost_at
from foretide.simulate.outcome import SeriesOutcome
from foretide.simulate.report import summarise, summary
from foretide.simulate.report.summary import subject_of
from foretide.simulate.scenario import Scenario

Play = Callable[..., SeriesOutcome]


def test_numbers_agree_with_score_and_front(
    play: Play, daily: FloatArray, scenario: Scenario
) -> None:
    outcome = play(daily)
    assert outcome.front is not None
    [series] = summarise([outcome], scenario).series
    for run, policy in zip(outcome.runs, series.policies, strict=True):
        assert policy.policy == run.policy
        assert policy.violation_fraction == run.score.violation_fraction
        assert policy.objective_met == (run.score.violation_fraction <= scenario.objective)
        allowed = max(run.score.violation_fraction, scenario.objective)
        limit = front_cost_at(outcome.front, allowed)
        assert policy.cost_over_oracle == pytest.approx(run.score.cost_usd / limit)
        assert policy.cost_over_oracle is not None
        assert policy.cost_over_oracle >= 1 - 1e-9
        per_hour = run.score.mean_billed_count * scenario.price_usd_per_hour
        assert policy.cost_usd_per_month == pytest.approx(730 * per_hour)
    assert series.scored_minute_count == np.isfinite(daily).sum()
    assert series.oracle_front[0][1] == outcome.front.cost_usd[0]


def test_totals_add_up(play: Play, daily: FloatArray, scenario: Scenario) -> None:
    outcomes = [play(daily), play(daily * 3, series_id="big")]
    result = summarise(outcomes, scenario)
    for place, total in enumerate(result.totals):
        parts = [series.policies[place] for series in result.series]
        assert total.cost_usd == pytest.approx(sum(p.cost_usd for p in parts))
        assert total.objective_met_count == sum(p.objective_met for p in parts)
        violations = [p.violation_fraction for p in parts]
        weighted = (violations[0] + 3 * violations[1]) / 4  # thrice the demand weighs thrice
        assert total.violation_fraction == pytest.approx(weighted)
        ratios = [p.cost_over_oracle or 0 for p in parts]
        assert total.cost_over_oracle is not None
        assert min(ratios) <= total.cost_over_oracle <= max(ratios)


def test_summary_is_json_and_names_what_the_command_promises(
    play: Play, daily: FloatArray, scenario: Scenario
) -> None:
    result = json.loads(json.dumps(summary([play(daily)], scenario)))
    told = {"scenario", "series", "totals", "totals_by_kind", "savings", "verdict"}
    assert set(result) == told
    policy = result["series"][0]["policies"][0]
    assert {"violation_fraction", "cost_usd", "mean_billed_count"} <= set(policy)
    assert {"cost_over_oracle", "objective_met"} <= set(policy)
    assert msgspec.convert(result["scenario"], Scenario) == scenario


def test_without_an_oracle_there_is_no_ratio(
    play: Play, daily: FloatArray, scenario: Scenario
) -> None:
    result = summarise([play(daily, ["hpa"])], scenario)
    assert result.series[0].oracle_front == ()
    assert result.series[0].policies[0].cost_over_oracle is None
    assert result.totals[0].cost_over_oracle is None


def test_one_series_without_an_oracle_leaves_the_total_without_ratio(
    play: Play, daily: FloatArray, scenario: Scenario
) -> None:
    both = [play(daily), play(daily, ["foretide", "hpa"], series_id="other")]
    totals = {total.policy: total for total in summarise(both, scenario).totals}
    assert totals["foretide"].cost_over_oracle is None
    assert totals["oracle"].cost_over_oracle is not None
    assert totals["oracle"].series_count == 1


def test_kinds_of_series(play: Play, daily: FloatArray, scenario: Scenario) -> None:
    def kind(demand: FloatArray, policies: tuple[str, ...] = ("foretide",)) -> str:
        return summarise([play(demand, policies)], scenario).series[0].kind

    spike = np.ones(1440)
    spike[700:710] = 500.0
    assert kind(spike) == "spiky"
    assert kind(daily) == "forecastable"  # the band's median is demand itself
    assert kind(daily, ("hpa",)) == "unknown"


def test_kinds_divide_the_totals(play: Play, daily: FloatArray, scenario: Scenario) -> None:
    spike = np.ones(1440)
    spike[700:710] = 500.0
    outcomes = [play(daily), play(spike, series_id="spike"), play(daily * 2, series_id="big")]
    result = summarise(outcomes, scenario)
    assert list(result.totals_by_kind) == ["forecastable", "spiky"]
    for place, total in enumerate(result.totals):
        parts = [totals[place] for totals in result.totals_by_kind.values()]
        assert [part.series_count for part in parts] == [2, 1]
        assert sum(part.cost_usd for part in parts) == pytest.approx(total.cost_usd)


def test_forecast_worth(play: Play, daily: FloatArray, scenario: Scenario) -> None:
    outcome = play(daily, ["foretide"])
    [run] = outcome.runs
    assert run.band is not None
    off = msgspec.structs.replace(run.band, median_rps=run.band.median_rps * 1.2)
    outcome = msgspec.structs.replace(outcome, runs=(msgspec.structs.replace(run, band=off),))
    [policy] = summarise([outcome], scenario).series[0].policies
    assert policy.forecast_wape_fraction == pytest.approx(0.2)
    assert policy.band_coverage_fraction == 1.0
    assert summarise([outcome], scenario).series[0].kind == "bursty"


def test_unobserved_demand_costs_nothing_and_misses_nothing(play: Play, scenario: Scenario) -> None:
    [total] = summarise([play(np.full(60, np.nan), ["hpa"])], scenario).totals
    assert (total.cost_usd_per_month, total.violation_fraction) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("names", "subject"),
    [
        (["hpa", "foretide", "oracle"], "foretide"),
        (["oracle", "keda"], "keda"),
        (["oracle"], "oracle"),
    ],
)
def test_subject_of_a_report(names: list[str], subject: str) -> None:
    assert subject_of(names) == subject
