"""Every decision becomes one sentence that names what is done, why, and the numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from foretide.cli.words import describe
from foretide.model.plan import Branch, Decision, Reason

_BAND = st.none() | st.tuples(st.integers(0, 10_000), st.integers(0, 10_000))
_RATE = st.none() | st.floats(0, 1e6)


def _decision(branch: Branch, *reasons: Reason, **numbers: object) -> Decision:
    return Decision(
        branch=branch,
        reasons=reasons,
        forecast_id="f",
        curve_version="c",
        **numbers,  # pyright: ignore[reportArgumentType]
    )


def test_a_growth_with_its_numbers() -> None:
    decision = _decision(
        Branch.SCALE_UP, Reason.FORECAST_RISES, demand_rps=310.2, predicted_rps=355.0,
        upper_rps=1410.0, total=(34, 35), width_fraction=0.25, width_max_fraction=0.3,
    )  # fmt: skip
    assert describe(decision) == (
        "Scale up to 34 instances: demand is about to rise (now 310 requests/s, expected 355, at "
        "most about 1,410; the band is 25% wide, 30% counts as sure)."
    )


def test_several_reasons_are_joined() -> None:
    decision = _decision(
        Branch.SCALE_DOWN, Reason.FORECAST_FALLS, Reason.INTERVAL_LOW, Reason.STEP_DOWN_LIMIT,
        total=(1, 1),
    )  # fmt: skip
    assert describe(decision) == (
        "Scale down to 1 instance: demand is about to fall, the forecast is sure enough to remove "
        "instances, and removal is limited to one step at a time."
    )


def test_nothing_known_is_still_a_sentence() -> None:
    assert describe(_decision(Branch.HOLD)) == "Keep the fleet as it is."


@given(
    branch=st.sampled_from(Branch),
    reasons=st.lists(st.sampled_from(Reason), unique=True, max_size=6),
    rates=st.tuples(_RATE, _RATE, _RATE, _RATE, _RATE),
    counts=st.tuples(_BAND, _BAND),
)
def test_every_decision_is_one_sentence(
    branch: Branch,
    reasons: list[Reason],
    rates: tuple[float | None, ...],
    counts: tuple[tuple[int, int] | None, ...],
) -> None:
    decision = _decision(
        branch, *reasons, demand_rps=rates[0], predicted_rps=rates[1], upper_rps=rates[2],
        width_fraction=rates[3], width_max_fraction=rates[4], serving=counts[0], total=counts[1],
    )  # fmt: skip
    text = describe(decision)
    assert text[0].isupper()
    assert text.endswith(".")
    assert "\n" not in text
    assert "None" not in text
    assert "_" not in text  # no name of the code reaches a person


def test_every_reason_has_its_own_words() -> None:
    told = {describe(_decision(Branch.HOLD, reason)) for reason in Reason}
    assert len(told) == len(Reason)
