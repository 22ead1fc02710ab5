"""This file knows a service's demand as its own requests are counted, and keeps it in the store.

History comes from the store: what was counted there before, and before that what was imported of
the app. Counts go into the store every quarter of an hour; until then they lie in a small file, so
that a crash costs none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np

from foretide.control.ingest import file_fetched
from foretide.control.stored_demand import HISTORY, overlaid, stored_demand
from foretide.control.traffic_demand import Reading, TrafficDemand
from foretide.errors import InputError, PlatformError, SourceError, StoreError
from foretide.model.demand import Demand
from foretide.model.instant import bucket_floor
from foretide.platforms.local.traffic.base import Counted
from foretide.store.warehouse import Warehouse

STEP_S = 60
_DAY_S = 86_400
_FILED_EVERY = timedelta(minutes=15)


def traffic_app(service: str) -> str:
    """Return the app under which the counted requests of a service are kept in the store."""
    return f"{service}.traffic"


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    # Buckets that are in no store yet, and the counter as it was read last.
    start: datetime
    values: tuple[float | None, ...]
    last: Reading | None = None


class TrafficFeed:
    """The demand of one service, counted where its requests come in.

    Parameters
    ----------
    counted : callable
        Returns what was counted so far; None where nobody counts.
    service : str
        Its name.
    store : Path
        Where counts are kept; made when absent.
    diary : Path
        The small file.
    app : str
        Whose imported demand is its history until it was counted itself.
    features : sequence of str
        Which features of it; empty for all.
    """

    def __init__(
        self,
        counted: Callable[[], Counted | None],
        *,
        service: str,
        store: Path,
        diary: Path,
        app: str,
        features: Sequence[str],
    ) -> None:
        self._counted, self._service = counted, service
        self._store, self._diary = store, diary
        self._app, self._features = app, tuple(features)
        self._base: Demand | None = None
        self._is_read = False
        kept = _read(diary)
        self._unfiled = _demand_of(kept, self._series) if kept is not None else None
        self._traffic = TrafficDemand(
            self._series, step_s=STEP_S, last=None if kept is None else kept.last
        )
        self._filed_at: datetime | None = None

    @property
    def _series(self) -> str:
        return f"{traffic_app(self._service)}/requests"

    def demand(self, now: datetime) -> Demand | None:
        """Count, and return all that is known by `now`.

        Raises
        ------
        SourceError
            When the counter cannot be read.
        StoreBusyError, StoreError
            When the history could not be read yet.
        """
        try:
            self._traffic.read(now, self._counted())
        except PlatformError as error:
            raise SourceError(str(error)) from error
        found = self._traffic.demand()
        if found is not None and len(found.values):
            self._unfiled = found if self._unfiled is None else _extended(self._unfiled, found)
            self._keep()
        self._read_history(now)
        if self._filed_at is None:
            self._filed_at = now
        elif now - self._filed_at >= _FILED_EVERY:
            self.file(now)
        return self._known()

    def file(self, now: datetime) -> None:
        """Put what was counted into the store; while that is busy it stays in the small file.

        Parameters
        ----------
        now : datetime
            Aware UTC.
        """
        self._filed_at = now
        if self._unfiled is None or np.isnan(self._unfiled.values).all():
            return
        with suppress(StoreError, InputError), Warehouse(self._store, may_create=True) as warehouse:
            file_fetched(
                warehouse, [self._unfiled], origin=f"requests of {self._service}", app="", now=now
            )
            filed = self._unfiled
            self._base = filed if self._base is None else overlaid(self._base, filed)
            # the last bucket stays, so that what is counted next has something to go on from
            self._unfiled = msgspec.structs.replace(
                filed, start=filed.end - timedelta(seconds=STEP_S), values=filed.values[-1:]
            )
            self._keep()

    def _known(self) -> Demand | None:
        if self._base is None or self._unfiled is None:
            return self._base if self._unfiled is None else self._unfiled
        return overlaid(self._base, self._unfiled)

    def _read_history(self, now: datetime) -> None:
        if self._is_read:
            return
        if self._store.exists():
            since = bucket_floor(now - HISTORY, _DAY_S)
            with Warehouse(self._store) as warehouse:
                imported = stored_demand(warehouse, self._app, self._features, since=since)
                counted = stored_demand(warehouse, traffic_app(self._service), (), since=since)
            self._base = _joined(imported, counted)
        self._is_read = True

    def _keep(self) -> None:
        if self._unfiled is None:
            return
        kept = _Kept(
            start=self._unfiled.start,
            values=tuple(None if np.isnan(one) else one for one in self._unfiled.values.tolist()),
            last=self._traffic.last,
        )
        with suppress(OSError):  # said again a minute later
            self._diary.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            aside = self._diary.with_suffix(".aside")
            aside.write_bytes(msgspec.json.encode(kept))
            aside.replace(self._diary)


def _extended(before: Demand, found: Demand) -> Demand:
    """Return unfiled demand with what was counted since; counts before its start are filed."""
    if found.end <= before.start:
        return before
    if found.start < before.start:
        skipped = int((before.start - found.start).total_seconds()) // found.step_s
        found = msgspec.structs.replace(found, start=before.start, values=found.values[skipped:])
    return overlaid(before, found)


def _joined(imported: Demand | None, counted: Demand | None) -> Demand | None:
    """Return both as one, where they are by the minute; what was counted goes before."""
    known = [one for one in (imported, counted) if one is not None and one.step_s == STEP_S]
    if len(known) < 2:
        return known[0] if known else None
    first, last = sorted(known, key=lambda one: one.start)
    return overlaid(overlaid(first, last), known[1])


def _read(diary: Path) -> _Kept | None:
    try:
        return msgspec.json.decode(diary.read_bytes(), type=_Kept)
    except (OSError, msgspec.DecodeError):
        return None  # begun anew: a few minutes are missing, which is no zero


def _demand_of(kept: _Kept, series: str) -> Demand:
    values = np.array([np.nan if one is None else one for one in kept.values], np.float64)
    return Demand(series_id=series, start=kept.start, step_s=STEP_S, values=values)
