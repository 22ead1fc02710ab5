from __future__ import annotations

import warnings
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest

from cases.forecasters import made
from foretide.forecasters import prophet_fit as prophet
from foretide.forecasters.shown import shown

pd = pytest.importorskip("pandas", reason="foretide[prophet] is not installed")
library = pytest.importorskip("prophet", reason="foretide[prophet] is not installed")


@pytest.mark.parametrize("days", [6, 30])
@pytest.mark.parametrize("preset", [prophet.DEFAULT, prophet.TUNED])
def test_what_is_kept_of_a_fit_forecasts_as_the_library_does(
    preset: prophet.Preset, days: int
) -> None:
    demand = made("a", days)
    seen = shown(demand, issued_at=demand.end, zone=ZoneInfo("UTC"))
    assert seen is not None
    fit = prophet.fitted(seen, seen.rows, preset)
    assert fit is not None
    kept = msgspec.json.decode(msgspec.json.encode(fit), type=prophet.Fit)
    ahead_s = seen.clock_s(seen.rows, 7).ravel()
    values = seen.past.days.values[0].ravel().astype(np.float64)
    past = pd.DataFrame(
        {
            "ds": pd.to_datetime(seen.clock_s(0, seen.rows).ravel(), unit="s"),
            "y": np.sqrt(values) if preset.is_root else values,
        }
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        own = library.Prophet(**prophet.settings_of(preset, seen.rows)).fit(past, seed=1)
        said = own.predict(pd.DataFrame({"ds": pd.to_datetime(ahead_s, unit="s")}))
    assert prophet.value_at(kept, ahead_s) == pytest.approx(said["yhat"].to_numpy(), abs=1e-9)
