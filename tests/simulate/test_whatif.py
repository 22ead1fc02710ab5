"""What would be different is one thing, and a price alone changes money alone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.errors import InputError
from foretide.model.demand import Demand
from foretide.simulate.faults import NO_FAULTS
from foretide.simulate.rounds import Rules, play_scenarios
from foretide.simulate.scenario import Scenario
from foretide.simulate.whatif import change_of, repriced, usual_changes, with_rivals_at

RULES = Scenario(objective=0.01, warm_price_fraction=0.2, warmup_days=1)
START = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "key", "value", "name"),
    [
        ("boot_s/2", "boot_s", 150, "start-up halved"),
        ("boot_s = 60", "boot_s", 60, "boot_s = 60"),
        ("objective*10", "objective", 0.1, "objective ten times looser"),
        ("price_usd_per_hour*2", "price_usd_per_hour", 0.2, "price doubled"),
        ("warm_price_fraction=1", "warm_price_fraction", 1, "no warm pool"),
    ],
)
def test_a_change_is_read(text: str, key: str, value: float, name: str) -> None:
    change = change_of(text, RULES)
    assert getattr(change.scenario, key) == value
    assert change.name == name
    assert change.faults == NO_FAULTS


@pytest.mark.parametrize(
    "text",
    ["", "boot", "boot_s", "boot_s+3", "boots_s=3", "boot_s=x", "boot_s=1e999", "boot_s/0",
     "objective=0", "objective*100", "boot_s=0", "boot_s=99999", "wake_s=61", "boot_s=300",
     "boot_s=-1", "price_usd_per_hour=0", "warm_price_fraction=1.5", "capacity_rps=3"],
)  # fmt: skip
def test_a_change_that_cannot_be_is_refused_with_its_own_words(text: str) -> None:
    with pytest.raises(InputError, match=r"--change ") as refused:
        change_of(text, RULES)
    assert "\n" not in str(refused.value)


@given(st.floats(1e-4, 0.5), st.floats(30, 7200), st.sampled_from([0.2, 1.0]), st.floats(0.01, 10))
def test_the_usual_changes_are_possible_whatever_the_scenario(
    objective: float, boot_s: float, warm: float, price: float
) -> None:
    base = Scenario(
        objective=objective, boot_s=boot_s, warm_price_fraction=warm, price_usd_per_hour=price
    )
    found = usual_changes(base)
    assert len({one.name for one in found}) == len(found) >= 4
    assert all(one.scenario != base for one in found)
    assert [one.name for one in found if one.is_price_only(base)] == ["price doubled"]


def test_a_price_changes_money_only_as_if_it_had_been_played(tmp_path: Path) -> None:
    minutes = np.arange(3 * 1440)
    calls = np.random.default_rng(1).poisson(900 * (1 + 0.8 * np.sin(minutes / 229)))
    demand = Demand(series_id="web", start=START, step_s=60, values=calls.astype(np.float64))
    change = change_of("price_usd_per_hour*3", RULES)
    base, played = play_scenarios(
        [demand], {"": Rules(scenario=RULES), "dear": Rules(scenario=change.scenario)},
        policies=("foretide", "hpa", "oracle"), folder=tmp_path, jobs=1, is_swept=True,
    )  # fmt: skip
    worked_out = repriced(base, change)
    for one, other in zip(worked_out.outcomes[0].runs, played.outcomes[0].runs, strict=True):
        assert one.score.cost_usd == pytest.approx(other.score.cost_usd)
        assert one.score.violation_fraction == other.score.violation_fraction
        np.testing.assert_array_equal(one.counts.serving, other.counts.serving)
    for one, other in zip(worked_out.outcomes[0].sweeps, played.outcomes[0].sweeps, strict=True):
        np.testing.assert_allclose(one.cost_usd, other.cost_usd)
    own, rival = (run.score.cost_usd for run in base.outcomes[0].runs[:2])
    mixed = with_rivals_at(played, RULES.price_usd_per_hour).outcomes[0].runs
    assert [run.score.cost_usd for run in mixed[:2]] == pytest.approx([3 * own, rival])
