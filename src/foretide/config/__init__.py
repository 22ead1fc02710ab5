"""The configuration, `foretide.toml`: what may be set, how it is checked, how it is explained."""

from foretide.config.load import load_config, read_config
from foretide.config.settings import (
    AppConfig,
    Config,
    EventConfig,
    ForecastConfig,
    ServiceConfig,
    StoreConfig,
)

__all__ = [
    "AppConfig",
    "Config",
    "EventConfig",
    "ForecastConfig",
    "ServiceConfig",
    "StoreConfig",
    "load_config",
    "read_config",
]
