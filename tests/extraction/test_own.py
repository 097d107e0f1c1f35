"""Extractors of somebody else's: functions, files of descriptors, and commands that take them."""

import json
import os
import runpy
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL.Image import Image

import solar
from solar.errors import SolarError, UsageError
from solar.extraction import Failed, collect, describe_one
from solar.extraction.descriptors import DescriptorsFile
from solar.extraction.given import open_descriptors
from solar.extraction.own import by_address
from tests.cli.runner import solar as solar_command
from tests.cli.runner import succeed
from tests.scenes import album, scene

MODULE = """
import numpy as np
import solar

def grey(photo):
    return np.asarray(photo.resize((4, 4)).convert("L")).ravel() + 1.0

def small():
    return solar.extractor(grey, name="small", dimensions=16, image_size=64)

ready = small()
number = 7
"""


def brightness(photo: Image) -> np.ndarray:
    """Of sixteen squares."""
    return np.asarray(photo.resize((4, 4)).convert("L")).ravel() + 1.0


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    album(tmp_path / "photos", 5, (90, 70))
    return tmp_path / "photos"


def write(path: Path, photos: Path, rows: np.ndarray, **more: Any) -> Path:
    """A file of descriptors as anybody might write it."""
    names = [each.name for each in sorted(photos.iterdir())]
    if path.suffix == ".npz":
        np.savez(path, files=np.array(names), vectors=rows, **more)
        return path
    with h5py.File(path, "w") as file:
        file["paths"], file["descriptors"] = names, rows
        for key, value in more.items():
            file[key] = value
    return path


def test_a_function_is_an_extractor(photos: Path) -> None:
    seen: list[tuple[int, int]] = []

    def describe(photo: Image) -> np.ndarray:
        seen.append(photo.size)
        return brightness(photo)

    made = solar.extractor(describe, name="brightness", dimensions=16, image_size=45)
    assert isinstance(made, solar.Extractor)
    files = sorted(photos.iterdir())
    found = collect(made, [*files, "nowhere.jpg"], [None, (0, 0, 90, 35), *[None] * 4])
    assert found.positions.tolist() == [0, 1, 2, 3, 4] and len(found.failures) == 1
    np.testing.assert_allclose(np.linalg.norm(found.descriptors, axis=1), 1, atol=1e-6)
    assert sorted(set(seen)) == [(45, 18), (45, 35)]
    same, other = (
        solar.extractor(describe, name="brightness", dimensions=16, image_size=45, version=version)
        for version in ("1", "2")
    )
    assert made.extraction.differences(same.extraction) == []
    assert "fingerprint" not in str(made.extraction.differences(other.extraction)) != "[]"


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        (np.zeros(16), "extractor odd: vector 0 is 0, or not finite"),
        (np.full(16, np.nan), "extractor odd: vector 0 is 0, or not finite"),
        (np.ones(15), "extractor odd: a vector of 15 numbers, not 16"),
        ("a word", "extractor odd: its function failed: ValueError"),
    ],
)
def test_what_a_function_gives_is_checked(vector: object, message: str) -> None:
    made = solar.extractor(lambda _: vector, name="odd", dimensions=16)
    with pytest.raises(SolarError, match=message):
        describe_one(made, scene(1, (60, 60)))


def test_an_index_of_a_function(photos: Path, tmp_path: Path) -> None:
    made = solar.extractor(brightness, name="brightness", dimensions=16)
    index = solar.Index.create(tmp_path / "my.index", made)
    index.add(photos)
    again = solar.Index.open(tmp_path / "my.index", made)
    assert again.search(photos / "02.png", rerank="none")[0].path == str(photos / "02.png")
    other = solar.extractor(brightness, name="brightness", dimensions=16, version="2")
    with pytest.raises(UsageError, match="was made with model brightness"):
        solar.Index.open(tmp_path / "my.index", other).search(photos / "02.png")
    with pytest.raises(SolarError, match=r"brightness.*: say where it is now with --model"):
        solar.Index.open(tmp_path / "my.index").search(photos / "02.png")


