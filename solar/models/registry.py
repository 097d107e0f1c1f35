"""Named models: what each is, where it comes from, and where its file lies."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from solar.errors import CheckpointError, naming_extras
from solar.files.cache import cache_folder

BUNDLED = Path(__file__).resolve().parents[1] / "weights"
GLOBAL, LOCAL = "global", "local"
TIMM, HF = "timm:", "hf:"
"""Before the name of a network of timm's; of a model at the Hugging Face hub."""
_USE = {
    GLOBAL: "a global model, which describes photos; load it with solar.load",
    LOCAL: "a local model, which describes patches; load it with solar.load_local",
}


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


_BOX = "https://imperialcollegelondon.box.com/shared/static"
_CMP = "http://cmp.felk.cvut.cz/cnnimageretrieval/data/networks"
_SFM = "retrieval-SfM-120k"
_CMP_LICENCE = "not stated (code: MIT)"


def _radenovic(training: str, backbone: str, suffix: str) -> NamedModel:
    folder, photos = {
        "gl18": ("gl18", "Google Landmarks 2018"),
        "rSfM120k": (_SFM, _SFM),
    }[training]
    return _of_cmp(
        f"{training}-tl-{backbone}-gem-w", suffix, folder, f"{backbone}, GeM, whitening", photos
    )


def _of_cmp(
    name: str, suffix: str, folder: str, what: str, photos: str, dimensions: int = 2048
) -> NamedModel:
    about = f"{what} (Radenović et al., TPAMI 2019)"
    address = f"{_CMP}/{folder}/{name}-{suffix}.pth"
    return NamedModel(name, about, dimensions, _CMP_LICENCE, photos, (address,))


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
        (f"{_BOX}/fznpeayct6btel2og2wjjgvqw0ziqnk4.pth",),
    ),
    NamedModel(
        "local-solar-345-liberty",
        "SOLAR's patch network, attention after 3, 4 and 5 (Ng et al., ECCV 2020)",
        128,
        "MIT",
        "PhotoTour, liberty",
        (f"{_BOX}/4djweum6gs30os243zqzplhafxlys31z.pth",),
        kind=LOCAL,
    ),
    _radenovic("gl18", "resnet50", "83fdc30"),
    _radenovic("gl18", "resnet101", "a4d43db"),
    _radenovic("gl18", "resnet152", "21278d5"),
    _radenovic("rSfM120k", "resnet50", "97bf910"),
    _radenovic("rSfM120k", "resnet101", "a155e54"),
    _radenovic("rSfM120k", "resnet152", "f39cada"),
    _of_cmp("retrievalSfM120k-vgg16-gem", "b4dcdc6", _SFM, "vgg16, GeM", _SFM, 512),
    _of_cmp("retrievalSfM120k-resnet101-gem", "b80fb85", _SFM, "resnet101, GeM", _SFM),
)


def is_named(model: str | os.PathLike[str]) -> bool:
    """Whether this is the name of a model; a path never is, whatever it is called."""
    if not isinstance(model, str):
        return False
    return (
        is_of_timm(model)
        or is_of_hub(model)
        or any(known.name == model.split("@")[0] for known in MODELS)
    )


def is_of_timm(model: str | os.PathLike[str]) -> bool:
    """Whether this is `timm:` and a name, as of one of timm's networks."""
    return isinstance(model, str) and re.fullmatch(rf"{TIMM}\w[\w.]*", model) is not None


def is_of_hub(model: str | os.PathLike[str]) -> bool:
    """Whether this is `hf:owner/name` or `hf:owner/name@revision`."""
    form = rf"{HF}\w[\w.-]*/\w[\w.-]*(@\w[\w./-]*)?"
    return isinstance(model, str) and re.fullmatch(form, model) is not None


def lies_at(model: str) -> Path:
    """Where a named model lies, or would lie once it was fetched.

    Raises:
        CheckpointError: there is none of this name, or it is the hub's and not here.
    """
    if is_of_timm(model):
        return cache_folder() / "models" / "timm" / model.removeprefix(TIMM)
    if is_of_hub(model):
        from solar.models._hub import snapshot

        return snapshot(model, here=True)
    return named(model).path


def bring(model: str, progress: Callable[[int, int | None], None] | None = None) -> Path:
    """The folder or file of a named model, fetched if it is not on this machine yet.

    Raises:
        CheckpointError: there is none of this name, or it cannot be fetched; says which file to
            bring.
        MissingPackage: a package that this takes is not installed.
    """
    if is_of_hub(model):
        from solar.models._hub import snapshot

        return snapshot(model)
    if not is_of_timm(model):
        return fetch(named(model), progress)
    folder = lies_at(model)
    if not folder.is_dir():
        with naming_extras():
            from solar.models.elsewhere import take_from_timm

        take_from_timm(model, folder)
    return folder


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
    raise CheckpointError(
        f"{name}: neither a file, a folder nor a named model ({names}, timm:NAME, hf:OWNER/NAME)"
    )


def is_published(path: Path) -> bool:
    """Whether a path is named as published files and checkpoints of the published code are."""
    return path.name.lower().endswith((".pth", ".pth.tar", ".pt")) and not path.is_dir()


def locate(model: str | Path, kinds: tuple[str, ...]) -> Path:
    """Where a model lies; one that is named is fetched, if it is of the right kind.

    Args:
        model: a name, a folder or a published file; see `solar.load`.
        kinds: those that will do.

    Raises:
        CheckpointError: there is no such model, or it is of another kind.
    """
    path = Path(model)
    if not is_named(model):
        if path.is_dir() or is_published(path):
            return path
        if path.is_file():
            raise CheckpointError(f"{model}: expected a model folder, a .pth file or a name")
    name = str(model)
    if not is_of_hub(model):  # whose folder says what it is
        require_kind(GLOBAL if is_of_timm(model) else named(name).kind, kinds, model)
    return bring(name)


def require_kind(kind: str, kinds: tuple[str, ...], model: str | Path) -> None:
    """Refuse a model of a kind that will not do, and say what loads it."""
    if kind not in kinds:
        raise CheckpointError(f"{model}: {_USE[kind]}")


def fetch(model: NamedModel, progress: Callable[[int, int | None], None] | None = None) -> Path:
    """The model's folder or file, downloaded to the cache folder if it is not there yet."""
    if not model.addresses:
        return model.path
    from solar.files.downloads import download

    return download(model.addresses, model.path, model.sha256, model.size, progress)
