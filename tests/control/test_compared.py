"""What was planned, what was asked for and what runs, side by side."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from foretide.control.compared import Compared, compared
from foretide.control.state import Mode, ServiceState
from foretide.model.fleet import Fleet, Instance, InstanceState
from foretide.model.plan import Branch, Decision, Launch, Plan, Promote
from foretide.platforms.base import Outcome, Receipt

AT = datetime(2026, 3, 2, tzinfo=UTC)
S = InstanceState


def fleet(*states: InstanceState, version: str = "v1") -> Fleet:
    return Fleet(
        service="web", observed_at=AT,
        instances=tuple(
            Instance(
                instance_id=f"web-{n}", service="web", version=version, state=state, since=AT,
                is_serving_next=False, node_id="here",
            )
            for n, state in enumerate(states)
        ),
    )  # fmt: skip


def state(
    now: Fleet | None, *, serving: int = 1, warm: int = 1, mode: Mode = "live", paused: bool = False
) -> ServiceState:
    decision = Decision(branch=Branch.HOLD, reasons=(), forecast_id="", curve_version="c")
    plan = Plan(
        service="web", made_at=AT, serving_count=serving, warm_count=warm, decision=decision,
        actions=(
            Promote(action_id="1", service="web", instance_id="a"),
            Launch(action_id="2", service="web", instance_id="b", version="v1"),
            Launch(action_id="3", service="web", instance_id="c", version="v1"),
        ),
    )  # fmt: skip
    return ServiceState(
        service="web", mode=mode, is_paused=paused, plan=plan, fleet=now, unanswered_count=1,
        receipts=(Receipt(action_id="1", outcome=Outcome.REFUSED, detail="web-0 is gone"),),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("now", "is_so"),
    [
        (fleet(S.SERVING, S.WARM), True),
        (fleet(S.SERVING, S.BOOTING), True),
        (fleet(S.WAKING, S.WARM), True),
        (fleet(S.SERVING, S.WARM, S.DRAINING), True),
        (fleet(S.SERVING), False),
        (fleet(S.WARM, S.WARM), False),
        (fleet(S.SERVING, S.WARM, S.WARM), False),
        (None, False),
    ],
)
def test_it_is_as_planned_when_what_is_coming_makes_it_so(now: Fleet | None, is_so: bool) -> None:
    assert compared(state(now)).is_as_planned is is_so


def test_everything_is_counted_once() -> None:
    found = compared(state(fleet(S.SERVING, S.SERVING, S.WARM, S.BOOTING, S.PARKING, S.DRAINING)))
    assert (found.serving, found.warm, found.coming, found.leaving) == (2, 1, 1, 2)
    assert (found.versions, found.nodes) == ({"v1": 6}, {"here": 6})
    assert found.requested == {"promote": 1, "launch": 2}
    assert found.refused == ("web-0 is gone",)
    assert found.unanswered_count == 1


@pytest.mark.parametrize(("mode", "paused"), [("shadow", False), ("live", True)])
def test_what_was_not_acted_upon_was_not_asked_for(mode: Mode, paused: bool) -> None:
    found: Compared = compared(state(fleet(S.SERVING), mode=mode, paused=paused))
    assert found.requested == {}


def test_what_is_known_better_goes_before() -> None:
    assert compared(state(fleet(S.SERVING)), fleet(S.WARM)).warm == 1


def test_before_the_first_plan_there_is_none() -> None:
    found = compared(ServiceState(service="web", mode="live"))
    assert (found.planned_serving, found.serving, found.is_as_planned) == (None, 0, False)
