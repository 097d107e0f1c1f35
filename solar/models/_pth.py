"""Dictionaries that torch saved, read without running any code that they may carry."""

from __future__ import annotations

import pickle
import re
import struct
import warnings
from pathlib import Path
from typing import Any

import torch

from solar.errors import CheckpointError
from solar.files import require_file
from solar.models._numpy import stand_ins

_LARGEST = 16 << 30  # bytes

# What torch's reader raises on damaged files, as found by mutating good ones.
_UNREADABLE = (
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    OSError,
    AttributeError,
    TypeError,
    AssertionError,
    OverflowError,
    MemoryError,
    struct.error,
)


def read_tensors(path: str | Path) -> dict[str, Any]:
    """Read one.

    Args:
        path: of the .pth file.

    Returns:
        Tensors, plain values and `StoredArray`.

    Raises:
        CheckpointError: unreadable, or anything but tensors and plain values inside.
    """
    require_file(path, _LARGEST, CheckpointError)
    try:
        with warnings.catch_warnings(), stand_ins():
            warnings.simplefilter("ignore")  # about pickle protocols
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"(?:GLOBAL|class|function) ([\w.]+)", str(error))
        what = f" ({found[1]})" if found else ""
        raise CheckpointError(
            f"{path}: refused, it carries more than tensors and plain values{what}; "
            "ask its author for a file with weights only"
        ) from error
    except _UNREADABLE as error:
        raise CheckpointError(f"{path}: not a readable .pth file; fetch it again") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: holds no dictionary of weights")
    return content
