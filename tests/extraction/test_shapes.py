"""Photos of many shapes: what an engine makes ready for one must not stay for ever."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import sys
from PIL import Image
import solar
from solar.files.memory import peak_memory
extractor = solar.open_extractor("solar-r18", engine=sys.argv[1], scales=(1.0, 1.4))
def peak(heights):
    solar.collect(extractor, [Image.new("RGB", (448, height)) for height in heights])
    return peak_memory()
first = peak(range(432, 448, 2))
print((peak(range(384, 432, 2)) - first) >> 20)
"""


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["openvino", "onnx"])
def test_memory_does_not_grow_with_shapes(engine: str) -> None:
    pytest.importorskip("openvino" if engine == "openvino" else "onnxruntime")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, engine], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 120, "megabytes more for 24 shapes"
