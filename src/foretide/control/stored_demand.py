"""This file knows a service's demand as the store has it, read anew while the loop runs.

The store has one owner at a time: it is opened for a moment, and when somebody else has it, what
was read before goes on counting.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from foretide.demand.total import by_the_minute, summed
from foretide.model.demand import Demand
from foretide.model.instant import bucket_floor
from foretide.store.warehouse import Warehouse

_DAY_S = 86_400
HISTORY = timedelta(days=56)
# What comes late is at most so late; earlier buckets stay as they were read.
_READ_AGAIN = timedelta(hours=2)
_READ_EVERY = timedelta(seconds=50)


def stored_demand(
    warehouse: Warehouse, app: str, features: Sequence[str], *, since: datetime
) -> Demand | None:
    """Return the demand of some features of an app together, by the minute or coarser.

    Parameters
    ----------
    warehouse : Warehouse
        The store, open.
    app : str
        Its name.
    features : sequence of str
        Which; empty for all.
    since : datetime
        Only buckets that begin then or later.

    Returns
    -------
    Demand, optional
        None where nothing of it is known.
    """
    if features:
        found = [
            one
            for feature in features
            for one in warehouse.demand(app=app, feature=feature, start=since)
        ]
    else:
        found = warehouse.demand(app=app, is_total=True, start=since)
    found = [one for one in found if len(one.values)]
    return by_the_minute(summed(app, found)) if found else None


class StoreFeed:
    """The demand of one service, as it comes to be in the store.

    Parameters
    ----------
    path : Path
        The store.
    app : str
        Whose users are served.
    features : sequence of str
        Which features; empty for all.
    """

    def __init__(self, path: Path, app: str, features: Sequence[str]) -> None:
        self._path, self._app, self._features = path, app, tuple(features)
        self._demand: Demand | None = None
        self._read_at: datetime | None = None

    def demand(self, now: datetime) -> Demand | None:
        """Return all that is known, from the same first bucket on; at most once a minute read.

        Raises
        ------
        StoreBusyError
            When another process owns the store.
        InputError, StoreError
            When there is none, or it cannot be read.
        """
        if self._read_at is not None and now - self._read_at < _READ_EVERY:
            return self._demand
        before = self._demand
        since = now - HISTORY if before is None else before.end - _READ_AGAIN
        with Warehouse(self._path) as warehouse:
            found = stored_demand(
                warehouse, self._app, self._features, since=bucket_floor(since, _DAY_S)
            )
        self._read_at = now
        if found is not None:
            self._demand = found if before is None else overlaid(before, found)
        return self._demand


def overlaid(before: Demand, later: Demand) -> Demand:
    """Return demand with what another reading says of its last buckets, and of those after.

    Parameters
    ----------
    before : Demand
        Its first bucket stays the first.
    later : Demand
        On the same grid; where it has observed nothing, what was known before stays.
    """
    if before.step_s != later.step_s or not len(later.values):
        return before
    step = timedelta(seconds=before.step_s)
    first = (later.start - before.start) // step
    values = np.full(max(len(before.values), first + len(later.values)), np.nan)
    values[: len(before.values)] = before.values
    skipped = max(0, -first)
    part = values[first + skipped : first + len(later.values)]
    told = later.values[skipped:]
    part[:] = np.where(np.isnan(told), part, told)
    return Demand(
        series_id=before.series_id, start=before.start, step_s=before.step_s, values=values
    )
