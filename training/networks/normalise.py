"""Normalisation as a part of the network, so that a graph takes features as they come."""

import torch
from torch import Tensor, nn

LIMIT = 6.0
"""In training deviations. A market unlike any in training must not leave the range in which
the network was fitted."""


class Normalise(nn.Module):
    """``clamp((x - mean) / deviation, ±6)``; ``mean`` and ``deviation`` broadcast to x."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: Tensor, deviation: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean.to(torch.float32))
        self.register_buffer("deviation", deviation.to(torch.float32).clamp_min(1e-6))

    def forward(self, x: Tensor) -> Tensor:
        """The same shape as ``x``."""
        return ((x - self.mean) / self.deviation).clamp(-LIMIT, LIMIT)
