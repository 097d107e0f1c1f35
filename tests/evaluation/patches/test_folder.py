"""The folder of patch descriptors: never mixed, never half there."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from solar.errors import SolarError, UsageError
from solar.evaluation.patches.folder import PatchFolder

SETTINGS = {"descriptor": "raw", "size": 32}


def ones() -> npt.NDArray[np.float32]:
    return np.ones((2, 3), np.float32)


def zeros() -> npt.NDArray[np.float32]:
    return np.zeros((2, 3), np.float32)


def test_descriptors_are_made_once_and_kept(tmp_path: Path) -> None:
    assert np.array_equal(PatchFolder(tmp_path / "a", SETTINGS).load_or_make("x", ones), ones())
    again = PatchFolder(tmp_path / "a", dict(reversed(SETTINGS.items())))
    assert np.array_equal(again.load_or_make("x", zeros), ones())
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["settings.json", "x.npy"]


def test_overwriting_empties_the_folder(tmp_path: Path) -> None:
    PatchFolder(tmp_path, SETTINGS).load_or_make("x", ones)
    with pytest.raises(UsageError, match="descriptor raw, not other; size 32, not None"):
        PatchFolder(tmp_path, {"descriptor": "other"})
    folder = PatchFolder(tmp_path, {"descriptor": "other"}, overwrite=True)
    assert np.array_equal(folder.load_or_make("x", zeros), zeros())


def test_a_failure_while_describing_leaves_nothing(tmp_path: Path) -> None:
    def fails() -> npt.NDArray[np.float32]:
        raise SolarError("a strip is damaged")

    folder = PatchFolder(tmp_path, SETTINGS)
    with pytest.raises(SolarError, match="a strip is damaged"):
        folder.load_or_make("x", fails)
    assert np.array_equal(folder.load_or_make("x", ones), ones())


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"PK\x03\x04 not an archive"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    folder = PatchFolder(tmp_path, SETTINGS)
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(SolarError, match=r"x\.npy: damaged .*; delete it and run again"):
        folder.load_or_make("x", ones)


def test_objects_and_other_types_are_refused(tmp_path: Path) -> None:
    folder = PatchFolder(tmp_path, SETTINGS)
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object))
    np.save(tmp_path / "whole.npy", np.arange(3))
    with pytest.raises(SolarError, match=r"objects\.npy: damaged"):
        folder.load_or_make("objects", ones)
    with pytest.raises(SolarError, match=r"whole\.npy: holds no float32"):
        folder.load_or_make("whole", ones)
