from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch import nn

from rusy_tui.ensemble.manifest import CNN, DNN, LSTM, MEMBERS
from rusy_tui.features.windows import FeatureTable, feature_table
from tests.features.market import hours, market
from training.export import OUTPUTS, Averaged, export
from training.fit import build_network, network_inputs
from training.networks.cnn import CausalConvolution

ROWS = np.arange(1_500, 1_900)


@pytest.fixture(scope="module")
def table() -> FeatureTable:
    bars = market(2_000)
    return feature_table(bars, hours(bars))


def networks(member: str, table: FeatureTable) -> list[nn.Module]:
    made = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        made.append(build_network(member, table, ROWS).eval())
    return made


@pytest.mark.parametrize("member", MEMBERS)
def test_the_graph_says_what_the_networks_say_for_any_batch(
    member: str, table: FeatureTable, tmp_path: Path
) -> None:
    made = networks(member, table)
    graph = export(member, made, network_inputs(member, table, ROWS[:1]), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [graph.file]
    session = ort.InferenceSession(tmp_path / graph.file)
    for count in (1, 7):
        inputs = network_inputs(member, table, ROWS[:count])
        feed = {name: tensor.numpy() for name, tensor in zip(graph.inputs, inputs, strict=True)}
        (answer,) = session.run([graph.output], feed)
        with torch.no_grad():
            expected = Averaged(member, made).eval()(*inputs).numpy()
        np.testing.assert_allclose(answer, expected, atol=1e-5)


@pytest.mark.parametrize("member", MEMBERS)
def test_exporting_twice_gives_the_same_bytes(
    member: str, table: FeatureTable, tmp_path: Path
) -> None:
    made = networks(member, table)
    example = network_inputs(member, table, ROWS[:1])
    folders = [tmp_path / "one", tmp_path / "two"]
    hashes = set()
    for folder in folders:
        folder.mkdir()
        hashes.add(export(member, made, example, folder).sha256)
    assert len(hashes) == 1


def test_the_members_are_the_networks_they_are_said_to_be(
    table: FeatureTable, tmp_path: Path
) -> None:
    operators = {}
    for member in MEMBERS:
        example = network_inputs(member, table, ROWS[:1])
        graph = export(member, networks(member, table)[:1], example, tmp_path)
        nodes = onnx.load(tmp_path / graph.file).graph.node
        operators[member] = [node.op_type for node in nodes]
    assert operators[LSTM].count("LSTM") == 3
    assert operators[CNN].count("Conv") == 3
    assert operators[DNN].count("Gemm") == 3
    (lstm,) = networks(LSTM, table)[:1]
    assert any(isinstance(layer, nn.LSTM) and layer.dropout > 0 for layer in lstm.modules())
    (dnn,) = networks(DNN, table)[:1]
    assert sum(isinstance(layer, nn.BatchNorm1d) for layer in dnn.modules()) == 2


@pytest.mark.parametrize("dilation", [1, 4])
def test_the_convolution_as_a_product_is_the_convolution(dilation: int) -> None:
    torch.manual_seed(1)
    layer = CausalConvolution(2, 5, kernel_size=(4, 14), dilation=(dilation, 1))
    image = torch.randn(3, 2, 32, 14)
    padded = nn.functional.pad(image, (0, 0, 3 * dilation, 0))
    expected = nn.functional.conv2d(padded, layer.weight, layer.bias, dilation=(dilation, 1))
    torch.testing.assert_close(layer(image), expected)


def test_the_dnn_does_not_look_at_a_flow_that_is_absent(table: FeatureTable) -> None:
    (network,) = networks(DNN, table)[:1]
    bar, flow, present = network_inputs(DNN, table, ROWS[:5])
    absent = torch.zeros_like(present)
    with torch.no_grad():
        assert torch.equal(network(bar, flow, absent), network(bar, 100 * flow, absent))
        assert not torch.equal(network(bar, flow, present), network(bar, flow, absent))


def test_each_member_has_its_output() -> None:
    assert set(OUTPUTS) == set(MEMBERS)
