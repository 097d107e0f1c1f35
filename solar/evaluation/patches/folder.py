"""A folder of patch descriptors: made once, with its settings, and scored as often as wanted.

`patches.json` holds the settings; `NAME.npy` holds the descriptors of one sequence or scene and
is whole or not there, so that a broken run goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from solar.errors import SolarError, UsageError
from solar.files import MEGABYTE, read_json, write_atomically
from solar.typing import AnyPath, Descriptors

_MANIFEST = "patches.json"


class PatchFolder:
    """Descriptors by name, all made with the same settings.

    Attributes:
        folder: where they are.
        settings: what they depend on, as JSON values.
    """

    def __init__(
        self, folder: AnyPath, settings: Mapping[str, Any], *, overwrite: bool = False
    ) -> None:
        """Make a folder, or join one made with the very same settings.

        Args:
            folder: made if missing.
            settings: what the descriptors depend on (descriptor, weights, data set, pairs), as
                JSON values.
            overwrite: empty a folder of other settings first.

        Raises:
            UsageError: the folder was made with other settings and `overwrite` is not given, or
                it holds arrays that are not ours, which are never removed.
            SolarError: the manifest is damaged, or the folder cannot be made.
        """
        self.folder = Path(folder)
        self.settings: dict[str, Any] = json.loads(json.dumps(dict(settings)))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SolarError(
                f"{self.folder}: cannot be made ({error.strerror}); choose another folder"
            ) from error
        found = self._found()
        if found == self.settings:
            return
        if found is None and any(self.folder.glob("*.npy")):
            raise UsageError(
                f"{self.folder}: holds arrays but no {_MANIFEST}; choose another folder"
            )
        if found is not None and not overwrite:
            raise UsageError(
                f"{self.folder}: holds descriptors made otherwise "
                f"({_differences(found, self.settings)}); choose another folder, "
                "or --overwrite it"
            )
        if found is not None:
            self._empty()
        self._write_manifest(self.settings)

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

    def _found(self) -> dict[str, Any] | None:
        """The settings of the folder, None without a manifest."""
        path = self.folder / _MANIFEST
        if not path.exists():
            return None
        document = read_json(path, MEGABYTE, way_out="choose another folder")
        settings = document.get("settings") if isinstance(document, dict) else None
        if not isinstance(settings, dict):
            raise SolarError(f"{path}: damaged (no settings); choose another folder")
        return settings

    def _empty(self) -> None:
        """Disown the descriptors first: if this is cut short, they are never taken for new ones."""
        self._write_manifest({"being emptied": True})
        for path in self.folder.glob("*.npy"):
            path.unlink()

    def _write_manifest(self, settings: Mapping[str, Any]) -> None:
        with write_atomically(self.folder / _MANIFEST) as file:
            file.write(json.dumps({"settings": settings}, indent=1).encode())


def _differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    names = [name for name in (*wanted, *found) if found.get(name) != wanted.get(name)]
    return ", ".join(
        f"{name}: {found.get(name)!r}, not {wanted.get(name)!r}" for name in dict.fromkeys(names)
    )
