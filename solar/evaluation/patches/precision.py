"""Patch descriptors that compute in another precision than float32."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from solar.features.patch_descriptor import PatchDescriptor, open_patch_descriptor

if TYPE_CHECKING:
    from torch import Tensor


def open_in_precision(
    descriptor: str | PatchDescriptor, device: str = "auto", precision: str = "float32"
) -> PatchDescriptor:
    """A patch descriptor whose network computes in some precision; its fingerprint says so.

    Args:
        descriptor: one, or what `open_patch_descriptor` takes.
        device: where a named one runs.
        precision: float32, bfloat16 or float16; auto is bfloat16 where the device is fast at it.

    Raises:
        UsageError: there is no such descriptor, device or precision.
    """
    from solar.models.device import autocast, choose_device, choose_precision

    found = open_patch_descriptor(descriptor, device) if isinstance(descriptor, str) else descriptor
    where = choose_device(str(found.device))
    dtype = choose_precision(precision, where)
    name = str(dtype).removeprefix("torch.")
    if name == "float32":
        return found

    def network(patches: Tensor) -> Tensor:
        with autocast(where, dtype):
            return found.network(patches)

    return replace(found, network=network, fingerprint=f"{found.fingerprint} {name}")
