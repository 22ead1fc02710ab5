"""The sentences say what the numbers say, and never praise a price that misses the objective."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.model.demand import FloatArray
from foretide.simulate.outcome import SeriesOutcome
from foretide.simulate.report import summarise
from foretide.simulate.report.amounts import percent, usd
from foretide.simulate.report.summary import Summary, TotalSummary
from foretide.simulate.report.words import headline, meanings, rules
from foretide.simulate.scenario import Scenario

Play = Callable[..., SeriesOutcome]


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (0.0, "0 %"),
        (0.00083, "0.083 %"),
        (0.001, "0.1 %"),
        (0.0123, "1.23 %"),
        (0.00103, "0.103 %"),
        (0.2, "20 %"),
        (1.0, "100 %"),
        (1e-9, "< 0.0001 %"),
    ],
)
def test_percent(fraction: float, text: str) -> None:
    assert percent(fraction) == text


@given(st.floats(2e-6, 1.0))
def test_percent_is_right_within_half_a_per_cent(fraction: float) -> None:
    assert float(percent(fraction).removesuffix(" %")) == pytest.approx(100 * fraction, rel=0.0051)


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0.0, "$0.00"), (3.404, "$3.40"), (12.6, "$13"), (1234.4, "$1,234")],
)
def test_usd(amount: float, text: str) -> None:
    assert usd(amount) == text


def test_a_price_per_hour_keeps_its_decimals() -> None:
    assert usd(0.0425, decimals=4) == "$0.0425"
    assert usd(0.1, decimals=4) == "$0.10"


def _told(subject: tuple[float, float], rival: tuple[float, float]) -> list[str]:
    """Return the headline for two (cost a month, violation) at an objective of 0.1 %."""
    totals = tuple(
        TotalSummary(
            policy=name,
            series_count=1,
            objective_met_count=int(violation <= 0.001),
            violation_fraction=violation,
            cost_usd=cost,
            cost_usd_per_month=cost,
            mean_billed_count=1.0,
            cost_over_oracle=1.25 if name == "foretide" else None,
        )
        for name, (cost, violation) in (("foretide", subject), ("hpa", rival))
    )
    return headline(Summary(scenario=Scenario(), series=(), totals=totals, totals_by_kind={}))


def test_headline_when_both_meet_the_objective() -> None:
    money, misses, limit = _told((800, 0.0005), (1000, 0.0002))
    assert money == "Foretide costs $800 a month, 20 % less than HPA ($1,000)."
    assert "0.05 %" in misses
    assert "within the 0.1 % allowed" in misses
    assert "25 % above the least" in limit
    assert "$640" in limit


@pytest.mark.parametrize(
    ("ours", "theirs", "ending"),
    [
        (0.002, 0.0005, "but misses the objective HPA meets."),
        (0.0005, 0.002, "and meets the objective HPA misses."),
        (0.002, 0.003, "; both miss the objective."),
    ],
)
def test_a_price_is_never_told_without_what_it_buys(
    ours: float, theirs: float, ending: str
) -> None:
    assert _told((800, ours), (1000, theirs))[0].endswith(ending)


def test_a_higher_or_equal_cost_is_said_too() -> None:
    assert "10 % more than HPA" in _told((1100, 0.0), (1000, 0.0))[0]
    assert "as much as HPA" in _told((1001, 0.0), (1000, 0.0))[0]


@pytest.mark.parametrize(
    "policies", [["foretide"], ["hpa"], ["oracle"], ["keda", "static"], ["foretide", "oracle"]]
)
def test_any_policies_have_a_headline(
    play: Play, daily: FloatArray, scenario: Scenario, policies: list[str]
) -> None:
    sentences = headline(summarise([play(daily, policies)], scenario))
    assert all(sentence.endswith(".") for sentence in sentences)
    assert "None" not in " ".join(sentences)


def test_only_words_that_are_used_are_explained(
    play: Play, daily: FloatArray, scenario: Scenario
) -> None:
    plain = dict(meanings(summarise([play(daily, ["hpa"])], scenario)))
    full = dict(meanings(summarise([play(daily), play(daily * 2)], scenario)))
    assert set(full) - set(plain) == {
        "÷ oracle",
        "All series together",
        "Expected range",
        "Forecastable, bursty, spiky",
    }


def test_rules_name_the_numbers_of_the_scenario() -> None:
    told = " ".join(rules(Scenario(objective=0.02, boot_s=290, price_usd_per_hour=0.0425)))
    assert "2 % of requests" in told
    assert "5 min after its launch" in told
    assert "$0.0425 an hour" in told
    assert "no warm pool" in told
    assert "30 % of a serving one" in " ".join(rules(Scenario(warm_price_fraction=0.3)))


def test_a_series_never_observed_has_a_headline(play: Play, scenario: Scenario) -> None:
    nothing = play(np.full(60, np.nan), ["foretide", "hpa"])
    assert headline(summarise([nothing], scenario))[0].startswith("Foretide costs $0.00")
