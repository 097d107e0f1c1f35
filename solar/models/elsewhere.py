"""Networks of other projects, made model folders of Solar's once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from solar.errors import CheckpointError, SolarError, UsageError
from solar.files import printable
from solar.models.backbones.timm import as_backbone, create
from solar.models.checkpoints import save
from solar.models.config import GlobalConfig, Provenance
from solar.models.global_descriptor import GlobalDescriptor
from solar.models.registry import TIMM


def take_from_timm(model: str, folder: Path) -> None:
    """Make a model folder of one of timm's networks, with the weights that timm has for it.

    A file of weights beside the folder, of its name and `.safetensors`, is taken as it is; without
    one, timm downloads it. Maps are pooled by GeM, without attention or whitening.

    Args:
        model: `timm:` and a name.
        folder: does not exist; appears whole or not at all.

    Raises:
        CheckpointError: timm has no such network, or no weights here or there; says which file to
            bring.
        MissingPackage: timm is not installed.
    """
    brought = folder.with_name(f"{folder.name}.safetensors")
    try:
        file = {"file": str(brought)} if brought.is_file() else None
        net = create(model, pretrained=True, pretrained_cfg_overlay=file)
    except UsageError as error:
        raise CheckpointError(str(error)) from error
    except Exception as error:
        if isinstance(error, SolarError | ImportError):
            raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CheckpointError(_way_out(model, brought, reason)) from error
    network = _as_network(model, net)
    try:
        save(network, folder)
    except UsageError:
        if not folder.is_dir():  # another process was faster
            raise


def _as_network(model: str, net: Any) -> GlobalDescriptor:
    stages = as_backbone(net, model)
    given = net.pretrained_cfg
    size: dict[str, Any] = {}
    if stages.multiple > 1:  # positions, or windows, are learned for one size
        sides = given.get("test_input_size") or given["input_size"]
        size = {"image_size": max(sides[1:]), "scales": (1.0,)}
    about = Provenance(
        trained_on=f"see timm's page of {given.get('hf_hub_id') or model}",
        licence=str(given.get("license") or "see its page"),
    )
    network = GlobalDescriptor(GlobalConfig(backbone=model, attention=(), **size), about, model)
    network.stages.load_state_dict(stages.state_dict())
    return network.eval()


def _way_out(model: str, brought: Path, reason: str) -> str:
    from timm import get_pretrained_cfg

    source = getattr(get_pretrained_cfg(model.removeprefix(TIMM)), "hf_hub_id", None)
    if brought.is_file():
        return f"{printable(brought)}: not the weights of {model}: {reason:.200}"
    if not source:
        return f"{model}: timm has no such weights ({reason:.120}): bring {printable(brought)}"
    return (
        f"{model}: cannot be downloaded ({reason:.120}): bring the file model.safetensors of "
        f"{source} at the Hugging Face hub as {printable(brought)}"
    )
