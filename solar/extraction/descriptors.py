"""Files of descriptors, as `solar describe` writes them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solar.errors import SolarError
from solar.extraction.extraction import Extraction
from solar.files.arrays import holds, read_arrays, read_settings
from solar.files.atomic import write_atomically

_ARRAYS = {"paths", "descriptors", "extraction"}


def is_descriptors_file(path: Path) -> bool:
    """Whether `solar describe` wrote a file; only its list of arrays is looked at."""
    return holds(path, *_ARRAYS)


@dataclass(frozen=True, eq=False)
class DescriptorsFile:
    """What such a file holds.

    Attributes:
        paths: (N,) of the photos.
        descriptors: (N, D) float32, unit rows.
        extraction: what made them.
    """

    paths: NDArray[np.str_]
    descriptors: NDArray[np.float32]
    extraction: Extraction

    @classmethod
    def load(cls, path: str | Path) -> DescriptorsFile:
        """Read a file.

        Raises:
            UsageError: no such file.
            SolarError: not a file of descriptors, or damaged.
        """
        try:
            arrays = read_arrays(path)
            if missing := _ARRAYS - arrays.keys():
                raise ValueError(f"no {' and '.join(sorted(missing))} in it")
            extraction = Extraction.from_json(read_settings(arrays["extraction"]), path)
        except ValueError as error:
            raise SolarError(f"{path}: not what 'solar describe' writes ({error})") from error
        paths, rows = arrays["paths"], arrays["descriptors"]
        if rows.ndim != 2 or rows.dtype != np.float32 or paths.shape != rows.shape[:1]:
            what = f"{paths.shape} paths, {rows.dtype} descriptors of shape {rows.shape}"
            raise SolarError(f"{path}: not what 'solar describe' writes ({what})")
        finite = np.isfinite(rows).all(1)
        if not finite.all():
            raise SolarError(f"{path}: descriptor {int(finite.argmin())} is not finite")
        if rows.shape[1] != extraction.dimensions:
            what = f"{rows.shape[1]} dimensions, not {extraction.dimensions}"
            raise SolarError(f"{path}: not what 'solar describe' writes ({what})")
        return cls(paths, rows, extraction)

    def save(self, path: str | Path) -> None:
        """Write a file, atomically."""
        with write_atomically(path) as file:
            np.savez(
                file,
                paths=self.paths,
                descriptors=self.descriptors,
                extraction=np.array(json.dumps(self.extraction.to_json())),
            )
