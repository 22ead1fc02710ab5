"""Foretide forecasts what users are about to do, and moves the platform first."""

__version__ = "0.1.0"
