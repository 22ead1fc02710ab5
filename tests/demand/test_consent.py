from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.demand.consent import country_of


@pytest.mark.parametrize(
    ("region", "country"),
    [
        ("US", "US"),
        ("us:ca", "US"),
        ("DE-BY", "DE"),
        (" fr ", "FR"),
        ("uk", "GB"),
        ("NA", "NA"),
        ("", ""),
        ("-", ""),
        ("EU", ""),
        ("USA", ""),
        ("Paris", ""),
    ],
)
def test_only_the_country_of_a_region_remains(region: str, country: str) -> None:
    assert country_of(region) == country


@given(st.text())
def test_whatever_is_said_no_more_than_two_letters_remain(region: str) -> None:
    country = country_of(region)
    assert country == "" or (len(country) == 2 and country.isascii() and country.isupper())
