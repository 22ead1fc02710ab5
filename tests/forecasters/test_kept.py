from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.errors import InvalidValueError
from foretide.forecasters.kept import opened, sealed


@given(learned=st.binary(max_size=50))
def test_what_was_sealed_is_opened(learned: bytes) -> None:
    assert opened("gbm", 2, sealed("gbm", 2, learned)) == learned


@given(learned=st.binary(max_size=50), place=st.integers(0, 200), bit=st.integers(0, 7))
def test_one_wrong_bit_is_noticed(learned: bytes, place: int, bit: int) -> None:
    wrong = bytearray(sealed("gbm", 2, learned))
    wrong[place % len(wrong)] ^= 1 << bit
    with pytest.raises(InvalidValueError, match="trained must"):
        opened("gbm", 2, bytes(wrong))


@pytest.mark.parametrize(("model", "version"), [("gbm", 1), ("lstm", 2)])
def test_another_model_or_version_is_refused(model: str, version: int) -> None:
    with pytest.raises(InvalidValueError, match=f"made by {model} \\(version {version}\\)"):
        opened(model, version, sealed("gbm", 2, b"x"))
