"""Events become demand: consent, devices, features, sessions, buckets. Pure."""
