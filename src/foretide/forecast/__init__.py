"""Demand becomes forecasts: calibrated quantiles by horizon. Pure."""
