"""The engine of the core: OpenVINO, which compiles a graph for the processor that it finds."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solar.errors import CheckpointError, UsageError
from solar.extraction.engines.graph import DESCRIPTORS, Graph
from solar.files.cache import cache_folder
from solar.models.document import INT8, ModelDocument

_making = threading.Lock()
_KEPT = 8  # networks, of which what was compiled is kept
_HINTS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}


def open_graph(
    document: ModelDocument,
    precision: str = "auto",
    outputs: Sequence[str] = (DESCRIPTORS,),
    at_once: int = 1,
) -> Graph:
    """Compile a model's graph, or take what an earlier run compiled.

    Args:
        document: of the model's folder.
        precision: of the arithmetic; `auto` is bfloat16 where the processor has it.
        outputs: the tensors that it gives, by name.
        at_once: how many threads run it at the same time; they share the cores.

    Raises:
        UsageError: another precision, or one that this processor lacks.
        CheckpointError: the graph cannot be read.
    """
    ov, core = _quiet_openvino(), one_core()
    # What is made ready for a shape is forgotten with it: kept for each of many shapes it takes
    # gigabytes, and making it again takes no time that could be measured. Not 0: without any of it
    # attention is not fused.
    settings: dict[str, Any] = {"NUM_STREAMS": str(at_once), "CPU_RUNTIME_CACHE_CAPACITY": "1"}
    if precision != "auto":
        if precision not in _HINTS:
            raise UsageError(f"--precision {precision:.60}: use auto, {', '.join(_HINTS)}")
        if precision not in (here := precisions()):
            raise UsageError(
                f"--precision {precision}: this processor computes in {', '.join(here)}"
            )
        settings["INFERENCE_PRECISION_HINT"] = _HINTS[precision]
    inner = [name for name in outputs if name != DESCRIPTORS]
    try:
        model: Any = str(document.graph)  # what was compiled of a file is found without reading it
        if inner:
            model = core.read_model(model)
            model.add_outputs(inner)
        compiled = _compiled(core, model, settings, _compiled_folder(document))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise CheckpointError(f"{document.graph}: cannot be run: {reason:.200}") from error

    waiting = threading.local()  # a request of its own for each thread

    def run(inputs: Mapping[str, NDArray[np.generic]]) -> list[NDArray[np.float32]]:
        if not hasattr(waiting, "request"):
            waiting.request = compiled.create_infer_request()
        found = waiting.request.infer(inputs, share_inputs=True)
        return [np.array(found[name], np.float32) for name in outputs]

    used = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    dimensions = compiled.output(outputs[0]).partial_shape[1].get_length()
    arithmetic = f"{INT8} and {used}" if document.stored == INT8 else used
    words = f"OpenVINO {ov.__version__.split('-')[0]}, {arithmetic}"
    return Graph(run, dimensions, words, "openvino")


def _compiled(core: Any, model: Any, settings: dict[str, Any], kept: Path | None) -> Any:
    if kept is not None:
        # another process may be writing the same file there at this moment
        with suppress(RuntimeError):
            return core.compile_model(model, "CPU", {**settings, "CACHE_DIR": str(kept)})
    return core.compile_model(model, "CPU", settings)


def precisions() -> list[str]:
    """Those that this processor computes in."""
    able = {"FP32": "float32", "BF16": "bfloat16", "FP16": "float16"}
    found = one_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return [able[name] for name in found if name in able]


def one_core() -> Any:
    """The one core of this process, which is never let go.

    Its plugin gives the thread that makes it a stack for signals and takes that away with itself:
    of two cores, the one that ends last leaves the freed stack of the other, and the next signal
    (Ctrl-C, a child that ends) crashes the process.
    """
    with _making:
        return _core_of(os.getpid())  # a forked child lacks its parent's threads


@cache
def _core_of(process: int) -> Any:
    openvino = _quiet_openvino()
    # it gets to know NumPy's types when the first is asked for; two threads that both ask first
    # wait for one another for ever, one with the interpreter's lock, one with OpenVINO's
    openvino.Type.f32.to_dtype()
    return openvino.Core()


def _quiet_openvino() -> Any:
    """The package, without its converter, which is slow to import and tells its makers so."""
    converter = "openvino.tools.ovc"
    absent = converter not in sys.modules
    if absent:
        sys.modules[converter] = None  # type: ignore[assignment] # an import of it fails, quietly
    try:
        import openvino

        return openvino
    finally:
        if absent:
            del sys.modules[converter]


def _compiled_folder(document: ModelDocument) -> Path | None:
    """Where what was compiled of exactly these files is kept, if it can be."""
    digest = hashlib.sha256(document.graph_digest.encode() + document.weights_digest.encode())
    base = cache_folder() / "compiled"
    folder = base / digest.hexdigest()[:32]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
    except OSError:
        return None
    _forget_old(base)
    return folder if os.access(folder, os.W_OK) else None


def _forget_old(base: Path) -> None:
    """Leave the networks opened last: whoever trains opens hundreds, of 50 to 300 MB each."""
    with suppress(OSError):  # another process may be doing the same
        for folder in sorted(base.iterdir(), key=lambda each: each.stat().st_mtime)[:-_KEPT]:
            shutil.rmtree(folder, ignore_errors=True)
