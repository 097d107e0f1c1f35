"""What evaluation asks of a model: descriptors of photos, and the settings they were made with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from solar.errors import UsageError
from solar.photos.images import Box

if TYPE_CHECKING:
    from solar.extraction.engines.torch import Precision
    from solar.models.global_descriptor import GlobalDescriptor
    from solar.models.whitening import Whitening

# Descriptors made with different values of these must never meet in one ranking.
COMPARED = ("fingerprint", "image_size", "scales", "precision", "whitening", "dimensions")

Described = tuple[int, NDArray[np.float32] | str]


@dataclass(frozen=True)
class Describer:
    """Photos in, descriptors out.

    Attributes:
        settings: what the descriptors depend on, as JSON values; holds every name in ``COMPARED``.
        describe: photos and their boxes (None for whole photos) to pairs of a photo's number and
            its (D,) unit descriptor, or one line that names the photo and says why it has none; in
            any order.
    """

    settings: Mapping[str, Any]
    describe: Callable[[Sequence[Path], Sequence[Box | None] | None], Iterator[Described]]


def from_model(
    model: GlobalDescriptor,
    *,
    image_size: int | None = None,
    scales: Sequence[float] | None = None,
    precision: Precision = "float32",
    whitening: Whitening | None = None,
) -> Describer:
    """A describer that extracts with a model, and whitens where asked.

    Args:
        model: as ``solar.load`` gives it.
        image_size: longest side of photos in pixels; None for the model's own.
        scales: None for the model's own.
        precision: of the network's arithmetic; float32 gives the same figures on every machine.
        whitening: applied after the model.
    """
    from solar.extraction.engines.torch import Failed, describe_photos, uses_bfloat16

    size = model.config.image_size if image_size is None else image_size
    used = tuple(model.config.scales if scales is None else scales)

    def describe(photos: Sequence[Path], boxes: Sequence[Box | None] | None) -> Iterator[Described]:
        for result in describe_photos(
            model, photos, boxes=boxes, image_size=size, scales=used, precision=precision
        ):
            if isinstance(result, Failed):
                yield result.position, result.reason
            elif whitening is None:
                yield result.position, result.descriptor
            else:
                yield result.position, whitening.apply(result.descriptor[None])[0]

    return Describer(
        {
            "model": model.name,
            "fingerprint": model.fingerprint,
            "image_size": size,
            "scales": list(used),
            "precision": "bfloat16" if uses_bfloat16(precision, model.device) else "float32",
            "whitening": whitening and whitening_digest(whitening),
            "dimensions": len(whitening.projection) if whitening else model.dimensions,
        },
        describe,
    )


def whitening_digest(whitening: Whitening) -> str:
    """SHA-256 of a whitening's numbers."""
    digest = hashlib.sha256(whitening.mean.tobytes())
    digest.update(whitening.projection.tobytes())
    return digest.hexdigest()


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    """Which of the compared settings differ, such as ``image_size 1024 and 512``; '' for none."""
    return ", ".join(
        f"{name} {_short(ours.get(name))} and {_short(theirs.get(name))}"
        for name in COMPARED
        if ours.get(name) != theirs.get(name)
    )


def require_same(
    ours: Mapping[str, Any], theirs: Mapping[str, Any], place: Path, way_out: str
) -> None:
    """Refuse to mix descriptors.

    Raises:
        UsageError: naming the folder and each setting that differs.
    """
    if different := differences(ours, theirs):
        raise UsageError(f"{place}: its descriptors were made otherwise ({different}): {way_out}")


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:12]}…"
