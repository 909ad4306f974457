"""Publish r1k: a dataset folder with its card, and its upload, which only a command starts."""
