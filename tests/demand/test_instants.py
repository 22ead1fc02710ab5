from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.demand.instants import (
    ABSENT,
    NO_ZONE,
    NOT_IN_ZONE,
    OUT_OF_RANGE,
    UNREADABLE,
    instants,
)

moments = st.datetimes(
    min_value=datetime(2001, 9, 9, 2),  # noqa: DTZ001 (hypothesis wants naive bounds)
    max_value=datetime(2090, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
offsets = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))


def one(value: object, *, zone: str | None = None, dtype: pl.DataType | None = None) -> object:
    read = instants(pl.Series("ts", [value], dtype=dtype), zone=zone)
    return read.reason[0] or read.ts[0]


@given(moments, offsets, st.sampled_from(["T", " "]))
def test_iso_stamps_mean_the_instant_they_say(
    moment: datetime, offset: timezone, separator: str
) -> None:
    assert one(moment.astimezone(offset).isoformat(separator)) == moment


@given(moments)
def test_numbers_tell_their_unit_by_their_size(moment: datetime) -> None:
    us = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert one(us // 1_000_000) == moment.replace(microsecond=0)
    assert one(str(us // 1_000_000)) == moment.replace(microsecond=0)
    assert one(us // 1000) == moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert one(us) == moment


@pytest.mark.parametrize("text", ["2024-03-01T10:00:00Z", "2024-03-01 10:00:00.0000000 +00:00"])
def test_usual_spellings_of_utc_are_read(text: str) -> None:
    assert one(text) == datetime(2024, 3, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("2024-03-01T10:00:00", NO_ZONE),
        ("2024-03-01 10:00", NO_ZONE),
        (None, ABSENT),
        ("yesterday", UNREADABLE),
        ("2024-13-01T10:00:00Z", UNREADABLE),
        ("-5", UNREADABLE),
        ("2150-01-01T00:00:00Z", OUT_OF_RANGE),
        ("0", OUT_OF_RANGE),
    ],
)
def test_what_is_no_instant_is_told_apart(value: str | None, reason: str) -> None:
    assert one(value, dtype=pl.String()) == reason


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_numbers_that_are_no_instant_are_refused(value: float) -> None:
    assert isinstance(one(value), str)


def test_a_zone_given_by_hand_serves_stamps_without_one_and_only_those() -> None:
    assert one("2024-07-01 10:00:00", zone="Europe/Rome") == datetime(2024, 7, 1, 8, tzinfo=UTC)
    assert one("2024-07-01 10:00:00Z", zone="Europe/Rome") == datetime(2024, 7, 1, 10, tzinfo=UTC)
    assert one("2024-03-31 02:30:00", zone="Europe/Rome") == NOT_IN_ZONE
    assert one("2024-10-27 02:30:00", zone="Europe/Rome") == datetime(
        2024, 10, 27, 0, 30, tzinfo=UTC
    )


def test_columns_of_datetimes_keep_or_need_their_zone() -> None:
    naive = datetime(2024, 7, 1, 10)  # noqa: DTZ001
    assert one(naive) == NO_ZONE
    assert one(naive, zone="Europe/Rome") == datetime(2024, 7, 1, 8, tzinfo=UTC)
    rome = pl.Series("ts", [naive]).dt.replace_time_zone("Europe/Rome")
    assert instants(rome).ts[0] == datetime(2024, 7, 1, 8, tzinfo=UTC)
