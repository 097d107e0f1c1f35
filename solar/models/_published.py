"""Published .pth files: global networks (SOLAR, Radenović), local ones (SOLAR, SOSNet, HardNet)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from solar.errors import CheckpointError, UsageError
from solar.files.atomic import write_atomically
from solar.models._pth import read_tensors
from solar.models._state import Stored
from solar.models.backbones.plain import PLAIN, stage_layers
from solar.models.backbones.resnet import RESNETS
from solar.models.config import LOCAL_MIDS, GlobalConfig, LocalConfig, Provenance, rgb
from solar.models.whitening import Whitening

_Layout = Sequence[tuple[str, str]]  # beginnings of keys, ours and theirs; the first that fits

_POOL: _Layout = (("pool.pool.", "pool.rpool."),)
_SOLAR: _Layout = (
    ("stages.conv2_x.1.", "features.conv2_x.2."),
    ("attention.conv4_x.", "features.soa4."),
    ("attention.conv5_x.", "features.soa5."),
    ("stages.", "features."),
    *_POOL,
)
_RESNET: _Layout = (
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
    if isinstance(state, dict) and (found := _local(state)):
        layout, contrast = found
        state = _renamed(state, [(theirs, ours) for ours, theirs in layout])
        layers = (layer for layer in LOCAL_MIDS if f"attention.{layer}.v.weight" in state)
        config = LocalConfig(tuple(layers), contrast)
    else:
        for part in ("meta", "state_dict"):
            if not isinstance(content.get(part), Mapping):
                raise CheckpointError(f"{path}: no '{part}' inside, as published files have")
        layout = (*_numbered(str(content["meta"].get("architecture"))), *_SOLAR)
        state = _renamed(state, [(theirs, ours) for ours, theirs in layout])
        config = _config(content["meta"], state, path)
    provenance = Provenance(trained_on="see its publication")
    return Stored(
        config,
        provenance,
        re.sub(r"\.(pt|pth|pth\.tar)$", "", path.name, flags=re.I),
        state,
        path,
        path,
    )


def read_whitening(path: Path, *, multi_scale: bool = True) -> Whitening:
    """See `load_whitening`; settings are empty for a file of its own."""
    content = read_tensors(path)
    meta = content.get("meta")
    name, stored = None, content
    try:
        if isinstance(meta, Mapping):
            name = max(meta["Lw"], key=lambda name: "120k" in name)
            stored = meta["Lw"][name]["ms" if multi_scale else "ss"]
        keys = ("weight", "bias") if "weight" in stored else ("P", "m")
        projection, offset = (np.asarray(stored[key], np.float64) for key in keys)
        solved = offset if keys[0] == "P" else np.linalg.solve(projection, -offset)
        mean = np.asarray(solved, np.float64).ravel()
        if projection.shape != (projection.shape[0], mean.size):
            raise ValueError
    except (TypeError, KeyError, ValueError, AttributeError, IndexError) as error:
        reason = "no whitening inside: neither 'm' and 'P', nor a layer, nor 'Lw' in 'meta'"
        raise CheckpointError(f"{path}: {reason}") from error
    settings = {} if name is None else {"method": "learned", "photos": name}
    return Whitening(mean, projection, settings)


def write_published(
    path: Path, config: GlobalConfig | LocalConfig, dimensions: int, state: Mapping[str, Tensor]
) -> None:
    """Write a network as the published code opens it, atomically.

    Local networks and global ones with attention or a p per channel become files of SOLAR's, the
    other global ones of Radenović's.

    Args:
        path: of the .pth file.
        config: the architecture.
        dimensions: of the descriptors.
        state: tensors by our keys.

    Raises:
        UsageError: a network that the published code cannot hold; says why.
    """
    content: dict[str, Any]
    if isinstance(config, LocalConfig):
        if config.contrast != "variance":
            raise UsageError(f"{path}: SOLAR's code has no network with HardNet's contrast")
        content = _renamed(state, _LOCAL)
    else:
        solar = bool(config.attention) or config.pooling == "gem-channel"
        _require_published(path, config, dimensions, state, solar)
        layout = _SOLAR if solar else (*_numbered(config.backbone), *_POOL)
        content = {"meta": _meta(config, dimensions, solar), "state_dict": _renamed(state, layout)}
    with write_atomically(path) as file:
        torch.save(content, file)


def _local(state: Mapping[str, Any]) -> tuple[_Layout, str] | None:
    """Layout and contrast of a local network; None for what is none."""
    if any(re.fullmatch(r"layer[1-7]\.[012]\.(weight|running_mean)", key) for key in state):
        return _LOCAL, "variance"
    for name, first, contrast in (("layers", 1, "variance"), ("features", 0, "deviation")):
        # convolution, batch norm and ReLU six times; a dropout comes before the last convolution
        begins = [first + 3 * number for number in range(6)]
        if f"{name}.{begins[-1] + 4}.weight" in state and f"{name}.0.bias" not in state:
            layout = [
                (f"layers.{number}.{part}.", f"{name}.{begin + part}.")
                for number, begin in enumerate(begins)
                for part in (0, 1)
            ]
            last = begins[-1] + 4
            ends = [(f"describe.{part}.", f"{name}.{last + part}.") for part in (0, 1)]
            return (*layout, *ends), contrast
    return None


def _numbered(backbone: str) -> _Layout:
    """The layers of Radenović's networks, which go by their numbers."""
    if backbone in PLAIN:
        return [
            (f"stages.{stage.name}.{layer}.", f"features.{layer}.")
            for stage, layers in stage_layers(backbone).items()
            for layer in layers
        ]
    return _RESNET


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
    if "lwhiten.weight" in state:
        reason = "whitening of every position before the pooling ('lwhiten') is not supported"
        raise CheckpointError(f"{source}: {reason}")
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


def _require_published(
    target: Path, config: GlobalConfig, dimensions: int, state: Mapping[str, Tensor], solar: bool
) -> None:
    """Refuse what the code that opens the layout cannot build."""
    code = "SOLAR's" if solar else "Radenović's"
    reason = None
    if not (config.backbone in RESNETS or (config.backbone in PLAIN and not solar)):
        reason = f"{code} code has no backbone {config.backbone} with this attention and pooling"
    elif not set(config.attention) <= set(_ATTENTION.values()):
        reason = f"{code} code knows attention after conv4_x and conv5_x alone"
    elif solar and not config.pooling.startswith("gem"):
        reason = f"{code} code opens networks with attention and GeM alone, not {config.pooling}"
    elif config.pooling not in _POOLINGS.values():
        reason = f"{code} code has no pooling {config.pooling}"
    elif config.whitening and (full := state["whiten.weight"].shape[1]) != dimensions:
        reason = f"{code} code opens whitening to all {full} dimensions alone, not {dimensions}"
    if reason:
        raise UsageError(f"{target}: {reason}; save this model as a folder")


def _meta(config: GlobalConfig, dimensions: int, solar: bool) -> dict[str, Any]:
    numbers = {stage: number for number, stage in _ATTENTION.items()}
    attention = "".join(numbers[stage] for stage in config.attention)
    return {
        "architecture": config.backbone,
        "pooling": {v: k for k, v in _POOLINGS.items()}[config.pooling],
        "local_whitening": False,
        "regional": config.regional,
        "whitening": config.whitening is not None,
        "mean": list(config.mean or ()),
        "std": list(config.std or ()),
        "outputdim": dimensions,
        **({"soa": bool(attention), "soa_layers": attention} if solar else {}),
    }
