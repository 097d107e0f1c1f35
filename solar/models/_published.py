"""Published .pth files of global (SOLAR, Radenović) and local networks (SOLAR, SOSNet)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from solar.errors import CheckpointError, UsageError
from solar.files.atomic import write_atomically
from solar.models._pth import read_tensors
from solar.models._state import Stored
from solar.models.backbones.resnet import RESNETS
from solar.models.config import LOCAL_MIDS, GlobalConfig, LocalConfig, Provenance, rgb

_Layout = Sequence[tuple[str, str]]  # beginnings of keys, ours and theirs; the first that fits

_SOLAR: _Layout = (
    ("stages.conv2_x.1.", "features.conv2_x.2."),
    ("attention.conv4_x.", "features.soa4."),
    ("attention.conv5_x.", "features.soa5."),
    ("stages.", "features."),
    ("pool.pool.", "pool.rpool."),
)
_RADENOVIC: _Layout = (
    ("stages.conv1.0.", "features.0."),
    ("stages.conv1.1.", "features.1."),
    ("stages.conv2_x.1.", "features.4."),
    ("stages.conv3_x.", "features.5."),
    ("stages.conv4_x.", "features.6."),
    ("stages.conv5_x.", "features.7."),
)
# The first layer carries the parameterless input norm as its number 0.
_LOCAL: _Layout = (
    ("layers.0.0.", "layer1.1."),
    ("layers.0.1.", "layer1.2."),
    *((f"layers.{number - 1}.", f"layer{number}.") for number in range(2, 7)),
    ("describe.", "layer7."),
    *((f"attention.{layer}.", f"soa{layer}.") for layer in LOCAL_MIDS),
)
_ATTENTION = {"4": "conv4_x", "5": "conv5_x"}
_POOLINGS = {"gem": "gem", "gemmp": "gem-channel", "mac": "mac", "spoc": "spoc", "rmac": "rmac"}


def is_published(path: Path) -> bool:
    """Whether a path is named as published files and checkpoints of the published code are."""
    return path.name.endswith((".pth", ".pth.tar")) and not path.is_dir()


def read_published(path: Path) -> Stored:
    """A published file, its tensors by our keys; its stem names the model.

    Args:
        path: holds `{"meta": plain values, "state_dict": tensors}` of a global network, or the
            state dict of a local one, alone or under `state_dict`.

    Raises:
        CheckpointError: unreadable, or a part is missing or not supported; the line says which.
    """
    content = read_tensors(path)
    state = content.get("state_dict", content)
    if isinstance(state, Mapping):  # torch's DataParallel puts `module.` in front
        state = {str(key).removeprefix("module."): value for key, value in state.items()}
    config: GlobalConfig | LocalConfig
    if isinstance(state, dict) and _is_local(state):
        state = _renamed(state, [(theirs, ours) for ours, theirs in _LOCAL])
        layers = (layer for layer in LOCAL_MIDS if f"attention.{layer}.v.weight" in state)
        config = LocalConfig(tuple(layers))
    else:
        for part in ("meta", "state_dict"):
            if not isinstance(content.get(part), Mapping):
                raise CheckpointError(f"{path}: no '{part}' inside, as published files have")
        state = _renamed(state, [(theirs, ours) for ours, theirs in (*_RADENOVIC, *_SOLAR)])
        config = _config(content["meta"], state, path)
    provenance = Provenance(trained_on="see its publication")
    return Stored(
        config, provenance, path.name.removesuffix(".tar").removesuffix(".pth"), state, path, path
    )


def write_published(
    path: Path, config: GlobalConfig | LocalConfig, dimensions: int, state: Mapping[str, Tensor]
) -> None:
    """Write a network in SOLAR's published layout, atomically.

    Args:
        path: of the .pth file.
        config: the architecture.
        dimensions: of the descriptors.
        state: tensors by our keys.

    Raises:
        UsageError: a network that the layout cannot hold.
    """
    content: dict[str, Any]
    if isinstance(config, LocalConfig):
        content = _renamed(state, _LOCAL)
    else:
        meta = _meta(config, dimensions, path)
        content = {"meta": meta, "state_dict": _renamed(state, _SOLAR)}
    with write_atomically(path) as file:
        torch.save(content, file)


def _is_local(state: Mapping[str, Any]) -> bool:
    wanted = re.compile(r"layer[1-7]\.[012]\.(weight|running_mean|running_var)")
    return any(wanted.fullmatch(str(key)) for key in state)


def _renamed(state: Mapping[str, Any], layout: _Layout) -> dict[str, Any]:
    def name(key: str) -> str:
        for old, new in layout:
            if key.startswith(old):
                return new + key.removeprefix(old)
        return key

    return {name(str(key)): value for key, value in state.items()}


def _config(meta: Mapping[str, Any], state: Mapping[str, Any], source: Path) -> GlobalConfig:
    pooling = str(meta.get("pooling", "gem"))
    if pooling not in _POOLINGS:
        raise CheckpointError(f"{source}: pooling '{pooling}' is not supported")
    if "pool.whiten.weight" in state:
        raise CheckpointError(f"{source}: regional whitening inside the pooling is not supported")
    attention = (s for s in _ATTENTION.values() if f"attention.{s}.v.weight" in state)
    try:
        return GlobalConfig(
            backbone=str(meta.get("architecture")),
            attention=tuple(attention),
            pooling=_POOLINGS[pooling],
            regional=bool(meta.get("regional", False)),
            whitening=state["whiten.weight"].shape[0] if "whiten.weight" in state else None,
            mean=rgb(meta["mean"]) if "mean" in meta else None,
            std=rgb(meta["std"]) if "std" in meta else None,
        )
    except (UsageError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise CheckpointError(f"{source}: {error}") from error


def _meta(config: GlobalConfig, dimensions: int, target: Path) -> dict[str, Any]:
    numbers = {stage: number for number, stage in _ATTENTION.items()}
    if config.backbone not in RESNETS or not set(config.attention) <= numbers.keys():
        raise UsageError(
            f"{target}: the published layout holds ResNets with attention after conv4_x and "
            "conv5_x alone; save this model as a folder"
        )
    return {
        "architecture": config.backbone,
        "soa_layers": "".join(numbers[stage] for stage in config.attention),
        "pooling": {v: k for k, v in _POOLINGS.items()}[config.pooling],
        "local_whitening": False,
        "regional": config.regional,
        "whitening": config.whitening is not None,
        "mean": list(config.mean or ()),
        "std": list(config.std or ()),
        "outputdim": dimensions,
    }
