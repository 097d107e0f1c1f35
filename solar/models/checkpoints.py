"""Models on disk: a folder of `config.json` and `model.safetensors`, saved and loaded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialise
from torch import Tensor

from solar.errors import CheckpointError, UsageError
from solar.files import sha256, sync_folder, write_atomically
from solar.models.global_descriptor import GlobalConfig, GlobalDescriptor, Provenance
from solar.models.published import from_published, read_published, rgb
from solar.models.registry import fetch, named

FORMAT = 1
WEIGHTS = "model.safetensors"
CONFIG = "config.json"


def load(model: str | Path) -> GlobalDescriptor:
    """A global network, ready to describe photos.

    Args:
        model: a name that `solar models` lists, a folder of `config.json` and
            `model.safetensors`, or a published `.pth` file. A named model that is not on this
            machine is downloaded; `solar.models.registry.fetch` shows progress.

    Returns:
        The network in evaluation mode, float32, on the CPU.

    Raises:
        CheckpointError: not found, damaged, or not what it says it is.
    """
    path = Path(model)
    if path.is_dir():
        return load_folder(path)
    if path.suffix == ".pth":
        return from_published(read_published(path), path.stem)
    if path.is_file():
        raise CheckpointError(f"{model}: expected a model folder, a .pth file or a name")
    found = fetch(named(str(model)))
    if found.is_dir():
        return load_folder(found)
    return from_published(read_published(found), str(model))


def load_folder(folder: Path) -> GlobalDescriptor:
    """A model from a folder of Solar's own format; see `load`."""
    config, provenance, name, digest = _read_config(folder / CONFIG)
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
    model = GlobalDescriptor(config, provenance, name)
    _check_state(state, model.state_dict(), weights)
    model.load_state_dict({key: tensor.float() for key, tensor in state.items()}, strict=False)
    return model.eval()


def save(model: GlobalDescriptor, folder: str | Path, dtype: torch.dtype = torch.float32) -> None:
    """Write a model as a folder that `load` reads; appears whole or not at all.

    Args:
        model: any global network.
        folder: must not exist yet.
        dtype: of the stored weights; `torch.float16` halves the file.

    Raises:
        UsageError: the folder exists.
    """
    folder = Path(folder)
    if folder.exists():
        raise UsageError(f"{folder}: exists already; choose another name or remove it first")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.{uuid4().hex[:8]}.partial")
    partial.mkdir()
    try:
        state = {
            key: tensor.detach().to("cpu", dtype).contiguous()
            for key, tensor in model.state_dict().items()
            if not key.endswith("num_batches_tracked")
        }
        with write_atomically(partial / WEIGHTS) as file:
            file.write(serialise(state))
        config = _config_document(model, sha256(partial / WEIGHTS), dtype)
        with write_atomically(partial / CONFIG) as file:
            file.write(json.dumps(config, indent=2).encode() + b"\n")
        partial.rename(folder)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _config_document(model: GlobalDescriptor, digest: str, dtype: torch.dtype) -> dict[str, Any]:
    config = model.config
    whitening = config.whitening and {"in": model.channels, "out": config.whitening}
    return {
        "format": FORMAT,
        "kind": "global",
        "name": model.name,
        "architecture": {
            "backbone": config.backbone,
            "attention": list(config.attention),
            "pooling": config.pooling,
            "regional": config.regional,
            "whitening": whitening,
        },
        "preprocessing": {
            "mean": list(config.mean),
            "std": list(config.std),
            "image_size": config.image_size,
            "scales": list(config.scales),
        },
        "provenance": asdict(model.provenance),
        "weights": {"sha256": digest, "type": str(dtype).removeprefix("torch.")},
    }


def _read_config(path: Path) -> tuple[GlobalConfig, Provenance, str, str]:
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise CheckpointError(f"{path.parent}: no model here ({CONFIG} is missing)") from error
    except (ValueError, RecursionError, OSError) as error:
        raise CheckpointError(f"{path}: not readable as JSON ({error})") from error
    try:
        if document["format"] != FORMAT or document["kind"] != "global":
            what = f"format {document['format']}, kind {document['kind']}"
            raise CheckpointError(
                f"{path}: {what}; this version reads format {FORMAT}, kind global"
            )
        architecture, seeing = document["architecture"], document["preprocessing"]
        whitening = architecture["whitening"]
        config = GlobalConfig(
            backbone=str(architecture["backbone"]),
            attention=tuple(int(stage) for stage in architecture["attention"]),
            pooling=str(architecture["pooling"]),
            regional=bool(architecture["regional"]),
            whitening=None if whitening is None else int(whitening["out"]),
            mean=rgb(seeing["mean"]),
            std=rgb(seeing["std"]),
            image_size=int(seeing["image_size"]),
            scales=tuple(float(scale) for scale in seeing["scales"]),
        )
        provenance = Provenance(**{key: str(v) for key, v in document["provenance"].items()})
        return config, provenance, str(document["name"]), str(document["weights"]["sha256"])
    except KeyError as error:
        raise CheckpointError(f"{path}: the entry {error} is missing") from error
    except (TypeError, ValueError, AttributeError, OverflowError, UsageError) as error:
        raise CheckpointError(f"{path}: {error}") from error


def _check_state(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], path: Path) -> None:
    """Every tensor there, none besides, each of the right shape and finite."""
    expected = {k: v for k, v in wanted.items() if not k.endswith("num_batches_tracked")}
    if odd := sorted(expected.keys() ^ state.keys()):
        what = "lacks" if odd[0] in expected else "has, but the architecture does not,"
        raise CheckpointError(f"{path}: {what} '{odd[0]}' ({len(odd)} such tensors)")
    for key, tensor in state.items():
        if tensor.shape != expected[key].shape:
            shapes = f"{tuple(tensor.shape)}, not {tuple(expected[key].shape)}"
            raise CheckpointError(f"{path}: '{key}' has shape {shapes}")
        if not tensor.isfinite().all():
            raise CheckpointError(f"{path}: '{key}' holds values that are not finite")
