"""This file knows the hand that draws every figure: colours, marks, lines and the bare layout."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from foretide.model.demand import FloatArray

Figure = dict[str, Any]

# Okabe and Ito's palette, told apart by every kind of colour vision; the paler ones are darkened
# to 3:1 against white. Marks, dashes and hatching repeat what colours say.
_FIXED = {"foretide": "#0072B2", "hpa": "#D55E00", "oracle": "#00805E", "as-run": "#6A51A3"}
_OTHERS = (
    "#A8588A", "#8C6D00", "#B2574B", "#555555", "#2F7FB5", "#8B4513", "#3D7A3D", "#007A87",
)  # fmt: skip
_SYMBOLS = (
    "circle", "square", "diamond", "triangle-up", "cross", "star", "pentagon", "hexagon",
    "triangle-down", "bowtie", "hourglass",
)  # fmt: skip
_DASHES = ("solid", "solid", "dot", "dash", "dashdot", "longdash")
INK = "#1F2933"
GREY = "#52606D"
ALARM = "#B00020"
_GRID = "#E4E7EB"
_MINUTE_MS = 60_000


def colour_of(policy: str, names: Sequence[str]) -> str:
    """Return the colour of one of the policies `names`: fixed for four kinds, else by its place.

    A kind's colour goes to its first policy: `hpa@0.5` has that of `hpa` where there is no `hpa`.
    """
    kinds: dict[str, str] = {}
    for name in names:
        kinds.setdefault(name.partition("@")[0], name)
    kind = policy.partition("@")[0]
    if kind in _FIXED and kinds.get(kind, policy) == policy:
        return _FIXED[kind]
    others = [name for name in names if name not in kinds.values() or name not in _FIXED]
    place = others.index(policy) if policy in others else len(others)
    return _OTHERS[place % len(_OTHERS)]


def symbol_of(policy: str, names: Sequence[str]) -> str:
    """Return the mark of one of the policies `names`."""
    return _SYMBOLS[names.index(policy) % len(_SYMBOLS)]


def dash_of(policy: str, names: Sequence[str]) -> str:
    """Return the dash of the line of one of the policies `names`."""
    return _DASHES[names.index(policy) % len(_DASHES)]


def faint(colour: str, opacity: float) -> str:
    """Return a `#RRGGBB` colour with an opacity in [0, 1]."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def line(
    name: str, values: FloatArray, start: datetime, style: Figure, step_min: float = 1.0
) -> Figure:
    """Return a line over time.

    Parameters
    ----------
    name : str
        In the legend.
    values : ndarray, shape (points,)
        NaN leaves a gap.
    start : datetime
        Of the first point.
    style : dict
        Plotly's `line`.
    step_min : float
        Minutes between two points.
    """
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "line": style,
        # An origin and a step instead of a list of instants: half the size of the page.
        "x0": f"{start:%Y-%m-%d %H:%M}",
        "dx": step_min * _MINUTE_MS,
        "y": rounded(values, 2),
    }


def rounded(values: FloatArray, decimals: int) -> list[float | int | None]:
    """Return values short enough to be written into a page, None where there is none."""
    return [
        None if np.isnan(value) else int(value) if value == int(value) else value
        for value in np.round(values, decimals).tolist()
    ]


def layout(*, height: int, y_title: str) -> Figure:
    """Return a calm layout: white, thin grid, the legend above, room for labels found by Plotly."""
    axis: Figure = {
        "gridcolor": _GRID,
        "linecolor": "#9AA5B1",
        "zeroline": False,
        "automargin": True,
        "title": {"text": "", "standoff": 8},
    }
    return {
        "height": height,
        "margin": {"l": 8, "r": 14, "t": 30, "b": 8},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "font": {"family": "system-ui, sans-serif", "size": 14, "color": INK},
        "hovermode": "x unified",
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1.02,
            "yanchor": "bottom",
            "traceorder": "normal",
        },
        "xaxis": dict(axis),
        "yaxis": axis | {"title": {"text": y_title, "standoff": 8}, "rangemode": "tozero"},
    }
