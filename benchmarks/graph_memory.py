"""Peak memory of one photo at one scale, by engine and size: attention's must stay linear.

    python benchmarks/graph_memory.py [--sides 1024,2048,4096] [--model solar-r18]

Random pixels, float32, each photo in a process of its own. At 4,096 px a map of every position of
conv4_x against every other would be 17 GB.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

import numpy as np

from solar.extraction.engines.choose import document_of, open_graph
from solar.extraction.engines.graph import PHOTOS, SCALE
from solar.files.memory import peak_memory
from solar.models.registry import GLOBAL

ENGINES = ("openvino", "onnx")


def main() -> None:
    """Read the options; measure in other processes, or be one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", default="1024,2048,4096")
    parser.add_argument("--model", default="solar-r18")
    parser.add_argument("--only", choices=ENGINES, help="measure this engine here, at one side")
    options = parser.parse_args()
    if options.only:
        print(used(options.model, options.only, int(options.sides)))
        return
    print("| px | " + " | ".join(f"{engine}, GB" for engine in ENGINES) + " |")
    print("| ---: |" + " ---: |" * len(ENGINES))
    for side in map(int, options.sides.split(",")):
        peaks = " | ".join(f"{peak(options.model, engine, side):.2f}" for engine in ENGINES)
        print(f"| {side} | {peaks} |", flush=True)


def peak(model: str, engine: str, side: int) -> float:
    """Peak resident memory, in GB, of a process that describes one square photo."""
    call = [sys.executable, __file__, "--model", model, "--only", engine, "--sides", str(side)]
    return float(subprocess.run(call, check=True, capture_output=True, text=True).stdout)  # noqa: S603


def used(model: str, engine: str, side: int) -> float:
    """Likewise, of this process."""
    document = document_of(model, GLOBAL)
    assert document is not None
    photos = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), np.uint8)
    inputs = {PHOTOS: photos, SCALE: np.ones(1, np.float32)}
    (found,) = open_graph(document, engine, "float32").run(inputs)
    assert np.isfinite(found).all()
    return (peak_memory() or 0) / 1e9


if __name__ == "__main__":
    main()
