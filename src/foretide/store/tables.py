"""This file knows what the store keeps: every table, its columns and the version of them all.

Instants are TIMESTAMP in UTC; a minute is the whole minutes since 1970, a bucket the whole
seconds. Nothing here can hold an address, a user agent or a session id: only keyed hashes.
"""

from __future__ import annotations

VERSION = 2

_FORECASTS = """
CREATE TABLE forecasts (     -- one row per series, instant, forecaster and length of bucket
    forecast_id BIGINT NOT NULL,
    feature_id UINTEGER NOT NULL,
    model VARCHAR NOT NULL,
    issued_at TIMESTAMP NOT NULL,
    kept_at TIMESTAMP NOT NULL,
    start TIMESTAMP NOT NULL,
    step_s INTEGER NOT NULL,
    step_count INTEGER NOT NULL,
    class VARCHAR NOT NULL,
    naive_scale DOUBLE NOT NULL,
    note VARCHAR NOT NULL,
    quantiles BLOB NOT NULL,
    naive BLOB NOT NULL,
    is_closed BOOLEAN NOT NULL, -- every day of it is scored for good
    scored_until TIMESTAMP,     -- how far demand was known when it was scored last,
    scored_import INTEGER       -- and after which import that was
);
CREATE TABLE scores (        -- sums over the observed buckets of one day of a forecast's horizon
    forecast_id BIGINT NOT NULL,
    day UTINYINT NOT NULL,
    is_final BOOLEAN NOT NULL,
    bucket_count BIGINT NOT NULL,
    demand DOUBLE NOT NULL,
    pinball_10 DOUBLE NOT NULL,
    pinball_50 DOUBLE NOT NULL,
    pinball_90 DOUBLE NOT NULL,
    pinball_95 DOUBLE NOT NULL,
    pinball_99 DOUBLE NOT NULL,
    absolute_error DOUBLE NOT NULL,
    scaled_error DOUBLE NOT NULL,
    scaled_count BIGINT NOT NULL,
    naive_loss DOUBLE NOT NULL,
    expected_loss DOUBLE NOT NULL,
    inside_50_count BIGINT NOT NULL,
    inside_80_count BIGINT NOT NULL,
    inside_95_count BIGINT NOT NULL,
    below_95_count BIGINT NOT NULL
);
"""

TABLES = f"""
{_FORECASTS}
CREATE TABLE about (
    version INTEGER NOT NULL
);
CREATE TABLE apps (
    app_id USMALLINT PRIMARY KEY,
    name VARCHAR NOT NULL UNIQUE,
    heartbeat_s INTEGER NOT NULL
);
CREATE TABLE features (      -- step_s is null where demand is counted from events
    feature_id UINTEGER PRIMARY KEY,
    app_id USMALLINT NOT NULL,
    name VARCHAR NOT NULL,
    step_s INTEGER,
    UNIQUE (app_id, name)
);
CREATE TABLE imports (
    import_id INTEGER PRIMARY KEY,
    recorded_at TIMESTAMP NOT NULL,
    path VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    app VARCHAR NOT NULL,
    head BLOB NOT NULL,
    byte_count BIGINT NOT NULL,
    digest BLOB NOT NULL,
    complete_byte_count BIGINT NOT NULL,
    complete_line_count BIGINT NOT NULL,
    complete_digest BLOB NOT NULL,
    is_tail_stored BOOLEAN NOT NULL,
    line_count BIGINT NOT NULL,
    stored_count BIGINT NOT NULL,
    rejected_count BIGINT NOT NULL
);
CREATE TABLE events (
    import_id INTEGER NOT NULL,
    ts TIMESTAMP NOT NULL,
    app_id USMALLINT NOT NULL,
    feature_id UINTEGER NOT NULL,
    session UBIGINT,
    device VARCHAR,
    country VARCHAR,
    duration_s FLOAT,
    status USMALLINT
);
CREATE TABLE visits (        -- runs of a visitor without a silence: lets a session span two files
    app_id USMALLINT NOT NULL,
    visitor UBIGINT NOT NULL,
    session UBIGINT NOT NULL,
    first_ts TIMESTAMP NOT NULL,
    last_ts TIMESTAMP NOT NULL
);
CREATE TABLE minutes (       -- the roll-up: one row per import, feature and minute with a call
    import_id INTEGER NOT NULL,
    app_id USMALLINT NOT NULL,
    feature_id UINTEGER NOT NULL,
    minute INTEGER NOT NULL,
    calls BIGINT NOT NULL,
    errors BIGINT NOT NULL,
    busy_s DOUBLE NOT NULL
);
CREATE TABLE amounts (       -- demand that came as a table: observed buckets only
    import_id INTEGER NOT NULL,
    feature_id UINTEGER NOT NULL,
    bucket BIGINT NOT NULL,
    amount DOUBLE NOT NULL
);
CREATE TABLE dead_letter (
    import_id INTEGER NOT NULL,
    path VARCHAR NOT NULL,
    line BIGINT NOT NULL,
    reason VARCHAR NOT NULL,
    text VARCHAR NOT NULL
);
CREATE TABLE audit (
    recorded_at TIMESTAMP NOT NULL,
    what VARCHAR NOT NULL,
    path VARCHAR NOT NULL,
    count BIGINT NOT NULL
);
"""

# By the version they start from: what makes a store of one version a store of the next.
MIGRATIONS = {1: _FORECASTS}
