"""Figures, each as PNG, PDF and CSV."""
