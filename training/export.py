"""From learnt networks to ONNX graphs: normalisation and the mean over seeds inside."""

import hashlib
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from rusy_tui.ensemble.manifest import CNN, DNN, LSTM, Graph

OPSET = 17

INPUTS = {LSTM: ("sequence",), CNN: ("image",), DNN: ("bar", "flow", "flow_present")}
OUTPUTS = {LSTM: "probability", CNN: "classes", DNN: "strength"}


class Averaged(nn.Module):
    """The mean of several networks' answers, each on the member's own scale.

    P(up) of the LSTM, the classes' probabilities of the CNN, the strength of the DNN.
    """

    def __init__(self, member: str, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.member = member
        self.networks = nn.ModuleList(networks)

    def forward(self, *inputs: Tensor) -> Tensor:
        """The member's output, ``(n,)`` or ``(n, 3)``."""
        answers = [self._answer(network(*inputs)) for network in self.networks]
        return torch.stack(answers).mean(dim=0)

    def _answer(self, raw: Tensor) -> Tensor:
        if self.member == CNN:
            return torch.softmax(raw, dim=1)
        return torch.tanh(raw) if self.member == DNN else torch.sigmoid(raw)


def export(
    member: str, networks: Sequence[nn.Module], example: tuple[Tensor, ...], folder: Path
) -> Graph:
    """Write ``<member>.onnx`` and describe it.

    The TorchScript exporter, because the newer one writes the source paths of whoever
    trained into the file, and with them another hash on each machine.

    Args:
        member: which member the networks are.
        networks: one a seed.
        example: inputs of a batch of one, whose shapes without the batch are the graph's.
        folder: where to write.
    """
    path = folder / f"{member}.onnx"
    names, output = INPUTS[member], OUTPUTS[member]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        # Shapes are constants of the graph, all but the batch.
        warnings.filterwarnings("ignore", message="Converting a tensor to a Python boolean")
        warnings.filterwarnings("ignore", message="Exporting a model to ONNX with a batch_size")
        warnings.filterwarnings("ignore", message="Constant folding")
        torch.onnx.export(
            Averaged(member, networks).eval(),
            example,
            str(path),
            input_names=list(names),
            output_names=[output],
            dynamic_axes={name: {0: "batch"} for name in (*names, output)},
            opset_version=OPSET,
            dynamo=False,
        )
    content = path.read_bytes()
    return Graph(
        file=path.name,
        sha256=hashlib.sha256(content).hexdigest(),
        inputs={
            name: tuple(tensor.shape[1:]) for name, tensor in zip(names, example, strict=True)
        },
        output=output,
    )
