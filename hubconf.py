"""Solar's networks for torch.hub: `torch.hub.load("owner/repository", "solar_r18")`."""

from __future__ import annotations

from typing import TYPE_CHECKING

dependencies = ["torch", "torchvision", "numpy", "PIL", "safetensors"]

if TYPE_CHECKING:
    from solar import GlobalDescriptor, LocalDescriptor


def solar_r18() -> GlobalDescriptor:
    """ResNet-18 with second-order attention; 512-D; comes with the repository."""
    return model("solar-r18")


def solar_r101() -> GlobalDescriptor:
    """SOLAR as published: ResNet-101; 2048-D; downloaded from its authors."""
    return model("solar-r101")


def solar_local() -> LocalDescriptor:
    """Descriptors of patches; 128-D; comes with the repository."""
    from solar import load_local

    return load_local("solar-local")


def model(name: str) -> GlobalDescriptor:
    """Any network of photos that `solar.load` takes."""
    from solar import load

    return load(name)
