"""What is told of an app beforehand is refused in one line, with place, value and fix."""

from __future__ import annotations

import pytest

from foretide.config import load_config
from foretide.errors import ConfigError

APP = """\
[app.shop]
timezone = "Europe/Berlin"
features = ["search", "cart"]
"""
REFUSALS: dict[str, tuple[str, str]] = {
    "country in full": (
        '[app.shop]\ncountry = "Germany"\n',
        (
            "2: app.shop.country must be a code of two capital letters such as DE or US, was "
            '"Germany"; did you mean DE?'
        ),
    ),
    "unknown part of a country": (
        '[app.shop]\ncountry = "DE"\nsubdivision = "BYE"\n',
        '3: app.shop.subdivision must be a part of DE, was "BYE"; did you mean BY or BE',
    ),
    "part of no country": (
        '[app.shop]\nsubdivision = "BY"\n',
        '2: app.shop.subdivision needs country beside it, was "BY" alone; add country',
    ),
    "its own predecessor": (
        '[app.shop]\nprevious = "shop"\n',
        '2: app.shop.previous must name another app, was "shop"; delete it',
    ),
    "outage ends first": (
        APP + "[[app.shop.outages]]\nstart = 2026-07-01T08:00:00Z\nend = 2026-07-01T07:00:00Z\n",
        "6: app.shop.outages[0].end must be later than start, was 2026-07-01T07:00:00+00:00; exch",
    ),
    "outage without end": (
        "[[outages]]\nstart = 2026-07-01T08:00:00Z\n",
        "1: outages[0].end is missing; add end = 2026-05-04T05:40:00+02:00",
    ),
    "event of an unknown app": (
        APP + '[[events]]\nname = "sale"\nstart = 2026-07-01T08:00:00Z\n'
        'end = 2026-07-01T09:00:00Z\napps = ["shop", "shp"]\n',
        '8: events[0].apps must name apps of this file (shop), had "shp"; add [app.shp] or leave',
    ),
    "events no table": (
        'events = "sale"\n',
        '1: events must be tables, was "sale"; head each with [[events]]',
    ),
    "estimate of an unknown feature": (
        APP + '[[app.shop.estimates]]\nfeature = "wishlist"\ndaily_calls = 5\n',
        "5: app.shop.estimates[0].feature must be a feature of the app (search, cart), was",
    ),
    "estimate of nothing": (
        APP + '[[app.shop.estimates]]\nfeature = "cart"\n',
        "4: app.shop.estimates[0].daily_calls and peak_rps are both missing; give one of the two",
    ),
    "estimate twice": (
        APP + '[[app.shop.estimates]]\nfeature = "cart"\ndaily_calls = 5\npeak_rps = 5\n',
        "7: app.shop.estimates[0].peak_rps and daily_calls exclude each other, was 5.0; delete",
    ),
    "two estimates of one feature": (
        APP + 2 * '[[app.shop.estimates]]\nfeature = "cart"\ndaily_calls = 5\n',
        '4: app.shop.estimates must name each once, had "cart" twice; delete one',
    ),
}


@pytest.mark.parametrize(("text", "line"), REFUSALS.values(), ids=REFUSALS.keys())
def test_refuses_in_one_line_with_place_value_and_fix(text: str, line: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        load_config(text, origin="foretide.toml")
    assert str(refusal.value).startswith(f"foretide.toml:{line}")
    assert "\n" not in str(refusal.value)


def test_an_event_may_be_shared_by_several_apps_or_all() -> None:
    shared = '[[events]]\nname = "spot"\nstart = 2026-07-01T08:00:00Z\nend = 2026-07-01T09:00:00Z\n'
    config = load_config(APP + shared + shared + 'apps = ["shop"]\n', origin="x")
    assert [one.apps for one in config.events] == [(), ("shop",)]
