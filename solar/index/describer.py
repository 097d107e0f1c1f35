"""What makes an index's descriptors: a model with its extraction settings."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from solar.errors import IndexFolderError
from solar.index.listing import AnyPath
from solar.index.manifest import Settings
from solar.index.records import Descriptor

if TYPE_CHECKING:
    from solar.extraction import Extractor
    from solar.models.global_descriptor import GlobalDescriptor
    from solar.photos import Box


@runtime_checkable
class Describer(Protocol):
    """Turns photos into descriptors, always in the same way."""

    @property
    def settings(self) -> Settings:
        """The model and the extraction settings; an index takes only descriptors of its own."""
        ...

    def describe(self, paths: Sequence[Path]) -> Iterator[tuple[int, Descriptor | str]]:
        """Describe many photos.

        Args:
            paths: of the photos.

        Returns:
            For each photo once, in any order: its position in `paths`, and its descriptor
            (D,) of unit length, or the reason why it has none.
        """
        ...

    def describe_query(self, path: Path, box: Box | None) -> Descriptor:
        """Describe one photo, or a box of it: (D,) of unit length.

        Raises:
            PhotoError: it cannot be used.
        """
        ...


class ModelDescriber:
    """A loaded model with the settings that it extracts with."""

    def __init__(self, model: GlobalDescriptor, settings: Settings) -> None:
        """Pair them.

        Args:
            model: a loaded network.
            settings: image size and scales to extract with, and what the model is.
        """
        self._model = model
        self._settings = settings

    @property
    def settings(self) -> Settings:
        """The model and the extraction settings."""
        return self._settings

    def describe(self, paths: Sequence[Path]) -> Iterator[tuple[int, Descriptor | str]]:
        """See `Describer.describe`."""
        from solar.extraction import Failed

        for result in self._extractor().describe(paths):
            if isinstance(result, Failed):
                yield result.position, result.reason
            else:
                yield result.position, result.descriptor

    def describe_query(self, path: Path, box: Box | None) -> Descriptor:
        """See `Describer.describe_query`."""
        from solar.extraction import describe_one

        return describe_one(self._extractor(), path, box)

    def _extractor(self) -> Extractor:
        from solar.extraction import open_extractor

        return open_extractor(
            self._model, image_size=self._settings.image_size, scales=self._settings.scales
        )


def model_name(model: AnyPath) -> str:
    """What an index remembers of a model: its name, or where it is, if a file or folder."""
    from solar.models.registry import is_named

    path = Path(model)
    if is_named(model) or not path.exists():
        return os.fspath(model)
    return str(path.absolute())


def load_describer(
    model: str, image_size: int | None = None, scales: Sequence[float] | None = None
) -> ModelDescriber:
    """Load a model to describe photos with, onto the graphics processor if there is one.

    Args:
        model: what `solar.load` takes.
        image_size: limit of a photo's longest side, in pixels; None for the model's own.
        scales: at which descriptors are averaged; None for the model's own.

    Raises:
        CheckpointError: the model cannot be loaded.
    """
    from solar.models.checkpoints import load

    loaded = load(model)
    config = loaded.config
    settings = Settings(
        model=model,
        fingerprint=loaded.fingerprint,
        dimensions=loaded.dimensions,
        image_size=config.image_size if image_size is None else image_size,
        scales=tuple(map(float, config.scales if scales is None else scales)),
    )
    return ModelDescriber(loaded.to(fastest_device()), settings)


def fastest_device() -> str:
    """Where networks run: the graphics processor if there is one."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def refuse_other(folder: Path, own: Settings, other: Settings) -> None:
    """Let an index take only descriptors that are made as its own are.

    Args:
        folder: of the index, for the message.
        own: what it was made with.
        other: what is offered now; another name for the same model is fine.

    Raises:
        IndexFolderError: they differ; the message says in what.
    """
    differences = []
    if own.fingerprint != other.fingerprint:
        differences.append(
            f"model {own.model} ({own.fingerprint[:12]}), not {other.model} "
            f"({other.fingerprint[:12]})"
        )
    for name in ("dimensions", "image_size", "scales"):
        mine, offered = getattr(own, name), getattr(other, name)
        if mine != offered:
            differences.append(f"{name} {mine}, not {offered}")
    if differences:
        raise IndexFolderError(
            f"{folder} was made with {'; '.join(differences)}: use what it was made with, "
            "or make another index"
        )
