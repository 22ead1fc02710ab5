"""Which instances move: each once, in legal states, and to the counts that were said."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from foretide.model.fleet import LIFECYCLE, Fleet, Instance, InstanceState
from foretide.model.plan import Action, Drain, Launch, Park, Promote, Terminate
from foretide.plan.act import Moves, actions_for
from foretide.plan.capacity import linear_curve
from foretide.plan.knob import Knob
from foretide.plan.policy import ServicePolicy

_NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
_S = InstanceState
_LETTERS = {
    "S": _S.SERVING, "w": _S.WARM, "b": _S.BOOTING, "r": _S.REQUESTED, "k": _S.WAKING,
    "p": _S.PARKING, "d": _S.DRAINING,
}  # fmt: skip
# where each action sends an instance first
_FIRST_STATE = {
    "Promote": _S.WAKING, "Park": _S.PARKING, "Drain": _S.DRAINING, "Terminate": _S.TERMINATED,
}  # fmt: skip


def _fleet(letters: str) -> Fleet:
    """Return a fleet written as one letter per instance, oldest first."""
    instances = tuple(
        Instance(
            instance_id=f"i{n}", service="web", version="v1", state=_LETTERS[letter], since=_NOW,
            is_serving_next=False,
        )
        for n, letter in enumerate(letters)
    )  # fmt: skip
    return Fleet(service="web", observed_at=_NOW, instances=instances)


def _policy(*, has_warm_pool: bool = True) -> ServicePolicy:
    return ServicePolicy(
        service="web", version="v2", curve=linear_curve(10), knob=Knob(run_rho=4), boot_s=300,
        has_warm_pool=has_warm_pool,
    )  # fmt: skip


def _acted(
    letters: str, serving: int, total: int, *, has_warm_pool: bool = True
) -> tuple[list[str], tuple[int, int]]:
    """Return the actions as `Verb instance`, and the counts they lead to."""
    actions, reached = actions_for(
        _NOW,
        _fleet(letters),
        Moves(serving_count=serving, total_count=total),
        _policy(has_warm_pool=has_warm_pool),
    )
    told = [
        type(a).__name__ if isinstance(a, Launch) else f"{type(a).__name__} {_instance(a)}"
        for a in actions
    ]
    return told, (reached.serving_count, reached.total_count)


def _instance(action: Action) -> str:
    assert isinstance(action, Promote | Park | Drain | Terminate)
    return action.instance_id


def test_nothing_to_do_is_nothing_done() -> None:
    assert _acted("SSw", 2, 3) == ([], (2, 3))


def test_growth_promotes_first_and_launches_the_rest_warm() -> None:
    told, reached = _acted("SSw", 4, 5)
    assert told == ["Promote i2", "Launch", "Launch"]
    assert reached == (3, 5)  # the fourth can be promoted once it has booted
    actions, _ = actions_for(_NOW, _fleet(""), Moves(serving_count=1, total_count=1), _policy())
    assert actions == (
        Launch(action_id="web@1772442000#0", service="web", instance_id="web-1772442000-0",
               version="v2", is_warm=True),
    )  # fmt: skip


def test_what_boots_already_is_not_launched_again() -> None:
    assert _acted("SSbr", 4, 4) == ([], (2, 4))


def test_the_oldest_warm_is_promoted_even_while_it_parks() -> None:
    assert _acted("Spww", 3, 4)[0] == ["Promote i1", "Promote i2"]


def test_the_youngest_serving_is_parked_and_a_waking_one_left_alone() -> None:
    assert _acted("SSSk", 2, 4) == (["Park i2", "Park i1"], (2, 4))
    assert _acted("Skkk", 1, 4) == (["Park i0"], (3, 4))


def test_removal_ends_what_boots_then_what_is_warm_then_what_serves() -> None:
    assert _acted("SSSwbr", 3, 5)[0] == ["Terminate i5"]
    assert _acted("SSSwbr", 3, 3)[0] == ["Terminate i5", "Terminate i4", "Terminate i3"]
    assert _acted("SSSw", 2, 2) == (["Drain i2", "Terminate i3"], (2, 2))


def test_one_instance_is_never_both_drained_and_parked() -> None:
    assert _acted("SSSSS", 2, 4) == (["Park i3", "Park i2", "Drain i4"], (2, 4))


def test_what_already_drains_is_not_counted() -> None:
    assert _acted("SSdd", 2, 2) == ([], (2, 2))


def test_without_a_warm_pool_instances_come_and_go_and_nothing_else() -> None:
    assert _acted("SS", 2, 4, has_warm_pool=False) == (["Launch", "Launch"], (4, 4))
    assert _acted("SSS", 1, 2, has_warm_pool=False) == (["Drain i2"], (2, 2))
    # what an earlier warm pool left is put to use
    assert _acted("SSw", 2, 3, has_warm_pool=False) == (["Promote i2"], (3, 3))


@given(
    letters=st.text("SSSwwbrkpd", max_size=25),
    serving=st.integers(0, 30),
    spare=st.integers(0, 30),
    has_warm_pool=st.booleans(),
)
def test_each_instance_moves_once_from_where_it_may(
    letters: str, serving: int, spare: int, has_warm_pool: bool
) -> None:
    fleet, policy = _fleet(letters), _policy(has_warm_pool=has_warm_pool)
    moves = Moves(serving_count=serving, total_count=serving + spare)
    actions, reached = actions_for(_NOW, fleet, moves, policy)
    states = {i.instance_id: i.state for i in fleet.instances}
    moved = [_instance(a) for a in actions if not isinstance(a, Launch)]
    assert max(Counter(moved).values(), default=1) == 1
    for action in actions:
        if not isinstance(action, Launch):
            first = _FIRST_STATE[type(action).__name__]
            assert (states[_instance(action)], first) in LIFECYCLE
    assert len({a.action_id for a in actions}) == len(actions)
    # what adds capacity comes first, what ends instances last
    order = [(Promote, Launch, Park, Drain, Terminate).index(type(a)) for a in actions]
    assert order == sorted(order)
    total = len(fleet.instances) - letters.count("d")
    assert min(total, moves.total_count) <= reached.total_count <= max(total, moves.total_count)
    assert 0 <= reached.serving_count <= reached.total_count
