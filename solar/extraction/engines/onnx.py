"""The engine of ONNX Runtime: for machines that OpenVINO has no package for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solar.errors import CheckpointError, UsageError
from solar.extraction.engines.graph import DESCRIPTORS, Graph
from solar.files.threads import cores
from solar.models.document import INT8, ModelDocument

_FOLDER = "session.model_external_initializers_file_folder_path"


def open_graph(
    document: ModelDocument,
    precision: str = "auto",
    outputs: Sequence[str] = (DESCRIPTORS,),
    at_once: int = 1,
) -> Graph:
    """Read a model's graph.

    Args:
        document: of the model's folder.
        precision: of the arithmetic: `auto` is `float32`.
        outputs: the tensors that it gives, by name.
        at_once: how many threads run it at the same time; they share the cores.

    Raises:
        UsageError: another precision.
        CheckpointError: the graph cannot be read.
    """
    import onnxruntime

    if precision not in ("auto", "float32"):
        raise UsageError(f"--precision {precision:.60}: --engine onnx computes in float32")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors come as exceptions
    if at_once > 1:
        options.intra_op_num_threads = max(1, cores() // at_once)
    options.add_session_config_entry(_FOLDER, str(document.folder))
    more = b"".join(_output(name) for name in outputs if name != DESCRIPTORS)
    try:
        session: Any = onnxruntime.InferenceSession(
            document.graph.read_bytes() + more, options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        reason = str(error).strip().splitlines()[-1]
        raise CheckpointError(f"{document.graph}: cannot be run: {reason:.200}") from error

    def run(inputs: Mapping[str, NDArray[np.generic]]) -> list[NDArray[np.float32]]:
        return [np.asarray(found, np.float32) for found in session.run(list(outputs), inputs)]

    shapes = {output.name: output.shape for output in session.get_outputs()}
    dimensions = shapes[outputs[0]][1]
    arithmetic = INT8 if document.stored == INT8 else "float32"
    return Graph(run, dimensions, f"ONNX Runtime {onnxruntime.__version__}, {arithmetic}", "onnx")


def _output(tensor: str) -> bytes:
    """What makes an inner tensor an output, put after the bytes of a graph.

    Messages of Protocol Buffers that follow one another are read as one: this is a `ModelProto`
    with nothing but a graph (field 7) with an output (12) of a name (1).
    """
    message = tensor.encode()
    for field in (1, 12, 7):
        length = [len(message) & 127 | 128, len(message) >> 7]  # seven bits a byte, low ones first
        message = bytes([field << 3 | 2, *length]) + message
    return message
