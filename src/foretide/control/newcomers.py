"""This file knows who may speak for an app's young features: its others, and the app before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from foretide.config.settings import Config
from foretide.forecast.base import Forecaster
from foretide.forecast.ladder import laddered
from foretide.forecast.shape_bank import Elder, Estimate
from foretide.model.demand import Demand
from foretide.model.ids import series_id
from foretide.model.instant import bucket_floor


def helped(
    forecaster: Forecaster,
    *,
    config: Config,
    app: str,
    demands: Sequence[Demand],
    previous: Sequence[Demand] = (),
) -> Forecaster:
    """Return a forecaster that helps the young features of an app over their first two weeks.

    Parameters
    ----------
    forecaster : Forecaster
        One whose learning can be kept stays such.
    config : Config
        Says which app this one is a new version of, and what was declared of its features.
    app : str
        Its name; it need not be configured.
    demands : sequence of Demand
        All features of the app, the young ones may be among them.
    previous : sequence of Demand
        All features of the app named by `previous_of`; each is succeeded by the one of its name.

    Returns
    -------
    Forecaster
        `forecaster` itself where there is nobody to help and nothing was declared.
    """
    heirs = [
        Elder(demand=one, successor=series_id(app, one.series_id.partition("/")[2]))
        for one in previous
    ]
    return laddered(
        forecaster, [*(Elder(demand=one) for one in demands), *heirs], estimates_of(config, app)
    )


def previous_of(config: Config, app: str) -> str | None:
    """Return the app that this one is a new version of, by its `previous` setting."""
    return config.apps[app].previous if app in config.apps else None


def estimates_of(config: Config, app: str) -> tuple[Estimate, ...]:
    """Return what was declared of an app's features before anything was observed of them."""
    declared = config.apps[app].estimates if app in config.apps else ()
    return tuple(
        Estimate(
            series_id=series_id(app, one.feature),
            daily_amount=one.daily_calls,
            peak_per_s=one.peak_rps,
        )
        for one in declared
    )


def expected_only(
    config: Config, app: str, demands: Sequence[Demand], at: datetime
) -> list[Demand]:
    """Return features that were declared but never called, as demand of which nothing is known.

    Parameters
    ----------
    config : Config
        Declares them.
    app : str
        Its name.
    demands : sequence of Demand
        Features that were observed; the new ones take the length of their buckets.
    at : datetime
        When they are to be forecast, aware UTC.
    """
    seen = {one.series_id for one in demands}
    step_s = min((one.step_s for one in demands), default=60)
    start = bucket_floor(at - timedelta(seconds=1), step_s) + timedelta(seconds=step_s)
    return [
        Demand(series_id=one.series_id, start=start, step_s=step_s, values=np.empty(0))
        for one in estimates_of(config, app)
        if one.series_id not in seen
    ]
