"""Patch descriptors whose results are kept apart by the precision of their arithmetic."""

from __future__ import annotations

from dataclasses import replace

from solar.features.patch_descriptor import PatchDescriptor, open_patch_descriptor


def open_in_precision(
    descriptor: str | PatchDescriptor, device: str = "auto", precision: str = "float32"
) -> PatchDescriptor:
    """A patch descriptor; the fingerprint of one that is not float32's says so.

    Args:
        descriptor: what `open_patch_descriptor` takes, or one that is as it is.
        device: where a named one runs.
        precision: of a named one: float32, bfloat16 or float16; auto is bfloat16 where the
            processor has it.

    Raises:
        UsageError: there is no such descriptor, device or precision.
    """
    if not isinstance(descriptor, str):
        return descriptor
    found = open_patch_descriptor(descriptor, device, precision)
    if precision == "float32":
        return found
    return replace(found, fingerprint=f"{found.fingerprint} {precision}")
