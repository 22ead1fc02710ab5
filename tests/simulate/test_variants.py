"""Scenarios are named by what tells them apart, and nothing else about them changes."""

from __future__ import annotations

import msgspec
import pytest

from foretide.errors import InputError
from foretide.simulate.scenario import Scenario
from foretide.simulate.variants import variants

RULES = Scenario(warm_price_fraction=0.2, boot_s=120)


def test_nothing_asked_is_the_scenario_itself() -> None:
    assert variants({"s": RULES}) == {"": RULES}
    assert list(variants({"s": RULES, "t": RULES})) == ["s", "t"]
    assert variants({"s": RULES}, warm="off", boots_s=[60]) == {
        "": msgspec.structs.replace(RULES, warm_price_fraction=1.0, boot_s=60)
    }


def test_every_combination_is_there_once() -> None:
    found = variants({"s": RULES}, boots_s=[60, 900], warm="both", scale_down="both")
    assert len(found) == 8
    assert next(iter(found)) == "boot 60 s, warm pool, strict scale-down"
    softest = found["boot 900 s, no warm pool, soft scale-down"]
    assert (softest.boot_s, softest.has_warm_pool, softest.scale_down) == (900, False, "soft")
    assert len({msgspec.json.encode(one) for one in found.values()}) == 8
    two = variants({"s": RULES, "t": RULES}, warm="both")
    assert list(two) == ["s, warm pool", "s, no warm pool", "t, warm pool", "t, no warm pool"]


@pytest.mark.parametrize(
    ("warm", "scale_down", "named"),
    [
        ("yes", "", "--warm yes: give one of on, off, both"),
        ("", "hard", "--scale-down hard: give one of strict, soft, both"),
    ],
)
def test_an_unknown_word_is_refused(warm: str, scale_down: str, named: str) -> None:
    with pytest.raises(InputError, match=named):
        variants({"s": RULES}, warm=warm, scale_down=scale_down)


def test_a_pool_without_a_price_is_refused() -> None:
    with pytest.raises(InputError, match="warm_price_fraction"):
        variants({"s": Scenario()}, warm="both")
