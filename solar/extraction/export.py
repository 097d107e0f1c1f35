"""A network as an ONNX graph that keeps its numbers in the model folder's file of weights.

Other programs run the graph alone: photos in as they are decoded, descriptors out.
"""

from __future__ import annotations

import copy
import json
import struct
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from solar.errors import SolarError, UsageError
from solar.extraction.engines.graph import PATCHES, PHOTOS, SCALE, projection
from solar.models._folder import write_folder
from solar.models.checkpoints import AnyDescriptor, load_any, serialised
from solar.models.document import WEIGHTS
from solar.models.global_descriptor import GlobalDescriptor

PRECISIONS = {"float32": torch.float32, "float16": torch.float16}
_OPSET = 20
_IMAGES, _OUTPUT = "images", "descriptors"


def export(
    model: str | Path | AnyDescriptor, folder: str | Path, *, precision: str = "float32"
) -> Path:
    """Write a model folder that engines without torch can run, and other programs.

    `model.onnx` in it takes `photos`, uint8 (B, H, W, 3), RGB, any B, H and W, and `scale`, float32
    (1,), a factor on H and W, and gives `descriptors`, float32 (B, D), unit rows; the descriptor of
    several scales is the mean of those of each, made unit length again. A local network's takes
    `patches`, float32 (B, 1, 32, 32), grey of any range. Its numbers are those in
    `model.safetensors` beside it.

    Args:
        model: what `solar.load` or `solar.load_local` takes, or a loaded network.
        folder: must not exist.
        precision: of the stored weights: `float32`, or `float16`, half the bytes; the arithmetic
            is float32 either way.

    Returns:
        The folder.

    Raises:
        UsageError: it exists, or there is no such precision.
        CheckpointError: the model cannot be loaded.
        SolarError: the packages that write graphs are not installed, or the network cannot be
            written as a graph.
    """
    target = Path(folder)
    if target.exists():
        raise UsageError(f"--to {target}: exists already; choose another name or remove it first")
    if precision not in PRECISIONS:
        raise UsageError(f"--precision {precision:.60}: use {' or '.join(PRECISIONS)}")
    given = load_any(model) if isinstance(model, str | Path) else model
    network = copy.deepcopy(given).float().cpu().eval()
    weights = serialised(network, PRECISIONS[precision])
    document = _traced(network)
    graph = document.graph
    _use_stored_weights(graph, weights)
    stages: list[str] = []
    if isinstance(network, GlobalDescriptor):
        stages = [stage.name for stage in network.stages.stages]
        _take_photos(graph, network)
        for stage in network.attention:
            for part in ("f", "g"):
                _name_projection(graph, stage, part)
    _tidy(document, network)
    described = network.config, network.provenance, network.name
    write_folder(target, *described, weights, precision, document.SerializeToString(), stages)
    return target


def _traced(network: AnyDescriptor) -> Any:
    """The network as torch's exporter writes it; nothing folded, so that names stay the file's."""
    photos, free = isinstance(network, GlobalDescriptor), torch.export.Dim.DYNAMIC
    example = torch.rand((2, 3, 96, 128) if photos else (2, 1, 32, 32))
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
                output_names=[_OUTPUT],
            )
    except ImportError as error:
        raise SolarError(f'pip install "solar-retrieval[export]" first ({error})') from error
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise SolarError(f"model {network.name}: cannot be written as a graph: {reason}") from error
    assert program is not None  # noqa: S101 - narrows the type
    return program.model_proto


def _use_stored_weights(graph: Any, weights: bytes) -> None:
    """Let every weight be read from the file of weights, from where it lies there."""
    import onnx

    (length,) = struct.unpack("<Q", weights[:8])
    header: Mapping[str, Any] = json.loads(weights[8 : 8 + length])
    types = {"F32": onnx.TensorProto.FLOAT, "F16": onnx.TensorProto.FLOAT16}
    constants, casts = [], []
    for tensor in graph.initializer:
        entry = header.get(tensor.name)
        if entry is None:
            constants.append(tensor)
            continue
        start, end = entry["data_offsets"]
        stored = onnx.TensorProto(
            name=f"{tensor.name}.stored",
            data_type=types[entry["dtype"]],
            dims=entry["shape"],
            data_location=onnx.TensorProto.EXTERNAL,
        )
        lies = {"location": WEIGHTS, "offset": 8 + length + start, "length": end - start}
        for key, value in lies.items():
            stored.external_data.add(key=key, value=str(value))
        constants.append(stored)
        casts.append(_node("Cast", [stored.name], tensor.name, to=onnx.TensorProto.FLOAT))
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
    front = [
        _node("Cast", [PHOTOS], "photos.float", to=onnx.TensorProto.FLOAT),
        _node("Transpose", ["photos.float"], "photos.channels", perm=[0, 3, 1, 2]),
        _node("Sub", ["photos.channels", "photos.mean"], "photos.centred"),
        _node("Div", ["photos.centred", "photos.std"], "photos.normalised"),
        _node("Concat", ["photos.ones", SCALE, SCALE], "photos.scales", axis=0),
        _node("Resize", ["photos.normalised", "", "photos.scales"], _IMAGES, mode="linear"),
    ]
    _replace(graph.node, [*front, *graph.node])


def _name_projection(graph: Any, stage: str, part: str) -> None:
    """Give f(x) or g(x) of an attention block its name: from these, maps of it are made."""
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    tensor = f"attention.{stage}.{part}.0.weight"
    for kind in ("Conv", "BatchNormalization", "Relu"):
        (tensor,) = next(node.output for node in readers[tensor] if node.op_type == kind)
    for node in graph.node:
        for names in (node.input, node.output):
            _replace(names, [projection(stage, part) if n == tensor else n for n in names])


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


def _replace(field: Any, values: list[Any]) -> None:
    """Put values instead of a repeated field's own."""
    kept = list(values)
    del field[:]
    field.extend(kept)
