"""A model folder's `config.json`, read with suspicion; networks by their numbers. No torch here."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from solar.calibration import Calibration
from solar.errors import CheckpointError, SolarError, UsageError
from solar.files import (
    MEGABYTE,
    read_json,
    require_file,
    sha256,
    shown,
    sync_folder,
    write_atomically,
)
from solar.files.cache import remembered
from solar.models.config import GlobalConfig, LocalConfig, Provenance
from solar.models.registry import GLOBAL, LOCAL

Tensor = NDArray[np.generic]

FORMAT, INT8, CALIBRATION = 1, "int8", "calibration"
CONFIG, WEIGHTS, GRAPH = "config.json", "model.safetensors", "model.onnx"
CONFIGS: dict[str, type[GlobalConfig] | type[LocalConfig]] = {
    GLOBAL: GlobalConfig,
    LOCAL: LocalConfig,
}
PREPROCESSING = ("mean", "std", "image_size", "scales", "multiple")
_LARGEST_WEIGHTS, _LARGEST_GRAPH = 16 << 30, 64 * MEGABYTE


@dataclass(frozen=True)
class ModelDocument:
    """What a model folder says of its network.

    Attributes:
        folder: that holds it.
        config: the architecture; its type says which kind of network this is.
        provenance: of the weights.
        name: of the model.
        weights_digest: SHA-256, hexadecimal, of the file of weights.
        graph_digest: likewise of the graph; empty if there is none, and only torch can run it.
        stages: names of the backbone's stages, if there is a graph.
        stored: type of the weights; `int8` is for graphs alone.
        calibration: what makes probabilities of cosines; None if there is none.
    """

    folder: Path
    config: GlobalConfig | LocalConfig
    provenance: Provenance
    name: str
    weights_digest: str
    graph_digest: str = ""
    stages: tuple[str, ...] = ()
    stored: str = "float32"
    calibration: Calibration | None = None

    @property
    def weights(self) -> Path:
        """The file of tensors, by the network's own names."""
        return self.folder / WEIGHTS

    @property
    def graph(self) -> Path:
        """The network as operators, whose numbers are those in `weights`."""
        return self.folder / GRAPH

    def prove(self) -> None:
        """Look whether the weights and the graph are those that `config.json` was written for.

        Raises:
            CheckpointError: one is missing, or another.
        """
        _prove(self.weights, self.weights_digest, _LARGEST_WEIGHTS)
        if self.graph_digest:
            _prove(self.graph, self.graph_digest, _LARGEST_GRAPH)

    def without_whitening(self) -> ModelDocument:
        """The same network without its whitening layer, for who takes what it pools."""
        assert isinstance(self.config, GlobalConfig)  # noqa: S101 - narrows the type
        return replace(self, config=replace(self.config, whitening=None))

    def fingerprint(self) -> str:
        """As the network's own; reads every weight the first time that it is asked for.

        Raises:
            CheckpointError: the weights cannot be read, or are not those that were written.
        """

        def made() -> str:
            self.prove()  # or another's would be remembered for these
            kept = (pair for pair in self.tensors() if not (bare and pair[0].startswith("whiten.")))
            return fingerprint(architecture(self.config), kept)

        bare = isinstance(self.config, GlobalConfig) and self.config.whitening is None
        key = hashlib.sha256(repr((architecture(self.config), self.weights_digest)).encode())
        return remembered("fingerprints", key.hexdigest(), made)

    def tensors(self, only: Container[str] | None = None) -> Iterator[tuple[str, Tensor]]:
        """The weights by key, in the keys' order.

        Args:
            only: keys that are wanted; None for all.

        Raises:
            CheckpointError: the weights cannot be read.
        """
        try:
            with safe_open(self.weights, "np") as file:
                for key in sorted(file.keys()):
                    if only is None or key in only:
                        yield key, file.get_tensor(key)
        except (SafetensorError, OSError, TypeError) as error:
            what = f"not a readable safetensors file ({error})"
            raise CheckpointError(f"{self.weights}: {what}") from error


