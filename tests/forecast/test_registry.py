from __future__ import annotations

import pytest

from foretide.errors import InputError
from foretide.forecast.registry import DEFAULT, forecaster, names


def test_every_name_makes_a_forecaster_of_that_name() -> None:
    assert names()[0] == DEFAULT == "fleet"
    assert [forecaster(name).name for name in names()] == list(names())


@pytest.mark.parametrize("name", ["prophet", "prophet-tuned", "lstm", "gbm", "auto"])
def test_models_of_other_versions_are_named_as_absent(name: str) -> None:
    with pytest.raises(InputError, match="not in this version; use one of fleet, seasonal-naive"):
        forecaster(name)


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(InputError, match="unknown; use one of fleet, seasonal-naive"):
        forecaster("fleeet")
