"""This file knows how the one file of the store is opened, and what to say when it cannot be."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb

from foretide.errors import InputError, StoreBusyError, StoreError
from foretide.store.key import key_path
from foretide.store.records import first_row
from foretide.store.tables import MIGRATIONS, TABLES, VERSION

_OWNER = re.compile(r"\(PID (\d+)\)")


def connected(path: Path, *, may_create: bool) -> duckdb.DuckDBPyConnection:
    """Return a connection to the store at `path`, its tables in place.

    Raises
    ------
    InputError
        When there is no store and none may be made.
    StoreBusyError
        When another process owns it.
    StoreError
        When it is damaged, of another version or no store at all.
    """
    if not may_create and not path.exists():
        raise InputError(f"--store {path}: no store there; import something first")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = duckdb.connect(str(path))
    except OSError as error:
        raise StoreError(f"--store {path}: {error.strerror}; give a writable place") from None
    except duckdb.Error as error:
        raise refused(path, error) from None
    try:
        _prepare(connection, path)
    except duckdb.Error as error:
        connection.close()
        raise refused(path, error) from None
    except StoreError:
        connection.close()
        raise
    return connection


def missing_parts(path: Path) -> tuple[Path, ...]:
    """Return what opening a store at `path` will make: none of it when the store exists."""
    if path.exists():
        return ()
    files = (path, path.with_name(path.name + ".wal"), key_path(path))
    folders = [folder for folder in path.parents if not folder.exists()]
    return (*(file for file in files if not file.exists()), *folders)


def take_away(parts: tuple[Path, ...]) -> None:
    """Remove the files and then the folders, innermost first, that `missing_parts` named."""
    for part in parts:
        if part.is_dir():
            part.rmdir()
        else:
            part.unlink(missing_ok=True)


def refused(path: Path, error: duckdb.Error) -> StoreError:
    """Return the one line that tells why the store at `path` cannot be used."""
    text = str(error).partition("\n")[0]
    if "set lock on file" in text:
        owner = _OWNER.search(text)
        by = f" (process {owner.group(1)})" if owner else ""
        return StoreBusyError(
            f"--store {path}: another process{by} owns the store; wait until it has ended"
        )
    if "No space left" in text:
        return StoreError(f"--store {path}: the disk is full; what was under way is not kept")
    return StoreError(f"--store {path}: the store cannot be used ({text}); restore a copy of it")


def _prepare(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    tables = {str(row[0]) for row in connection.execute("SHOW TABLES").fetchall()}
    if not tables:
        connection.execute("BEGIN")
        connection.execute(TABLES)
        connection.execute("INSERT INTO about VALUES (?)", [VERSION])
        connection.execute("COMMIT")
        return
    if "about" not in tables:
        raise StoreError(f"--store {path}: a DuckDB file but not a store; name another file")
    found = first_row(connection, "SELECT max(version) FROM about")[0]
    if found in MIGRATIONS:
        found = _migrated(connection, found)
    if found != VERSION:
        raise StoreError(
            f"--store {path}: version {found} of the store, this program reads {VERSION}; "
            "use the release that wrote it"
        )


def _migrated(connection: duckdb.DuckDBPyConnection, version: int) -> int:
    # All steps or none: a store that a crash left half-way is still one of its old version.
    connection.execute("BEGIN")
    while version in MIGRATIONS:
        connection.execute(MIGRATIONS[version])
        version += 1
    connection.execute("UPDATE about SET version = ?", [version])
    connection.execute("COMMIT")
    return version
