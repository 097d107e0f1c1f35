"""Published .pth files of the local network: SOLAR's and SOSNet's, both ways."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from solar.files.atomic import write_atomically
from solar.models.global_descriptor import Provenance
from solar.models.local_descriptor import MIDS, LocalConfig, LocalDescriptor
from solar.models.state import fill

# (published key, our key): the first layer carries the parameterless input norm as its number 0.
_LAYOUT = (
    (r"layer1\.([12])\.", lambda m: f"layers.0.{int(m[1]) - 1}."),
    (r"layer([2-6])\.", lambda m: f"layers.{int(m[1]) - 1}."),
    (r"layer7\.", lambda m: "describe."),
    (r"soa([3-6])\.", lambda m: f"attention.{m[1]}."),
)
# The same, back.
_BACK = (
    (r"layers\.0\.([01])\.", lambda m: f"layer1.{int(m[1]) + 1}."),
    (r"layers\.([1-5])\.", lambda m: f"layer{int(m[1]) + 1}."),
    (r"describe\.", lambda m: "layer7."),
    (r"attention\.([3-6])\.", lambda m: f"soa{m[1]}."),
)


def is_local(content: Mapping[str, Any]) -> bool:
    """Whether a file's content is a local network's state dict, alone or under `state_dict`."""
    return any(
        re.fullmatch(r"layer[1-7]\.[012]\.(weight|running_mean|running_var)", str(key))
        for key in _state(content)
    )


def local_from_published(content: Mapping[str, Any], source: str | Path) -> LocalDescriptor:
    """A local network from a published file's content, in evaluation mode.

    Args:
        content: the state dict, alone or under `state_dict`.
        source: the file, for messages; its stem names the model.

    Raises:
        CheckpointError: a tensor is missing, superfluous or of another shape; the line says which.
    """
    state = {_renamed(str(key), _LAYOUT): value for key, value in _state(content).items()}
    layers = tuple(layer for layer in MIDS if f"attention.{layer}.v.weight" in state)
    provenance = Provenance(trained_on="see its publication")
    model = LocalDescriptor(LocalConfig(layers), provenance, Path(source).stem)
    fill(model, state, source)
    return model.eval()


def write_published_local(model: LocalDescriptor, path: str | Path) -> None:
    """Write a local network in SOLAR's published layout, atomically.

    Args:
        model: any local network.
        path: of the .pth file; replaced if it exists.
    """
    state = {_renamed(key, _BACK): value for key, value in model.state_dict().items()}
    with write_atomically(path) as file:
        torch.save(state, file)


def _state(content: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = content.get("state_dict", content)
    return inner if isinstance(inner, Mapping) else {}


def _renamed(key: str, layout: tuple[tuple[str, Callable[[re.Match[str]], str]], ...]) -> str:
    for pattern, new in layout:
        renamed, count = re.subn(f"^{pattern}", new, key)
        if count:
            return renamed
    return key
