"""Base models: from the hub, from an installed package, or pretrained from scratch."""
