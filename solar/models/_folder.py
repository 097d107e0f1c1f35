"""A model's folder: `config.json` and `model.safetensors`, written whole, read with suspicion."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from uuid import uuid4

from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialise
from torch import Tensor

from solar.errors import CheckpointError, UsageError
from solar.files import (
    MEGABYTE,
    read_json,
    require_file,
    sha256,
    shown,
    sync_folder,
    write_atomically,
)
from solar.models._state import Stored
from solar.models.config import GlobalConfig, LocalConfig, Provenance
from solar.models.registry import GLOBAL, LOCAL

_FORMAT = 1
_WEIGHTS = "model.safetensors"
_CONFIG = "config.json"
_LARGEST = 16 << 30  # bytes of weights
_PREPROCESSING = ("mean", "std", "image_size", "scales")

_CONFIGS: dict[str, type[GlobalConfig] | type[LocalConfig]] = {
    GLOBAL: GlobalConfig,
    LOCAL: LocalConfig,
}


def write_folder(
    folder: Path,
    config: GlobalConfig | LocalConfig,
    provenance: Provenance,
    name: str,
    state: Mapping[str, Tensor],
) -> None:
    """Write a folder that `read_folder` reads; appears whole or not at all.

    Args:
        folder: does not exist yet.
        config: the architecture.
        provenance: of the weights.
        name: of the model.
        state: what is stored, on the CPU, all of one type.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.{uuid4().hex[:8]}.partial")
    partial.mkdir()
    try:
        with write_atomically(partial / _WEIGHTS) as file:
            file.write(serialise(dict(state)))
        values = asdict(config)
        document = {
            "format": _FORMAT,
            "kind": next(kind for kind, of in _CONFIGS.items() if isinstance(config, of)),
            "name": name,
            "architecture": {k: v for k, v in values.items() if k not in _PREPROCESSING},
            "preprocessing": {k: v for k, v in values.items() if k in _PREPROCESSING},
            "provenance": asdict(provenance),
            "weights": {
                "sha256": sha256(partial / _WEIGHTS),
                "type": str(next(iter(state.values())).dtype).removeprefix("torch."),
            },
        }
        with write_atomically(partial / _CONFIG) as file:
            file.write(json.dumps(document, indent=2).encode() + b"\n")
        partial.rename(folder)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def read_folder(folder: Path) -> Stored:
    """What `write_folder` wrote.

    Raises:
        CheckpointError: not there, damaged, or not what it says it is.
    """
    path, weights = folder / _CONFIG, folder / _WEIGHTS
    if not path.exists():
        raise CheckpointError(f"{folder}: no model here ({_CONFIG} is missing)")
    config, provenance, name, digest = _read_document(path)
    require_file(weights, _LARGEST, CheckpointError)
    if sha256(weights) != digest:
        raise CheckpointError(
            f"{weights}: not the file that {_CONFIG} was written for; copy it again"
        )
    try:
        state = load_file(weights)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{weights}: not a readable safetensors file ({error})") from error
    return Stored(config, provenance, name, state, path, weights)


def _read_document(path: Path) -> tuple[GlobalConfig | LocalConfig, Provenance, str, str]:
    """The architecture, the provenance, the name, and the digest of the weights."""
    document = read_json(path, MEGABYTE, CheckpointError)
    try:
        kind = document["kind"]
        if document["format"] != _FORMAT or kind not in _CONFIGS:
            what = f"format {shown(document['format'])}, kind {shown(kind)}"
            raise CheckpointError(
                f"{path}: {what}; this version reads format {_FORMAT}, kind {', '.join(_CONFIGS)}"
            )
        provenance = Provenance(**{key: str(v) for key, v in document["provenance"].items()})
        values = {**document["architecture"], **document["preprocessing"]}
        config = _CONFIGS[kind].from_json(values)
        return config, provenance, str(document["name"]), str(document["weights"]["sha256"])
    except KeyError as error:
        raise CheckpointError(f"{path}: the entry {error} is missing") from error
    except (TypeError, ValueError, AttributeError, OverflowError, UsageError) as error:
        raise CheckpointError(f"{path}: {error}") from error
