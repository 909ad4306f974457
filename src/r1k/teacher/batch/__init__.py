"""Requests through a provider's Batch API: cheaper, and answered within 24 hours."""
