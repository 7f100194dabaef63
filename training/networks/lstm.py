"""The member that reads a sequence of indicators and price action."""

from torch import Tensor, nn

from training.networks.normalise import Normalise


class SequenceNetwork(nn.Module):
    """Three LSTM layers with dropout between them; says P(up) from the last state.

    Hochreiter and Schmidhuber (1997). Small on purpose: wider ones learnt nothing more.
    """

    def __init__(self, normalise: Normalise, columns: int, width: int = 32) -> None:
        super().__init__()
        self.normalise = normalise
        self.layers = nn.LSTM(columns, width, num_layers=3, batch_first=True, dropout=0.1)
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(width, 1)

    def forward(self, sequence: Tensor) -> Tensor:
        """``(n, bars, columns)`` to logits of P(up), ``(n,)``."""
        states, _ = self.layers(self.normalise(sequence))
        logit: Tensor = self.head(self.dropout(states[:, -1])).squeeze(1)
        return logit
