"""Which engine runs a model, and what is said if it is not installed."""

from __future__ import annotations

import os
import platform
import re
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from solar.errors import UsageError
from solar.extraction.engines.graph import Graph, GraphExtractor
from solar.extraction.extractor import Extractor
from solar.models.config import LocalConfig
from solar.models.document import ModelDocument, read_document
from solar.models.registry import GLOBAL, LOCAL, is_named, locate, require_kind
from solar.typing import AnyPath

if TYPE_CHECKING:
    from solar.models.global_descriptor import GlobalDescriptor

_PACKAGES = {"openvino": "openvino", "onnx": "onnxruntime"}


def open_engine(
    model: AnyPath | GlobalDescriptor, engine: str, *, device: str, precision: str, **asked: Any
) -> Extractor:
    """See `solar.open_extractor`.

    Raises:
        UsageError: the engine is not installed, or cannot run this model here.
        CheckpointError: the model cannot be loaded.
    """
    if not isinstance(model, str | os.PathLike):
        from solar.extraction.engines.torch import TorchExtractor
        from solar.models.device import choose_device

        network = model if device == "auto" else model.to(choose_device(device))
        return TorchExtractor(network, precision=precision, **asked)
    path = os.fspath(model)
    asked["name"] = path if is_named(path) else str(Path(path).absolute())
    document = document_of(path, GLOBAL)
    chosen = engine_for(document, device, precision) if engine == "auto" else engine
    if chosen == "torch":
        from solar.extraction.engines.torch import TorchExtractor
        from solar.models.checkpoints import load
        from solar.models.device import choose_device

        where = choose_device(device)
        return TorchExtractor(load(path).to(where), precision=precision, **asked)
    if document is None or not document.graph_digest:
        raise UsageError(
            f"--engine {chosen}: the model has no graph: use --engine torch, or "
            "'solar export MODEL --to FOLDER' once, and that folder as the model"
        )
    if device not in ("auto", "cpu"):
        raise UsageError(f"--device {device:.60}: --engine {chosen} runs on the cpu; use torch")
    return GraphExtractor(document, open_graph(document, chosen, precision), **asked)


def open_graph(document: ModelDocument, engine: str, precision: str) -> Graph:
    """A model's graph, by an engine that is not torch.

    Raises:
        UsageError: the engine is not installed, or does not compute in this precision here.
        CheckpointError: the graph cannot be read.
    """
    if find_spec(_PACKAGES[engine]) is None:
        raise UsageError(f"--engine {engine}: pip install {_PACKAGES[engine]}")
    document.prove()
    if engine == "openvino":
        from solar.extraction.engines import openvino

        return openvino.open_graph(document, precision)
    from solar.extraction.engines import onnx

    return onnx.open_graph(document, precision)


def document_of(model: str, kind: str) -> ModelDocument | None:
    """What a model's folder says; None for a published file, which only torch reads.

    Raises:
        CheckpointError: there is no such model, or it is of another kind.
    """
    path = locate(model, (kind,))
    if not path.is_dir():
        return None
    document = read_document(path)
    require_kind(LOCAL if isinstance(document.config, LocalConfig) else GLOBAL, (kind,), model)
    return document


def require_device_name(device: str) -> None:
    """Refuse a word that names no kind of device.

    Raises:
        UsageError: see above.
    """
    if not re.fullmatch(r"auto|mps|cpu|cuda(:\d{1,3})?", device):
        raise UsageError(f"--device {device:.60}: use auto, cpu, cuda, cuda:1 or mps")


def engine_for(document: ModelDocument | None, device: str, precision: str = "auto") -> str:
    """Torch where only it can, or where it has a graphics processor; else what is installed.

    Args:
        document: of the model's folder; None if it has none.
        device: that was asked for.
        precision: likewise; torch imitates those that the processor lacks.
    """
    require_device_name(device)
    if document is None or not document.graph_digest or device not in ("auto", "cpu"):
        return "torch"
    if device == "auto" and _graphics_processor():
        return "torch"
    found = next((name for name, package in _PACKAGES.items() if find_spec(package)), "torch")
    if found == "openvino" and precision in ("bfloat16", "float16") and find_spec("torch"):
        from solar.extraction.engines.openvino import precisions

        return found if precision in precisions() else "torch"
    return found


def _graphics_processor() -> bool:
    """Whether torch would find one; torch is only imported where a driver suggests it."""
    if find_spec("torch") is None or not driver_here():
        return False
    from solar.models.device import choose_device

    return choose_device("auto").type != "cpu"


def driver_here() -> bool:
    """Whether the system has a driver of graphics processors that torch uses."""
    if platform.system() == "Darwin":
        return platform.machine() == "arm64"
    windows = Path(os.environ.get("SYSTEMROOT", "/"), "System32", "nvcuda.dll")
    return any(map(Path.exists, (Path("/dev/nvidiactl"), Path("/dev/kfd"), windows)))
