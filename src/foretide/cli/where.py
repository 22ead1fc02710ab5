"""This file knows where a command finds the store when nobody says."""

from __future__ import annotations

from pathlib import Path

CONFIG_FILE = Path("foretide.toml")
STORE_HELP = "The store. [store.path of ./foretide.toml, else .foretide/foretide.duckdb]"


def store_path(given: Path | None) -> Path:
    """Return the store a person named, else the one of the configuration here.

    Parameters
    ----------
    given : Path, optional
        The value of `--store`.

    Raises
    ------
    ConfigError
        When there is a `foretide.toml` here that cannot be used.
    """
    if given is not None:
        return given
    from foretide.config.load import read_config
    from foretide.config.settings import StoreConfig

    return Path(read_config(CONFIG_FILE).store.path if CONFIG_FILE.exists() else StoreConfig().path)
