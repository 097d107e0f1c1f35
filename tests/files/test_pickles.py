import os
import pickle
import struct
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


def nested(levels: int) -> bytes:
    """A tuple of tuples, each twice in the next: 2^levels values to whoever follows them all."""
    return b")" + b"2\x86" * levels


SHARED: list[object] = [1] * 1000
for _ in range(6):
    SHARED = [SHARED] * 1000
LOOP: list[object] = []
LOOP.append([LOOP])
TWICE: list[object] = []
for _ in range(60):
    TWICE = [TWICE, TWICE]
FROM_BUFFER = (
    b"\x80\x05cnumpy.core.numeric\n_frombuffer\n\x94(C\x08" + bytes(8)
    + b"cnumpy\ndtype\n\x8c\x02u1\x85R%b\x8c\x01Ct\x940(" + b"h\x00h\x01R" * 9000 + b"l."
)  # fmt: skip


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (pickle.dumps(TWICE), "deep"),
        (pickle.dumps({"gnd": LOOP}), "deep"),
        (pickle.dumps(SHARED), "more than 8000000 values"),
        (b"\x80\x04" + nested(60) + b".", "deep"),
        (b"\x80\x04}" + nested(60) + b"K\x01s.", "a key that is neither text nor number"),
        (b"\x80\x04}(" + nested(60) + b"K\x01u.", "a key that is neither text nor number"),
        (b"\x80\x04(" + nested(60) + b"K\x01d.", "a key that is neither text nor number"),
        (b"\x80\x04\x8f(" + nested(60) + b"\x90.", "EMPTY_SET"),
        (b"\x80\x04(" + nested(60) + b"\x91.", "FROZENSET"),
        (pickle.dumps(2**70), "1180591620717411303424"),
        (pickle.dumps(1 << 80_000), "a number of 80001 bits"),
        (b"(" * 3_000_001 + b".", "more than 3000000 instructions"),
        (FROM_BUFFER % (b"(" + b"K\x01" * 60 + b"K\x08t"), "values|deep"),
        (b"\x80\x04cnumpy\ndtype\n.", "a class or a type"),
        (b"\x80\x04]\x94cnumpy\ndtype\na.", "a class or a type"),
        (b"c" + b"a" * 10_000 + b"\nb\n.", "asks for a{59}…$"),
    ],
    ids=range(16),
)
def test_what_would_cost_time_or_memory_is_refused_at_once(
    tmp_path: Path, data: bytes, reason: str
) -> None:
    started = time.process_time()
    with pytest.raises(SolarError, match=rf"gnd\.pkl: refused.*{reason}") as caught:
        load_plain(write(tmp_path, data))
    assert time.process_time() - started < 20
    assert len(str(caught.value)) < len(str(tmp_path)) + 180 and str(caught.value).isprintable()


def test_the_largest_memo_number_costs_nothing(tmp_path: Path) -> None:
    assert load_plain(write(tmp_path, b"\x80\x04]r" + struct.pack("<I", 2**31) + b".")) == []


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False)
    | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=5) | st.tuples(inner, inner)
    | st.dictionaries(st.text() | st.integers(-9, 9), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(plain, st.integers(3, 5))
def test_plain_values_come_back_as_python_reads_them(value: object, protocol: int) -> None:
    with TemporaryDirectory() as folder:
        path = write(Path(folder), pickle.dumps(value, protocol))
        assert load_plain(path) == pickle.loads(path.read_bytes())  # noqa: S301 - made above


@settings(max_examples=50, deadline=None)
@given(plain, st.integers(0, 5), st.data())
def test_damage_is_one_line_or_another_plain_value(
    value: object, protocol: int, data: st.DataObject
) -> None:
    raw = bytearray(pickle.dumps(value, protocol))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with TemporaryDirectory() as folder:
        try:
            load_plain(write(Path(folder), bytes(raw)))
        except SolarError as error:
            assert str(error).isprintable()


def test_an_array_of_many_empty_rows_takes_no_memory(tmp_path: Path) -> None:
    data = pickle.dumps(np.zeros((2, 0)), 4).replace(
        b"K\x02K\x00\x86", b"J\xff\xff\xff\x7fK\x00\x86"
    )
    assert data != pickle.dumps(np.zeros((2, 0)), 4)
    assert load_plain(write(tmp_path, data)) == []


def test_missing_and_oversized_files(tmp_path: Path) -> None:
    with pytest.raises(SolarError, match=r"gone\.pkl: no such file"):
        load_plain(tmp_path / "gone.pkl")
    large = tmp_path / "large.pkl"
    with large.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(SolarError, match="larger than 16 MB"):
        load_plain(large)
