"""Named models: what each is, where it comes from, and where its file lies."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from solar.errors import CheckpointError
from solar.files.downloads import cache_folder, download

BUNDLED = Path(__file__).resolve().parents[1] / "weights"
GLOBAL, LOCAL = "global", "local"


@dataclass(frozen=True)
class NamedModel:
    """A model that has a name.

    Attributes:
        name: what `solar.load` takes, or `solar.load_local` if the model is local.
        description: in a few words.
        dimensions: of its descriptors.
        licence: of the weights.
        training_data: the photos.
        addresses: in the order in which they are tried; empty for a model inside the package.
        size: of the file in bytes, where known.
        sha256: of the file, where known.
        kind: `GLOBAL` describes photos, `LOCAL` patches.
        version: of the weights, 1 at first; another gives other descriptors. `name@version` is a
            name as well.
    """

    name: str
    description: str
    dimensions: int
    licence: str
    training_data: str
    addresses: tuple[str, ...] = ()
    size: int | None = None
    sha256: str | None = None
    kind: str = GLOBAL
    version: int = 1

    @property
    def path(self) -> Path:
        """Where the model lies, or would lie once downloaded."""
        if not self.addresses:
            return BUNDLED / self.name
        return cache_folder() / "models" / f"{self.name}.pth"


_CMP = "http://cmp.felk.cvut.cz/cnnimageretrieval/data/networks"
_CMP_LICENCE = "not stated (code: MIT)"


def _radenovic(training: str, backbone: str, suffix: str) -> NamedModel:
    folder, photos = {
        "gl18": ("gl18", "Google Landmarks 2018"),
        "rSfM120k": ("retrieval-SfM-120k", "retrieval-SfM-120k"),
    }[training]
    name = f"{training}-tl-{backbone}-gem-w"
    return NamedModel(
        name,
        f"{backbone}, GeM, whitening (Radenović et al., TPAMI 2019)",
        2048,
        _CMP_LICENCE,
        photos,
        (f"{_CMP}/{folder}/{name}-{suffix}.pth",),
    )


MODELS = (
    NamedModel(
        "solar-r18",
        "ResNet-18, second-order attention, GeM, whitening; comes with this package",
        512,
        "MIT",
        "see recipes/solar-r18",
    ),
    NamedModel(
        "solar-local",
        "SOSNet's layers with attention after 3, 4 and 5, for patches; comes with this package",
        128,
        "MIT",
        "see recipes/solar-local",
        kind=LOCAL,
    ),
    NamedModel(
        "solar-r101",
        "SOLAR: ResNet-101, attention after conv4 and conv5 (Ng et al., ECCV 2020)",
        2048,
        "MIT",
        "Google Landmarks 2018",
        (
            "https://imperialcollegelondon.box.com/shared/static/"
            "fznpeayct6btel2og2wjjgvqw0ziqnk4.pth",
        ),
    ),
    _radenovic("gl18", "resnet50", "83fdc30"),
    _radenovic("gl18", "resnet101", "a4d43db"),
    _radenovic("gl18", "resnet152", "21278d5"),
    _radenovic("rSfM120k", "resnet50", "97bf910"),
    _radenovic("rSfM120k", "resnet101", "a155e54"),
    _radenovic("rSfM120k", "resnet152", "f39cada"),
)


def is_named(model: str | os.PathLike[str]) -> bool:
    """Whether this is the name of a model; a path never is, whatever it is called."""
    return isinstance(model, str) and any(known.name == model.split("@")[0] for known in MODELS)


def named(name: str) -> NamedModel:
    """The model of a name.

    Raises:
        CheckpointError: there is none, or not of this version; says which there are.
    """
    base, _, version = name.partition("@")
    for model in MODELS:
        if model.name == base:
            if name not in (base, f"{base}@{model.version}"):
                reason = f"there is no version '{version}', use {base}@{model.version}"
                raise CheckpointError(f"{name}: {reason}")
            return model
    names = ", ".join(model.name for model in MODELS)
    raise CheckpointError(f"{name}: neither a file, a folder nor a named model ({names})")


def fetch(model: NamedModel, progress: Callable[[int, int | None], None] | None = None) -> Path:
    """The model's folder or file, downloaded to the cache folder if it is not there yet."""
    if not model.addresses:
        return model.path
    return download(model.addresses, model.path, model.sha256, model.size, progress)
