"""Published .pth files of the local network: SOLAR's and SOSNet's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from solar.errors import CheckpointError
from solar.models.global_descriptor import Provenance
from solar.models.local_descriptor import LocalConfig, LocalDescriptor
from solar.models.published import read_tensors

# (published key, our key): the first layer carries the parameterless input norm as its number 0.
_LAYOUT = (
    (r"layer1\.([12])\.", lambda m: f"layers.0.{int(m[1]) - 1}."),
    (r"layer([2-6])\.", lambda m: f"layers.{int(m[1]) - 1}."),
    (r"layer7\.", lambda m: "describe."),
    (r"soa([3-6])\.", lambda m: f"attention.{m[1]}."),
)


def load_published_local(path: str | Path) -> LocalDescriptor:
    """The local network of a published file, such as `local-solar-345-liberty.pth`.

    Args:
        path: of the .pth file: a state dict, alone or under `state_dict`.

    Raises:
        CheckpointError: unreadable, or not that network.
    """
    path = Path(path)
    content = read_tensors(path)
    inner = content.get("state_dict", content)
    if not isinstance(inner, Mapping):
        raise CheckpointError(f"{path}: its 'state_dict' is no dictionary")
    return local_from_published(inner, path.stem)


def local_from_published(published: Mapping[str, Any], name: str) -> LocalDescriptor:
    """A local network from a published state dict.

    Raises:
        CheckpointError: a tensor is missing, superfluous or of another shape; the line says which.
    """
    state = {_our_key(key): value for key, value in published.items()}
    layers = sorted({int(key.split(".")[1]) for key in state if key.startswith("attention.")})
    model = LocalDescriptor(LocalConfig(tuple(layers)), Provenance("see its publication"), name)
    wanted = model.state_dict()
    needed = {key for key in wanted if not key.endswith("num_batches_tracked")}
    if odd := sorted((needed - state.keys()) | (state.keys() - wanted.keys())):
        what = "lacks" if odd[0] in needed else "has besides"
        raise CheckpointError(f"{name}: no local network of SOLAR or SOSNet: {what} '{odd[0]}'")
    for key, value in state.items():
        if not isinstance(value, Tensor) or value.shape != wanted[key].shape:
            raise CheckpointError(f"{name}: '{key}' is not of shape {tuple(wanted[key].shape)}")
    model.load_state_dict({**wanted, **state})
    return model.eval()


def _our_key(key: str) -> str:
    for pattern, ours in _LAYOUT:
        new, count = re.subn(f"^{pattern}", ours, str(key))
        if count:
            return new
    return str(key)
