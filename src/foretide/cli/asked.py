"""This file knows the flags that several commands share, checked, or refused in one line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from foretide.cli.where import CONFIG_FILE
from foretide.errors import InputError, InvalidValueError

if TYPE_CHECKING:
    from foretide.config.settings import Config

_HORIZON_MIN_H, _HORIZON_MAX_H = 24, 168
_DEFAULT_LEVELS = (0.05, 0.1, 0.5, 0.9, 0.95)
_TABLE_ENDINGS = (".parquet", ".pq", ".csv", ".gz")


def horizon_s(text: str) -> int:
    """Return the seconds of a horizon written as `48h` or `7d`.

    Raises
    ------
    InputError
        When it is no such text, or not 24 to 168 hours.
    """
    match = re.fullmatch(r"(\d{1,4})(h|d)", text)
    hours = int(match[1]) * (24 if match[2] == "d" else 1) if match else 0
    if not _HORIZON_MIN_H <= hours <= _HORIZON_MAX_H:
        raise InputError(
            f"--horizon {text}: must be {_HORIZON_MIN_H}h to {_HORIZON_MAX_H}h "
            "(or 1d to 7d), such as 48h"
        )
    return hours * 3600


def levels(texts: Sequence[str]) -> tuple[float, ...]:
    """Return the quantile levels of `--quantile`, rising, each once.

    Raises
    ------
    InputError
        When one does not lie between 0 and 1.
    """
    found = set[float]()
    for text in texts:
        try:
            level = float(text)
        except ValueError:
            level = 0.0
        if not 0 < level < 1:
            raise InputError(f"--quantile {text}: must lie between 0 and 1, such as 0.95")
        found.add(level)
    return tuple(sorted(found)) or _DEFAULT_LEVELS


def instants(texts: Sequence[str], flag: str = "--at") -> tuple[datetime, ...]:
    """Return the instants of a flag that repeats, rising, each once.

    Raises
    ------
    InputError
        When one is no instant with a zone.
    """
    from foretide.model.instant import parse_instant

    try:
        return tuple(sorted({parse_instant(flag, text) for text in texts}))
    except InvalidValueError as error:
        raise InputError(str(error)) from None


def zone(name: str) -> ZoneInfo:
    """Return the time zone called `name`.

    Raises
    ------
    InputError
        When there is none.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InputError(
            f"--timezone {name}: unknown time zone; use a name such as Europe/Paris"
        ) from None


def table_among(words: Sequence[str]) -> Path | None:
    """Return the file of demand among the words of a command, None when they name series.

    A word that is a file, or ends like one, is a file; a command takes one.

    Raises
    ------
    InputError
        When a file stands beside other words.
    """
    files = [word for word in words if Path(word).is_file() or word.endswith(_TABLE_ENDINGS)]
    if files and len(words) > 1:
        raise InputError(f"{files[0]}: a file stands alone; name no other file, app or feature")
    return Path(files[0]) if files else None


def refuse_beside(file: Path, flags: Mapping[str, object]) -> None:
    """Refuse flags that mean something only for what is in the store.

    Raises
    ------
    InputError
        When one of `flags` was given.
    """
    for flag, value in flags.items():
        if value:
            raise InputError(f"{flag} {value}: is for the store; leave it out with a file ({file})")


def refuse_without_file(flags: Mapping[str, str]) -> None:
    """Refuse flags that the configuration tells for what is in the store.

    Raises
    ------
    InputError
        When one of `flags` was given.
    """
    for flag, value in flags.items():
        if value:
            setting = flag.removeprefix("--")
            raise InputError(
                f"{flag} {value}: is for a file; of an app in the store write {setting} under "
                "[app.NAME] in foretide.toml"
            )


def settings_of(config: Path | None) -> tuple[Config, Path]:
    """Return the configuration a command is to use, and where its relative paths begin.

    Parameters
    ----------
    config : Path, optional
        The value of `--config`; `foretide.toml` here, or the defaults, when absent.

    Raises
    ------
    ConfigError
        When it cannot be used.
    """
    from foretide.config.load import read_config
    from foretide.config.settings import Config

    if config is not None:
        return read_config(config), config.parent
    return (read_config(CONFIG_FILE) if CONFIG_FILE.exists() else Config()), Path()


def check_writable(flag: str, path: Path | None, taken: Sequence[Path | None]) -> None:
    """Refuse a file that cannot be written, or is one of those already taken.

    Raises
    ------
    InputError
        The text names the flag, the path and the fix.
    """
    if path is None:
        return
    if path.is_dir():
        raise InputError(f"{flag} {path}: is a folder; name a file")
    if not path.parent.is_dir():
        raise InputError(f"{flag} {path}: folder {path.parent} does not exist; make it first")
    if any(other is not None and path.resolve() == other.resolve() for other in taken):
        raise InputError(f"{flag} {path}: is also the demand or --out; name another file")