def test_an_installed_package_has_one_by_name(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_package.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    entry = EntryPoint("small", "my_package:small", "solar.extractors")
    monkeypatch.setattr("solar.extraction.own.entry_points", lambda group: [entry])
    index = solar.Index.create(tmp_path / "my.index", "small")
    index.add(photos)
    again = solar.Index.open(tmp_path / "my.index")
    assert again.search(photos / "01.png", rerank="none")[0].path == str(photos / "01.png")
    with pytest.raises(UsageError, match="small: has settings of its own: leave 99 out"):
        solar.open_extractor("small", image_size=99)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("nothing", "expected package.module:function"),
        ("no_such_module:f", "No module named 'no_such_module'"),
        ("own_module:nothing", "has no attribute 'nothing'"),
        ("own_module:grey", r"calling it without arguments failed: TypeError: grey\(\) missing 1"),
        ("./own_module.py:small", "importing ./own_module.py failed: TypeError: "),
        ("own_module:number", "neither an extractor nor a function that makes one"),
    ],
)
def test_an_address_that_leads_nowhere(
    address: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_module.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    with pytest.raises(UsageError, match=message):
        by_address(address)
    assert sys.path == before
    sys.modules.pop("own_module", None)


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_paths_and_rows_are_enough(suffix: str, photos: Path, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(5, 8))
    file = write(tmp_path / f"own{suffix}", photos, rows)
    given = open_descriptors(file)
    found = collect(given, [*sorted(photos.iterdir()), tmp_path / "else.png"])
    np.testing.assert_allclose(
        found.descriptors, rows / np.linalg.norm(rows, axis=1, keepdims=True), atol=1e-6
    )
    (failed,) = found.failures
    assert failed.reason.startswith(f"{tmp_path / 'else.png'}: no descriptor of this photo in")
    index = solar.Index.create(tmp_path / "my.index", file)
    index.add(photos)
    again = solar.Index.open(tmp_path / "my.index")  # finds the file by itself
    hits = again.search(photos / "03.png", rerank="none")
    assert (hits[0].path, round(hits[0].score, 4)) == (str(photos / "03.png"), 1)


def test_a_name_says_what_may_be_mixed(photos: Path, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(5, 8))
    made = [
        open_descriptors(write(tmp_path / f"{number}{suffix}", photos, rows * 2**number, **more))
        for number, (suffix, more) in enumerate(
            [
                (".npz", {}),
                (".npz", {}),
                (".npz", {"name": "net"}),
                (".h5", {"name": "net"}),
                (".npz", {"name": "net", "version": "2"}),
            ]
        )
    ]
    bare, changed, named, in_h5, newer = (each.extraction.fingerprint for each in made)
    assert named == in_h5 and len({bare, changed, named, newer}) == 4


def test_rows_are_found_by_the_last_parts_of_a_path(tmp_path: Path) -> None:
    paths = ["a/1.jpg", "b/1.jpg", "b/deep/2", "c/3.png", "c/3.jpg"]
    np.savez(tmp_path / "own.npz", paths=np.array(paths), rows=np.eye(5))
    given = open_descriptors(tmp_path / "own.npz")
    wanted = {"/x/b/1.jpg": 1, "a/1.jpg": 0, "b/deep/2.jpeg": 2, "/c/3.png": 3, "C:\\c\\3.jpg": 4}
    for path, row in wanted.items():
        assert describe_one(given, path).argmax() == row
    with pytest.raises(SolarError, match=r"1.jpg: 2 descriptors of this photo in"):
        describe_one(given, "1.jpg")
    for elsewhere in ("/x/d/1.jpg", "a/deep/2.jpg", "other/3.jpg"):
        with pytest.raises(SolarError, match="no descriptor of this photo in"):
            describe_one(given, elsewhere)
    (failed,) = given.describe([scene(1, (40, 40))])
    assert isinstance(failed, Failed) and "no descriptor of this photo" in failed.reason


def test_absolute_paths_are_found_where_their_folder_has_moved(tmp_path: Path) -> None:
    paths = ["/old/photos/a/1.jpg", "/old/photos/b/1.jpg", "/old/photos/2.jpg"]
    np.savez(tmp_path / "own.npz", paths=np.array(paths), rows=np.eye(3))
    given = open_descriptors(tmp_path / "own.npz")
    for row, path in enumerate(paths):
        for moved in (path, path.replace("/old", "/new/home"), path.removeprefix("/old/")):
            assert describe_one(given, moved).argmax() == row
    for other in ("/old/photos/c/1.jpg", "/new/pictures/a/1.jpg", "/new/other/2.jpg"):
        with pytest.raises(SolarError, match="no descriptor of this photo in"):
            describe_one(given, other)
    np.savez(tmp_path / "part.npz", paths=np.array(paths[:1]), rows=np.eye(1))
    part = open_descriptors(tmp_path / "part.npz")
    with pytest.raises(SolarError, match="no descriptor of this photo in"):
        describe_one(part, "/old/photos/b/1.jpg")
    assert describe_one(part, "/new/photos/a/1.jpg").tolist() == [1]


def test_files_of_others_and_of_solar(photos: Path, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "hloc.h5", "w") as file:
        for number in range(3):
            file[f"db/{number}.jpg/global_descriptor"] = np.eye(3)[number]
        file["around"] = file["db"]  # a group that is there twice, and a way out of the file
        file["elsewhere"] = h5py.ExternalLink("/etc/passwd", "/")
    found = describe_one(open_descriptors(tmp_path / "hloc.h5"), "/any/db/2.jpg")
    assert found.tolist() == [0, 0, 1]
    extraction = solar.extractor(brightness, name="ours", dimensions=2).extraction
    own = DescriptorsFile(np.array(["a.png"]), np.eye(2, dtype=np.float32)[:1], extraction)
    for name in ("own.npz", "own.parquet"):
        own.save(tmp_path / name)
        assert open_descriptors(tmp_path / name).extraction == extraction


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"rows": np.eye(3)}, "expected one array of paths and one"),
        ({"paths": np.array(["a"]), "rows": np.eye(3)}, r"1 paths, descriptors of shape \(3, 3\)"),
        ({"paths": np.array(["a", "b"]), "rows": np.eye(2) * [[1], [0]]}, "vector 1 is 0, or not"),
        ({"p": np.array(["a"]), "rows": np.full((1, 2), np.inf)}, "vector 0 is 0, or not finite"),
    ],
)
def test_a_file_that_holds_something_else(
    arrays: dict[str, Any], message: str, tmp_path: Path
) -> None:
    np.savez(tmp_path / "own.npz", **arrays)
    with pytest.raises(SolarError, match=message):
        open_descriptors(tmp_path / "own.npz")
    (tmp_path / "own.h5").write_bytes(b"no HDF5")
    with pytest.raises(SolarError, match="no HDF5 file"):
        open_descriptors(tmp_path / "own.h5")
    with pytest.raises(
        UsageError, match=r"the name must end in \.npz or \.h5 or \.hdf5 or \.parquet"
    ):
        open_descriptors(tmp_path / "own.txt")


