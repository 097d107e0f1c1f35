"""Graphs whose convolutions compute with 8-bit numbers, calibrated on photos."""

from __future__ import annotations

import copy
import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save as serialise

from solar.extraction.engines.graph import PHOTOS, SCALE
from solar.extraction.export.traced import explain_attention, refer_to_weights, traced
from solar.models.checkpoints import serialised
from solar.models.document import GRAPH, WEIGHTS
from solar.models.global_descriptor import GlobalDescriptor
from solar.photos import decode_each

CALIBRATION_PHOTOS = 24


def quantised(network: GlobalDescriptor, photos: Sequence[Path]) -> tuple[Any, bytes]:
    """A graph of 8-bit convolutions, and the file of its numbers.

    Static, by channel of the weights, between operators that say where numbers are rounded (QDQ).
    The first convolution, attention, pooling and whitening stay float32. docs/decisions/0003 says
    what was tried.

    Args:
        network: float32, on the CPU, in evaluation mode.
        photos: like those that will be described; at most `CALIBRATION_PHOTOS` of them, evenly
            spread, say how large the numbers between layers are.

    Returns:
        An `onnx.ModelProto`, and a safetensors file.

    Raises:
        SolarError: fewer photos can be used than are needed.
        MissingPackage: ONNX Runtime is not installed.
    """
    import onnx
    from onnxruntime import quantization

    weights = serialised(network, torch.float32)
    plain = traced(network, weights)
    facts = copy.deepcopy(plain.metadata_props)
    with tempfile.TemporaryDirectory() as folder:
        before, folded, after = (str(Path(folder, name)) for name in (GRAPH, "folded", "after"))
        Path(folder, WEIGHTS).write_bytes(weights)
        Path(before).write_bytes(plain.SerializeToString())
        kept = _fold(onnx.load(before), folded)
        with _silent():
            quantization.quantize_static(
                folded,
                after,
                _calibration(network, photos),
                quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=["Conv"],
                nodes_to_exclude=kept,
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                calibrate_method=quantization.CalibrationMethod.MinMax,
            )
        document = onnx.load(after)
    del document.metadata_props[:], document.graph.value_info[:]
    document.metadata_props.extend(facts)
    if not document.functions:
        explain_attention(document)
    return document, _outside(document.graph, network)


@contextmanager
def _silent() -> Iterator[None]:
    """Without what the quantiser tells its makers' users, and the logging that it sets up."""
    import onnxruntime

    root, usual = logging.getLogger(), 2
    handlers, disabled = root.handlers[:], root.manager.disable
    logging.disable(logging.WARNING)
    onnxruntime.set_default_logger_severity(4)
    try:
        yield
    finally:
        onnxruntime.set_default_logger_severity(usual)
        logging.disable(disabled)
        root.handlers[:] = handlers


def _fold(document: Any, target: str) -> list[str]:
    """Write a graph with batch norms folded into the convolutions before them.

    Returns:
        The names of the convolutions that stay float: the first one, and those of attention.
    """
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = target
    options.log_severity_level = 4
    whole = document.SerializeToString()
    onnxruntime.InferenceSession(whole, options, providers=["CPUExecutionProvider"])
    folded = onnx.load(target)
    convolutions = [node for node in folded.graph.node if node.op_type == "Conv"]
    for node in convolutions:  # types that the quantiser cannot infer past attention
        for tensor in (node.input[0], node.output[0]):
            known = onnx.helper.make_tensor_value_info(tensor, onnx.TensorProto.FLOAT, None)
            folded.graph.value_info.append(known)
    onnx.save(folded, target)
    attention = [node for node in convolutions if node.input[1].startswith("attention.")]
    return [node.name for node in (convolutions[0], *attention)]


def _calibration(network: GlobalDescriptor, photos: Sequence[Path]) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    c, step = network.config, max(1, len(photos) // CALIBRATION_PHOTOS)
    chosen = photos[::step][:CALIBRATION_PHOTOS]

    def inputs() -> Iterator[dict[str, NDArray[np.generic]]]:
        for number in range(len(chosen)):
            photo = decode_each(chosen, number, c.image_size, draft=True)
            pixels = np.asarray(photo.prepared(c.image_size, None))[None]
            scale = c.scales[number % len(c.scales)]
            yield {PHOTOS: pixels, SCALE: np.array([scale], np.float32)}

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.inputs = inputs()

        def get_next(self) -> dict[str, NDArray[np.generic]] | None:
            return next(self.inputs, None)

    return Reader()


def _outside(graph: Any, network: GlobalDescriptor) -> bytes:
    """Move the graph's numbers into a file of weights, which is returned."""
    from onnx import numpy_helper

    kinds = (np.float32, np.int8, np.uint8, np.int32)
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    moved = {name: array for name, array in tensors.items() if array.dtype in kinds}
    if network.config.power_mean:  # read from there, not by the graph
        moved["pool.p"] = network.pool.get_parameter("p").detach().numpy()
    weights: bytes = serialise(moved)
    refer_to_weights(graph, weights)
    return weights
