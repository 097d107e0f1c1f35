"""A network as an ONNX graph that keeps its numbers in the model folder's file of weights."""

from __future__ import annotations

import copy
import json
import struct
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from solar.errors import SolarError
from solar.extraction.engines.graph import (
    DESCRIPTORS,
    FEATURE_MAP,
    PATCHES,
    PHOTOS,
    POOLED,
    SCALE,
    projection,
)
from solar.extraction.export.regions import pool_regions
from solar.extraction.export.same import pad_by_operator
from solar.extraction.export.sequences import slice_sequences
from solar.extraction.export.windows import keep_windows_whole, write_windows
from solar.models.checkpoints import AnyDescriptor
from solar.models.document import WEIGHTS
from solar.models.global_descriptor import GlobalDescriptor
from solar.models.pooling import GeM, Regional
from solar.models.registry import TIMM

_OPSET, _FUSED = 20, "com.microsoft"
_IMAGES = "images"


def traced(network: AnyDescriptor, weights: bytes) -> Any:
    """The graph of a network, as an `onnx.ModelProto`.

    Args:
        network: float32, on the CPU, in evaluation mode.
        weights: the file of them, whose numbers the graph refers to.

    Raises:
        SolarError: it cannot be written as a graph.
    """
    document = _exported(network)
    graph = document.graph
    _drop_zero_biases(graph)
    slice_sequences(graph)
    refer_to_weights(graph, weights)
    if isinstance(network, GlobalDescriptor):
        _take_photos(graph, network)
        for stage in network.attention:
            for part in ("f", "g"):
                _name_projection(graph, stage, part)
        if network.config.whitening is not None:
            _name_pooled(graph)
        if isinstance(network.pool, GeM):
            name_feature_map(graph)
    explain_attention(document)
    _tidy(document, network)
    return document


def _exported(network: AnyDescriptor) -> Any:
    """As torch's exporter writes it; nothing folded, so that names stay those of the file."""
    photos, free = isinstance(network, GlobalDescriptor), torch.export.Dim.DYNAMIC
    example = torch.rand((2, 3, 96, 128) if photos else (2, 1, 32, 32))
    network = copy.deepcopy(network)
    for block in network.attention.values():
        block._attend = _fused_attention  # type: ignore[assignment]
    if isinstance(network, GlobalDescriptor) and network.config.backbone.startswith(TIMM):
        keep_windows_whole(network)
        pad_by_operator(network)
    for module in network.modules():
        if isinstance(module, Regional):
            module.forward = partial(pool_regions, module)  # type: ignore[method-assign]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                network,
                (example,),
                dynamo=True,
                optimize=False,
                verbose=False,
                opset_version=_OPSET,
                dynamic_shapes=({0: free, 2: free, 3: free} if photos else {0: free},),
                input_names=[_IMAGES if photos else PATCHES],
                output_names=[DESCRIPTORS],
            )
    except ImportError:
        raise
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise SolarError(f"model {network.name}: cannot be written as a graph: {reason}") from error
    assert program is not None  # noqa: S101 - narrows the type
    return write_windows(program.model_proto)


def _fused_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """One operator, whose memory grows with positions, not their square, in both engines.

    Takes the place of `SecondOrderAttention._attend`.
    """
    rows = [each.squeeze(1) for each in (query, key, value)]  # (B, N, mid)
    attributes = {"num_heads": 1, "scale": rows[0].shape[-1] ** -0.5}
    z: Tensor = torch.onnx.ops.symbolic(
        f"{_FUSED}::MultiHeadAttention",
        rows,
        attributes,
        dtype=rows[0].dtype,
        shape=rows[0].shape,
        version=1,
    )
    return z.unsqueeze(1)  # (B, 1, N, mid)


