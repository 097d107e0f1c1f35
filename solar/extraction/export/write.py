"""A model folder for engines without torch, and for other programs."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from solar.calibration import Calibration
from solar.errors import UsageError, naming_extras
from solar.extraction.export.check import require_agreement
from solar.extraction.export.readme import readme
from solar.models._folder import write_folder
from solar.models.checkpoints import AnyDescriptor, load_any, serialised
from solar.models.document import GRAPH, INT8, read_document
from solar.models.global_descriptor import GlobalDescriptor
from solar.models.registry import GLOBAL, LOCAL, TIMM, is_published, locate

PRECISIONS = {"float32": torch.float32, "float16": torch.float16, INT8: torch.float32}


def export(
    model: str | Path | AnyDescriptor,
    folder: str | Path,
    *,
    precision: str = "float32",
    calibration: Sequence[Path] = (),
) -> Path:
    """Write a model folder that engines without torch can run, and other programs.

    `model.onnx` in it takes `photos`, uint8 (B, H, W, 3), RGB, any B, H and W, and `scale`, float32
    (1,), a factor on H and W, and gives `descriptors`, float32 (B, D), unit rows; the descriptor of
    several scales is the mean of those of each, made unit length again. A local network's takes
    `patches`, float32 (B, 1, 32, 32), grey of any range. Its numbers are those in
    `model.safetensors` beside it. `README.md` says how another program runs it.

    Args:
        model: what `solar.load` or `solar.load_local` takes, or a loaded network.
        folder: must not exist.
        precision: of the stored weights: `float32`, or `float16`, half the bytes; the arithmetic
            is float32 either way. `int8`: convolutions of a network of photos compute with 8 bits,
            faster and less exactly; its descriptors meet only their own.
        calibration: for `int8`: photos like those that will be described.

    Returns:
        The folder.

    Raises:
        UsageError: it exists, there is no such precision, or none of this network.
        CheckpointError: the model cannot be loaded.
        MissingPackage: the packages that write graphs are not installed.
        SolarError: the network cannot be written as a graph, or what was written does not describe
            as the network does.
    """
    target = Path(folder)
    if target.exists():
        raise UsageError(f"--to {target}: exists already; choose another name or remove it first")
    if precision not in PRECISIONS:
        raise UsageError(f"--precision {precision:.60}: use {' or '.join(PRECISIONS)}")
    if (precision == INT8) != bool(calibration):
        raise UsageError(
            "--precision int8 and --calibration PHOTOS go together: some thirty photos like those "
            "that will be described"
        )
    stored = PRECISIONS[precision]
    given = load_any(model) if isinstance(model, str | Path) else model
    network = copy.deepcopy(given).cpu().to(stored).float().eval()
    stages = []
    if isinstance(network, GlobalDescriptor):
        stages = [stage.name for stage in network.stages.stages]
        _require_writable(network, precision)
    elif precision == INT8:
        raise UsageError(f"model {network.name}: --precision int8 is for networks of photos")
    graph, weights = _graph(network, stored, calibration)
    about = readme(network, torch=precision != INT8)
    write_folder(
        target,
        network.config,
        network.provenance,
        network.name,
        weights,
        precision,
        {GRAPH: graph.SerializeToString(), "README.md": about.encode()},
        stages,
        partial(require_agreement, network),
        _kept_calibration(model, network),
    )
    return target


def _require_writable(network: GlobalDescriptor, precision: str) -> None:
    """Refuse what no graph can be made of, or none of 8 bits, before anybody waits for it."""
    layers = (type(layer).__name__ for layer in network.stages.modules())
    if any(layer.startswith("SwinTransformerV2") for layer in layers):
        raise UsageError(
            f"model {network.name}: windows of Swin V2 fit no graph for photos of any size; "
            "describe with --engine torch"
        )
    if precision == INT8 and network.config.backbone.startswith(TIMM):
        raise UsageError(
            f"model {network.name}: --precision int8 is measured for backbones of Solar's own "
            "alone; use float16"
        )


def _kept_calibration(
    model: str | Path | AnyDescriptor, network: AnyDescriptor
) -> Calibration | None:
    """The model's, if what is written is still the network that it was learned with."""
    if not isinstance(model, str | Path) or is_published(path := locate(model, (GLOBAL, LOCAL))):
        return None
    found = read_document(path).calibration
    return found if found and found.fingerprint == network.fingerprint else None


def _graph(
    network: AnyDescriptor, stored: torch.dtype, calibration: Sequence[Path]
) -> tuple[Any, bytes]:
    """An `onnx.ModelProto`, and the file of its numbers."""
    with naming_extras():
        if calibration and isinstance(network, GlobalDescriptor):
            from solar.extraction.export.int8 import quantised

            return quantised(network, calibration)
        from solar.extraction.export.traced import traced

        weights = serialised(network, stored)
        return traced(network, weights), weights
