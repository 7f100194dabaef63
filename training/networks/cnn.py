"""The member that looks at price action as an image."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.networks.normalise import Normalise

CLASSES = ("up", "down", "neither")
"""What the shape was followed by."""


class CausalConvolution(nn.Conv2d):
    """A 2D convolution whose kernel is as wide as its input, padded on the past's side.

    In PyTorch it is computed as one matrix product: oneDNN's convolutions differ in the
    last bits from run to run, even on one thread. In the exported graph it is a ``Conv``.
    """

    def forward(self, x: Tensor) -> Tensor:
        """``(n, channels, bars, width)`` to ``(n, maps, bars, 1)``."""
        taps, step, bars = self.kernel_size[0], self.dilation[0], x.shape[2]
        padded = functional.pad(x, (0, 0, (taps - 1) * step, 0))
        if torch.onnx.is_in_onnx_export():
            return super().forward(padded)
        shifted = [padded[:, :, tap * step : tap * step + bars] for tap in range(taps)]
        patches = torch.stack(shifted, dim=2).permute(0, 3, 1, 2, 4).flatten(2)
        product = functional.linear(patches, self.weight.flatten(1), self.bias)
        return product.permute(0, 2, 1).unsqueeze(3)


class ImageNetwork(nn.Module):
    """2D convolutions along time over all features at once; says a class of pattern.

    Neighbouring columns of the image are no neighbours in any sense, so the first kernel
    spans them all, one bar at a time; the others run along time, the last one with gaps,
    and see 16 bars. Padding is on the past's side only, so that the newest column of the
    maps stands for the newest bar; the head gets it beside the mean over all bars.
    """

    def __init__(self, normalise: Normalise, channels: int, columns: int) -> None:
        super().__init__()
        self.normalise = normalise
        self.bars = CausalConvolution(channels, 32, kernel_size=(1, columns))
        self.near = CausalConvolution(32, 32, kernel_size=(4, 1))
        self.far = CausalConvolution(32, 32, kernel_size=(4, 1), dilation=(4, 1))
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(96, len(CLASSES))

    def forward(self, image: Tensor) -> Tensor:
        """``(n, channels, bars, columns)`` to logits of the classes, ``(n, 3)``."""
        bars = functional.relu(self.bars(self.normalise(image)))
        near = functional.relu(self.near(bars))
        far = functional.relu(self.far(near))
        pooled = torch.cat([bars[:, :, -1, 0], far[:, :, -1, 0], far.mean(dim=(2, 3))], dim=1)
        logits: Tensor = self.head(self.dropout(pooled))
        return logits
