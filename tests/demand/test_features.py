from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.demand.features import feature_of
from foretide.model.event import FEATURE_MAX_CHARS


@pytest.mark.parametrize(
    ("value", "feature"),
    [
        ("/product/123?ref=mail", "/product/{id}"),
        ("/product/123/reviews/7#top", "/product/{id}/reviews/{id}"),
        ("/o/0b8f2f4e-7d3b-4b52-9a7e-2f3a1c5d6e7f", "/o/{id}"),
        ("/commit/9fceb02d0ae598e95dc970b74767f19372d61af8", "/commit/{id}"),
        ("/t/eyJhbGciOiJIUzI1NiIsInR5cCI6", "/t/{id}"),
        ("/images/1234.png", "/images/{id}.png"),
        ("/u/ann@example.org/edit", "/u/{id}/edit"),
        ("/u/ann%40example.org", "/u/{id}"),
        ("/cart;jsessionid=9A8B7C6D", "/cart"),
        ("http://shop.example/product/9", "/product/{id}"),
        ("https://shop.example", "/"),
        ("/", "/"),
        ("*", "*"),
        ("", "all"),
        ("  checkout ", "checkout"),
        ("plyr", "plyr"),
        # words, versions and dates in a title are no ids
        ("/analyzing-500m-log-records-using-spark-one-developers-experience/",) * 2,
        ("/report-of-2012-01-15-part-2/",) * 2,
        ("/files/logstash-1.3.2-monolithic.jar",) * 2,
        ("/face/cafe", "/face/cafe"),
    ],
)
def test_a_path_names_its_feature(value: str, feature: str) -> None:
    assert feature_of(value) == feature


@given(st.text())
def test_a_feature_is_never_empty_nor_too_long_and_names_itself(value: str) -> None:
    feature = feature_of(value)
    assert 1 <= len(feature) <= FEATURE_MAX_CHARS
    assert feature_of(feature) == feature


@given(st.from_regex(r"/[a-z]{1,8}(/[a-z]{1,8}){0,3}", fullmatch=True), st.text())
def test_a_query_changes_no_feature(path: str, query: str) -> None:
    assert feature_of(f"{path}?{query}") == feature_of(path)
