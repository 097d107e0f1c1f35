"""Networks as files hold them: settings and a state dict, checked before it fills a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from solar.errors import CheckpointError
from solar.models.config import GlobalConfig, LocalConfig, Provenance
from solar.models.document import fingerprint as of_arrays

_COUNTER = "num_batches_tracked"  # of batch norm: files may hold it or not, nothing reads it


@dataclass(frozen=True, eq=False)
class Stored:
    """What a file holds of a network.

    Attributes:
        config: the architecture; its type says which kind of network this is.
        provenance: of the weights.
        name: of the model.
        state: tensors by key, not checked yet.
        settings_file: where the rest comes from, for messages.
        weights_file: where the tensors come from, for messages.
    """

    config: GlobalConfig | LocalConfig
    provenance: Provenance
    name: str
    state: Mapping[str, object]
    settings_file: Path
    weights_file: Path


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """The tensors that descriptors depend on, by key."""
    return {k: tensor for k, tensor in model.state_dict().items() if not k.endswith(_COUNTER)}


def fill(model: nn.Module, state: Mapping[str, object], source: str | Path) -> None:
    """Load a file's state dict: every tensor there, none besides, of the right shape, finite.

    Args:
        model: takes the values, converted to its own types.
        state: as read.
        source: the file, for messages.

    Raises:
        CheckpointError: the line says what is odd; the model is then as it was.
    """
    wanted = weights_of(model)
    given = {key: value for key, value in state.items() if not key.endswith(_COUNTER)}
    if odd := sorted(wanted.keys() ^ given.keys()):
        what = "lacks" if odd[0] in wanted else "has, but the architecture does not,"
        raise CheckpointError(f"{source}: {what} '{odd[0]}' ({len(odd)} such tensors)")
    for key, tensor in given.items():
        if not isinstance(tensor, Tensor) or not _plain(tensor):
            raise CheckpointError(f"{source}: '{key}' is no tensor of floating-point numbers")
        if tensor.shape != wanted[key].shape:
            shapes = f"{tuple(tensor.shape)}, not {tuple(wanted[key].shape)}"
            raise CheckpointError(f"{source}: '{key}' has shape {shapes}")
        if not tensor.isfinite().all():
            raise CheckpointError(f"{source}: '{key}' holds values that are not finite")
    model.load_state_dict(given, strict=False)


def fingerprint(model: nn.Module, architecture: object) -> str:
    """SHA-256, hexadecimal, over an architecture's `repr` and every weight."""
    weights = sorted(weights_of(model).items())
    return of_arrays(architecture, ((key, t.detach().float().cpu().numpy()) for key, t in weights))


def _plain(tensor: Tensor) -> bool:
    here = tensor.device.type == "cpu" and tensor.layout is torch.strided
    return here and tensor.is_floating_point()
