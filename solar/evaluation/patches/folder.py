"""A folder of patch descriptors: made once, with its settings, and scored as often as wanted.

`NAME.npy` holds the descriptors of one sequence or scene and is whole or not there, so that a
broken run goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from solar.errors import SolarError
from solar.files import claim_folder, write_atomically
from solar.typing import AnyPath, Descriptors


class PatchFolder:
    """Descriptors by name, all made with the same settings.

    Attributes:
        folder: where they are.
    """

    def __init__(
        self, folder: AnyPath, settings: Mapping[str, Any], *, overwrite: bool = False
    ) -> None:
        """See `claim_folder`."""
        self.folder = Path(folder)
        claim_folder(folder, settings, ["*.npy"], overwrite=overwrite)

    def load_or_make(self, name: str, make: Callable[[], Descriptors]) -> Descriptors:
        """The descriptors of `name`, made and written first if they are not there yet.

        Args:
            name: of a sequence or scene, a plain file name.
            make: computes them.

        Returns:
            The array, mapped from the file: read where it is used.

        Raises:
            SolarError: the file is damaged.
        """
        path = self.folder / f"{name}.npy"
        if not path.exists():
            descriptors = make()
            with write_atomically(path) as file:
                np.save(file, descriptors, allow_pickle=False)
        try:
            mapped = np.lib.format.open_memmap(path, mode="r")
        except (OSError, ValueError, EOFError) as error:
            raise SolarError(f"{path}: damaged ({error}); delete it and run again") from error
        if mapped.dtype != np.float32:
            raise SolarError(f"{path}: holds no float32 descriptors; delete it and run again")
        return mapped
