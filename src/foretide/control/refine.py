"""This file knows how raw events become events that may be kept.

Consent is asked first, then identities are hashed, devices classed and features folded. The work
is done once for each distinct value, because values repeat.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import polars as pl

from foretide.demand.consent import LocationConsent, country_of
from foretide.demand.devices import device_of_name, device_of_user_agent
from foretide.demand.features import ALL, feature_of
from foretide.demand.sessions import keyed_hash
from foretide.errors import InvalidValueError
from foretide.model.batch import EVENT_SCHEMA, EventBatch, RawBatch, Reject
from foretide.model.ids import check_name

LOCATION_DROPPED = "locations dropped without consent"
NO_COUNTRY = "locations that name no country dropped"
NO_STATUS = "status values outside 100-599 dropped"
NO_DURATION = "durations below zero or not finite dropped"


class Refining(msgspec.Struct, frozen=True, kw_only=True):
    """How events are to be made keepable.

    Parameters
    ----------
    key : bytes
        Secret under which identities are hashed.
    app : str
        App of the rows that name none.
    is_app_forced : bool
        Whether `app` also replaces what the rows name.
    location : {"granted", "absent"}
        Whether the owner vouches for the users' consent to keep their country.
    """

    key: bytes
    app: str
    is_app_forced: bool
    location: LocationConsent


class Refined(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Events that may be kept, and every line that gave none."""

    batch: EventBatch
    rejects: tuple[Reject, ...]
    country_count: int


def refine(raw: RawBatch, how: Refining) -> Refined:
    """Return the events of `raw` as they may be kept."""
    frame, nameless = _with_app(raw.frame, how)
    countries, mended = _countries(frame["country"], how.location)
    status, duration = frame["status"], frame["duration_s"]
    kept_status = _where(status, status.is_between(100, 599))
    kept_duration = _where(duration, duration.is_finite() & (duration >= 0))
    mended[NO_STATUS] = kept_status.null_count() - status.null_count()
    mended[NO_DURATION] = kept_duration.null_count() - duration.null_count()
    columns = {
        "ts": frame["ts"],
        "app": frame["app"],
        "feature": _mapped(frame["feature"], feature_of, pl.String).fill_null(ALL),
        "session": _hashed(frame, ["session"], how.key),
        "visitor": _hashed(frame, ["address", "user_agent"], how.key),
        "device": _devices(frame),
        "country": countries,
        "duration_s": kept_duration,
        "status": kept_status,
    }
    events = pl.DataFrame(columns).cast(EVENT_SCHEMA)
    return Refined(
        batch=EventBatch(frame=events, mended={k: n for k, n in mended.items() if n}),
        rejects=tuple(sorted([*raw.rejects, *nameless], key=lambda reject: reject.line)),
        country_count=len(countries) - countries.null_count(),
    )


def _with_app(frame: pl.DataFrame, how: Refining) -> tuple[pl.DataFrame, list[Reject]]:
    if how.is_app_forced:
        return frame.with_columns(pl.lit(how.app).alias("app")), []
    frame = frame.with_columns(pl.col("app").fill_null(how.app))
    wrong = {name: why for name in frame["app"].unique() if (why := _wrong_name(name))}
    if not wrong:
        return frame, []
    is_wrong = pl.col("app").is_in(list(wrong))
    bad = frame.filter(is_wrong).select("line", "app")
    rejects = [Reject(line=line, reason=wrong[name]) for line, name in bad.iter_rows()]
    return frame.filter(~is_wrong), rejects


def _wrong_name(name: str) -> str:
    try:
        check_name("app", name)
    except InvalidValueError as error:
        return str(error)
    return ""


def _countries(column: pl.Series, consent: LocationConsent) -> tuple[pl.Series, dict[str, int]]:
    said = len(column) - column.null_count()
    if consent != "granted":
        return pl.Series([None], dtype=pl.String).new_from_index(0, len(column)), {
            LOCATION_DROPPED: said
        }
    codes = _mapped(column, country_of, pl.String)
    named = _where(codes, codes != "")
    return named, {NO_COUNTRY: said - (len(named) - named.null_count())}


def _hashed(frame: pl.DataFrame, parts: list[str], key: bytes) -> pl.Series:
    said = frame.select("app", identity=pl.concat_str(parts, separator="\0", ignore_nulls=True))
    some = pl.col(parts[0]).is_not_null()
    named = said.with_columns(identity=pl.when(frame.select(some).to_series()).then("identity"))
    distinct = named.unique().filter(pl.col("identity").is_not_null())
    hashes = [keyed_hash(key, app, identity) for app, identity in distinct.iter_rows()]
    table = distinct.with_columns(pl.Series("hash", hashes, dtype=pl.UInt64))
    return named.join(table, on=["app", "identity"], how="left", maintain_order="left")["hash"]


def _devices(frame: pl.DataFrame) -> pl.Series:
    told = _mapped(frame["device"], device_of_name, pl.String)
    seen = _mapped(frame["user_agent"], device_of_user_agent, pl.String)
    return frame.select(pl.coalesce(told, seen)).to_series()


def _mapped(column: pl.Series, each: Callable[[str], Any], kind: type[pl.DataType]) -> pl.Series:
    distinct = column.unique().drop_nulls()
    results = pl.Series([each(value) for value in distinct], dtype=kind)
    return column.replace_strict(distinct, results, default=None, return_dtype=kind)


def _where(column: pl.Series, is_kept: pl.Series) -> pl.Series:
    return column.to_frame().select(pl.when(is_kept).then(column)).to_series()
