"""Vision transformers of timm's as backbones: their patch tokens are a map."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from solar.models.backbones.backbone import Backbone, Stage
from solar.models.config import RGB


def takes_tokens(net: object) -> bool:
    """Whether a network of timm's is a vision transformer that `TokenBackbone` can take."""
    from timm.models.eva import Eva
    from timm.models.vision_transformer import VisionTransformer

    return isinstance(net, Eva | VisionTransformer) and not hasattr(net, "dist_token")


class TokenBackbone(Backbone):
    """A vision transformer: patches to tokens, then blocks, of which each is a stage.

    Class and register tokens go from block to block beside the patch tokens, and no further:
    neither attention nor pooling sees them.

    Args:
        net: of timm's, made for photos of any size.
        mean: see `Backbone`.
        std: likewise.

    Shape:
        (B, 3, H, W) -> (B, C, H / patch, W / patch), after the sides were cut to the patch.
    """

    def __init__(self, net: Any, mean: RGB, std: RGB) -> None:
        patch, channels = int(net.patch_embed.feat_ratio()), int(net.embed_dim)
        stages: dict[Stage, nn.Module] = {Stage("embed", channels, patch): _Embedding(net)}
        for number, block in enumerate(net.blocks, 1):
            norm = net.norm if number == len(net.blocks) else nn.Identity()
            stages[Stage(f"block{number}", channels, patch)] = _Block(block, norm)
        super().__init__(stages, mean, std, multiple=patch, least=patch)
        self._beside = int(net.num_prefix_tokens)
        self._each_its_own = bool(getattr(net, "rope_mixed", False))

    def forward(
        self, images: Tensor, attention: nn.ModuleDict | None = None, until: str | None = None
    ) -> Tensor:
        """See `Backbone.forward`."""
        images = self.fitted(images)  # (B, 3, h * patch, w * patch)
        shape = [side // self.multiple for side in images.shape[-2:]]  # h, w
        tokens, rotation = self["embed"](images)  # (B, P + h * w, C)
        for number, stage in enumerate(self.stages):
            if number:
                own = rotation[number - 1] if self._each_its_own else rotation
                tokens = self[stage.name](tokens, own)  # (B, P + h * w, C)
            if stage.name == until:
                break
            if attention is not None and stage.name in attention:
                maps = attention[stage.name](self._maps(tokens, shape))  # (B, C, h, w)
                rows = maps.flatten(2).transpose(1, 2)  # (B, h * w, C)
                tokens = torch.cat([tokens[:, : self._beside], rows], 1)
        return self._maps(tokens, shape)

    def _maps(self, tokens: Tensor, shape: list[int]) -> Tensor:
        """(B, P + h * w, C) -> (B, C, h, w)."""
        rows = tokens[:, self._beside :].transpose(1, 2)  # (B, C, h * w)
        return rows.reshape(*rows.shape[:2], *shape)


class _Block(nn.Module):
    """A block of a transformer; the last with what normalises its output."""

    def __init__(self, block: nn.Module, norm: nn.Module) -> None:
        super().__init__()
        self.block, self.norm = block, norm

    def forward(self, tokens: Tensor, rotation: Tensor | None) -> Tensor:
        """(B, P + N, C) -> (B, P + N, C); `rotation` is of the N patch tokens."""
        turned = {} if rotation is None else {"rope": rotation}
        x: Tensor = self.norm(self.block(tokens, **turned))
        return x


class _Embedding(nn.Module):
    """Patches to tokens that know where they lie."""

    cls_token: Tensor | None
    reg_token: Tensor | None
    pos_embed: Tensor | None
    rope: Any

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.patch_embed, self.norm_pre = net.patch_embed, net.norm_pre
        for name in ("cls_token", "reg_token", "pos_embed"):
            self.register_parameter(name, getattr(net, name, None))
        self.rope = getattr(net, "rope", None)
        self.grid: tuple[int, int] = tuple(net.patch_embed.grid_size)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Tokens before the first block.

        Args:
            images: (B, 3, H, W), of sides that the patch divides.

        Returns:
            (B, P + N, C), class and register tokens first; and what rotates queries and keys, if
            positions do so.
        """
        x = self.patch_embed(images)  # (B, h, w, C)
        count, height, width, channels = x.shape
        x = x.reshape(count, height * width, channels)  # (B, N, C)
        tokens = (self.cls_token, self.reg_token)
        beside = [t.expand(count, -1, -1) for t in tokens if t is not None]
        if self.pos_embed is not None:
            own = self.pos_embed.shape[1] - self.grid[0] * self.grid[1]  # of those beside: 0 or P
            at = resampled(self.pos_embed[:, own:].reshape(1, *self.grid, channels), height, width)
            x = x + at.flatten(1, 2)
            if own:
                beside = [torch.cat(beside, 1) + self.pos_embed[:, :own]]
        rotation = None if self.rope is None else self.rope.get_embed(shape=[height, width])
        return self.norm_pre(torch.cat([*beside, x], 1)), rotation


def resampled(grid: Tensor, height: int, width: int) -> Tensor:
    """Learned positions for another size of photo: cubic, with what is left out averaged.

    As timm resamples them, by two products that any engine computes alike.

    Args:
        grid: (1, h, w, C).
        height: of the other grid.
        width: likewise.

    Returns:
        (1, height, width, C), of the type of `grid`.
    """
    tall, wide = (
        _cubic(torch.arange(after, device=grid.device), before)
        for after, before in zip((height, width), grid.shape[1:3], strict=True)
    )
    taller = torch.einsum("ij,bjwc->biwc", tall, grid.float())  # (1, height, w, C)
    return torch.einsum("ij,bhjc->bhic", wide, taller).to(grid.dtype)


def _cubic(positions: Tensor, before: int) -> Tensor:
    """Weights (after, before) of Keys' cubic convolution, a = -1/2, wider where it shrinks."""
    after = positions.amax(0) + 1  # as a tensor, so that a graph computes it of each photo
    step = before / after.float()
    at = torch.arange(before, device=positions.device) + 0.5 - (positions[:, None] + 0.5) * step
    x = at.abs() / step.clamp(min=1)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    weights = torch.where(x < 1, near, torch.where(x < 2, far, 0.0))
    return weights / weights.sum(1, keepdim=True)
