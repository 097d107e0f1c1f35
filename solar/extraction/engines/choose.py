"""Which engine runs a model, and what is said if it is not installed."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from solar.errors import UsageError, naming_extras
from solar.extraction.engines.graph import DESCRIPTORS, POOLED, Graph, GraphExtractor
from solar.extraction.extractor import ENGINES, Extractor
from solar.extraction.given import SUFFIXES, open_descriptors
from solar.extraction.own import FunctionExtractor, installed
from solar.files.log import logger
from solar.models.config import LocalConfig
from solar.models.document import INT8, ModelDocument, read_document
from solar.models.registry import GLOBAL, LOCAL, is_named, locate, require_kind
from solar.typing import AnyPath

if TYPE_CHECKING:
    from solar.models.global_descriptor import GlobalDescriptor
    from solar.models.whitening import Whitening

_log = logger(__name__)

GRAPH_ENGINES = {"openvino": "openvino", "onnx": "onnxruntime"}


def open_engine(
    model: AnyPath | GlobalDescriptor,
    engine: str,
    *,
    device: str,
    precision: str,
    pooled: bool,
    **asked: Any,
) -> Extractor:
    """See `solar.open_extractor`.

    Raises:
        UsageError: the engine is not installed, or cannot run this model here.
        CheckpointError: the model cannot be loaded.
        MissingPackage: it needs torch, which is not installed.
    """
    if not isinstance(model, str | os.PathLike):
        if engine not in ("auto", "torch"):
            raise UsageError(f"--engine {engine}: a network that is loaded runs in torch")
        return _open_torch(model, device, precision, pooled, move=device != "auto", **asked)
    path = os.fspath(model)
    if (foreign := _somebody_elses(path)) is not None:
        return _as_asked(foreign, **asked)
    asked["name"] = path if is_named(path) else str(Path(path).absolute())
    document = document_of(path, GLOBAL)
    chosen = engine_for(document, engine, device, precision)
    _log.info("%s: engine %s, device %s, precision %s", path, chosen, device, precision)
    if chosen == "torch" or document is None:
        return _open_torch(path, device, precision, pooled, **asked)
    bare = document.without_whitening() if pooled else document
    tensor = DESCRIPTORS if document.config == bare.config else POOLED
    opened = partial(open_graph, document, chosen, precision, [tensor])
    return GraphExtractor(bare, opened, **asked)


def _somebody_elses(model: str) -> Extractor | None:
    """Descriptors in a file, or what an installed package has under this name."""
    file = Path(model)
    if is_named(model) or file.is_dir():
        return None
    if file.suffix.lower() in SUFFIXES and file.is_file():
        return open_descriptors(file)
    return None if file.exists() else installed(model)


def _as_asked(
    extractor: Extractor,
    *,
    image_size: int | None,
    scales: Sequence[float] | None,
    decoding: str,
    whitening: Whitening | None,
) -> Extractor:
    """An extractor whose settings are its own; files may be decoded in another way."""
    made = extractor.extraction
    for asked, own in ((image_size, made.image_size), (scales and tuple(scales), made.scales)):
        if asked not in (None, own):
            raise UsageError(f"{made.model}: has settings of its own: leave {asked} out")
    if whitening is not None:
        raise UsageError(f"{made.model}: no whitening can be put after it")
    return extractor.decoded(decoding) if isinstance(extractor, FunctionExtractor) else extractor


def _open_torch(
    model: str | GlobalDescriptor,
    device: str,
    precision: str,
    pooled: bool,
    *,
    move: bool = True,
    **asked: Any,
) -> Extractor:
    with naming_extras():
        from solar.extraction.engines.torch import TorchExtractor
        from solar.models.checkpoints import load
        from solar.models.device import choose_device
        from solar.models.whitening_layer import with_whitening

    network = load(model) if isinstance(model, str) else model
    network = network.to(choose_device(device)) if move else network
    network = with_whitening(network, None) if pooled else network
    return TorchExtractor(network, precision=precision, **asked)


def open_graph(
    document: ModelDocument,
    engine: str,
    precision: str,
    outputs: Sequence[str] = (DESCRIPTORS,),
    at_once: int = 1,
) -> Graph:
    """A model's graph, by an engine that is not torch.

    Args:
        document: of the model's folder.
        engine: one that `engine_for` gave.
        precision: of the arithmetic.
        outputs: the tensors that it gives, by name.
        at_once: how many threads run it at the same time; they share the cores.

    Raises:
        UsageError: the engine does not compute in this precision here.
        CheckpointError: the graph cannot be read.
    """
    document.prove()
    if engine == "openvino":
        from solar.extraction.engines import openvino

        return openvino.open_graph(document, precision, outputs, at_once)
    from solar.extraction.engines import onnx

    return onnx.open_graph(document, precision, outputs, at_once)


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


def with_graph(model: AnyPath | ModelDocument) -> ModelDocument:
    """What the folder of a global model says, which has a graph.

    Raises:
        UsageError: it has none.
        CheckpointError: there is no such model, or it is of another kind.
    """
    if isinstance(model, ModelDocument):
        document: ModelDocument | None = model
    else:
        document = document_of(os.fspath(model), GLOBAL)
    if document is None or not document.graph_digest:
        raise UsageError(
            "this takes a model with a graph: 'solar export MODEL --to FOLDER' makes one"
        )
    return document


def require_device_name(device: str) -> None:
    """Refuse a word that names no kind of device.

    Raises:
        UsageError: see above.
    """
    if not re.fullmatch(r"auto|mps|cpu|cuda(:\d{1,3})?", device):
        raise UsageError(f"--device {device:.60}: use auto, cpu, cuda, cuda:1 or mps")


def engine_for(
    document: ModelDocument | None, engine: str, device: str, precision: str = "auto"
) -> str:
    """The engine asked for; `auto` takes torch where only it can, or has a graphics processor.

    Args:
        document: of the model's folder; None if it has none.
        engine: that was asked for.
        device: likewise.
        precision: likewise; torch imitates those that the processor lacks.

    Raises:
        UsageError: there is no such engine or device, it is not installed, or cannot run this.
    """
    if engine not in ENGINES:
        raise UsageError(f"--engine {engine:.60}: use {' or '.join(ENGINES)}")
    require_device_name(device)
    chosen = _best(document, device, precision) if engine == "auto" else engine
    if chosen == "torch":
        if document is not None and document.stored == INT8:
            raise UsageError("--engine torch: an int8 model runs in openvino or onnx only")
        return chosen
    if document is None or not document.graph_digest:
        raise UsageError(
            f"--engine {chosen}: the model has no graph: use --engine torch, or "
            "'solar export MODEL --to FOLDER' once, and that folder as the model"
        )
    if device not in ("auto", "cpu"):
        raise UsageError(f"--device {device:.60}: --engine {chosen} runs on the cpu; use torch")
    if find_spec(GRAPH_ENGINES[chosen]) is None:
        raise UsageError(f"--engine {chosen}: pip install {GRAPH_ENGINES[chosen]}")
    return chosen


def _best(document: ModelDocument | None, device: str, precision: str) -> str:
    """Torch where only it can, has a graphics processor, or imitates what this one lacks."""
    if document is None or not document.graph_digest:
        return "torch"
    found = next((name for name, package in GRAPH_ENGINES.items() if find_spec(package)), "torch")
    if document.stored == INT8:
        return found
    if device not in ("auto", "cpu") or (device == "auto" and _graphics_processor()):
        return "torch"
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


def engines_here(document: ModelDocument | None) -> list[str]:
    """Those that are installed and can run a model, in the order in which `auto` looks.

    Args:
        document: of the model's folder; None if it has none.
    """
    packages = {} if document is None or not document.graph_digest else {**GRAPH_ENGINES}
    if document is None or document.stored != INT8:
        packages["torch"] = "torch"
    return [name for name, package in packages.items() if find_spec(package)]
