"""Models on disk and by name: saved, and loaded from folders and published files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from solar.errors import CheckpointError
from solar.models.folder import Document, read_folder, write_folder
from solar.models.global_descriptor import GlobalConfig, GlobalDescriptor, Provenance
from solar.models.local_descriptor import LocalConfig, LocalDescriptor
from solar.models.published import from_published, read_tensors, rgb
from solar.models.published_local import is_local, local_from_published
from solar.models.registry import GLOBAL, LOCAL, fetch, is_named, named

AnyDescriptor = GlobalDescriptor | LocalDescriptor

_USE = {
    GLOBAL: "a global model, which describes photos; load it with solar.load",
    LOCAL: "a local model, which describes patches; load it with solar.load_local",
}


def load(model: str | Path) -> GlobalDescriptor:
    """A global network, ready to describe photos.

    Args:
        model: a name that `solar models` lists, a folder of `config.json` and
            `model.safetensors`, or a published `.pth` file. A name comes before a folder of that
            name: that is `./name`. A named model that is not on this machine is downloaded;
            `solar.models.registry.fetch` shows progress.

    Returns:
        The network in evaluation mode, float32, on the CPU.

    Raises:
        CheckpointError: not found, damaged, not what it says it is, or a local network.
    """
    found = load_any(model, (GLOBAL,))
    if isinstance(found, LocalDescriptor):
        raise CheckpointError(f"{model}: {_USE[LOCAL]}")
    return found


def load_local(model: str | Path) -> LocalDescriptor:
    """A local network, ready to describe patches.

    Args:
        model: a name, a folder, or a published `.pth` file of SOLAR's or SOSNet's network, such
            as `local-solar-345-liberty.pth`; see `load`.

    Returns:
        The network in evaluation mode, float32, on the CPU.

    Raises:
        CheckpointError: not found, damaged, not what it says it is, or a global network.
    """
    found = load_any(model, (LOCAL,))
    if isinstance(found, GlobalDescriptor):
        raise CheckpointError(f"{model}: {_USE[GLOBAL]}")
    return found


def load_any(model: str | Path, kinds: tuple[str, ...] = (GLOBAL, LOCAL)) -> AnyDescriptor:
    """A network of either kind; see `load`.

    Args:
        model: a name, a folder or a published file.
        kinds: of named models, those worth a download.

    Raises:
        CheckpointError: see `load`.
    """
    path = Path(model)
    by_name = is_named(model)
    if by_name or (not path.is_dir() and path.suffix != ".pth"):
        if path.is_file() and not by_name:
            raise CheckpointError(f"{model}: expected a model folder, a .pth file or a name")
        known = named(str(model))
        if known.kind not in kinds:
            raise CheckpointError(f"{model}: {_USE[known.kind]}")
        path = fetch(known)
    if path.is_dir() or path.suffix != ".pth":
        return read_folder(path, _BUILDERS)
    content = read_tensors(path)
    return (
        local_from_published(content, path) if is_local(content) else from_published(content, path)
    )


def save(model: AnyDescriptor, folder: str | Path, dtype: torch.dtype = torch.float32) -> None:
    """Write a model as a folder that `load` or `load_local` reads; appears whole or not at all.

    Args:
        model: any global or local network.
        folder: must not exist yet.
        dtype: of the stored weights; `torch.float16` halves the file.

    Raises:
        UsageError: the folder exists.
    """
    document = (
        _local_document(model) if isinstance(model, LocalDescriptor) else _global_document(model)
    )
    write_folder(Path(folder), model, document, model.provenance, dtype)


def _global_document(model: GlobalDescriptor) -> dict[str, Any]:
    config = model.config
    whitening = config.whitening and {"in": model.channels, "out": config.whitening}
    return {
        "kind": GLOBAL,
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
    }


def _global(document: Document, provenance: Provenance) -> GlobalDescriptor:
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
    return GlobalDescriptor(config, provenance, str(document["name"]))


def _local_document(model: LocalDescriptor) -> dict[str, Any]:
    return {
        "kind": LOCAL,
        "name": model.name,
        "architecture": {"attention": list(model.config.attention)},
    }


def _local(document: Document, provenance: Provenance) -> LocalDescriptor:
    config = LocalConfig(tuple(int(layer) for layer in document["architecture"]["attention"]))
    return LocalDescriptor(config, provenance, str(document["name"]))


_BUILDERS: dict[str, Callable[[Document, Provenance], AnyDescriptor]] = {
    GLOBAL: _global,
    LOCAL: _local,
}
