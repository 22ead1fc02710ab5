"""What every kind of traffic promises, whether a proxy or a published list."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from cases.running import Running, until
from cases.traffic import asked, endpoint
from foretide.platforms.local.traffic.base import Traffic
from foretide.platforms.local.traffic.endpoint_list import EndpointList, Published

Start = Callable[[int], list[Running]]


class Way:
    """A kind of traffic, and how a client of it sees which instances may be asked."""

    def __init__(self, traffic: Traffic, seen: Callable[[], set[str]]) -> None:
        self.traffic, self.seen = traffic, seen


@pytest.fixture(params=["proxy", "list"])
def way(request: pytest.FixtureRequest, root: Path, port: int) -> Way:
    if request.param == "proxy":
        traffic = request.getfixturevalue("proxied")()
        # each is asked in turn, so twice as many questions as there are instances reach all
        return Way(traffic, lambda: {asked(port) for _ in range(8)} - {"503"})
    listed: EndpointList = request.getfixturevalue("listed")

    def published() -> set[str]:
        path = root / "endpoints" / "web.json"
        if not path.exists():
            return set()
        held = msgspec.json.decode(path.read_bytes(), type=Published)
        return {one.instance_id for one in held.endpoints}

    return Way(listed, published)


def test_who_is_admitted_is_asked_and_who_is_dismissed_is_not(way: Way, instances: Start) -> None:
    a, b = (endpoint(one) for one in instances(2))
    way.traffic.admit("web", a)
    assert way.seen() == {"a"}
    way.traffic.admit("web", b)
    assert way.seen() == {"a", "b"}
    assert not way.traffic.is_idle("web", a)
    way.traffic.dismiss("web", a)
    assert way.seen() == {"b"}
    until(lambda: way.traffic.is_idle("web", a))
    way.traffic.forget("web", a)
    assert way.traffic.is_idle("web", a)
    assert way.seen() == {"b"}
    way.traffic.admit("web", a)
    assert way.seen() == {"a", "b"}


def test_asked_twice_is_as_asked_once(way: Way, instances: Start) -> None:
    a, b = (endpoint(one) for one in instances(2))
    for _ in range(2):
        way.traffic.admit("web", a)
        way.traffic.admit("web", b)
    assert way.seen() == {"a", "b"}
    for _ in range(2):
        way.traffic.dismiss("web", a)
    until(lambda: way.traffic.is_idle("web", a))
    for _ in range(2):
        way.traffic.forget("web", a)
    assert way.seen() == {"b"}


def test_what_is_not_known_can_be_dismissed_and_forgotten(way: Way, instances: Start) -> None:
    a, b = (endpoint(one) for one in instances(2))
    way.traffic.admit("web", a)
    assert way.traffic.is_idle("web", b)
    way.traffic.dismiss("web", b)
    way.traffic.forget("web", b)
    assert way.seen() == {"a"}


def test_a_dismissed_one_may_be_admitted_again_before_it_is_idle(
    way: Way, instances: Start
) -> None:
    (a,) = (endpoint(one) for one in instances(1))
    way.traffic.admit("web", a)
    way.traffic.dismiss("web", a)
    way.traffic.admit("web", a)
    assert way.seen() == {"a"}
    assert not way.traffic.is_idle("web", a)


def test_reconciled_is_exactly_what_was_said(way: Way, instances: Start) -> None:
    a, b, c = (endpoint(one) for one in instances(3))
    way.traffic.reconcile("web", [a, b])
    assert way.seen() == {"a", "b"}
    way.traffic.reconcile("web", [b, c])
    assert way.seen() == {"b", "c"}
    way.traffic.reconcile("web", [])
    assert way.seen() == set()


def test_what_is_let_go_of_goes_on_and_is_found_by_the_next(
    request: pytest.FixtureRequest, way: Way, instances: Start
) -> None:
    a, b = (endpoint(one) for one in instances(2))
    way.traffic.reconcile("web", [a])
    way.traffic.close(is_final=False)
    assert way.seen() == {"a"}
    is_proxy = not isinstance(way.traffic, EndpointList)
    again: Traffic = request.getfixturevalue("proxied")() if is_proxy else way.traffic
    again.admit("web", b)
    assert way.seen() == {"a", "b"}
    again.dismiss("web", a)
    assert way.seen() == {"b"}
    again.close(is_final=True)


def test_a_service_that_listens_nowhere_is_published(way: Way, root: Path) -> None:
    unheard = endpoint(Running(None, 9, root, "", "w-1"))  # pyright: ignore[reportArgumentType]
    way.traffic.admit("worker", unheard)
    assert (root / "endpoints" / "worker.json").exists()
    assert way.traffic.counted("worker") is None
    way.traffic.close(is_final=True)
    assert not list((root / "endpoints").glob("*.json"))
