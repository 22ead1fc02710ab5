"""Models that need heavy parts, or other people's, behind the protocol of `forecast/base`."""
