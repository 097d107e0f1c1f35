"""Where networks run, and in which precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import nn

from solar.errors import UsageError

PRECISIONS = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


def in_words(device: torch.device, dtype: torch.dtype) -> str:
    """What runs a network there, and in which type."""
    return f"PyTorch {torch.__version__}, {device}, {dtype}".replace("torch.", "")


def choose_device(name: str = "auto") -> torch.device:
    """A device by name.

    Args:
        name: `cpu`, `cuda`, `cuda:1`, `mps`; `auto` is a graphics processor if there is one.

    Raises:
        UsageError: another name, or there is no such device here.
    """
    if name == "auto":
        kind = "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device("cuda" if torch.cuda.is_available() else kind)
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"--device {name:.60}: use auto, cpu, cuda, cuda:1 or mps") from error
    here = {
        "cpu": 1,
        "cuda": torch.cuda.device_count(),
        "mps": int(torch.backends.mps.is_available()),
    }
    if device.type not in here:
        raise UsageError(f"--device {name:.60}: use auto, cpu, cuda, cuda:1 or mps")
    if (device.index or 0) >= here[device.type]:
        raise UsageError(f"--device {name:.60}: there is no such device here; use auto or cpu")
    return device


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """The type that a network computes in.

    Args:
        name: `float32`, `bfloat16` or `float16`; `auto` is bfloat16 where the device is fast at it.
        device: that it runs on.

    Raises:
        UsageError: another name.
    """
    if name == "auto":
        if device.type == "cuda":
            fast = bool(torch.cuda.is_bf16_supported(including_emulation=False))
        else:
            fast = device.type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())
        return torch.bfloat16 if fast else torch.float32
    if name not in PRECISIONS:
        raise UsageError(f"--precision {name:.60}: use auto, {', '.join(PRECISIONS)}")
    return PRECISIONS[name]


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[object]:
    """The network computes in this type inside; float32 is what it does anyway."""
    return torch.autocast(device.type, dtype, enabled=dtype is not torch.float32)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode inside; afterwards each of its parts is in the mode that it was in."""
    training = [module for module in model.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True
