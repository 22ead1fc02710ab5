"""The same tick in a made world, its rivals, its clairvoyant limit and its report."""
