"""The member that looks at price action as an image."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.networks.normalise import Normalise

CLASSES = ("up", "down", "neither")
"""What the shape was followed by."""


class ImageNetwork(nn.Module):
    """2D convolutions along time over all features at once; says a class of pattern.

    Neighbouring columns of the image are no neighbours in any sense, so the first kernel
    spans them all. Padding is on the past's side only, so that the newest column of the
    maps stands for the newest bar; the head gets it beside the mean over time.
    """

    def __init__(self, normalise: Normalise, channels: int, columns: int) -> None:
        super().__init__()
        self.normalise = normalise
        self.first = nn.Conv2d(channels, 32, kernel_size=(4, columns))
        self.second = nn.Conv2d(32, 32, kernel_size=(4, 1), dilation=(4, 1))
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(64, len(CLASSES))

    def forward(self, image: Tensor) -> Tensor:
        """``(n, channels, bars, columns)`` to logits of the classes, ``(n, 3)``."""
        x = self.normalise(image)
        x = functional.relu(self.first(functional.pad(x, (0, 0, 3, 0))))
        x = functional.relu(self.second(functional.pad(x, (0, 0, 12, 0))))
        pooled = torch.cat([x[:, :, -1, 0], x.mean(dim=(2, 3))], dim=1)
        logits: Tensor = self.head(self.dropout(pooled))
        return logits
