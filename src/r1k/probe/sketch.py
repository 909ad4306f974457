"""Vectors made short so that their inner products stay right on average."""

from collections.abc import Sequence

import torch
from torch import Tensor

SEED = 0


class CountSketch:
    """Each entry is added, with a random sign, to one of `buckets` (Charikar, Chen and Farach-Colton 2002).

    Signs and buckets are drawn anew for each vector, from the same seed. Inner products are unbiased, with a standard
    deviation of sqrt((|g|^2 |h|^2 + <g, h>^2) / buckets) at most. The draws depend on the kind of device.
    """

    def __init__(self, buckets: int) -> None:
        self.buckets = buckets

    def __call__(self, gradient: Sequence[Tensor]) -> Tensor:
        """[buckets], in memory of the host, of a gradient by parameter."""
        device = gradient[0].device
        generator = torch.Generator(device).manual_seed(SEED)
        short = torch.zeros(self.buckets, device=device, dtype=gradient[0].dtype)
        for part in gradient:
            drawn = torch.randint(2 * self.buckets, (part.numel(),), generator=generator, device=device)
            short.index_add_(0, drawn >> 1, part.flatten() * (1 - 2 * (drawn & 1)))
        return short.cpu()
