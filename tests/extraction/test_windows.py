"""Swin's windows in a graph: equal to timm's own, for maps of any size."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from solar.extraction.export.windows import _merged, write_windows

SIDES = st.integers(1, 23)


@pytest.fixture(scope="module")
def network() -> Any:
    """Blocks with windows that are rolled and such that are not, positions and biases not 0."""
    torch.manual_seed(4)
    sizes: dict[str, Any] = {"embed_dim": 8, "depths": (2, 2, 1, 1), "num_heads": (2, 1, 1, 1)}
    made = timm.create_model("swin_tiny_patch4_window7_224", dynamic_img_size=True, **sizes)
    for name, parameter in made.named_parameters():
        if "bias" in name:
            torch.nn.init.normal_(parameter)
    return made.eval()


@pytest.fixture(scope="module", params=[(0, 0), (0, 1), (1, 1)], ids=str)
def block(request: pytest.FixtureRequest, network: Any) -> tuple[Any, Any]:
    """A block of timm's, and what computes its windows by ONNX's operators."""
    stage, number = request.param
    block = network.layers[stage].blocks[number]
    attention, channels = block.attn, block.dim
    shapes: dict[str, list[Any]] = {
        "x": ["B", "H", "W", channels],
        "weight": [3 * channels, channels],
        "bias": [3 * channels],
        "positions": [1, attention.num_heads, 49, 49],
    }
    node = helper.make_node(
        "WindowAttention",
        list(shapes),
        ["rows"],
        domain="solar",
        heads=attention.num_heads,
        scale=float(attention.scale),
        window=list(block.window_size),
        shift=list(block.shift_size),
    )
    takes = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    ]
    gives = [helper.make_tensor_value_info("rows", TensorProto.FLOAT, None)]
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("solar", 1)]
    graph = helper.make_graph([node], "windows", takes, gives)
    document = write_windows(helper.make_model(graph, opset_imports=opsets, ir_version=10))
    assert {node.domain for node in document.graph.node} == {""}
    return block, onnxruntime.InferenceSession(document.SerializeToString())


@given(count=st.integers(1, 2), height=SIDES, width=SIDES, seed=st.integers(0, 99))
@torch.inference_mode()
def test_windows_are_those_of_timm(
    block: tuple[Any, Any], count: int, height: int, width: int, seed: int
) -> None:
    own, graph = block
    drawn = torch.Generator().manual_seed(seed)
    x = torch.randn(count, height, width, own.dim, generator=drawn)
    attention = own.attn
    given = {
        "x": x,
        "weight": attention.qkv.weight,
        "bias": attention.qkv.bias,
        "positions": attention._get_rel_pos_bias(),
    }
    (rows,) = graph.run(None, {name: np.asarray(tensor) for name, tensor in given.items()})
    torch.testing.assert_close(attention.proj(torch.from_numpy(rows)), own._attn(x))


@given(height=SIDES, width=SIDES)
@torch.inference_mode()
def test_maps_are_merged_as_timm_does(network: Any, height: int, width: int) -> None:
    layer, x = network.layers[1].downsample, torch.rand(2, height, width, 8)
    torch.testing.assert_close(_merged(layer, x), layer(x), rtol=0, atol=0)
