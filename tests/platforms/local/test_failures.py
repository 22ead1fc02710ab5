"""A version that fails to start waits longer each time; a good start ends that."""

from __future__ import annotations

from datetime import UTC, datetime

from foretide.platforms.local.failures import Failure, Failures


def a_failure(name: str = "a", version: str = "v1") -> Failure:
    return Failure(
        instance_id=name, service="web", version=version, at=datetime(2026, 3, 2, tzinfo=UTC),
        text=f"{name} ended while booting with exit code 5",
        log=("starting", "cannot start: no database", ""),
    )  # fmt: skip


def waits_s(failures: Failures, now_s: float) -> float:
    """Return after how many seconds a launch is let through, to a tenth."""
    return next(n / 10 for n in range(10_000) if not failures.why_not("web", "v1", now_s + n / 10))


def test_the_wait_doubles_up_to_five_minutes() -> None:
    failures, now_s, waits = Failures(), 100.0, list[float]()
    for _ in range(11):
        failures.add(a_failure(), is_launch=True, now_s=now_s)
        waits.append(waits_s(failures, now_s))
        now_s += waits[-1]
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_those_launched_together_count_once() -> None:
    failures = Failures()
    for name in "abc":
        failures.add(a_failure(name), is_launch=True, now_s=0.0)
    assert waits_s(failures, 0.0) == 1
    assert [f.instance_id for f in failures.of("web")] == ["a", "b", "c"]


def test_a_good_start_ends_the_row_and_others_never_waited() -> None:
    failures = Failures()
    failures.add(a_failure(), is_launch=True, now_s=0.0)
    assert not failures.why_not("web", "v2", 0.0)
    assert not failures.why_not("other", "v1", 0.0)
    failures.started("web", "v1")
    assert not failures.why_not("web", "v1", 0.0)


def test_a_crash_while_serving_makes_nobody_wait() -> None:
    failures = Failures()
    failures.add(a_failure(), is_launch=False, now_s=0.0)
    assert not failures.why_not("web", "v1", 0.0)
    assert failures.of("web")


def test_the_reason_is_one_line_with_what_was_printed_last() -> None:
    failures = Failures()
    failures.add(a_failure(), is_launch=True, now_s=0.0)
    assert failures.why_not("web", "v1", 0.0) == (
        "version v1 failed to start once and waits 1 s: a ended while booting with exit code 5; "
        "it said last: cannot start: no database"
    )


def test_few_are_kept() -> None:
    failures = Failures()
    for number in range(300):
        failures.add(a_failure(f"a{number}"), is_launch=False, now_s=0.0)
    assert len(failures.of("web")) == 100
    assert failures.of("web")[-1].instance_id == "a299"