def explain_attention(document: Any) -> None:
    """Say what the fused operator computes, for programs that have none of that name."""
    import onnx

    if not any(node.domain == _FUSED for node in document.graph.node):
        return
    scale = onnx.helper.make_node("Constant", [], ["scale"])
    by_name = onnx.AttributeProto(name="value_float", ref_attr_name="scale")
    by_name.type = onnx.AttributeProto.FLOAT
    scale.attribute.append(by_name)
    body = [
        scale,
        _node("Mul", ["query", "scale"], "scaled"),
        _node("Transpose", ["key"], "columns", perm=[0, 2, 1]),
        _node("MatMul", ["scaled", "columns"], "scores"),
        _node("Softmax", ["scores"], "weights", axis=-1),
        _node("MatMul", ["weights", "value"], "attended"),
    ]
    takes, opsets = ["query", "key", "value"], [onnx.helper.make_opsetid("", _OPSET)]
    document.functions.append(
        onnx.helper.make_function(
            _FUSED, "MultiHeadAttention", takes, ["attended"], body, opsets, ["num_heads", "scale"]
        )
    )


def _drop_zero_biases(graph: Any) -> None:
    """Leave out those that the exporter gives a convolution without bias.

    It computes them from the photos' type, so that no engine could fold a batch norm into one.
    """
    weights = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Conv" and len(node.input) > 2 and node.input[2] not in weights:
            del node.input[2]
    needed, used = {output.name for output in graph.output}, []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            used.append(node)
            needed.update(node.input)
    _replace(graph.node, used[::-1])


def refer_to_weights(graph: Any, weights: bytes) -> None:
    """Let every weight be read from the file of weights, from where it lies there."""
    import onnx

    (length,) = struct.unpack("<Q", weights[:8])
    header: Mapping[str, Any] = json.loads(weights[8 : 8 + length])
    kinds = onnx.TensorProto
    types = {"F32": kinds.FLOAT, "F16": kinds.FLOAT16}
    types |= {"I8": kinds.INT8, "U8": kinds.UINT8, "I32": kinds.INT32}
    constants, casts = [], []
    for tensor in graph.initializer:
        entry = header.get(tensor.name)
        if entry is None:
            constants.append(tensor)
            continue
        stored = onnx.TensorProto(
            name=tensor.name,
            data_type=types[entry["dtype"]],
            dims=entry["shape"],
            data_location=onnx.TensorProto.EXTERNAL,
        )
        if stored.data_type != tensor.data_type:
            stored.name = f"{tensor.name}.stored"
            casts.append(_node("Cast", [stored.name], tensor.name, to=tensor.data_type))
        start, end = entry["data_offsets"]
        lies = {"location": WEIGHTS, "offset": 8 + length + start, "length": end - start}
        for key, value in lies.items():
            stored.external_data.add(key=key, value=str(value))
        constants.append(stored)
    _replace(graph.initializer, constants)
    _replace(graph.node, [*casts, *graph.node])


def _take_photos(graph: Any, network: GlobalDescriptor) -> None:
    """Put before the network what prepares a photo for it: a type, an order, a range, a scale."""
    import onnx

    dynamic: list[str | int | None] = ["batch", "height", "width", 3]
    inputs = [
        onnx.helper.make_tensor_value_info(PHOTOS, onnx.TensorProto.UINT8, dynamic),
        onnx.helper.make_tensor_value_info(SCALE, onnx.TensorProto.FLOAT, [1]),
    ]
    _replace(graph.input, inputs)
    values = {"photos.mean": network.mean, "photos.std": network.std}
    for name, rgb in values.items():
        array = np.array(rgb, np.float32).reshape(1, 3, 1, 1) * 255
        graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    ones = onnx.numpy_helper.from_array(np.ones(2, np.float32), "photos.ones")
    graph.initializer.append(ones)
    scales = _scales(graph, network.stages.least)
    front = [
        _node("Cast", [PHOTOS], "photos.float", to=onnx.TensorProto.FLOAT),
        _node("Transpose", ["photos.float"], "photos.channels", perm=[0, 3, 1, 2]),
        _node("Sub", ["photos.channels", "photos.mean"], "photos.centred"),
        _node("Div", ["photos.centred", "photos.std"], "photos.normalised"),
        *scales,
        _node("Resize", ["photos.normalised", "", "photos.scales"], _IMAGES, mode="linear"),
    ]
    _replace(graph.node, [*front, *graph.node])


