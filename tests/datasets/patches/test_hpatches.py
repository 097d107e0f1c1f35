"""The HPatches reader on sequences written in its format."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from solar.datasets.patches.hpatches import (
    KINDS,
    HPatchesSequence,
    Split,
    kind_of,
    open_test_sequences,
    read_splits,
)
from solar.errors import SolarError, UsageError
from tests.datasets.builders import noise, write_hpatches
from tests.shared import shared


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    strips = {kind: noise(seed, 3, 65, 65) for seed, kind in enumerate(KINDS)}
    return write_hpatches(tmp_path / "v_wall", strips)


def test_strips_are_read_as_written(folder: Path) -> None:
    sequence = HPatchesSequence(folder)
    assert (sequence.name, sequence.length) == ("v_wall", 3)
    assert np.array_equal(sequence.patches("ref"), noise(0, 3, 65, 65))
    assert np.array_equal(sequence.patches("t5"), noise(15, 3, 65, 65))


def test_kinds_are_the_sixteen_strips() -> None:
    assert len(KINDS) == len(set(KINDS)) == 16
    assert kind_of("easy", 0) == kind_of("tough", 0) == "ref"
    assert (kind_of("easy", 1), kind_of("hard", 5), kind_of("tough", 3)) == ("e1", "h5", "t3")


def test_a_missing_strip_is_named(folder: Path) -> None:
    (folder / "h3.png").unlink()
    with pytest.raises(SolarError, match=r"h3\.png: no such file"):
        HPatchesSequence(folder)


def test_a_strip_of_another_length_is_named(folder: Path) -> None:
    Image.new("L", (65, 130)).save(folder / "e2.png")
    with pytest.raises(SolarError, match=r"e2\.png: 2 patches, but ref\.png of v_wall has 3"):
        HPatchesSequence(folder)


@pytest.mark.parametrize("size", [(64, 195), (65, 194)])
def test_a_strip_of_another_shape_is_named(folder: Path, size: tuple[int, int]) -> None:
    Image.new("L", size).save(folder / "ref.png")
    with pytest.raises(SolarError, match=rf"ref\.png: {size[0]} x {size[1]} pixels"):
        HPatchesSequence(folder)


def test_a_truncated_strip_is_named(folder: Path) -> None:
    path = folder / "t1.png"
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(SolarError, match=r"t1\.png: not a readable image"):
        HPatchesSequence(folder).patches("t1")


def test_splits_keep_the_published_order(tmp_path: Path) -> None:
    path = tmp_path / "splits.json"
    path.write_text(json.dumps({"a": {"name": "a", "test": ["v_b", "i_a"], "train": ["i_c"]}}))
    assert read_splits(path) == {"a": Split("a", ("v_b", "i_a"), ("i_c",))}


def test_the_published_splits_are_read() -> None:
    splits = read_splits(shared("data/hpatches-splits.json"))
    assert {name: len(split.test) for name, split in splits.items()} == {
        "a": 40, "b": 40, "c": 40, "illum": 57, "view": 59, "full": 116,
    }  # fmt: skip
    assert len(splits["a"].train) == 76
    assert splits["full"].train == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"a": {"test": [1]}}', "split 'a' has no list of test sequences"),
        ('{"a": 3}', "split 'a' has no list of test sequences"),
        ('{"a": {"test": []}}', "split 'a' has no test sequence"),
    ],
)
def test_damaged_splits_are_named(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "splits.json"
    path.write_text(text)
    with pytest.raises(SolarError, match=rf"splits\.json: {reason}"):
        read_splits(path)


def test_absent_splits_say_where_to_find_them(tmp_path: Path) -> None:
    with pytest.raises(SolarError, match="hpatches-benchmark"):
        read_splits(tmp_path / "splits.json")


def test_missing_sequences_are_counted_and_named(folder: Path) -> None:
    split = Split("a", ("v_wall", "i_dome", "v_bark"), ())
    with pytest.raises(UsageError, match=r"2 of 3 test sequences of split a .*i_dome, v_bark"):
        open_test_sequences(folder.parent, split)
    found = open_test_sequences(folder.parent, Split("mine", ("v_wall",), ()))
    assert [sequence.name for sequence in found] == ["v_wall"]
