"""`[budget]` and `priority`: read, and refused where no fleet could keep them."""

from __future__ import annotations

import pytest

from foretide.config import load_config
from foretide.errors import ConfigError

TEXT = """\
[app.shop]
timezone = "Europe/Berlin"

[service.web]
app = "shop"
max_instances = 50
instance_rps = 40
price_usd_per_hour = 0.1
objective_fraction = 0.001
"""


def with_line(line: str) -> str:
    return f"{TEXT}{line}\n"


def test_loads_a_budget_and_a_priority() -> None:
    text = with_line("priority = 5") + "[budget]\ninstances = 120\nusd_per_hour = 15\n"
    config = load_config(text, origin="foretide.toml")
    assert (config.budget.instances, config.budget.usd_per_hour) == (120, 15)
    assert config.services["web"].priority == 5


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ("instances = 2", "12: budget.instances must be at least what the services always have, 3"),
        ("usd_per_hour = 0.2", "12: budget.usd_per_hour must be at least .* cost, 0.3, was 0.2;"),
        ("instances = 0", "12: budget.instances must be a whole number"),
        ("usd_per_hour = -1", "12: budget.usd_per_hour must be a number > 0"),
    ],
)
def test_refuses_a_budget_that_no_fleet_can_keep(line: str, refused: str) -> None:
    text = with_line("min_instances = 3") + f"[budget]\n{line}\n"
    with pytest.raises(ConfigError, match=refused):
        load_config(text, origin="foretide.toml")
