"""Files of descriptors, as `solar describe` writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solar.errors import SolarError, UsageError
from solar.files.arrays import read_arrays, read_settings
from solar.files.atomic import write_atomically


@dataclass(frozen=True, eq=False)
class DescriptorsFile:
    """What such a file holds.

    Attributes:
        paths: (N,) of the photos.
        descriptors: (N, D) float32, unit rows.
        settings: what they were made with, as JSON values.
    """

    paths: NDArray[np.str_]
    descriptors: NDArray[np.float32]
    settings: Mapping[str, Any]

    @classmethod
    def load(cls, path: str | Path) -> DescriptorsFile:
        """Read a file.

        Raises:
            UsageError: no such file.
            SolarError: not a file of descriptors, or damaged.
        """
        try:
            arrays = read_arrays(path)
            if missing := {"paths", "descriptors", "settings"} - arrays.keys():
                raise ValueError(f"no {' and '.join(sorted(missing))} in it")
            settings = read_settings(arrays["settings"])
        except FileNotFoundError as error:
            raise UsageError(f"{path}: no such file") from error
        except ValueError as error:
            raise SolarError(f"{path}: not what 'solar describe' writes ({error})") from error
        paths, rows = arrays["paths"], arrays["descriptors"]
        if rows.ndim != 2 or rows.dtype != np.float32 or paths.shape != rows.shape[:1]:
            what = f"{paths.shape} paths, {rows.dtype} descriptors of shape {rows.shape}"
            raise SolarError(f"{path}: not what 'solar describe' writes ({what})")
        finite = np.isfinite(rows).all(1)
        if not finite.all():
            raise SolarError(f"{path}: descriptor {int(finite.argmin())} is not finite")
        return cls(paths, rows, settings)

    def save(self, path: str | Path) -> None:
        """Write a file, atomically."""
        with write_atomically(path) as file:
            np.savez(
                file,
                paths=self.paths,
                descriptors=self.descriptors,
                settings=np.array(json.dumps(dict(self.settings))),
            )