def require_finite(values: NDArray[np.float32], model: str, what: str) -> NDArray[np.float32]:
    """What a network gave, of one whose training did not diverge.

    Args:
        values: any.
        model: its name, for the message.
        what: the values are.

    Raises:
        SolarError: not all are finite.
    """
    if not np.isfinite(values).all():
        raise SolarError(f"model {model}: its {what} are not finite: its training diverged")
    return values


def architecture(config: GlobalConfig | LocalConfig) -> object:
    """What of a network's settings its descriptors depend on, beside its weights."""
    c = config
    if isinstance(c, LocalConfig):
        return tuple(map(str, sorted(c.attention))), c.contrast
    return (c.backbone, c.attention, c.pooling, c.regional, c.whitening, c.mean, c.std)


def fingerprint(architecture: object, weights: Iterable[tuple[str, Tensor]]) -> str:
    """SHA-256, hexadecimal, over an architecture's `repr` and every weight as float32.

    Args:
        architecture: equal if and only if descriptors of equal weights are.
        weights: by key, in the keys' order.
    """
    digest = hashlib.sha256(repr(architecture).encode())
    for key, array in weights:
        digest.update(key.encode())
        digest.update(np.ascontiguousarray(array, np.float32).data)
    return digest.hexdigest()


def read_document(folder: Path) -> ModelDocument:
    """What a model folder's `config.json` says; `prove` it before its other files are used.

    Raises:
        CheckpointError: not there, damaged, or not what it says it is.
    """
    path = folder / CONFIG
    if not path.exists():
        raise CheckpointError(f"{folder}: no model here ({CONFIG} is missing)")
    document = read_json(path, MEGABYTE, CheckpointError)
    try:
        kind = document["kind"]
        if document["format"] != FORMAT or kind not in CONFIGS:
            what = f"format {shown(document['format'])}, kind {shown(kind)}"
            raise CheckpointError(
                f"{path}: {what}; this version reads format {FORMAT}, kind {', '.join(CONFIGS)}"
            )
        provenance = Provenance(**{key: str(v) for key, v in document["provenance"].items()})
        values = {**document["architecture"], **document["preprocessing"]}
        config, name = CONFIGS[kind].from_json(values), str(document["name"])
        digest, graph = str(document["weights"]["sha256"]), document.get("graph")
        stored = str(document["weights"]["type"])
        made: tuple[str, tuple[str, ...]] = ("", ())
        if graph is not None:
            made = str(graph["sha256"]), tuple(map(str, graph["stages"]))
        found = document.get(CALIBRATION)
        calibration = None if found is None else Calibration.from_json(found)
    except KeyError as error:
        raise CheckpointError(f"{path}: the entry {error} is missing") from error
    except (TypeError, ValueError, AttributeError, OverflowError, UsageError) as error:
        raise CheckpointError(f"{path}: {error}") from error
    return ModelDocument(folder, config, provenance, name, digest, *made, stored, calibration)


def write_calibration(document: ModelDocument, calibration: Calibration, to: Path | None) -> Path:
    """Put a calibration into a model's `config.json`; its fingerprint stays.

    Args:
        document: of the model's folder.
        calibration: of it.
        to: a new folder for a copy of the model; None to change the model itself.

    Returns:
        The folder.

    Raises:
        UsageError: the new folder exists.
        CheckpointError: the model is damaged.
    """
    values = read_json(document.folder / CONFIG, MEGABYTE, CheckpointError)
    content = json.dumps({**values, CALIBRATION: calibration.to_json()}, indent=2) + "\n"
    folder = document.folder
    if to is not None:
        if to.exists():
            raise UsageError(f"--to {to}: exists already; choose another name or remove it first")
        document.prove()
        folder = to.with_name(f".{to.name}.{uuid4().hex[:8]}.partial")
    try:
        if to is not None:
            shutil.copytree(document.folder, folder)
        with write_atomically(folder / CONFIG) as file:
            file.write(content.encode())
        if to is not None:
            folder.rename(to)
            sync_folder(to.parent)
    finally:
        if to is not None:
            shutil.rmtree(folder, ignore_errors=True)
    return to or folder


def _prove(file: Path, digest: str, most: int) -> None:
    require_file(file, most, CheckpointError)
    if sha256(file) != digest:
        raise CheckpointError(f"{file}: not the file that {CONFIG} was written for; copy it again")
