"""Models on disk and by name: saved, and loaded from folders and published files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import save as serialise
from torch import Tensor

from solar.errors import CheckpointError, UsageError
from solar.models._folder import read_folder, write_folder
from solar.models._published import read_published, read_whitening, write_published
from solar.models._state import fill, weights_of
from solar.models.config import LocalConfig
from solar.models.global_descriptor import GlobalDescriptor
from solar.models.local_descriptor import LocalDescriptor
from solar.models.registry import GLOBAL, LOCAL, is_published, locate, require_kind
from solar.models.whitening import Whitening

AnyDescriptor = GlobalDescriptor | LocalDescriptor


def load(model: str | Path) -> GlobalDescriptor:
    """A global network, ready to describe photos.

    Args:
        model: a name that `solar models` lists, `timm:` and a name of timm's,
            `hf:owner/name@revision` at the Hugging Face hub, a folder of `config.json` and
            `model.safetensors`, or a `.pth` file or checkpoint (`.pth.tar`) of SOLAR's or
            Radenović's code. A name comes before a folder of that name: that is `./name`. A model
            that is not on this machine is downloaded; `solar.models.registry.bring` shows progress.

    Returns:
        The network in evaluation mode, float32, on the CPU.

    Raises:
        CheckpointError: not found, damaged, not what it says it is, or a local network.
    """
    return cast(GlobalDescriptor, load_any(model, (GLOBAL,)))


def load_local(model: str | Path) -> LocalDescriptor:
    """A local network, ready to describe patches.

    Args:
        model: a name, a folder, or a published `.pth` file of SOLAR's, SOSNet's or HardNet's
            network, kornia's too, such as `local-solar-345-liberty.pth`; see `load`.

    Returns:
        The network in evaluation mode, float32, on the CPU.

    Raises:
        CheckpointError: not found, damaged, not what it says it is, or a global network.
    """
    return cast(LocalDescriptor, load_any(model, (LOCAL,)))


def load_any(model: str | Path, kinds: tuple[str, ...] = (GLOBAL, LOCAL)) -> AnyDescriptor:
    """A network of either kind; see `load`.

    Args:
        model: a name, a folder or a published file.
        kinds: those that will do.

    Raises:
        CheckpointError: see `load`.
    """
    path = locate(model, kinds)
    stored = read_published(path) if is_published(path) else read_folder(path)
    is_local = isinstance(stored.config, LocalConfig)
    require_kind(LOCAL if is_local else GLOBAL, kinds, model)
    network: AnyDescriptor
    try:
        if isinstance(stored.config, LocalConfig):
            network = LocalDescriptor(stored.config, stored.provenance, stored.name)
        else:
            network = GlobalDescriptor(stored.config, stored.provenance, stored.name)
    except UsageError as error:
        raise CheckpointError(f"{stored.settings_file}: {error}") from error
    fill(network, stored.state, stored.weights_file)
    return network.eval()


def load_whitening(path: Path, *, multi_scale: bool = True) -> Whitening:
    """The whitening that the published code learned, and left in a file of its own or a network's.

    That of a network applies to descriptors of this network alone.

    Args:
        path: a .pth file of `{"m", "P"}`, of a layer's `{"weight", "bias"}`, or of a network with
            `Lw` in its meta.
        multi_scale: of a network's two, the one for descriptors of several scales.

    Raises:
        CheckpointError: there is none, or the network cannot be loaded.
    """
    whitening = read_whitening(path, multi_scale=multi_scale)
    if not whitening.settings:
        return whitening
    learned_from = {"fingerprint": load(path).fingerprint, "whitening": None}
    return replace(whitening, settings={**whitening.settings, "extraction": learned_from})


def save(model: AnyDescriptor, target: str | Path, dtype: torch.dtype = torch.float32) -> None:
    """Write a model that `load` or `load_local` reads; appears whole or not at all.

    Args:
        model: any global or local network.
        target: a folder, or a file that ends in .pth, which SOLAR's code opens, or Radenović's if
            the network has no attention. Must not exist.
        dtype: of the stored weights; `torch.float16` halves the file.

    Raises:
        UsageError: it exists, or the published code cannot open such a network.
    """
    target = Path(target)
    if target.exists():
        raise UsageError(f"{target}: exists already; choose another name or remove it first")
    if target.suffix == ".pth":
        state = {key: _stored(tensor, dtype) for key, tensor in model.state_dict().items()}
        write_published(target, model.config, model.dimensions, state)
    else:
        weights = serialised(model, dtype)
        write_folder(target, model.config, model.provenance, model.name, weights, _named(dtype))


def serialised(model: AnyDescriptor, dtype: torch.dtype) -> bytes:
    """A network's weights as a safetensors file."""
    return serialise({key: _stored(tensor, dtype) for key, tensor in weights_of(model).items()})


def _named(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _stored(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    tensor = tensor.detach().cpu().contiguous()
    return tensor.to(dtype) if tensor.is_floating_point() else tensor