def _scales(graph: Any, least: int) -> list[Any]:
    """From the factor asked for, those of all axes; greater for photos that would be too small.

    Where the network enlarges such photos, its graph, which was made from a larger one, does not.
    """
    import onnx

    if least == 1:
        return [_node("Concat", ["photos.ones", SCALE, SCALE], "photos.scales", axis=0)]
    # just above, or rounding down would leave a pixel less
    numbers = np.array([np.nextafter(np.float32(least), np.float32(2 * least))], np.float32)
    graph.initializer.append(onnx.numpy_helper.from_array(numbers, "photos.least"))
    return [
        _node("Shape", ["photos.channels"], "photos.sides", start=2, end=4),
        _node("ReduceMin", ["photos.sides"], "photos.short", keepdims=1),
        _node("Cast", ["photos.short"], "photos.pixels", to=onnx.TensorProto.FLOAT),
        _node("Div", ["photos.least", "photos.pixels"], "photos.enlarged"),
        _node("Max", [SCALE, "photos.enlarged"], "photos.scale"),
        _node("Concat", ["photos.ones", "photos.scale", "photos.scale"], "photos.scales", axis=0),
    ]


def _name_projection(graph: Any, stage: str, part: str) -> None:
    """Give f(x) or g(x) of an attention block its name: from these, maps of it are made."""
    tensor = f"attention.{stage}.{part}.0.weight"
    for kind in ("Conv", "BatchNormalization", "Relu"):
        (tensor,) = _reader(graph, tensor, kind).output
    _rename(graph, tensor, projection(stage, part))


def _name_pooled(graph: Any) -> None:
    """Give what the whitening layer takes its name: from these, another whitening is learned."""
    _rename(graph, _reader(graph, "whiten.weight", "Gemm").input[0], POOLED)


def name_feature_map(graph: Any) -> None:
    """Give what GeM pools its name: from it, what each position adds to a cosine is told."""
    power = "pool.p"
    for kind in ("Unsqueeze", "Unsqueeze"):
        (power,) = _reader(graph, power, kind).output
    raised = _reader(graph, power, "Pow").input[0]
    clip = next(node for node in graph.node if raised in node.output)
    _rename(graph, clip.input[0], FEATURE_MAP)


def _reader(graph: Any, tensor: str, kind: str) -> Any:
    return next(node for node in graph.node if node.op_type == kind and tensor in node.input)


def _rename(graph: Any, tensor: str, name: str) -> None:
    for node in graph.node:
        for names in (node.input, node.output):
            _replace(names, [name if each == tensor else each for each in names])


def _tidy(document: Any, network: AnyDescriptor) -> None:
    """Leave out what the exporter notes for its makers; say what the network is."""
    for node in document.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    del document.graph.value_info[:]
    del document.metadata_props[:]
    facts: dict[str, object] = {
        "name": network.name,
        "fingerprint": network.fingerprint,
        "licence": network.provenance.licence,
        "trained_on": network.provenance.trained_on,
    }
    if isinstance(network, GlobalDescriptor):
        c = network.config
        facts |= {"mean": c.mean, "std": c.std, "image_size": c.image_size, "scales": c.scales}
    for key, value in facts.items():
        text = value if isinstance(value, str) else json.dumps(value)
        document.metadata_props.add(key=key, value=text)


def _node(kind: str, inputs: list[str], output: str, **attributes: Any) -> Any:
    import onnx

    return onnx.helper.make_node(kind, inputs, [output], **attributes)


def _replace(field: Any, values: Sequence[Any]) -> None:
    """Put values instead of a repeated field's own."""
    kept = list(values)
    del field[:]
    field.extend(kept)
