"""Sketches: short vectors with unbiased inner products."""

from collections.abc import Sequence

import torch
from torch import Tensor

SEED = 0


class CountSketch:
    """Adds each entry, with a random sign, to one of `buckets` (Charikar, Chen and Farach-Colton 2002).

    Each call draws signs and buckets from the same seed. Inner products are unbiased, with a standard deviation of at
    most sqrt((|g|^2 |h|^2 + <g, h>^2) / buckets). The draws depend on the type of device.
    """

    def __init__(self, buckets: int) -> None:
        self.buckets = buckets

    def __call__(self, gradient: Sequence[Tensor]) -> Tensor:
        """Return the sketch [buckets] of a gradient given by parameter, on the CPU."""
        device = gradient[0].device
        generator = torch.Generator(device).manual_seed(SEED)
        sketch = torch.zeros(self.buckets, device=device, dtype=gradient[0].dtype)
        for part in gradient:
            drawn = torch.randint(2 * self.buckets, (part.numel(),), generator=generator, device=device)
            sketch.index_add_(0, drawn >> 1, part.flatten() * (1 - 2 * (drawn & 1)))
        return sketch.cpu()
