"""Swin's windows (Liu et al., ICCV 2021) in a graph for photos of any size."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import onnx.inliner
import torch
from onnxscript import opset20, script
from onnxscript.values import Opset
from torch import Tensor, nn
from torch.nn import functional as F

_DOMAIN = Opset("solar", 1)
op: Any = opset20  # whose types are of tensors alone, not of the literals that `script` reads
INT64 = onnx.TensorProto.INT64


@script(_DOMAIN, default_opset=op)
def Numbered(length):  # type: ignore[no-untyped-def]
    """(length,) whole numbers from 0."""
    one = op.Constant(value_int=1)
    return op.Range(op.Constant(value_int=0), op.Squeeze(length), one)


@script(_DOMAIN, default_opset=op)
def Counted(sides, size):  # type: ignore[no-untyped-def]
    """(2,) windows, the last perhaps in part, down and across."""
    return (sides + size - op.Constant(value_ints=[1])) / size


@script(_DOMAIN, default_opset=op)
def Rolled(length, shift):  # type: ignore[no-untyped-def]
    """(length,) from where each position of a side comes that is rolled by `shift`."""
    return op.Mod(Numbered(length) + shift, length)


@script(_DOMAIN, default_opset=op)
def Part(length, size, shift):  # type: ignore[no-untyped-def]
    """(length,) 0 to 2: which of three parts of a rolled side each position is in."""
    at = Numbered(length)
    return op.Cast(at >= length - size, to=INT64) + op.Cast(at >= length - shift, to=INT64)


@script(_DOMAIN, default_opset=op)
def Cut(x, size, roll):  # type: ignore[no-untyped-def]
    """(B, H, W, C) -> (B, n, A, C): rolled, zeros below and to the right, cut into windows."""
    batch, sides = op.Shape(x, start=0, end=1), op.Shape(x, start=1, end=3)
    tall, wide = op.Split(sides, num_outputs=2)
    down, right = op.Split(roll, num_outputs=2)
    rolled = op.Gather(x, Rolled(tall, down), axis=1)
    rolled = op.Gather(rolled, Rolled(wide, right), axis=2)
    counts = Counted(sides, size)
    high, across = op.Split(counts, num_outputs=2)
    height, width = op.Split(size, num_outputs=2)
    before, zero = op.Constant(value_ints=[0, 0, 0, 0, 0]), op.Constant(value_ints=[0])
    rest = op.Constant(value_ints=[-1])
    padded = op.Pad(rolled, op.Concat(before, counts * size - sides, zero, axis=0))
    cut = op.Reshape(padded, op.Concat(batch, high, height, across, width, rest, axis=0))
    cut = op.Transpose(cut, perm=[0, 1, 3, 2, 4, 5])
    return op.Reshape(cut, op.Concat(batch, high * across, height * width, rest, axis=0))


@script(_DOMAIN, default_opset=op)
def Apart(sides, size, roll):  # type: ignore[no-untyped-def]
    """(n, 1, A, A): -100 where the roll brought together what lies at two ends of the map."""
    counts = Counted(sides, size)
    tall, wide = op.Split(counts * size, num_outputs=2)
    height, width = op.Split(size, num_outputs=2)
    down, right = op.Split(roll, num_outputs=2)
    rows, columns = Part(tall, height, down), Part(wide, width, right)
    three = op.Constant(value_ints=[3])
    parts = op.Unsqueeze(rows * three, [1]) + op.Unsqueeze(columns, [0])  # (H', W')
    high, across = op.Split(counts, num_outputs=2)
    parts = op.Reshape(parts, op.Concat(high, height, across, width, axis=0))
    parts = op.Transpose(parts, perm=[0, 2, 1, 3])
    parts = op.Reshape(parts, op.Concat(high * across, height * width, axis=0))  # (n, A)
    same = op.Equal(op.Unsqueeze(parts, [1, 2]), op.Unsqueeze(parts, [1, 3]))
    return op.Where(same, op.Constant(value_float=0.0), op.Constant(value_float=-100.0))


@script(_DOMAIN, default_opset=op)
def Joined(z, shape, size, roll):  # type: ignore[no-untyped-def]
    """(B, n, A, heads, d) -> (B, H, W, D): `Cut` undone, for a map of shape (B, H, W)."""
    batch, tall, wide = op.Split(shape, num_outputs=3)
    counts = Counted(op.Slice(shape, [1], [3]), size)
    rest = op.Constant(value_ints=[-1])
    z = op.Reshape(z, op.Concat(batch, counts, size, rest, axis=0))
    z = op.Transpose(z, perm=[0, 1, 3, 2, 4, 5])
    z = op.Reshape(z, op.Concat(batch, counts * size, rest, axis=0))
    down, right = op.Split(roll, num_outputs=2)
    z = op.Gather(z, Rolled(tall, op.Neg(down)), axis=1)
    return op.Gather(z, Rolled(wide, op.Neg(right)), axis=2)


@script(_DOMAIN, default_opset=op)
def WindowAttention(  # type: ignore[no-untyped-def]
    x,  # (B, H, W, C)
    weight,  # (3 * D, C)
    bias,  # (3 * D,)
    positions,  # (1, heads, A, A), A = window[0] * window[1]
    heads: int,
    scale: float,
    window: Sequence[int],
    shift: Sequence[int],
):
    """Attention inside each window of a map that was rolled by `shift`: (B, H, W, D)."""
    size, roll = op.Constant(value_ints=window), op.Constant(value_ints=shift)
    cut = Cut(x, size, roll)  # (B, n, A, C)
    qkv = op.MatMul(cut, op.Transpose(weight, perm=[1, 0])) + bias  # (B, n, A, 3 * D)
    several = op.Reshape(op.Constant(value_int=heads), [1])
    three, rest = op.Constant(value_ints=[3]), op.Constant(value_ints=[-1])
    parts = op.Concat(op.Shape(cut, start=0, end=3), three, several, rest, axis=0)
    parts = op.Transpose(op.Reshape(qkv, parts), perm=[3, 0, 1, 4, 2, 5])
    query, key, value = op.Gather(parts, 0), op.Gather(parts, 1), op.Gather(parts, 2)
    keys = op.Transpose(key, perm=[0, 1, 2, 4, 3])
    scores = op.MatMul(query * scale, keys)  # (B, n, heads, A, A)
    scores = scores + positions + Apart(op.Shape(x, start=1, end=3), size, roll)
    z = op.Transpose(op.MatMul(op.Softmax(scores, axis=-1), value), perm=[0, 1, 3, 2, 4])
    return Joined(z, op.Shape(x, start=0, end=3), size, roll)


FUNCTIONS = (Numbered, Counted, Rolled, Part, Cut, Apart, Joined, WindowAttention)


def keep_windows_whole(network: nn.Module) -> None:
    """Let torch's exporter see one operator for all windows of a block.

    What it would have to prove of their sizes, to see inside, takes it minutes.

    Args:
        network: changed in place, if there are such blocks in it.
    """
    from timm.models.swin_transformer import PatchMerging, SwinTransformerBlock

    for module in network.modules():
        if isinstance(module, SwinTransformerBlock):
            module._attn = partial(_attended, module)  # type: ignore[method-assign]
        elif isinstance(module, PatchMerging):
            module.forward = partial(_merged, module)  # type: ignore[method-assign]


def write_windows(document: Any) -> Any:
    """An `onnx.ModelProto` with that operator written out in those of ONNX."""
    if not any(node.domain == _DOMAIN.domain for node in document.graph.node):
        return document
    document.functions.extend(function.to_function_proto() for function in FUNCTIONS)
    return onnx.inliner.inline_local_functions(document)


def _attended(block: Any, x: Tensor) -> Tensor:
    """(B, H, W, C) -> (B, H, W, C), as the block's own `_attn`."""
    attention = block.attn
    weight, bias = attention.qkv.weight, attention.qkv.bias  # (3 * D, C), (3 * D,)
    if bias is None:
        bias = weight.new_zeros(len(weight))
    attributes = {
        "heads": attention.num_heads,
        "scale": attention.scale,
        "window": block.window_size,
        "shift": block.shift_size,
    }
    rows = torch.onnx.ops.symbolic(
        f"{_DOMAIN.domain}::WindowAttention",
        [x, weight, bias, attention._get_rel_pos_bias()],
        attributes,
        dtype=x.dtype,
        shape=(*x.shape[:3], len(weight) // 3),
        version=_DOMAIN.version,
    )
    made: Tensor = attention.proj(rows)
    return made


def _merged(layer: Any, x: Tensor) -> Tensor:
    """(B, H, W, C) -> (B, ceil(H / 2), ceil(W / 2), C'), as the layer's own `forward`."""
    x = F.pad(x, (0, 0, 0, 1, 0, 1))  # an odd side needs a row of zeros; an even one leaves it
    even, odd = x[:, :-1:2], x[:, 1::2]
    corners = [
        part[:, :, start:end:2] for start, end in ((0, -1), (1, None)) for part in (even, odd)
    ]
    made: Tensor = layer.reduction(layer.norm(torch.cat(corners, -1)))
    return made
