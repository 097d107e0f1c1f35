"""Networks of timm's, each of a family, small enough for tests; all with random weights."""

from __future__ import annotations

from typing import Any

import timm
from timm.models import register_model

from solar.models.config import GlobalConfig
from solar.models.global_descriptor import GlobalDescriptor


@register_model
def solar_swin(pretrained: bool = False, **asked: Any) -> Any:
    """Windows, shifted ones too; its maps come as N, H, W, C."""
    asked |= {"embed_dim": 8, "depths": (2, 2, 2, 1), "num_heads": (1, 1, 2, 2)}
    return timm.create_model("swin_tiny_patch4_window7_224", pretrained, **asked)


@register_model
def solar_swin_2(pretrained: bool = False, **asked: Any) -> Any:
    """Windows whose positions a small network computes."""
    asked |= {"embed_dim": 8, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 2, 2)}
    return timm.create_model("swinv2_tiny_window8_256", pretrained, **asked)


@register_model
def solar_rotary(pretrained: bool = False, **asked: Any) -> Any:
    """As DINOv3: a class token, four registers, positions that rotate queries and keys."""
    asked |= {"embed_dim": 32, "depth": 3, "num_heads": 2}
    return timm.create_model("vit_small_patch16_dinov3", pretrained, **asked)


@register_model
def solar_eva(pretrained: bool = False, **asked: Any) -> Any:
    """As EVA-02: absolute positions and rotary ones."""
    asked |= {"embed_dim": 32, "depth": 3, "num_heads": 2}
    return timm.create_model("eva02_tiny_patch14_224", pretrained, **asked)


@register_model
def solar_mixed(pretrained: bool = False, **asked: Any) -> Any:
    """Rotary positions that each block learns for itself."""
    asked |= {"embed_dim": 32, "depth": 3, "num_heads": 2}
    return timm.create_model("vit_small_patch16_rope_mixed_224", pretrained, **asked)


@register_model
def solar_dinov2(pretrained: bool = False, **asked: Any) -> Any:
    """As DINOv2 with registers, of which positions know nothing."""
    asked |= {"embed_dim": 32, "depth": 3, "num_heads": 2, "img_size": 70}
    return timm.create_model("vit_small_patch14_reg4_dinov2", pretrained, **asked)


FAMILIES = {
    "test_resnet": "layer3",
    "test_convnext": "stages_2",
    "test_efficientnet": "blocks_3",
    "tf_mobilenetv3_small_minimal_100": "blocks_3",
    "solar_swin": "layers_2",
    "solar_swin_2": "layers_2",
    "test_vit": "block3",
    "solar_dinov2": "block2",
    "solar_rotary": "block2",
    "solar_eva": "block2",
    "solar_mixed": "block2",
}
"""By timm's names, a stage before the last."""

EXPORTED = (
    "test_resnet",
    "test_convnext",
    "test_efficientnet",
    "tf_mobilenetv3_small_minimal_100",  # pads itself as TensorFlow does
    "solar_swin",
    "test_vit",
    "solar_rotary",
)
"""That graphs are made of in tests: a graph takes a minute."""

RELATED = ("solar_swin_2", "solar_dinov2", "solar_eva", "solar_mixed")
"""Of a family that another stands for."""


def network_of(family: str, **changed: Any) -> GlobalDescriptor:
    """A network with attention that acts, after the stage that `FAMILIES` names."""
    name, settings = f"timm:{family}", {"image_size": 96, "scales": (1.0, 0.7), **changed}
    made = GlobalDescriptor(GlobalConfig(name, (FAMILIES[family],), **settings), name=family)
    for name, tensor in made.named_parameters():
        if name.endswith("v.weight") and name.startswith("attention."):
            tensor.data.normal_(std=0.5)
    return made.eval()
