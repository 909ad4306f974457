"""Intervals, tests between runs and variance components. Pure functions, but for the readers of records."""
