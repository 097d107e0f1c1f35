"""A folder whose settings stand beside what they made, so that nothing else is mixed in."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from solar.errors import SolarError, UsageError
from solar.files.atomic import write_atomically
from solar.files.reading import MEGABYTE, read_json

if TYPE_CHECKING:
    from solar.typing import AnyPath

SETTINGS = "settings.json"
_SHOWN = 24


def claim_folder(
    folder: AnyPath,
    settings: Mapping[str, Any],
    contents: Sequence[str],
    *,
    overwrite: bool = False,
    uncompared: Sequence[str] = (),
) -> None:
    """Make a folder for some settings, or join one of the very same.

    Args:
        folder: made if missing.
        settings: JSON values by name.
        contents: patterns of what is made with them; `overwrite` removes this and nothing else.
        overwrite: empty a folder of other settings first.
        uncompared: names of settings that are told, but may differ.

    Raises:
        UsageError: the folder was made with other settings, says which; or it holds something
            that is not ours, which is never removed.
        SolarError: the settings are damaged, or the folder cannot be made.
    """
    folder, wanted = Path(folder), json.loads(json.dumps(dict(settings)))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SolarError(
            f"{folder}: cannot be made ({error.strerror}): choose another folder"
        ) from error
    if (folder / SETTINGS).exists():
        found = read_settings(folder)
        if not (different := _differences(found, wanted, uncompared)):
            return
        if not overwrite:
            raise UsageError(
                f"{folder}: was made with {'; '.join(different)}: "
                "choose another folder, or say --overwrite"
            )
        # Disowned first: if this is cut short, nothing left is ever taken for new.
        _write(folder, {"being emptied": True})
        for path in [path for pattern in contents for path in folder.glob(pattern)]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    elif any(folder.iterdir()):
        raise UsageError(f"{folder}: holds something else: choose an empty folder")
    _write(folder, wanted)


def read_settings(folder: AnyPath) -> dict[str, Any]:
    """The settings of a folder that was claimed.

    Raises:
        SolarError: there are none, or they are damaged.
    """
    path = Path(folder, SETTINGS)
    settings = read_json(path, MEGABYTE, way_out="choose another folder")
    if not isinstance(settings, dict):
        raise SolarError(f"{path}: holds no settings: choose another folder")
    return settings


def _write(folder: Path, settings: Mapping[str, Any]) -> None:
    with write_atomically(folder / SETTINGS) as file:
        file.write(json.dumps(settings, indent=1).encode())


def _differences(
    found: Mapping[str, Any], wanted: Mapping[str, Any], uncompared: Sequence[str]
) -> list[str]:
    names = dict.fromkeys([*wanted, *found])
    return [
        f"{name} {_short(found.get(name))}, not {_short(wanted.get(name))}"
        for name in names
        if name not in uncompared and found.get(name) != wanted.get(name)
    ]


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]}…"
