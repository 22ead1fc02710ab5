"""This file knows the commented configuration a person starts from."""

from __future__ import annotations

import textwrap

import msgspec

from foretide.config.apps import (
    AppConfig,
    EstimateConfig,
    EventConfig,
    OutageConfig,
    SharedEventConfig,
    SharedOutageConfig,
)
from foretide.config.budget import BudgetConfig
from foretide.config.describe import Setting, meaning_of, settings_of
from foretide.config.local import LocalConfig, NodeConfig, ServiceLocalConfig
from foretide.config.settings import ForecastConfig, ServiceConfig, StoreConfig

# What stands uncommented; every other setting stands behind a "# " with an example.
GIVEN: dict[type[msgspec.Struct], set[str]] = {
    AppConfig: {"timezone", "features"},
    EventConfig: set(),
    OutageConfig: set(),
    EstimateConfig: set(),
    SharedEventConfig: set(),
    SharedOutageConfig: set(),
    ServiceConfig: {
        "app",
        "features",
        "platform",
        "mode",
        "min_instances",
        "max_instances",
        "instance_rps",
        "price_usd_per_hour",
        "objective_fraction",
        "warm_price_fraction",
        "wake_s",
        "boot_s",
    },
    ServiceLocalConfig: set(),
    LocalConfig: set(),
    NodeConfig: set(),
    BudgetConfig: set(),
    StoreConfig: {"path"},
    ForecastConfig: {"horizon_h"},
}
WIDTH = 96
OPENING = """\
# Configuration of Foretide. Units are the last part of a name: _s seconds, _h hours,
# _rps requests/s, _usd US dollars, _fraction a share (1 % is 0.01).
# A line that begins with "# name = " is a setting left out; delete the "# " to set it.
"""


def example_config() -> str:
    """Return a whole `foretide.toml` with every setting in it, explained; it loads as it stands."""
    parts = [
        OPENING,
        _table("[app.shop]", AppConfig),
        _table("# [[app.shop.events]]", EventConfig),
        _table("# [[app.shop.outages]]", OutageConfig),
        _table("# [[app.shop.estimates]]", EstimateConfig),
        _table("[service.web]", ServiceConfig),
        _table("# [service.web.local]", ServiceLocalConfig),
        _table("[local]", LocalConfig),
        _table("# [node.first]", NodeConfig),
        _table("# [[events]]", SharedEventConfig),
        _table("# [[outages]]", SharedOutageConfig),
        _table("[budget]", BudgetConfig),
        _table("[store]", StoreConfig),
        _table("[forecast]", ForecastConfig),
    ]
    return "\n".join(parts)


def _table(header: str, section: type[msgspec.Struct]) -> str:
    title = textwrap.indent(textwrap.fill(meaning_of(section), WIDTH - 2), "# ")
    given = GIVEN[section]
    entries = [_entry(s, is_given=s.key in given) for s in settings_of(section) if s.example]
    return "\n\n".join([f"{title}\n{header}", *entries]) + "\n"


def _entry(setting: Setting, *, is_given: bool) -> str:
    is_plain = setting.allowed.startswith(("a text", "a list"))
    fallback = "" if is_given or setting.default == "required" else f"default: {setting.default}"
    facts = [fact for fact in ("" if is_plain else setting.allowed, setting.unit, fallback) if fact]
    told = f"{setting.meaning} ({'; '.join(facts)})" if facts else setting.meaning
    comment = textwrap.indent(textwrap.fill(told, WIDTH - 2, break_on_hyphens=False), "# ")
    return f"{comment}\n{'' if is_given else '# '}{setting.key} = {setting.example}"
