"""This file knows how kept events are read back as calls: sessions by their keyed hash alone."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import duckdb
import numpy as np

from foretide.demand.gaps import MINUTE_S, is_alive
from foretide.model.calls import Calls
from foretide.store.reading import read_app, read_features

FEATURES_TOLD_APART = 24


def read_calls(
    connection: duckdb.DuckDBPyConnection,
    app: str,
    *,
    since: datetime | None = None,
    features_max: int = FEATURES_TOLD_APART,
) -> Calls:
    """Return the calls of `app`, its most called features told apart.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The store.
    app : str
        Whose calls.
    since : datetime, optional
        Only calls from here.
    features_max : int
        Features told apart; all others are one.
    """
    counted = [view.name for view in read_features(connection, app) if view.step_s is None]
    features = tuple(counted[:features_max])
    answer: Any = connection.execute(
        "SELECT epoch_us(ts) AS ts_us, coalesce(session, 0)::UBIGINT AS session, "
        "coalesce(list_position(?, f.name), ?) - 1 AS feature "
        "FROM events e JOIN features f USING (feature_id) JOIN apps a ON a.app_id = e.app_id "
        "WHERE a.name = ? AND (? IS NULL OR ts >= ?) ORDER BY ts",
        [list(features), len(features) + 1, app, *[since and since.replace(tzinfo=None)] * 2],
    )
    found = answer.fetchnumpy()
    ts_us = found["ts_us"].astype(np.int64)
    return Calls(
        app=app,
        features=features,
        ts_us=ts_us,
        session=found["session"].astype(np.uint64),
        feature=found["feature"].astype(np.int64),
        missing_min=_missing_min(connection, app, np.unique(ts_us // (MINUTE_S * 1_000_000))),
    )


def _missing_min(
    connection: duckdb.DuckDBPyConnection, app: str, minutes: np.ndarray[Any, np.dtype[np.int64]]
) -> np.ndarray[Any, np.dtype[np.int64]]:
    if not len(minutes):
        return minutes
    heartbeat_s = read_app(connection, app).heartbeat_s
    alive = is_alive(minutes, step_s=MINUTE_S, heartbeat_s=heartbeat_s)
    return minutes[0] + np.flatnonzero(~alive)
