import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from solar.errors import SolarError
from solar.files.pickles import MAX_BYTES, load_plain


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.mark),)


def write(folder: Path, data: bytes) -> Path:
    path = folder / "gnd.pkl"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_and_arrays_of_every_protocol(tmp_path: Path, protocol: int) -> None:
    value = {
        "lists": [1, -2, 2.5, "name", None, True, (1, 2), b"raw" if protocol > 2 else "raw"],
        "matrix": np.arange(6).reshape(2, 3),
        "columns": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "big endian": np.array([1.5, -2], ">f4"),
        "empty": np.array([]),
        "scalar": np.float64(0.25),
        "names": np.array(["ab", "c"]),
    }
    found = load_plain(write(tmp_path, pickle.dumps(value, protocol)))
    assert found == {
        **value,
        "matrix": [[0, 1, 2], [3, 4, 5]],
        "columns": [[0, 1, 2], [3, 4, 5]],
        "big endian": [1.5, -2],
        "empty": [],
        "scalar": 0.25,
        "names": ["ab", "c"],
    }


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_that_calls_something_is_refused_before_it_runs(
    tmp_path: Path, protocol: int
) -> None:
    mark = tmp_path / "ran"
    path = write(tmp_path, pickle.dumps({"gnd": [Evil(mark)]}, protocol))
    with pytest.raises(SolarError, match=r"gnd\.pkl: refused.*asks for \w+\.mkdir") as caught:
        load_plain(path)
    assert "\n" not in str(caught.value)
    assert not mark.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a pickle",
        b"(" * 100_000,
        pickle.dumps({"a": [1]})[:-3],
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"(S'1'\nibuiltins\neval\n.",
        b"\x80\x02\x82\x01.",  # extension code
        b"P1\n.",  # persistent id
        b"\x80\x04cnumpy\nndarray\nK\x05\x85R.",  # numpy.ndarray(5)
        b"\x80\x04cnumpy\nndarray\n)\x81}X\x01\x00\x00\x00aK\x01sb.",  # an attribute set on it
        b"\x80\x04cnumpy.core.multiarray\nscalar\n}X\x01\x00\x00\x00aK\x01sb.",
        pickle.dumps(np.array([{}], object)),
        pickle.dumps(np.zeros(2, "i4,f8")),
        b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x.",  # bytes of 1 TB
    ],
)
def test_damaged_and_foreign_pickles_say_so_in_one_line(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(SolarError, match=r"gnd\.pkl: refused") as caught:
        load_plain(write(tmp_path, data))
    assert "\n" not in str(caught.value)


def test_a_memo_number_of_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    with pytest.raises(SolarError, match="a memo number larger than the file"):
        load_plain(write(tmp_path, b"\x80\x04]r" + struct.pack("<I", 2**31) + b"."))


def test_an_array_of_many_empty_rows_takes_no_memory(tmp_path: Path) -> None:
    data = pickle.dumps(np.zeros((2, 0)), 4).replace(
        b"K\x02K\x00\x86", b"J\xff\xff\xff\x7fK\x00\x86"
    )
    assert data != pickle.dumps(np.zeros((2, 0)), 4)
    assert load_plain(write(tmp_path, data)) == []


def test_missing_and_oversized_files(tmp_path: Path) -> None:
    with pytest.raises(SolarError, match="cannot be read"):
        load_plain(tmp_path / "gone.pkl")
    large = tmp_path / "large.pkl"
    with large.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(SolarError, match="larger than 16 MiB"):
        load_plain(large)
