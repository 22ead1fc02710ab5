"""What `foretide up` and `foretide status` say: what changes, once, and why all is as it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from foretide.cli.status_words import Shown, lines_of
from foretide.cli.up_words import Teller
from foretide.config import load_config
from foretide.control.state import LoopState, ServiceState
from foretide.model.fleet import Fleet, Instance, InstanceState, LeadTimes
from foretide.model.plan import Branch, Decision, Launch, Plan, Reason
from foretide.platforms.base import Outcome, Receipt

AT = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)
PLAN = Plan(
    service="web", made_at=AT, serving_count=2, warm_count=1,
    actions=(Launch(action_id="1", service="web", instance_id="a", version="v1"),),
    decision=Decision(
        branch=Branch.SCALE_UP, reasons=(Reason.FORECAST_RISES,), forecast_id="", curve_version="c",
        total=(3, 3),
    ),
)  # fmt: skip
FLEET = Fleet(
    service="web", observed_at=AT,
    instances=tuple(
        Instance(instance_id=f"web-{n}", service="web", version=version, state=state, since=AT,
                 node_id="here")
        for n, (version, state) in enumerate([
            ("v1", InstanceState.SERVING), ("v1", InstanceState.WARM),
            ("v2", InstanceState.BOOTING),
        ])
    ),
)  # fmt: skip
WEB = ServiceState(
    service="web", mode="live", version="v2", boot_s=300.0, at=AT, plan=PLAN, fleet=FLEET,
    receipts=(Receipt(action_id="1", outcome=Outcome.ACCEPTED),),
    lead_times=LeadTimes(
        boot_p50_s=2.5, boot_p90_s=3.25, boot_count=7, wake_p50_s=0.0004, wake_p90_s=0.001,
        wake_count=3,
    ),
)  # fmt: skip
STATE = LoopState(at=AT, beat_count=1, services=(WEB,))


class Said:
    """A teller, and what it said since it was looked at last."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self.teller = Teller(self._lines.append, None)

    def after(self, state: LoopState) -> list[str]:
        self._lines.clear()
        self.teller.tell(state)
        return [line.removeprefix("12:30:00 ") for line in self._lines]


def web(**changes: object) -> LoopState:
    return msgspec.structs.replace(STATE, services=(msgspec.structs.replace(WEB, **changes),))


def test_a_plan_is_said_once_with_its_reason() -> None:
    said = Said()
    assert said.after(STATE) == [
        "web: planned for launches that take 300 s",
        "web: 2 serving, 1 warm. Scale up to 3 instances: demand is about to rise.",
    ]
    assert said.after(STATE) == []
    later = msgspec.structs.replace(PLAN, made_at=AT + timedelta(minutes=1), actions=())
    assert said.after(web(plan=later)) == []  # nothing is to be done


def test_what_nobody_acts_upon_is_said_so() -> None:
    assert "1 warm (not acted upon)." in Said().after(web(mode="shadow"))[-1]


@pytest.mark.parametrize(
    ("trouble", "over"),
    [
        ("silent", "the platform answers again"),
        ("unwritten", "the journal is written again"),
        ("unheard", "demand is read again"),
    ],
)
def test_a_trouble_is_said_when_it_begins_and_when_it_is_over(trouble: str, over: str) -> None:
    said = Said()
    said.after(STATE)
    assert said.after(web(**{trouble: "no answer"})) == ["web: no answer"]
    assert said.after(web(**{trouble: "no answer"})) == []
    assert said.after(STATE) == [f"web: {over}"]


def test_pauses_refusals_lead_times_and_a_held_clock_are_said() -> None:
    said = Said()
    said.after(STATE)
    assert said.after(web(is_paused=True)) == ["web: paused: planned, and nothing is done"]
    assert said.after(STATE) == ["web: goes on"]
    assert said.after(web(boot_s=120.0)) == ["web: planned for launches that take 120 s"]
    assert said.after(msgspec.structs.replace(STATE, held="the clock was set back"))[0] == (
        "the clock was set back"
    )
    no = (Receipt(action_id="1", outcome=Outcome.REFUSED, detail="v2 waits 4 s"),)
    fresh = msgspec.structs.replace(PLAN, made_at=AT + timedelta(minutes=1))
    assert said.after(web(receipts=no, plan=fresh))[-1] == "web: refused: v2 waits 4 s"


def test_when_nobody_listens_any_more_the_loop_goes_on() -> None:
    calls: list[str] = []

    def broken(line: str) -> None:
        calls.append(line)
        raise BrokenPipeError

    teller = Teller(broken, None)
    teller.begin(load_config("", origin="x"))
    teller.tell(STATE)
    teller.end(STATE)
    assert len(calls) == 1


def shown(process: int | None = 7, state: LoopState | None = STATE) -> Shown:
    return Shown(process=process, state=state, fleets=(), paused=(), modes={"web": "live"})


def test_the_table_holds_plan_request_and_fleet() -> None:
    heading, columns, row, *remarks = lines_of(shown())
    assert heading == "`foretide up` runs as process 7, last heartbeat 12:30:00Z"
    assert columns.split() == [
        "service", "mode", "planned", "asked", "for", "running", "version", "node", "lead", "times",
    ]  # fmt: skip
    cells = [cell.strip() for cell in row.split("  ") if cell.strip()]
    assert cells == [
        "web", "live", "2+1", "1 launch", "1+1, 1 coming", "2 v1, 1 v2", "here",
        "planned 300 s, boot 2.5 s/3.2 s (7), wake 0.4 ms/1 ms (3)",
    ]  # fmt: skip
    assert remarks == ["web: Scale up to 3 instances: demand is about to rise."]


def test_what_is_not_as_planned_and_what_nobody_configured_is_said() -> None:
    stranger = msgspec.structs.replace(FLEET, service="old")
    found = msgspec.structs.replace(
        shown(process=None, state=web(unanswered_count=2)),
        fleets=(msgspec.structs.replace(FLEET, instances=FLEET.instances[:1]), stranger),
        paused=("web",),
    )
    lines = list(lines_of(found))
    assert lines[0] == "`foretide up` does not run; 4 instances run on their own"
    assert "live, paused" in lines[2]
    assert "web: paused: it is planned and journaled, and nothing is done" in lines
    assert "web: 2 of what was asked for was not answered, and is asked again" in lines
    assert "web: what runs is not yet what was planned" in lines
    assert lines[-1].startswith("old: 3 instances of a service that is not configured any more")


def test_all_of_it_is_one_json_object() -> None:
    told = msgspec.json.decode(msgspec.json.encode(shown().told()))
    assert told["process"] == 7
    found = told["services"]["web"]
    assert (found["planned_serving"], found["planned_warm"], found["serving"]) == (2, 1, 1)
    assert found["lead_times"]["boot_count"] == 7
    assert found["words"] == "Scale up to 3 instances: demand is about to rise."
    nothing = msgspec.json.decode(msgspec.json.encode(shown(None, None).told()))
    assert nothing["services"]["web"]["planned_serving"] is None
