"""Which days are no usual ones: by country, and as declared for one app, several or all."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from foretide.config import load_config
from foretide.control.calendar import calendar_for_flags, calendar_of, span_of
from foretide.errors import InputError
from foretide.model.calendar import Calendar

FIRST, LAST = datetime(2025, 11, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
CONFIG = """\
[app.shop]
timezone = "Europe/Berlin"
country = "DE"
subdivision = "BY"

[[app.shop.events]]
name = "sale"
start = 2026-07-01T08:00:00+02:00
end = 2026-07-03T20:00:00+02:00
uplift_factor = 2.5

[[app.shop.outages]]
start = 2026-05-04T02:10:00+02:00
end = 2026-05-04T05:40:00+02:00

[app.blog]

[[events]]
name = "campaign"
start = 2026-03-01T00:00:00Z
end = 2026-03-02T00:00:00Z

[[events]]
name = "blog party"
start = 2026-03-01T00:00:00Z
end = 2026-03-02T00:00:00Z
apps = ["blog"]

[[outages]]
start = 2026-03-05T00:00:00Z
end = 2026-03-05T01:00:00Z
apps = ["shop"]
"""


def known(app: str) -> Calendar:
    return calendar_of(load_config(CONFIG, origin="x"), app, first=FIRST, last=LAST)


def flagged(country: str, subdivision: str = "") -> Calendar:
    return calendar_for_flags(country, subdivision, timezone="UTC", first=FIRST, last=LAST)


def test_an_app_has_its_own_and_what_is_shared_with_it() -> None:
    shop, blog, stranger = known("shop"), known("blog"), known("unheard-of")
    assert [one.name for one in shop.events] == ["sale", "campaign"]
    assert [one.name for one in blog.events] == ["campaign", "blog party"]
    assert [one.name for one in stranger.events] == ["campaign"]
    assert [len(one.outages) for one in (shop, blog, stranger)] == [2, 0, 0]
    assert shop.events[0].start == datetime(2026, 7, 1, 6, tzinfo=UTC)
    assert shop.timezone == "Europe/Berlin"
    assert shop.holidays
    assert not blog.holidays


def test_holidays_are_of_the_country_and_its_part_in_all_years_touched() -> None:
    days = {one.day: one.name for one in known("shop").holidays}
    assert days[date(2026, 1, 6)] == "Epiphany"  # Bavaria's
    assert days[date(2025, 12, 25)] == days[date(2026, 12, 25)]
    elsewhere = {one.day for one in flagged("DE", "BE").holidays}
    assert date(2026, 1, 6) not in elsewhere
    assert sorted(days) == list(days)


def test_days_next_to_a_holiday_have_names_of_their_own() -> None:
    days = {one.day: one for one in flagged("US").holidays}
    assert days[date(2025, 11, 27)].name == "Thanksgiving Day"
    assert days[date(2025, 11, 28)].name == "bridge to Thanksgiving Day"
    assert days[date(2025, 12, 24)].name == "Christmas Eve"
    assert days[date(2025, 12, 29)].name == "between the years"
    assert date(2025, 11, 26) not in days
    usual, worked = days[date(2025, 11, 27)], days[date(2025, 11, 11)]
    assert worked.name == "Veterans Day"
    assert worked.likeness_fraction < 0.3 < usual.likeness_fraction


def test_the_day_a_holiday_is_kept_on_bears_its_name() -> None:
    # Independence Day 2026 is a Saturday, kept on the Friday.
    names = {one.day: one.name for one in flagged("US").holidays}
    assert names[date(2026, 7, 3)] == names[date(2026, 7, 4)] == "Independence Day"


@pytest.mark.parametrize(
    ("country", "weekday"), [("", 6), ("DE", 6), ("IL", 5), ("SA", 4), ("IR", 4), ("HK", 6)]
)
def test_the_day_of_rest_is_the_country_s(country: str, weekday: int) -> None:
    assert flagged(country).rest_weekday == weekday


def test_no_country_knows_nothing() -> None:
    assert flagged("").is_empty


@pytest.mark.parametrize(
    ("country", "subdivision", "text"),
    [
        ("XX", "", "--country XX: must be a code of two capital letters such as DE or US, was"),
        ("Germany", "", '--country Germany: must be .*, was "Germany"; did you mean DE?'),
        ("USA", "", '--country USA: must be .*, was "USA"; did you mean US'),
        ("us", "", '--country us: must be .*, was "us"; did you mean US?'),
        (
            "DE",
            "BX",
            '--subdivision BX: must be a part of DE, was "BX"; did you mean HB or BY or BW?',
        ),
        ("US", "Texas", '--subdivision Texas: must be a part of US, was "Texas"'),
        ("SG", "1", "--subdivision 1: must be absent: no part of SG has holidays of its own"),
        ("", "BY", "--subdivision BY: needs --country beside it"),
    ],
)
def test_a_wrong_place_is_refused_in_one_line(country: str, subdivision: str, text: str) -> None:
    with pytest.raises(InputError, match=text.replace("?", r"\?")) as refusal:
        flagged(country, subdivision)
    assert "\n" not in str(refusal.value)


def test_nothing_observed_spans_nothing() -> None:
    first, last = span_of([], 3600)
    assert first == last
