"""The attention block: identity at birth, the formula, memory, one row of the map."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from solar.models.attention import SecondOrderAttention


def trained(channels: int = 16, mid: int = 4, seed: int = 0) -> SecondOrderAttention:
    torch.manual_seed(seed)
    block = SecondOrderAttention(channels, mid).eval()
    torch.nn.init.normal_(block.v.weight)
    return block


def test_a_fresh_block_is_the_identity() -> None:
    x = torch.randn(2, 16, 5, 7)
    assert torch.equal(SecondOrderAttention(16, 4)(x), x)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 3))
@torch.inference_mode()
def test_equals_the_formula_with_the_whole_map(h: int, w: int, batch: int) -> None:
    block = trained()
    x = torch.randn(batch, 16, h, w)
    f, g, values = (m(x).flatten(2) for m in (block.f, block.g, block.h))
    attention = torch.softmax(f.mT @ g / block.mid**0.5, -1)  # (B, N, N)
    z = (attention @ values.mT).mT.reshape(batch, block.mid, h, w)
    torch.testing.assert_close(block(x), x + block.v(z), rtol=1e-4, atol=1e-5)
    row = block.attention_map(x[:1], h - 1, 0)
    torch.testing.assert_close(row.flatten(), attention[0, (h - 1) * w], rtol=1e-4, atol=1e-6)


def test_gradients_reach_every_parameter() -> None:
    block = trained().train()
    block(torch.randn(2, 16, 6, 6)).square().sum().backward()
    # h's and v's biases included; f's and g's conv biases vanish in batch norm
    for name, parameter in block.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads peak memory as Linux reports it")
def test_memory_grows_with_positions_not_with_their_square() -> None:
    program = (
        "import torch; from solar.models.attention import SecondOrderAttention\n"
        "from solar.files.memory import peak_memory\n"
        "b = SecondOrderAttention(64, 16).eval(); torch.set_num_threads(1)\n"
        "with torch.inference_mode(): b(torch.randn(1, 64, 8, 8))\n"
        "before = peak_memory(); n = 160\n"
        "with torch.inference_mode(): b(torch.randn(1, 64, n, n))\n"
        "print(peak_memory() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    whole_map = (160 * 160) ** 2 * 4  # 2.6 GB
    assert int(done.stdout) < whole_map / 10


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:Constant folding")
def test_the_older_exporter_writes_it_too(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    from onnx.reference import ReferenceEvaluator

    block, x, file = trained(), torch.randn(2, 16, 5, 7), tmp_path / "block.onnx"
    sizes = {"x": {0: "batch", 2: "height", 3: "width"}}
    torch.onnx.export(
        block, (x,), file, dynamo=False, opset_version=17, input_names=["x"], dynamic_axes=sizes
    )
    graph = onnx.load(file)
    onnx.checker.check_model(graph)
    other = torch.randn(1, 16, 6, 3)  # not the size that was traced
    for images in (x, other):
        with torch.inference_mode():
            expected = block(images).numpy()
        (found,) = ReferenceEvaluator(graph).run(None, {"x": images.numpy()})
        torch.testing.assert_close(torch.from_numpy(found), torch.from_numpy(expected))
