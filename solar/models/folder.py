"""A model's folder: `config.json` and `model.safetensors`, written whole, read with suspicion."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialise
from torch import nn

from solar.errors import CheckpointError, UsageError
from solar.files.atomic import sha256, sync_folder, write_atomically
from solar.models.global_descriptor import Provenance
from solar.models.state import fill, weights_of

FORMAT = 1
WEIGHTS = "model.safetensors"
CONFIG = "config.json"

Document = Mapping[str, Any]
Model = TypeVar("Model", bound=nn.Module)


def write_folder(
    folder: Path, model: nn.Module, document: Document, provenance: Provenance, dtype: torch.dtype
) -> None:
    """Write a folder that `read_folder` reads; appears whole or not at all.

    Args:
        folder: must not exist yet.
        model: whose weights are stored.
        document: `kind`, `name`, `architecture` and what else the kind needs to be built again.
        provenance: of the weights.
        dtype: of the stored weights.

    Raises:
        UsageError: the folder exists.
    """
    if folder.exists():
        raise UsageError(f"{folder}: exists already; choose another name or remove it first")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.{uuid4().hex[:8]}.partial")
    partial.mkdir()
    try:
        state = {
            key: tensor.detach().to("cpu", dtype).contiguous()
            for key, tensor in weights_of(model).items()
        }
        with write_atomically(partial / WEIGHTS) as file:
            file.write(serialise(state))
        weights = {
            "sha256": sha256(partial / WEIGHTS),
            "type": str(dtype).removeprefix("torch."),
        }
        config = {
            "format": FORMAT,
            **document,
            "provenance": asdict(provenance),
            "weights": weights,
        }
        with write_atomically(partial / CONFIG) as file:
            file.write(json.dumps(config, indent=2).encode() + b"\n")
        partial.rename(folder)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def read_folder(
    folder: Path, builders: Mapping[str, Callable[[Document, Provenance], Model]]
) -> Model:
    """A model in evaluation mode, float32, on the CPU.

    Args:
        folder: as `write_folder` left it.
        builders: by kind, what makes a network of that kind of a document; see `write_folder`.

    Raises:
        CheckpointError: not there, damaged, or not what it says it is.
    """
    document = _read_document(folder / CONFIG)
    model, digest = _build(document, builders, folder / CONFIG)
    weights = folder / WEIGHTS
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
    fill(model, state, weights)
    return model.eval()


def _read_document(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise CheckpointError(f"{path.parent}: no model here ({CONFIG} is missing)") from error
    except (ValueError, RecursionError, OSError) as error:
        raise CheckpointError(f"{path}: not readable as JSON ({error})") from error


def _build(
    document: Any, builders: Mapping[str, Callable[[Document, Provenance], Model]], path: Path
) -> tuple[Model, str]:
    """The network with initial weights, and the digest of its own."""
    try:
        kind = document["kind"]
        if document["format"] != FORMAT or kind not in builders:
            what = f"format {document['format']}, kind {kind}"
            raise CheckpointError(
                f"{path}: {what}; this version reads format {FORMAT}, kind {', '.join(builders)}"
            )
        provenance = Provenance(**{key: str(v) for key, v in document["provenance"].items()})
        return builders[kind](document, provenance), str(document["weights"]["sha256"])
    except KeyError as error:
        raise CheckpointError(f"{path}: the entry {error} is missing") from error
    except (TypeError, ValueError, AttributeError, OverflowError, UsageError) as error:
        raise CheckpointError(f"{path}: {error}") from error
