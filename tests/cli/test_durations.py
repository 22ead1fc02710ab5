from __future__ import annotations

import pytest

from foretide.cli.durations import duration_s, step_s
from foretide.errors import InputError


@pytest.mark.parametrize(
    ("text", "seconds"), [("60s", 60), ("5m", 300), ("5min", 300), ("1h", 3600), ("1d", 86_400)]
)
def test_lengths_are_read(text: str, seconds: int) -> None:
    assert duration_s("--step", text) == step_s("--step", text) == seconds


@pytest.mark.parametrize("text", ["", "5", "0s", "-1h", "1w", "1.5h", "h"])
def test_what_is_no_length_is_refused_naming_the_flag(text: str) -> None:
    with pytest.raises(InputError, match="--step"):
        duration_s("--step", text)


def test_a_bucket_is_at_most_a_day() -> None:
    with pytest.raises(InputError, match="at most 1d"):
        step_s("--step", "2d")
