"""What evaluations keep: never mixed, never half there."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from solar.errors import SolarError
from solar.evaluation.kept import kept_at, load_or_make, state_of


def ones() -> npt.NDArray[np.float32]:
    return np.ones((2, 3), np.float32)


def fails() -> npt.NDArray[np.float32]:
    raise SolarError("a strip is damaged")


def test_equal_values_share_a_place_and_others_do_not(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"one")
    before = kept_at("x", {"b": 1, "a": 2}, state_of(tmp_path / "a.png"))
    assert before == kept_at("x", {"a": 2, "b": 1}, state_of(tmp_path / "a.png"))
    assert len({before, kept_at("y", {"a": 2, "b": 1}), kept_at("x", {"a": 2, "b": 2})}) == 3
    (tmp_path / "a.png").write_bytes(b"two")
    assert kept_at("x", {"b": 1, "a": 2}, state_of(tmp_path / "a.png")) != before
    assert state_of(tmp_path / "gone.png") is None
    assert kept_at("x", "\udcff")  # a name that is no UTF-8


def test_descriptors_are_made_once_and_a_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(SolarError, match="a strip is damaged"):
        load_or_make(tmp_path / "x", fails)
    assert list(tmp_path.iterdir()) == []
    assert np.array_equal(load_or_make(tmp_path / "x", ones), ones())
    assert np.array_equal(load_or_make(tmp_path / "x", fails), ones())


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"PK\x03\x04 not an archive"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(SolarError, match=r"x\.npy: damaged .*; delete it and run again"):
        load_or_make(tmp_path / "x", ones)


def test_objects_and_other_types_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object))
    np.save(tmp_path / "whole.npy", np.arange(3))
    with pytest.raises(SolarError, match=r"objects\.npy: damaged"):
        load_or_make(tmp_path / "objects", ones)
    with pytest.raises(SolarError, match=r"whole\.npy: holds no float32"):
        load_or_make(tmp_path / "whole", ones)


def test_a_cache_that_cannot_be_written_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setattr("solar.evaluation.kept.cache_folder", lambda: tmp_path / "file")
    with pytest.raises(SolarError, match="name another folder in SOLAR_CACHE"):
        kept_at("x")
