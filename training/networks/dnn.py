"""The member that sees market microstructure at the bar."""

import torch
from torch import Tensor, nn

from training.networks.normalise import Normalise


class BarNetwork(nn.Module):
    """Dense layers with batch normalisation; says a signal's strength.

    The flow group is multiplied by its presence, which is an input beside it: the network
    can tell a flow of nothing from one that it was not shown.
    """

    def __init__(self, bar: Normalise, flow: Normalise, columns: int) -> None:
        super().__init__()
        self.bar = bar
        self.flow = flow
        self.layers = nn.Sequential(
            nn.Linear(columns + 1, 64),
            nn.BatchNorm1d(64),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(64, 32),
            nn.BatchNorm1d(32),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(32, 1),
        )

    def forward(self, bar: Tensor, flow: Tensor, present: Tensor) -> Tensor:
        """``(n, bars)``, ``(n, flows)``, ``(n, 1)`` to z ``(n,)``, strength being tanh z."""
        shown = self.flow(flow) * present
        z: Tensor = self.layers(torch.cat([self.bar(bar), shown, present], dim=1)).squeeze(1)
        return z