def test_the_commands_take_them(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "own_module.py").write_text(MODULE)
    own = ["--extractor", "own_module:small"]
    succeed("index", photos, "--to", "my.index", "--no-local", *own, folder=tmp_path)
    asked = ("search", "my.index", photos / "04.png", *own, "--json")
    hits = json.loads(succeed(*asked, folder=tmp_path))["hits"]
    assert hits[0]["path"] == os.fspath(photos / "04.png")
    for place in range(2):
        album(tmp_path / f"places/{place}", 2, (64, 48))
    asked = ("eval", "folder", "places", "--json", "--to")
    report = json.loads(succeed(*asked, "r", *own, folder=tmp_path))
    assert report["protocol"]["model"] == "small"
    names = [f"{place}/{number:02}.png" for place in range(2) for number in range(2)]
    np.savez(tmp_path / "own.npz", paths=names, rows=np.eye(4)[[0, 0, 1, 1]] + 0.1)
    given = ["--descriptors", "own.npz"]
    report = json.loads(succeed(*asked, "q", *given, folder=tmp_path))
    assert report["protocol"]["model"] == str(tmp_path / "own.npz")
    assert '"map": 1.0' in json.dumps(report)
    succeed("index", "places", "--to", "given.index", "--no-local", *given, folder=tmp_path)
    for more, reason in (
        (given, "--extractor and --descriptors exclude each other"),
        (["--scales", "1"], "--image-size, --scales and --whiten go with a model"),
        (["--model", "solar-r101"], "--model and --extractor exclude each other"),
    ):
        refused = solar_command("eval", "folder", "places", *own, *more, folder=tmp_path)
        assert refused.returncode == 2 and reason in refused.stderr


def test_the_examples_run(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    examples = Path(__file__).parents[2] / "examples"
    names = [each.name for each in sorted(photos.iterdir())]
    np.save(tmp_path / "v.npy", np.random.default_rng(0).normal(size=(5, 8)))
    (tmp_path / "names.txt").write_text("\n".join(names))
    vectors = runpy.run_path(str(examples / "vectors.py"))
    vectors["main"](*map(str, (tmp_path / "v.npy", tmp_path / "names.txt", photos, tmp_path / "i")))
    small = torch.nn.Sequential(torch.nn.Conv2d(3, 384, 14, 14), torch.nn.AdaptiveAvgPool2d(1))
    small.append(torch.nn.Flatten())
    monkeypatch.setattr(torch.hub, "load", lambda *_, **__: small)
    made = runpy.run_path(str(examples / "dinov2.py"))["dinov2"]()
    assert collect(made, [photos / "00.png", scene(2, (30, 20))]).descriptors.shape == (2, 384)
