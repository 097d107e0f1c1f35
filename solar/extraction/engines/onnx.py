"""The engine of ONNX Runtime: for machines that OpenVINO has no package for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solar.errors import CheckpointError, UsageError
from solar.extraction.engines.graph import Graph
from solar.models.document import ModelDocument


def open_graph(document: ModelDocument, precision: str = "auto") -> Graph:
    """Read a model's graph.

    Args:
        document: of the model's folder.
        precision: of the arithmetic: `auto` is `float32`.

    Raises:
        UsageError: another precision.
        CheckpointError: the graph cannot be read.
    """
    import onnxruntime

    if precision not in ("auto", "float32"):
        raise UsageError(f"--precision {precision:.60}: --engine onnx computes in float32")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors come as exceptions
    try:
        session: Any = onnxruntime.InferenceSession(
            str(document.graph), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        reason = str(error).strip().splitlines()[-1]
        raise CheckpointError(f"{document.graph}: cannot be run: {reason:.200}") from error

    def run(inputs: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float32]:
        (output,) = session.run(None, inputs)
        return np.asarray(output, np.float32)

    dimensions = session.get_outputs()[0].shape[1]
    return Graph(run, dimensions, f"ONNX Runtime {onnxruntime.__version__}, float32")
