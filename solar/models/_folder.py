"""A model's folder: `config.json`, `model.safetensors`, and where it was exported `model.onnx`."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from uuid import uuid4

from safetensors import SafetensorError
from safetensors.torch import load_file

from solar.calibration import Calibration
from solar.errors import CheckpointError
from solar.files import sync_folder, write_atomically
from solar.models._state import Stored
from solar.models.config import GlobalConfig, LocalConfig, Provenance
from solar.models.document import (
    CALIBRATION,
    CONFIG,
    CONFIGS,
    FORMAT,
    GRAPH,
    INT8,
    PREPROCESSING,
    WEIGHTS,
    read_document,
)


def write_folder(
    folder: Path,
    config: GlobalConfig | LocalConfig,
    provenance: Provenance,
    name: str,
    weights: bytes,
    dtype: str,
    beside: Mapping[str, bytes] | None = None,
    stages: Sequence[str] = (),
    check: Callable[[Path], None] | None = None,
    calibration: Calibration | None = None,
) -> None:
    """Write a folder that `read_folder` reads; appears whole or not at all.

    Args:
        folder: does not exist yet.
        config: the architecture.
        provenance: of the weights.
        name: of the model.
        weights: the file of tensors, as safetensors writes it.
        dtype: of the tensors, by name.
        beside: more files by name; the ONNX graph among them has its numbers in `weights`.
        stages: names of the backbone's stages, for who reads the graph.
        check: raises what is wrong with the folder that it is given, before it gets its name.
        calibration: of the network, if it has one.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.{uuid4().hex[:8]}.partial")
    partial.mkdir()
    values = asdict(config)
    document = {
        "format": FORMAT,
        "kind": next(kind for kind, of in CONFIGS.items() if isinstance(config, of)),
        "name": name,
        "architecture": {k: v for k, v in values.items() if k not in PREPROCESSING},
        "preprocessing": {k: v for k, v in values.items() if k in PREPROCESSING},
        "provenance": asdict(provenance),
        "weights": {"sha256": hashlib.sha256(weights).hexdigest(), "type": dtype},
    }
    if calibration is not None:
        document[CALIBRATION] = calibration.to_json()
    files = {WEIGHTS: weights, **(beside or {})}
    if GRAPH in files:
        digest = hashlib.sha256(files[GRAPH]).hexdigest()
        document["graph"] = {"sha256": digest, "stages": list(stages)}
    files[CONFIG] = json.dumps(document, indent=2).encode() + b"\n"
    try:
        for file_name, content in files.items():
            with write_atomically(partial / file_name) as file:
                file.write(content)
        if check is not None:
            check(partial)
        partial.rename(folder)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def read_folder(folder: Path) -> Stored:
    """What `write_folder` wrote.

    Raises:
        CheckpointError: not there, damaged, or not what it says it is.
    """
    document = read_document(folder)
    if document.stored == INT8:
        raise CheckpointError(f"{folder}: an int8 model runs in --engine openvino or onnx only")
    document.prove()
    try:
        state = load_file(document.weights)
    except (SafetensorError, OSError) as error:
        what = f"not a readable safetensors file ({error})"
        raise CheckpointError(f"{document.weights}: {what}") from error
    return Stored(
        document.config,
        document.provenance,
        document.name,
        state,
        folder / CONFIG,
        document.weights,
    )
