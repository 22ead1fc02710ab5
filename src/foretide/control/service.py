"""This file knows how a configured service becomes what the planner must know of it."""

from __future__ import annotations

from foretide.config.settings import ServiceConfig
from foretide.errors import ConfigError, InvalidValueError
from foretide.model.capacity import CapacityCurve
from foretide.plan.capacity import MAX_UTILISATION, latency_curve, linear_curve
from foretide.plan.knob import Knob, knob_for_objective, knob_for_penalty
from foretide.plan.policy import ServicePolicy


def policy_from(name: str, config: ServiceConfig, *, version: str) -> ServicePolicy:
    """Return a configured service as the planner sees it.

    Parameters
    ----------
    name : str
        Of the service.
    config : ServiceConfig
        Its table of the configuration.
    version : str
        The version that new instances run.

    Raises
    ------
    ConfigError
        When its numbers contradict each other: the text names the setting and the fix.
    """
    try:
        curve = _curve(config)
    except InvalidValueError as error:
        raise ConfigError(f"service.{name}.{error}") from None
    return ServicePolicy(
        service=name,
        version=version,
        curve=curve,
        knob=_knob(config, curve),
        objective_fraction=config.objective_fraction,
        guard_knob=_guard_knob(config),
        boot_s=config.boot_s,
        has_warm_pool=config.warm_price_fraction < 1,
        min_count=config.min_instances,
        max_count=config.max_instances,
        is_soft=config.scale_down == "soft",
        price_usd_per_hour=config.price_usd_per_hour,
        warm_price_fraction=config.warm_price_fraction,
        disrupted_max_count=config.max_disrupted_instances,
        is_cost_weighed=config.cost_weighing == "on",
    )


def _curve(config: ServiceConfig) -> CapacityCurve:
    if config.instance_rps is not None:
        return linear_curve(config.instance_rps)
    if config.latency_objective_s is None or config.service_time_s is None:
        raise InvalidValueError("latency_objective_s and service_time_s must be given together")
    return latency_curve(
        latency_objective_s=config.latency_objective_s,
        service_time_s=config.service_time_s,
        workers=config.concurrency or 1,
        max_instances=config.max_instances,
        arrival_variation=_or_one(config.arrival_variation_fraction),
        service_variation=_or_one(config.service_variation_fraction),
        max_utilisation=config.target_fraction or MAX_UTILISATION,
    )


def _or_one(variation: float | None) -> float:
    return 1.0 if variation is None else variation


def _guard_knob(config: ServiceConfig) -> Knob | None:
    if config.objective_fraction is None:
        return None
    return knob_for_objective(
        config.objective_fraction, has_warm_pool=config.warm_price_fraction < 1, is_guard=True
    )


def _knob(config: ServiceConfig, curve: CapacityCurve) -> Knob:
    if config.objective_fraction is not None:
        return knob_for_objective(
            config.objective_fraction, has_warm_pool=config.warm_price_fraction < 1
        )
    penalty = config.penalty_usd_per_request or 0.0
    slope_rps = float(curve.served_rps[-1] - curve.served_rps[-2])
    return knob_for_penalty(
        3600 * penalty * slope_rps / config.price_usd_per_hour,
        warm_price_fraction=config.warm_price_fraction,
    )
