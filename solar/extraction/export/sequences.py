"""Parts of a tensor as slices, where the exporter writes sequences that OpenVINO cannot take."""

from __future__ import annotations

from typing import Any

import numpy as np


def slice_sequences(graph: Any) -> None:
    """Put a `Slice` instead of each `SequenceAt` of a `SplitToSequence` with constant sizes."""
    import onnx

    splits = {n.output[0]: n for n in graph.node if n.op_type == "SplitToSequence"}
    known = _constants(graph)
    nodes = []
    for node in graph.node:
        split = splits.get(node.input[0]) if node.op_type == "SequenceAt" else None
        if split is None or not {*split.input[1:2], node.input[1]} <= known.keys():
            nodes.append(node)
            continue
        sizes, position = known[split.input[1]], int(known[node.input[1]].item())
        size = int(sizes if sizes.ndim == 0 else sizes[position])
        start = position * size if sizes.ndim == 0 else int(sizes[:position].sum())
        axis = next((each.i for each in split.attribute if each.name == "axis"), 0)
        (name,) = node.output
        inputs = [split.input[0]]
        for what, value in (("start", start), ("end", start + size), ("axis", axis)):
            inputs.append(f"{name}.{what}")
            tensor = onnx.numpy_helper.from_array(np.array([value], np.int64), inputs[-1])
            graph.initializer.append(tensor)
        nodes.append(onnx.helper.make_node("Slice", inputs, [name]))
    read = {name for node in nodes for name in node.input}
    kept = [node for node in nodes if node.op_type != "SplitToSequence" or node.output[0] in read]
    del graph.node[:]
    graph.node.extend(kept)


def _constants(graph: Any) -> dict[str, Any]:
    """Whole numbers that a graph holds, by name."""
    import onnx

    found = [(tensor.name, tensor) for tensor in graph.initializer]
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            found.append((node.output[0], node.attribute[0].t))
    whole = onnx.TensorProto.INT64
    return {name: onnx.numpy_helper.to_array(t) for name, t in found if t.data_type == whole}
