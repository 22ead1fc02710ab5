"""A measured lead time takes the configured one's place seldom, and only when it matters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.control.leads import Lead, considered
from foretide.errors import InvalidValueError
from foretide.model.fleet import LeadTimes

NOW = datetime(2026, 3, 2, tzinfo=UTC)
SET = Lead(boot_s=100.0)


def measured(p90_s: float, count: int = 9) -> LeadTimes:
    return LeadTimes(boot_p50_s=p90_s / 2, boot_p90_s=p90_s, boot_count=count)


@pytest.mark.parametrize(
    "told",
    [LeadTimes(), measured(300, 4), measured(119), measured(81)],
    ids=["nothing", "too few", "little more", "little less"],
)
def test_what_says_little_changes_nothing(told: LeadTimes) -> None:
    assert considered(SET, told, NOW) is SET


def test_nine_in_ten_launches_are_covered() -> None:
    assert considered(SET, measured(150.04), NOW) == Lead(boot_s=150.0, changed_at=NOW)


def test_it_changes_once_an_hour_at_most() -> None:
    first = considered(SET, measured(150), NOW)
    assert considered(first, measured(300), NOW + timedelta(minutes=59)) is first
    assert considered(first, measured(300), NOW + timedelta(minutes=60)).boot_s == 300


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60))
def test_it_never_flaps_and_stays_within_bounds(p90s: list[float]) -> None:
    lead, changes = SET, list[datetime]()
    for minute, p90_s in enumerate(p90s):
        now = NOW + timedelta(minutes=minute)
        after = considered(lead, measured(p90_s), now)
        if after is not lead:
            assert abs(after.boot_s - lead.boot_s) >= 0.2 * lead.boot_s
            assert 1 <= after.boot_s <= 7200
            changes.append(now)
        lead = after
    assert len(changes) <= 1  # within an hour


@pytest.mark.parametrize("told", [{"boot_p50_s": -1.0}, {"wake_p90_s": float("inf")}])
def test_lead_times_are_times(told: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match="lead times must be finite and >= 0"):
        LeadTimes(**told)  # pyright: ignore[reportArgumentType]
