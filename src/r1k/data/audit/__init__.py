"""Audit what in the data could explain a result: contamination, answer formats, cues of y+, grades and lengths."""
