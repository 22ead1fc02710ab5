"""Forecast and fleet become a plan with its reasons. Pure; read `planner` first."""
