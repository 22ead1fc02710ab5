"""What is saved is said with what is dropped, in the page as in the numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.model.demand import FloatArray
from foretide.simulate.outcome import Played, SeriesOutcome, Sweep
from foretide.simulate.report import summarise, write_report
from foretide.simulate.report.amounts import one_in
from foretide.simulate.report.comparison import (
    comparison_figure,
    comparison_section,
    signed_percent,
)
from foretide.simulate.report.money import at_equal_drops, savings_table, share, verdict_box
from foretide.simulate.savings import Verdict
from foretide.simulate.scenario import Scenario

Play = Callable[..., SeriesOutcome]


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (0.0, "none"), (0.001, "1 in 1,000"), (0.00083, "1 in 1,200"), (1e-6, "1 in 1,000,000"),
        (0.05, "1 in 20"), (0.1, "1 in 10"), (0.12, "1 in 10"), (0.31, "3 in 10"),
        (0.6, "6 in 10"), (0.95, "nearly all"),
    ],
)  # fmt: skip
def test_shares_are_said_as_people_say_them(fraction: float, text: str) -> None:
    assert one_in(fraction) == text


@given(st.floats(1e-7, 0.09))
def test_one_in_so_many_is_right_within_a_tenth(fraction: float) -> None:
    lead, count = one_in(fraction).split(" in ")
    assert int(lead) / int(count.replace(",", "")) == pytest.approx(fraction, rel=0.1)


def test_changes_and_shares_have_a_sign() -> None:
    assert (signed_percent(0.12), signed_percent(-0.031)) == ("+12 %", "\N{MINUS SIGN}3.1 %")
    assert (signed_percent(0.0001), share(-0.0001)) == ("0 %", "0 %")
    assert (share(0.2), share(-0.2)) == ("20 %", "\N{MINUS SIGN}20 %")


def test_the_table_has_a_row_per_rival_and_none_for_the_limit(
    play: Play, daily: FloatArray, scenario: Scenario
) -> None:
    outcome = play(daily, ["foretide", "hpa", "keda", "oracle"])
    summary = summarise([outcome], scenario)
    assert [one.rival for one in summary.savings] == ["hpa", "keda"]
    own, rival = (run.score.cost_usd for run in outcome.runs[:2])
    assert summary.savings[0].saved_fraction == pytest.approx(1 - own / rival)
    html = savings_table(summary, [outcome])
    assert html.count('<th scope="row">') == 2
    alone = summarise([play(daily, ["hpa", "oracle"])], scenario)
    assert savings_table(alone, []) == ""


def test_a_swept_rival_is_told_at_equal_drops(
    play: Play, daily: FloatArray, scenario: Scenario
) -> None:
    outcome = play(daily)
    own_usd = outcome.runs[0].score.cost_usd
    sweep = Sweep(
        name="hpa",
        settings=("hpa@0.3", "hpa@0.8"),
        violation_fraction=np.array([0.0, 0.5]),
        cost_usd=np.array([2 * own_usd, own_usd / 2]),
    )
    swept = msgspec.structs.replace(outcome, sweeps=(sweep,))
    [told] = at_equal_drops(summarise([swept], scenario), [swept])
    assert "HPA at 30 %" in told
    assert "50 % is saved" in told
    never = msgspec.structs.replace(sweep, violation_fraction=np.array([0.4, 0.5]))
    hopeless = msgspec.structs.replace(outcome, sweeps=(never,))
    [told] = at_equal_drops(summarise([hopeless], scenario), [hopeless])
    assert told.startswith("No setting of HPA")


def test_a_verdict_is_said_first_and_cannot_break_the_page() -> None:
    verdict = Verdict(
        is_worth_it=False, against="hpa", sentence="Not worth it here: <b>no</b>.", reasons=("x",)
    )
    html = verdict_box(verdict)
    assert "<strong>Not worth it here.</strong> &lt;b&gt;no" in html
    assert verdict_box(None) == ""


def test_scenarios_are_compared_with_the_first(
    play: Play, daily: FloatArray, scenario: Scenario, tmp_path: Path
) -> None:
    outcome = play(daily)
    tight = msgspec.structs.replace(scenario, objective=1e-6)
    played = [
        Played(name="a <b>", scenario=scenario, outcomes=(outcome,)),
        Played(name="tight", scenario=tight, outcomes=(outcome,)),
    ]
    summaries = [summarise(one.outcomes, one.scenario) for one in played]
    names = [one.name for one in played]
    html = comparison_section(names, summaries)
    assert "a &lt;b&gt;" in html
    assert "<b>" not in html
    assert html.count("<tbody>") == 2
    figure = comparison_figure(names, summaries)
    assert figure is not None
    assert len(figure["data"]) == 2 * 3 + 1
    assert (comparison_section(["a"], summaries[:1]), comparison_figure(["a"], summaries[:1])) == (
        "",
        None,
    )
    write_report(tmp_path / "r.html", title="t", played=played)
    assert "Scenarios side by side" in (tmp_path / "r.html").read_text("utf-8")
