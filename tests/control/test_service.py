"""A configured service as the planner sees it."""

from __future__ import annotations

import pytest

from foretide.config.load import load_config
from foretide.config.settings import ServiceConfig
from foretide.config.template import example_config
from foretide.control.service import policy_from
from foretide.errors import ConfigError
from foretide.plan.capacity import served_rps
from foretide.plan.knob import knob_for_objective
from foretide.plan.policy import ServicePolicy


def service(**changed: object) -> ServiceConfig:
    given: dict[str, object] = {
        "app": "shop", "instance_rps": 20.0, "objective_fraction": 0.001, "boot_s": 240.0,
        "min_instances": 2, "max_instances": 40, "price_usd_per_hour": 0.1,
    }  # fmt: skip
    chosen = {key: value for key, value in (given | changed).items() if value is not None}
    return ServiceConfig(**chosen)  # pyright: ignore[reportArgumentType]


def policy(**changed: object) -> ServicePolicy:
    return policy_from("web", service(**changed), version="v7")


def test_the_example_configuration_can_be_planned_for() -> None:
    config = load_config(example_config(), origin="example")
    for name, one in config.services.items():
        assert policy_from(name, one, version="v1").service == name


def test_numbers_are_carried_over() -> None:
    made = policy(warm_price_fraction=0.2)
    assert (made.service, made.version, made.boot_s) == ("web", "v7", 240.0)
    assert (made.min_count, made.max_count, made.has_warm_pool) == (2, 40, True)
    assert made.knob == knob_for_objective(0.001, has_warm_pool=True)
    assert served_rps(made.curve, 3) == pytest.approx(60.0)


def test_a_warm_price_of_one_means_no_warm_pool() -> None:
    made = policy(warm_price_fraction=1.0)
    assert not made.has_warm_pool
    assert made.knob == knob_for_objective(0.001, has_warm_pool=False)


def test_strict_is_the_default_and_soft_a_choice() -> None:
    assert not policy().is_soft
    assert policy(scale_down="soft").is_soft


def test_a_dearer_penalty_holds_more() -> None:
    rhos = [
        policy(objective_fraction=None, penalty_usd_per_request=penalty).knob.run_rho
        for penalty in (0.0001, 0.001, 0.01)
    ]
    assert rhos == sorted(set(rhos))


def test_latency_leaves_less_of_an_instance_than_its_workers_could_do() -> None:
    made = policy(instance_rps=None, latency_objective_s=0.5, service_time_s=0.05, concurrency=4)
    assert 0 < served_rps(made.curve, 1) < 4 / 0.05


def test_a_boot_longer_than_forecasts_by_the_minute_reach_is_refused() -> None:
    assert policy(boot_s=7200.0).horizon_minutes == 361
    text = example_config().replace("boot_s = 300", "boot_s = 7201")
    with pytest.raises(ConfigError, match=r"boot_s must be a number > 0 and <= 7200.* was 7201"):
        load_config(text, origin="foretide.toml")
