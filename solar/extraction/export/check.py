"""Whether a graph describes as its network does: looked at before the folder appears."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from solar.errors import SolarError
from solar.extraction.engines.choose import GRAPH_ENGINES, open_graph
from solar.extraction.engines.graph import PATCHES, PHOTOS, SCALE
from solar.models.checkpoints import AnyDescriptor
from solar.models.document import INT8, read_document
from solar.models.global_descriptor import GlobalDescriptor
from solar.photos import normalise

LEAST_COSINE, LEAST_COSINE_INT8 = 0.9999, 0.9
SHAPES = ((1, 224, 160), (2, 97, 131), (1, 64, 64), (3, 75, 128))
"""Batches, heights and widths that are looked at, each at a scale of its own."""
_SCALES = (1.0, 2**0.5, 1.0, 2**-0.5)

Inputs = dict[str, NDArray[np.generic]]


def require_agreement(network: AnyDescriptor, folder: Path) -> None:
    """Compare a folder's graph with its network, in each engine that is installed.

    Args:
        network: float32, on the CPU, in evaluation mode.
        folder: that was written for it.

    Raises:
        SolarError: descriptors differ; says in which engine and at which shape.
    """
    random = np.random.default_rng(0)
    cases = [_case(network, random, number) for number in range(len(SHAPES))]
    document = read_document(folder)
    least = LEAST_COSINE_INT8 if document.stored == INT8 else LEAST_COSINE
    for engine in filter(find_spec, GRAPH_ENGINES.values()):
        name = next(name for name, package in GRAPH_ENGINES.items() if package == engine)
        graph = open_graph(document, name, "float32")
        for inputs, expected in cases:
            (found,) = graph.run(inputs)
            shape = next(iter(inputs.values())).shape
            cosines = (found * expected).sum(1) if found.shape == expected.shape else np.zeros(1)
            if not cosines.min() >= least:  # also of what is no number
                raise SolarError(
                    f"model {network.name}: its graph does not describe as it does: cosine "
                    f"{cosines.min():.5f} at {shape} in {graph.engine}; nothing was written"
                )


def _case(
    network: AnyDescriptor, random: np.random.Generator, number: int
) -> tuple[Inputs, NDArray[np.float32]]:
    """Pixels of one shape, and the network's descriptors of them."""
    count, height, width = SHAPES[number]
    if not isinstance(network, GlobalDescriptor):
        patches = random.uniform(0, 255, (4 * count, 1, 32, 32)).astype(np.float32)
        with torch.inference_mode():
            return {PATCHES: patches}, network(torch.from_numpy(patches)).numpy()
    photos = random.integers(0, 256, (count, height, width, 3), np.uint8)
    rows = [normalise(Image.fromarray(photo), network.mean, network.std) for photo in photos]
    images = torch.from_numpy(np.stack(rows))
    scale = _SCALES[number]
    inputs: Inputs = {PHOTOS: photos, SCALE: np.array([scale], np.float32)}
    return inputs, network.describe_batch(images, (scale,))
