"""This file knows how demand and its forecast look in a browser, in one self-contained file."""

# plotly is only partly typed
# pyright: reportUnknownVariableType=false
from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from foretide.cli.forecast_table import replacing
from foretide.model.demand import Demand
from foretide.model.forecast import Forecast

_PAST_MIN = timedelta(days=7)
_PANEL_PX = 320


def write_picture(path: Path, demands: Sequence[Demand], forecasts: Sequence[Forecast]) -> None:
    """Write one panel per series: what was observed, and each forecast with its band.

    Parameters
    ----------
    path : Path
        Appears, or is replaced, only once the picture is whole.
    demands : sequence of Demand
        The series, in order of their panels.
    forecasts : sequence of Forecast
        Of these series, at one or several instants.

    Raises
    ------
    InputError
        When the file cannot be written.
    """
    figure = make_subplots(
        rows=len(demands), cols=1, subplot_titles=[one.series_id for one in demands]
    )
    for row, demand in enumerate(demands, start=1):
        issued = [one for one in forecasts if one.series_id == demand.series_id]
        _add_observed(figure, demand, issued, row)
        for one in issued:
            _add_band(figure, one, row)
    figure.update_layout(
        title="Demand and its forecast",
        height=120 + _PANEL_PX * len(demands),
        showlegend=False,
        template="plotly_white",
        hovermode="x unified",
    )
    with replacing(path) as temporary:
        figure.write_html(temporary, include_plotlyjs=True, full_html=True)


def _add_observed(figure: go.Figure, demand: Demand, issued: Sequence[Forecast], row: int) -> None:
    begin = min(one.issued_at - max(_PAST_MIN, one.end - one.start) for one in issued)
    end = max(one.end for one in issued)
    step = timedelta(seconds=demand.step_s)
    first = max(0, (begin - demand.start) // step)
    last = max(0, (end - demand.start) // step)
    values = demand.values[first:last]
    stamps = _stamps(demand.start + first * step, step, len(values))
    line = {"color": "#1f3b57", "width": 1.2}
    figure.add_trace(go.Scatter(x=stamps, y=values, name="observed", line=line), row=row, col=1)


def _add_band(figure: go.Figure, one: Forecast, row: int) -> None:
    stamps = _stamps(one.start, timedelta(seconds=one.step_s), len(one.values))
    middle = min(range(len(one.levels)), key=lambda at: abs(one.levels[at] - 0.5))
    edges = {"width": 0.0}
    for at, fill in ((0, None), (len(one.levels) - 1, "tonexty")):
        figure.add_trace(
            go.Scatter(
                x=stamps,
                y=one.values[:, at],
                name=f"quantile {one.levels[at]:g}",
                line=edges,
                fill=fill,
                fillcolor="rgba(0, 128, 128, 0.22)",
            ),
            row=row,
            col=1,
        )
    line = {"color": "#008080", "width": 1.6}
    name = f"{one.model}, quantile {one.levels[middle]:g}"
    figure.add_trace(
        go.Scatter(x=stamps, y=one.values[:, middle], name=name, line=line), row=row, col=1
    )


def _stamps(start: datetime, step: timedelta, count: int) -> list[datetime]:
    return [start + step * at for at in range(count)]
