"""A store of patches: whole or not there, and refused where it is something else."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from solar.datasets.patches.store import Part, PatchStore, open_or_write, write_store
from solar.errors import SolarError, UsageError


def parts() -> Iterator[Part]:
    random = np.random.default_rng(0)
    for photo in range(3):
        points = np.repeat(np.arange(photo * 100, photo * 100 + 4), 2)
        yield random.integers(0, 256, (8, 32, 32)).astype(np.uint8), points


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written = write_store(tmp_path / "a" / "store", parts(), {"seed": 3})
    store = PatchStore(written.folder)
    patches = np.concatenate([patches for patches, _ in parts()])
    assert len(store) == 24 and store.settings == {"seed": 3}
    assert store.point_ids.tolist() == np.concatenate([p for _, p in parts()]).tolist()
    assert np.array_equal(store.patches(np.array([23, 0, 7, 7])), patches[[23, 0, 7, 7]])


def test_an_interrupted_store_is_not_there(tmp_path: Path) -> None:
    def broken() -> Iterator[Part]:
        yield next(parts())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_store(tmp_path / "store", broken(), {})
    assert list(tmp_path.iterdir()) == []


def test_a_store_is_written_once_and_then_opened(tmp_path: Path) -> None:
    settings = {"seed": 3, "visit": {"angle": 1}, "photos": ("a", "b")}
    first = open_or_write(tmp_path / "store", parts(), settings)
    again = open_or_write(tmp_path / "store", iter([]), settings)
    assert np.array_equal(first.point_ids, again.point_ids)
    with pytest.raises(UsageError, match="store: was made with other visit; name another store"):
        open_or_write(tmp_path / "store", parts(), {**settings, "visit": {"angle": 2}})
    with pytest.raises(UsageError, match="exists already"):
        write_store(tmp_path / "store", parts(), settings)


def test_no_patches_at_all(tmp_path: Path) -> None:
    with pytest.raises(SolarError, match="no patches were found"):
        write_store(tmp_path / "store", iter([]), {})


@pytest.mark.parametrize("name", ["patches.bin", "points.npy", "store.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut"])
def test_damage_is_named(tmp_path: Path, name: str, damage: str) -> None:
    path = write_store(tmp_path / "store", parts(), {}).folder / name
    content = path.read_bytes()
    path.write_bytes(b"" if damage == "empty" else content[: len(content) // 2])
    if damage == "missing":
        path.unlink()
    with pytest.raises(
        SolarError, match=r"not a (whole )?store of|store\.json: (not JSON|no such)"
    ):
        PatchStore(tmp_path / "store")


@pytest.mark.parametrize("about", [[], {"format": 2, "settings": {}}, {"format": 1}])
def test_another_format_is_refused(tmp_path: Path, about: object) -> None:
    folder = write_store(tmp_path / "store", parts(), {}).folder
    (folder / "store.json").write_text(json.dumps(about))
    with pytest.raises(SolarError, match="store of patches"):
        PatchStore(folder)


def test_pickled_points_are_refused(tmp_path: Path) -> None:
    folder = write_store(tmp_path / "store", parts(), {}).folder
    np.save(folder / "points.npy", np.array([object()] * 24), allow_pickle=True)
    with pytest.raises(SolarError, match="not a whole store of patches"):
        PatchStore(folder)
