"""Comparison of two answers: their structure, units, and expressions."""
