"""A link is taken as busy as it will be while an instance comes, by the engine that forecasts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from foretide.control.links import Links, expected_use
from foretide.model.demand import Demand, FloatArray
from foretide.model.placement import NodeRoom, Placement, Rooms, Size
from foretide.plan.place import place

START = datetime(2026, 3, 2, tzinfo=UTC)
ZONE = ZoneInfo("UTC")
DAY = 1440


def use(name: str, values: FloatArray) -> Demand:
    return Demand(series_id=name, start=START, step_s=60, values=values)


def nightly(days: int, *, busy: float = 0.9) -> FloatArray:
    """Return the use of a link that a backup takes from 02:00 to 04:00 every night."""
    minutes = np.arange(days * DAY) % DAY
    noise = np.random.default_rng(7).uniform(0, 0.02, len(minutes))
    return np.where((minutes >= 120) & (minutes < 240), busy, 0.1) + noise


class TwoNodes:
    """A platform whose nodes are as busy now as each other."""

    def __init__(self, *uses: Demand) -> None:
        self.uses = uses
        self.asked_count = 0

    def rooms(self, service: str, version: str) -> Rooms:
        assert (service, version) == ("web", "v1")
        nodes = tuple(
            NodeRoom(
                node_id=name, free_cpu_cores=8, free_memory_mib=8192, link_mbps=100,
                used_fraction=0.1, fetch_mib=500,
            )
            for name in ("a", "b")
        )  # fmt: skip
        return Rooms(size=Size(cpu_cores=1, memory_mib=100, boot_s=600), nodes=nodes)

    def link_use(self) -> tuple[Demand, ...]:
        self.asked_count += 1
        return self.uses


def test_a_link_that_will_be_busy_is_avoided_before_it_is() -> None:
    calm = use("b", np.full(21 * DAY, 0.3))
    ground = TwoNodes(use("a", nightly(21)), calm)
    links = Links(ground)
    at = START + timedelta(days=20, hours=1, minutes=55)
    rooms = links.rooms(at, "web", "v1")
    assert rooms.nodes[0].used_fraction > 0.7
    assert rooms.nodes[1].used_fraction == pytest.approx(0.3, abs=0.1)
    found = place(rooms.nodes, rooms.size)
    assert isinstance(found, Placement)
    assert found.node_id == "b"
    later = links.rooms(START + timedelta(days=20, hours=12), "web", "v1")
    assert later.nodes[0].used_fraction < 0.2


def test_the_launches_of_five_minutes_share_one_forecast() -> None:
    ground = TwoNodes(use("a", nightly(4)), use("b", nightly(4)))
    links = Links(ground)
    at = START + timedelta(days=4)
    first = links.rooms(at, "web", "v1")
    assert links.rooms(at, "web", "v1") == first
    assert links.rooms(at + timedelta(minutes=4), "web", "v1") == first
    assert ground.asked_count == 1
    links.rooms(at + timedelta(minutes=5), "web", "v1")
    assert ground.asked_count == 2


def test_nothing_after_the_instant_is_used() -> None:
    at = START + timedelta(days=5, hours=3)
    known = nightly(6)
    spoilt = known.copy()
    spoilt[5 * DAY + 180 :] = 0.77
    one, other = (
        expected_use((use("a", values),), at, window_s=600, timezone=ZONE)
        for values in (known, spoilt)
    )
    assert one == other


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.r_[np.full(200, 0.9), np.full(50, 0.2), 0.4, np.full(9, 0.1)], {"a": 0.4}),
        (np.r_[np.full(200, 0.9), np.full(60, np.nan)], {}),
        (np.r_[np.full(259, np.nan), 0.25], {"a": 0.25}),
        (np.empty(0), {}),
    ],
    ids=["highest of the last hour", "silent for an hour", "one minute", "nothing"],
)
def test_a_short_history_is_the_highest_minute_of_the_last_hour(
    values: FloatArray, expected: dict[str, float]
) -> None:
    at = START + timedelta(minutes=260)
    assert expected_use((use("a", values),), at, window_s=600, timezone=ZONE) == expected


def test_what_is_not_known_stays_what_the_platform_says_of_now() -> None:
    rooms = Links(TwoNodes()).rooms(START, "web", "v1")
    assert [room.used_fraction for room in rooms.nodes] == [0.1, 0.1]


def test_a_link_is_never_more_than_full() -> None:
    rng = np.random.default_rng(3)
    full = use("a", np.clip(rng.normal(0.95, 0.3, 5 * DAY), 0, 1))
    found = expected_use((full,), START + timedelta(days=5), window_s=600, timezone=ZONE)
    assert 0.9 <= found["a"] <= 1
