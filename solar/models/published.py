"""Published .pth files of SOLAR and of Radenović's cnnimageretrieval-pytorch, both ways."""

from __future__ import annotations

import pickle
import re
import struct
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from solar.errors import CheckpointError, UsageError
from solar.files.atomic import write_atomically
from solar.models.global_descriptor import GlobalConfig, GlobalDescriptor, Provenance
from solar.models.state import fill

# (published key, our key); `features.4` and so on are Radenović's, the named stages are SOLAR's.
_LAYOUTS = (
    (r"features\.conv1\.", "conv1."),
    (r"features\.conv2_x\.2\.(\d+)\.", lambda m: f"conv2_x.{int(m[1]) + 1}."),
    (r"features\.(conv[345]_x|soa[45])\.", r"\1."),
    (r"features\.([01])\.", r"conv1.\1."),
    (r"features\.4\.(\d+)\.", lambda m: f"conv2_x.{int(m[1]) + 1}."),
    (r"features\.([567])\.", lambda m: f"conv{int(m[1]) - 2}_x."),
    (r"pool\.rpool\.", "pool.pool."),
)
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
_POOLINGS = {"gem": "gem", "gemmp": "gem-channel", "mac": "mac", "spoc": "spoc", "rmac": "rmac"}


def read_tensors(path: str | Path) -> dict[str, Any]:
    """A dictionary that torch saved, read without running any code that it may carry.

    Args:
        path: of the .pth file.

    Returns:
        Tensors and plain values.

    Raises:
        CheckpointError: unreadable, or anything but tensors and plain values inside.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"(?:GLOBAL|class|function) ([\w.]+)", str(error))
        what = f" ({found[1]})" if found else ""
        raise CheckpointError(
            f"{path}: refused, it carries more than tensors and plain values{what}; "
            "ask its author for a file with weights only"
        ) from error
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such file") from error
    except _UNREADABLE as error:
        raise CheckpointError(f"{path}: not a readable .pth file; fetch it again") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: holds no dictionary of weights")
    return content


def from_published(content: Mapping[str, Any], source: str | Path) -> GlobalDescriptor:
    """A global network from a published file's content, in evaluation mode.

    Args:
        content: `{"meta": plain values, "state_dict": tensors}`, as `read_tensors` returns it.
        source: the file, for messages; its stem names the model.

    Raises:
        CheckpointError: a part is missing, superfluous or of another shape; the line says which.
    """
    for part in ("meta", "state_dict"):
        if not isinstance(content.get(part), Mapping):
            raise CheckpointError(f"{source}: no '{part}' inside, as SOLAR's published files have")
    state = {_our_key(str(key)): value for key, value in content["state_dict"].items()}
    if "pool.whiten.weight" in state:
        raise CheckpointError(f"{source}: regional whitening inside the pooling is not supported")
    config = _config(content["meta"], state, source)
    provenance = Provenance(trained_on="see its publication")
    model = GlobalDescriptor(config, provenance, Path(source).stem)
    fill(model, state, source)
    return model.eval()


def missing_parts(config: GlobalConfig) -> list[str]:
    """Which parts of SOLAR a network lacks, in words; empty for the whole."""
    parts = []
    if not config.attention:
        parts.append("no second-order attention")
    if config.whitening is None:
        parts.append("no whitening layer")
    return parts


def write_published(model: GlobalDescriptor, path: str | Path) -> None:
    """Write a model in SOLAR's published layout, atomically.

    Args:
        model: any global network.
        path: of the .pth file; replaced if it exists.
    """
    config = model.config
    meta = {
        "architecture": config.backbone,
        "soa_layers": "".join(map(str, config.attention)),
        "pooling": {v: k for k, v in _POOLINGS.items()}[config.pooling],
        "local_whitening": False,
        "regional": config.regional,
        "whitening": config.whitening is not None,
        "mean": list(config.mean),
        "std": list(config.std),
        "outputdim": model.dimensions,
    }
    state = {_published_key(key): value for key, value in model.state_dict().items()}
    with write_atomically(path) as file:
        torch.save({"meta": meta, "state_dict": state}, file)


def _our_key(key: str) -> str:
    for pattern, ours in _LAYOUTS:
        new, count = re.subn(f"^{pattern}", ours, key)
        if count:
            return new
    return key


def _published_key(key: str) -> str:
    key = re.sub(r"^pool\.pool\.", "pool.rpool.", key)
    key = re.sub(r"^conv2_x\.(\d+)\.", lambda m: f"conv2_x.2.{int(m[1]) - 1}.", key)
    return re.sub(r"^(conv\d|soa\d)", r"features.\1", key)


def _config(meta: Mapping[str, Any], state: Mapping[str, Any], source: str | Path) -> GlobalConfig:
    pooling = str(meta.get("pooling", "gem"))
    if pooling not in _POOLINGS:
        raise CheckpointError(f"{source}: pooling '{pooling}' is not supported")
    try:
        whitening = state["whiten.weight"].shape[0] if "whiten.weight" in state else None
        return GlobalConfig(
            backbone=str(meta.get("architecture")),
            attention=tuple(stage for stage in (4, 5) if f"soa{stage}.v.weight" in state),
            pooling=_POOLINGS[pooling],
            regional=bool(meta.get("regional", False)),
            whitening=whitening,
            mean=rgb(meta.get("mean", GlobalConfig.mean)),
            std=rgb(meta.get("std", GlobalConfig.std)),
        )
    except (UsageError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise CheckpointError(f"{source}: {error}") from error


def rgb(values: Any) -> tuple[float, float, float]:
    """Three numbers of a file, one per channel.

    Raises:
        TypeError: not numbers.
        ValueError: more or fewer than three.
    """
    red, green, blue = (float(v) for v in values)
    return red, green, blue
