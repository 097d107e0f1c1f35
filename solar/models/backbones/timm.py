"""timm's networks (Wightman) as backbones, by their names: `timm:convnext_tiny`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from solar.errors import UsageError, naming_extras
from solar.models._hub import be_silent
from solar.models.backbones.backbone import Backbone, Stage
from solar.models.backbones.tokens import TokenBackbone, takes_tokens
from solar.models.config import rgb
from solar.models.device import evaluating
from solar.models.registry import TIMM


def timm_backbone(name: str) -> Backbone:
    """One of timm's networks with random weights.

    Args:
        name: `timm:` and a name of timm's, with or without a tag.

    Raises:
        UsageError: timm has no such network, or it cannot be cut into stages.
        MissingPackage: timm is not installed.
    """
    return as_backbone(create(name), name)


def create(name: str, **asked: Any) -> Any:
    """The network as timm makes it, for photos of any size where it can be; without a classifier.

    Args:
        name: see `timm_backbone`.
        asked: more of what `timm.create_model` takes.

    Raises:
        UsageError: timm has no such network; of `asked`, timm's own errors come as they are.
        MissingPackage: timm is not installed.
    """
    be_silent()
    with naming_extras():
        import timm
    own = name.removeprefix(TIMM)
    if not timm.is_model(own):
        where = f"timm {timm.__version__}: 'timm.list_models()' lists those there are"
        raise UsageError(f"no backbone '{name}' in {where}")
    try:
        try:
            return timm.create_model(own, num_classes=0, dynamic_img_size=True, **asked)
        except TypeError as error:  # convolutions take any size, and know no such argument
            if "dynamic_img_size" not in str(error):
                raise
        return timm.create_model(own, num_classes=0, **asked)
    except RuntimeError as error:
        if asked:
            raise
        reason = (str(error).strip().splitlines() or ["it cannot be made"])[0]
        raise UsageError(f"no backbone '{name}' in timm {timm.__version__}: {reason}") from error


def as_backbone(net: Any, name: str) -> Backbone:
    """A network of timm's, cut into stages; the weights are its own.

    Vision transformers: the stage `embed`, then `block1`, `block2`, …, all of one stride. Others:
    a stage for each entry of `feature_info`, whose dots become underscores.

    Args:
        net: as `create` made it.
        name: for messages.

    Raises:
        UsageError: it cannot be cut, or its stages do not give what it gives.
    """
    mean, std = (rgb(net.pretrained_cfg[key]) for key in ("mean", "std"))
    made: Backbone
    if takes_tokens(net):
        made = TokenBackbone(net, mean, std)
    else:
        channels_last = getattr(net, "output_fmt", "NCHW") == "NHWC"
        stages = _stages(net, name, channels_last)
        patch = getattr(getattr(net, "patch_embed", None), "patch_size", (1,))
        least = max(stage.stride for stage in stages)
        made = Backbone(stages, mean, std, multiple=max(patch), least=least)
    _require_same(made, net, name)
    return made


def _stages(net: Any, name: str, channels_last: bool) -> dict[Stage, nn.Module]:
    """Each stage with all the layers since the one before; NHWC inside, if `channels_last`."""
    infos = {info["module"]: info for info in getattr(net, "feature_info", ())}
    stages: dict[Stage, nn.Module] = {}
    layers: dict[str, nn.Module] = {}
    for path, layer in _layers(net, tuple(infos)):
        layers[path.replace(".", "_")] = layer
        if path not in infos:
            continue
        last = len(stages) + 1 == len(infos)
        if channels_last:
            if stages:
                layers = {"enter": _Permuted(0, 2, 3, 1), **layers}
            if last and hasattr(net, "norm"):
                layers["norm"] = net.norm
            layers["leave"] = _Permuted(0, 3, 1, 2)
        info = infos[path]
        stage = Stage(path.replace(".", "_"), int(info["num_chs"]), int(info["reduction"]))
        stages[stage], layers = nn.Sequential(OrderedDict(layers)), {}
        if last:
            return stages
    raise UsageError(f"backbone '{name}': neither a vision transformer nor in stages one by one")


def _layers(module: nn.Module, ends: Sequence[str], before: str = "") -> Iterator[tuple[str, Any]]:
    """Layers in order, by their path; those that a stage ends inside of are opened."""
    for name, layer in module.named_children():
        path = before + name
        if any(end.startswith(f"{path}.") for end in ends):
            yield from _layers(layer, ends, f"{path}.")
        else:
            yield path, layer


class _Permuted(nn.Module):
    """Axes in another order."""

    def __init__(self, *axes: int) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, x: Tensor) -> Tensor:
        """(...) -> (...), axes in the given order."""
        return x.permute(self.axes)


def _require_same(made: Backbone, net: Any, name: str) -> None:
    """Refuse a network that computes otherwise than layer by layer."""
    side = made.multiple * -(-max(64, made.least) // made.multiple)
    images = torch.linspace(-2, 2, 3 * side * (side + made.multiple)).reshape(1, 3, side, -1)
    try:
        with torch.inference_mode(), evaluating(net):
            found, expected = made(images), _of_timm(net, images)
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UsageError(f"backbone '{name}': not for photos of any size: {reason}") from error
    tolerance = 1e-3 * float(expected.abs().max())
    if found.shape != expected.shape or not torch.allclose(found, expected, 0, tolerance):
        raise UsageError(f"backbone '{name}': computes otherwise than stage by stage")


def _of_timm(net: Any, images: Tensor) -> Tensor:
    """The last map (1, C, h, w), as timm's own forward gives it."""
    maps: Tensor
    if takes_tokens(net) or getattr(net, "output_fmt", "NCHW") == "NHWC":
        maps = net.forward_features(images)
        if maps.dim() == 3:
            height, width = net.patch_embed.dynamic_feat_size(images.shape[-2:])
            maps = maps[:, net.num_prefix_tokens :].reshape(1, height, width, -1)
        return maps.permute(0, 3, 1, 2)
    (maps,) = net.forward_intermediates(images, indices=1, intermediates_only=True)
    return maps
