"""The nouns that cross between rooms: frozen, checked, no behaviour beyond their invariants."""
