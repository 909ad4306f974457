"""Paired tests: scores over every answer, and tests between runs on the same questions."""
