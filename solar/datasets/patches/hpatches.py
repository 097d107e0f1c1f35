"""HPatches patches: 116 sequences of 65 x 65 patches (Balntas, Lenc et al., CVPR 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from solar.datasets.gray import gray_shape, read_gray
from solar.errors import SolarError, UsageError
from solar.files import MEGABYTE, read_json, shown
from solar.typing import AnyPath

PATCH_SIZE = 65
NOISES = {"easy": "e", "hard": "h", "tough": "t"}
KINDS = ("ref", *(f"{letter}{image}" for letter in NOISES.values() for image in range(1, 6)))


def kind_of(noise: str, image: int) -> str:
    """The strip of an image: "ref" for image 0, else the noise's letter and the image, as "h3"."""
    return "ref" if image == 0 else f"{NOISES[noise]}{image}"


@dataclass(frozen=True)
class Split:
    """The test and training sequences of a published split; their order is part of the split."""

    name: str
    test: tuple[str, ...]
    train: tuple[str, ...]


def read_splits(path: AnyPath) -> dict[str, Split]:
    """The published split lists: `tasks/splits/splits.json` of hpatches/hpatches-benchmark.

    Raises:
        SolarError: the file is missing or of another format.
    """
    path = Path(path)
    if not path.exists():
        raise SolarError(
            f"{path}: no such file; it is tasks/splits/splits.json of hpatches/hpatches-benchmark"
        )
    raw = read_json(path, MEGABYTE, way_out="fetch it again")
    if not isinstance(raw, dict):
        raise SolarError(f"{path}: not a JSON object of splits; fetch it again")
    return {name: _split(path, name, lists) for name, lists in raw.items()}


def _split(path: Path, name: str, lists: object) -> Split:
    names: dict[str, tuple[str, ...]] = {}
    for part in ("test", "train"):
        value = lists.get(part, []) if isinstance(lists, dict) else None
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise SolarError(f"{path}: split {shown(name)} has no list of {part} sequences")
        names[part] = tuple(value)
    if not names["test"]:
        raise SolarError(f"{path}: split {shown(name)} has no test sequence")
    return Split(name, names["test"], names["train"])


class HPatchesSequence:
    """One folder of 16 strips: `ref.png`, `e1.png` to `e5.png`, `h1.png`, ... `t5.png`.

    A strip is a column of 65 x 65 patches; patch n of every strip is the same point.

    Attributes:
        folder: where the sequence lies.
        name: of the folder; `i_` changes illumination, `v_` the viewpoint.
        length: patches in each strip.
    """

    def __init__(self, folder: AnyPath) -> None:
        """Check the size of the sixteen strips; their pixels are read when asked for.

        Raises:
            SolarError: a strip is missing, damaged, or of another length than `ref.png`.
        """
        self.folder = Path(folder)
        self.name = self.folder.resolve().name
        self.length = self._strip_length("ref")
        for kind in KINDS[1:]:
            length = self._strip_length(kind)
            if length != self.length:
                raise SolarError(
                    f"{self._path(kind)}: {length} patches, but ref.png of {self.name} has "
                    f"{self.length}; unpack the sequence again"
                )

    def patches(self, kind: str) -> npt.NDArray[np.uint8]:
        """The patches of one strip, by its name without `.png`.

        Returns:
            (length, 65, 65) uint8.

        Raises:
            SolarError: the strip is damaged.
        """
        pixels = read_gray(self._path(kind))
        return pixels.reshape(self.length, PATCH_SIZE, PATCH_SIZE)

    def _path(self, kind: str) -> Path:
        return self.folder / f"{kind}.png"

    def _strip_length(self, kind: str) -> int:
        height, width = gray_shape(self._path(kind))
        if width != PATCH_SIZE or height % PATCH_SIZE:
            raise SolarError(
                f"{self._path(kind)}: {width} x {height} pixels, but a strip is {PATCH_SIZE} wide "
                f"and a multiple of {PATCH_SIZE} high; unpack the sequence {self.name} again"
            )
        return height // PATCH_SIZE


def open_test_sequences(root: AnyPath, split: Split) -> list[HPatchesSequence]:
    """The test sequences of a split, in its order.

    Raises:
        UsageError: some have no folder under `root`; the message counts and names them.
        SolarError: one is incomplete.
    """
    root = Path(root)
    missing = [name for name in split.test if not (root / name).is_dir()]
    if missing:
        shown = ", ".join(missing[:5]) + (", …" if len(missing) > 5 else "")
        raise UsageError(
            f"{root}: {len(missing)} of {len(split.test)} test sequences of split {split.name} "
            f"are missing ({shown}); unpack hpatches-release there, or choose another split"
        )
    return [HPatchesSequence(root / name) for name in split.test]
