from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from foretide.demand.sessions import KEY_BYTES, keyed_hash

KEY = bytes(range(KEY_BYTES))


@given(st.text(), st.text())
def test_the_hash_depends_on_key_app_and_identity(app: str, identity: str) -> None:
    made = keyed_hash(KEY, app, identity)
    assert 0 <= made < 2**64
    assert made == keyed_hash(KEY, app, identity)
    assert made != keyed_hash(bytes(KEY_BYTES), app, identity)
    assert made != keyed_hash(KEY, app + "x", identity)
    assert made != keyed_hash(KEY, app, identity + "x")
