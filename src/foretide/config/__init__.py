"""The configuration, `foretide.toml`: what may be set, how it is checked, how it is explained."""

from foretide.config.apps import (
    AppConfig,
    EstimateConfig,
    EventConfig,
    OutageConfig,
    SharedEventConfig,
    SharedOutageConfig,
)
from foretide.config.load import load_config, read_config
from foretide.config.local import LocalConfig, NodeConfig, ServiceLocalConfig
from foretide.config.settings import Config, ForecastConfig, ServiceConfig, StoreConfig

__all__ = [
    "AppConfig",
    "Config",
    "EstimateConfig",
    "EventConfig",
    "ForecastConfig",
    "LocalConfig",
    "NodeConfig",
    "OutageConfig",
    "ServiceConfig",
    "ServiceLocalConfig",
    "SharedEventConfig",
    "SharedOutageConfig",
    "StoreConfig",
    "load_config",
    "read_config",
]
