"""Files of descriptors: what `solar describe` writes is read; anything else is refused."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from pyarrow import parquet

from solar.errors import SolarError, UsageError
from solar.extraction import Extraction, open_extractor
from solar.extraction.describe import describe_to_file
from solar.extraction.descriptors import DescriptorsFile, is_descriptors_file
from solar.files.arrays import read_arrays
from tests.scenes import album


def test_what_describe_writes_is_read(tmp_path: Path, model_folder: Path) -> None:
    paths = album(tmp_path / "photos", 3)
    extractor = open_extractor(model_folder, scales=(1.0,))
    describe_to_file(extractor, [tmp_path / "photos"], tmp_path / "d.npz")
    file = DescriptorsFile.load(tmp_path / "d.npz")
    assert file.paths.tolist() == list(map(str, paths))
    assert file.descriptors.shape == (3, 32) and file.descriptors.dtype == np.float32
    assert file.extraction == extractor.extraction
    file.save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "d.npz").read_bytes()


GOOD: dict[str, Any] = {
    "paths": np.array(["a", "b"]),
    "descriptors": np.eye(2, dtype=np.float32),
    "extraction": np.array(json.dumps(Extraction("m", "0" * 64, 2, 64, (1.0,)).to_json())),
}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"paths": np.array(["a"])}, r"\(1,\) paths, float32 descriptors of shape \(2, 2\)"),
        ({"paths": None}, "no paths in it"),
        ({"paths": None, "extraction": None}, "no extraction and paths in it"),
        ({"paths": np.array([object(), object()])}, "allow_pickle"),
        ({"descriptors": np.eye(2)}, "float64"),
        ({"descriptors": np.ones(2, np.float32)}, "shape"),
        ({"descriptors": np.array([[1, 0], [np.nan, 0]], np.float32)}, "descriptor 1 is not fin"),
        ({"extraction": np.array("[]")}, "no JSON object"),
        ({"extraction": np.array("{}")}, "'model' of the extraction is missing"),
        ({"extraction": np.array("{")}, "not what 'solar describe' writes"),
    ],
)
def test_other_archives_are_refused(changed: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    arrays = {name: array for name, array in (GOOD | changed).items() if array is not None}
    np.savez(path, **arrays)
    with pytest.raises(SolarError, match=message) as caught:
        DescriptorsFile.load(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        DescriptorsFile.load(tmp_path / "gone.npz")
    np.save(tmp_path / "d.npy", np.eye(2))
    with pytest.raises(SolarError, match="not what 'solar describe' writes"):
        DescriptorsFile.load(tmp_path / "d.npy")
    with pytest.raises(UsageError, match="not a regular file"):
        DescriptorsFile.load(tmp_path)


def test_a_header_that_claims_more_than_memory_is_refused(tmp_path: Path) -> None:
    header = io.BytesIO()
    shape = {"descr": "<f8", "fortran_order": False, "shape": (2**60,)}
    np.lib.format.write_array_header_1_0(header, shape)
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
        archive.writestr("mean.npy", header.getvalue())
    with pytest.raises(ValueError, match=r"."):
        read_arrays(tmp_path / "d.npz")


def test_damage_anywhere_is_an_error_of_ours_or_harmless(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **GOOD)
    content, path = buffer.getvalue(), tmp_path / "damaged.npz"
    refused = 0
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        try:
            assert len(DescriptorsFile.load(path).paths) == 2
        except SolarError as error:
            assert str(path) in str(error)
            refused += 1
    assert refused > len(content) / 3


@pytest.mark.parametrize("suffix", [".h5", ".parquet", ".npz"])
def test_every_kind_of_file_holds_the_same(suffix: str, tmp_path: Path) -> None:
    made = Extraction("m", "0" * 64, 3, 64, (1.0, 2**0.5))
    paths = np.array(["photos/a b.jpg", "photos/Zürich.jpg"])
    rows = np.array([[1, 0, 0], [0.6, 0.8, 0]], np.float32)
    path = tmp_path / f"d{suffix}"
    assert not is_descriptors_file(path)
    DescriptorsFile(paths, rows, made).save(path)
    found = DescriptorsFile.load(path)
    assert found.paths.tolist() == paths.tolist() and found.extraction == made
    np.testing.assert_array_equal(found.descriptors, rows)
    assert found.descriptors.dtype == np.float32 and is_descriptors_file(path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(SolarError):
        DescriptorsFile.load(path)
    path.write_bytes(b"PAR1 or so")
    with pytest.raises(SolarError, match=f"d{suffix}"):
        DescriptorsFile.load(path)
    assert not is_descriptors_file(path)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_other_programs_read_them(tmp_path: Path) -> None:
    rows = np.array([[1, 0], [0, 1]], np.float32)
    made = Extraction("m", "0" * 64, 2, 64, (1.0,))
    for suffix in (".h5", ".parquet"):
        DescriptorsFile(np.array(["a.jpg", "b.jpg"]), rows, made).save(tmp_path / f"d{suffix}")
    with h5py.File(tmp_path / "d.h5") as file:
        assert file["paths"].asstr()[:].tolist() == ["a.jpg", "b.jpg"]
        assert json.loads(file.attrs["extraction"])["dimensions"] == 2
        np.testing.assert_array_equal(file["descriptors"], rows)
    table = parquet.read_table(tmp_path / "d.parquet").to_pydict()
    assert table == {"path": ["a.jpg", "b.jpg"], "descriptor": [[1.0, 0.0], [0.0, 1.0]]}


@pytest.mark.parametrize("suffix", [".h5", ".parquet"])
def test_names_that_are_not_unicode_stand_in_npz_alone(suffix: str, tmp_path: Path) -> None:
    made = Extraction("m", "0" * 64, 2, 64, (1.0,))
    file = DescriptorsFile(np.array(["\udcff.jpg"]), np.eye(1, 2, dtype=np.float32), made)
    with pytest.raises(SolarError, match=r"not Unicode: write \.npz"):
        file.save(tmp_path / f"d{suffix}")
    file.save(tmp_path / "d.npz")
    assert DescriptorsFile.load(tmp_path / "d.npz").paths.tolist() == ["\udcff.jpg"]
    with pytest.raises(UsageError, match=r"must end in \.npz or \.h5 or \.parquet"):
        file.save(tmp_path / "d.csv")
