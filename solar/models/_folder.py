"""A model's folder: `config.json` and `model.safetensors`, written whole, read with suspicion."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialise
from torch import Tensor

from solar.errors import CheckpointError, UsageError
from solar.files.atomic import sha256, sync_folder, write_atomically
from solar.models._state import Stored
from solar.models.config import GlobalConfig, LocalConfig, Provenance
from solar.models.registry import GLOBAL, LOCAL

FORMAT = 1
WEIGHTS = "model.safetensors"
CONFIG = "config.json"

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
        with write_atomically(partial / WEIGHTS) as file:
            file.write(serialise(dict(state)))
        document = {
            "format": FORMAT,
            "kind": next(kind for kind, of in _CONFIGS.items() if isinstance(config, of)),
            "name": name,
            "network": asdict(config),
            "provenance": asdict(provenance),
            "weights": {
                "sha256": sha256(partial / WEIGHTS),
                "type": str(next(iter(state.values())).dtype).removeprefix("torch."),
            },
        }
        with write_atomically(partial / CONFIG) as file:
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
    path, weights = folder / CONFIG, folder / WEIGHTS
    config, provenance, name, digest = _read_document(path)
    if not weights.is_file():
        raise CheckpointError(f"{weights}: no such file, though {CONFIG} is there")
    if sha256(weights) != digest:
        raise CheckpointError(
            f"{weights}: not the file that {CONFIG} was written for; copy it again"
        )
    try:
        state = load_file(weights)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{weights}: not a readable safetensors file ({error})") from error
    return Stored(config, provenance, name, state, path, weights)


def _read_document(path: Path) -> tuple[GlobalConfig | LocalConfig, Provenance, str, str]:
    """The architecture, the provenance, the name, and the digest of the weights."""
    try:
        document: Any = json.loads(path.read_bytes())
        kind = document["kind"]
        if document["format"] != FORMAT or kind not in _CONFIGS:
            what = f"format {document['format']}, kind {kind}"
            raise CheckpointError(
                f"{path}: {what}; this version reads format {FORMAT}, kind {', '.join(_CONFIGS)}"
            )
        provenance = Provenance(**{key: str(v) for key, v in document["provenance"].items()})
        config = _CONFIGS[kind].from_json(document["network"])
        return config, provenance, str(document["name"]), str(document["weights"]["sha256"])
    except FileNotFoundError as error:
        raise CheckpointError(f"{path.parent}: no model here ({CONFIG} is missing)") from error
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError, OSError) as error:
        raise CheckpointError(f"{path}: not readable as JSON ({error})") from error
    except KeyError as error:
        raise CheckpointError(f"{path}: the entry {error} is missing") from error
    except (TypeError, ValueError, AttributeError, OverflowError, UsageError) as error:
        raise CheckpointError(f"{path}: {error}") from error
