"""This file knows a rival written down elsewhere: a cloud's forecast or a schedule, from a file.

The file is a CSV or Parquet table of `ts` and `capacity`, in instances, with a `series_id` where it
holds several series. A capacity holds from its time until the next row's; the first one also
before its time, the last one for good.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np
import polars as pl

from foretide.demand.instants import instants
from foretide.errors import InputError
from foretide.model.demand import Demand, FloatArray
from foretide.model.instant import EPOCH
from foretide.plan.reactive import IntArray
from foretide.simulate.counts import Counts
from foretide.simulate.scenario import FLEET_MAX_COUNT, MINUTE_S, Scenario

_US = timedelta(microseconds=1)


class Capacities(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Capacities over time.

    Parameters
    ----------
    origin : str
        The flag and file they come from, for messages.
    at_us : ndarray of int, shape (rows,)
        From when each holds, microseconds since 1970, rising.
    capacity_count : ndarray, shape (rows,)
        Instances, >= 0.
    series_id : tuple of str
        Whose each row is; empty when the file names no series: then they are everybody's.
    """

    origin: str
    at_us: IntArray
    capacity_count: FloatArray
    series_id: tuple[str, ...] = ()

    def of(self, demand: Demand) -> Capacities:
        """Return the capacities of one series.

        Raises
        ------
        InputError
            When the file has none for it, or none until its last minute.
        """
        own = self
        if self.series_id:
            rows = np.array([name == demand.series_id for name in self.series_id])
            own = msgspec.structs.replace(
                self, at_us=self.at_us[rows], capacity_count=self.capacity_count[rows], series_id=()
            )
        if not len(own.at_us):
            raise InputError(f"{self.origin}: no capacity for series {demand.series_id}; add rows")
        if own.at_us[0] >= (demand.end - EPOCH) // _US:
            raise InputError(
                f"{self.origin}: begins after the demand of {demand.series_id} ends at "
                f"{demand.end:%Y-%m-%dT%H:%MZ}; give capacities for the time that is played"
            )
        return own


def read_capacities(path: Path) -> Capacities:
    """Return the capacities in a CSV (optionally .gz) or Parquet file.

    Parameters
    ----------
    path : Path
        A table with the columns `ts` (with a time zone) and `capacity` (instances, 0 ... 10000),
        and `series_id` when it holds several series. Of rows that repeat a time the last wins.

    Raises
    ------
    InputError
        When the file cannot be read as such a table, naming the row.
    """
    origin = f"--policy csv:{path}"
    table = _table(path, origin)
    for name in ("ts", "capacity"):
        if name not in table.columns:
            found = ", ".join(table.columns[:12]) or "none"
            raise InputError(f"{origin}: no column {name}; needs ts, capacity, found: {found}")
    if table.is_empty():
        raise InputError(f"{origin}: holds no rows; give at least one capacity")
    read = instants(table["ts"])
    _refuse_row(read.reason.is_not_null(), table["ts"], f"{origin}: ts", _ts_fix(read.reason))
    whole = _numbers(table["capacity"], origin)
    has_names = "series_id" in table.columns
    names = table["series_id"].cast(pl.String) if has_names else pl.Series([""] * len(table))
    rows = (
        pl.DataFrame({"at_us": read.ts.dt.epoch("us"), "capacity": whole, "name": names})
        .unique(["name", "at_us"], keep="last", maintain_order=True)
        .sort("at_us", maintain_order=True)
    )
    return Capacities(
        origin=origin,
        at_us=rows["at_us"].to_numpy().astype(np.int64),
        capacity_count=rows["capacity"].to_numpy().astype(np.float64),
        series_id=tuple(rows["name"]) if has_names else (),
    )


def capacity_counts(capacities: Capacities, demand: Demand, *, scenario: Scenario) -> Counts:
    """Play written-down capacities over a trace.

    Where it leaves room the rule favours the rival: what is written down for a minute serves in
    that minute, for everything is launched one boot ahead, and billed from then on.

    Parameters
    ----------
    capacities : Capacities
        Of any series.
    demand : Demand
        The trace, buckets of whole minutes.
    scenario : Scenario
        Gives the boot time.

    Returns
    -------
    Counts
        One entry per minute; they depend on no demand at all. Parts of instances are rounded up;
        there is always at least one.

    Raises
    ------
    InputError
        As `Capacities.of`.
    """
    own = capacities.of(demand)
    minute_count = len(demand.values) * demand.step_s // MINUTE_S
    start_us = (demand.start - EPOCH) // _US
    minutes_us = start_us + np.arange(minute_count) * (MINUTE_S * 1_000_000)
    row = np.maximum(np.searchsorted(own.at_us, minutes_us, side="right") - 1, 0)
    serving = np.maximum(np.ceil(own.capacity_count[row]), 1).astype(np.int64)
    launched = np.maximum(np.diff(serving, prepend=serving[:1]), 0)
    change = np.zeros(minute_count, np.int64)
    at = np.arange(minute_count)
    np.add.at(change, np.maximum(at - scenario.boot_minutes, 0), launched)
    return Counts(
        serving=serving, warm=np.zeros_like(serving), booting=np.cumsum(change - launched)
    )


def _table(path: Path, origin: str) -> pl.DataFrame:
    try:
        with path.open("rb") as file:
            is_parquet = file.read(4) == b"PAR1"
        if is_parquet:
            return pl.read_parquet(path)
        return pl.read_csv(path, infer_schema=False).rename(str.strip)
    except OSError as error:
        raise InputError(f"{origin}: {error.strerror or error}; give an existing file") from None
    except (ValueError, pl.exceptions.PolarsError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{origin}: cannot be read ({why}); give a table of ts and capacity"
        ) from None


def _ts_fix(reason: pl.Series) -> str:
    why = reason.drop_nulls()
    return f"{why[0] if len(why) else ''}; write it as 2026-01-31T10:00:00Z"


def _numbers(column: pl.Series, origin: str) -> pl.Series:
    is_text = column.dtype == pl.String
    number = (column.str.strip_chars() if is_text else column).cast(pl.Float64, strict=False)
    wrong = ~number.is_between(0, FLEET_MAX_COUNT).fill_null(value=False) | number.is_nan()
    fix = f"must lie in [0, {FLEET_MAX_COUNT}] instances; correct it or leave the row out"
    _refuse_row(wrong.fill_null(value=True), column, f"{origin}: capacity", fix)
    return number


def _refuse_row(wrong: pl.Series, column: pl.Series, where: str, fix: str) -> None:
    first = wrong.arg_max() if wrong.any() else None
    if first is not None:
        raise InputError(f"{where} {column[first]!r} in row {first + 1}: {fix}")
