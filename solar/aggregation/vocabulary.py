"""A vocabulary: what local features are told by, and how a photo's become one value."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from solar.aggregation.vectors import Mixture, vlad
from solar.errors import CheckpointError, UsageError
from solar.features.extraction import FeatureExtraction
from solar.features.features import Features
from solar.files.arrays import holds, read_arrays, read_settings
from solar.files.atomic import write_atomically
from solar.typing import AnyPath, Descriptor

KINDS = ("vlad", "fisher", "asmk")
_ARRAYS = {
    "vlad": ("centres",),
    "asmk": ("centres",),
    "fisher": ("weights", "means", "variances", "offset", "axes"),
}


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """What a kind of aggregation learned from photos' features.

    Attributes:
        kind: one of `KINDS`.
        features: what made the features, and must make those that are aggregated.
        arrays: by name: `centres` (K, D); for Fisher vectors `weights` (K,), `means` and
            `variances` (K, D'), and PCA from D to D': `offset` (D,) and `axes` (D', D).
        photos: how many it was learned from.

    Raises:
        UsageError: an unknown kind, or arrays that do not fit.
    """

    kind: str
    features: FeatureExtraction
    arrays: Mapping[str, npt.NDArray[np.floating]]
    photos: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(f"vocabulary of kind {self.kind:.60}: use {', '.join(KINDS)}")
        if set(self.arrays) != set(_ARRAYS[self.kind]):
            raise UsageError(f"{self.kind}: needs the arrays {', '.join(_ARRAYS[self.kind])}")
        wide = self.features.dimensions
        if self.kind == "fisher":
            count, narrow = len(self.arrays["weights"]), len(self.arrays["axes"])
            shapes = {"weights": (count,), "means": (count, narrow), "variances": (count, narrow)}
            shapes |= {"offset": (wide,), "axes": (narrow, wide)}
        else:
            shapes = {"centres": (len(self.arrays["centres"]), wide)}
        for name, shape in shapes.items():
            found = self.arrays[name]
            if found.shape != shape or not len(found) or not np.isfinite(found).all():
                raise UsageError(f"{self.kind}: {name} {found.shape} is not {shape}, all finite")
        positive = [self.arrays[name] for name in ("weights", "variances") if name in self.arrays]
        if any((each <= 0).any() for each in positive):
            raise UsageError(f"{self.kind}: weights and variances are above 0")

    @property
    def words(self) -> int:
        """How many centres, or components, there are."""
        return len(self.arrays["means" if self.kind == "fisher" else "centres"])

    @property
    def dimensions(self) -> int:
        """Of a photo's vector.

        Raises:
            UsageError: ASMK* gives none.
        """
        if self.kind == "asmk":
            raise UsageError(
                "asmk gives no vectors, it compares photos word by word: `solar eval` measures it"
            )
        return (
            self.arrays["means"].size * 2 if self.kind == "fisher" else self.arrays["centres"].size
        )

    @property
    def fingerprint(self) -> str:
        """SHA-256, hexadecimal, of all that the vectors depend on but the photos."""
        made = {**self.features.to_json(), "descriptor": None}
        digest = hashlib.sha256(json.dumps([self.kind, made], sort_keys=True).encode())
        for name in _ARRAYS[self.kind]:
            digest.update(np.ascontiguousarray(self.arrays[name], np.float32).tobytes())
        return digest.hexdigest()

    def aggregate(self, features: Features) -> Descriptor:
        """(dimensions,) the unit vector of a photo's features; see `vlad` and `Mixture.fisher`."""
        rows = features.unit_descriptors
        if self.kind == "vlad":
            return vlad(rows, np.asarray(self.arrays["centres"], np.float32))
        reduced = (rows - self.arrays["offset"]) @ self.arrays["axes"].T
        weights, means, variances = (
            np.asarray(self.arrays[name], np.float64) for name in _ARRAYS["fisher"][:3]
        )
        return Mixture(weights, means, variances).fisher(np.asarray(reduced, np.float32))

    def save(self, path: AnyPath) -> None:
        """Write an .npz file of the arrays and `settings` (JSON), atomically."""
        settings = {"kind": self.kind, "features": self.features.to_json(), "photos": self.photos}
        arrays: dict[str, Any] = {k: np.asarray(v, np.float32) for k, v in self.arrays.items()}
        with write_atomically(str(path)) as file:
            np.savez(file, vocabulary=np.array(json.dumps(settings)), **arrays)

    @classmethod
    def load(cls, path: AnyPath) -> Vocabulary:
        """Read what `save` wrote.

        Raises:
            CheckpointError: no such file, or no vocabulary.
        """
        try:
            arrays = read_arrays(str(path), CheckpointError)
            settings = read_settings(arrays.pop("vocabulary"))
            features = FeatureExtraction.from_json(settings["features"], path)
            return cls(str(settings["kind"]), features, arrays, int(settings["photos"]))
        except (ValueError, KeyError, TypeError, UsageError) as error:
            raise CheckpointError(f"{path}: not a vocabulary ({error})") from error


def is_vocabulary(path: AnyPath) -> bool:
    """Whether a file is one that `Vocabulary.save` wrote."""
    return str(path).endswith(".npz") and holds(str(path), "vocabulary")


def is_words(path: AnyPath) -> bool:
    """Whether a file is a vocabulary of ASMK*, which gives words instead of descriptors."""
    return is_vocabulary(path) and Vocabulary.load(path).kind == "asmk"
