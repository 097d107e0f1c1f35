"""An index for hloc and COLMAP: what stands in the files, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from solar.errors import SolarError, UsageError
from solar.features import open_feature_extractor
from solar.index import Index
from solar.photos._orientation import TURNS
from solar.sfm.export import export_hloc
from solar.sfm.hloc import FEATURES, GLOBAL, MATCHES, PAIRS
from solar.sfm.pairs import pairs_of
from tests.cli.runner import solar, succeed
from tests.collection.colours import ColourExtractor
from tests.rerank.views import busy_scene, street

AT = 41, 117  # x, y of a blob's middle, in pixels of the upright photo


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Of three visits to each of two places."""
    folder = tmp_path_factory.mktemp("street")
    street(folder / "photos" / "a", 1, 3)
    for visit, path in enumerate(street(folder / "other", 2, 3)[3:]):
        (folder / "photos" / "b").mkdir(exist_ok=True)
        path.rename(folder / "photos" / "b" / f"{visit}.png")
    made = Index.create(folder / "i", ColourExtractor())
    made.add(folder / "photos")
    return made


def test_the_files_are_hlocs(index: Index, tmp_path: Path) -> None:
    maker = open_feature_extractor("rootsift", keypoints=300, image_size=480)
    done = export_hloc(index, tmp_path / "to", top=5, verified=True, features=maker)
    assert sorted(done.names) == [*(f"a/0_{n}.png" for n in range(3)), "b/0.png", "b/1.png",
                                  "b/2.png"]  # fmt: skip
    lines = (tmp_path / "to" / PAIRS).read_text().splitlines()
    assert len(lines) == done.pairs == 6 and done.agreeing == 6
    assert {tuple(sorted(line.split())) for line in lines} == {
        (f"{place}{one}.png", f"{place}{two}.png")
        for place in ("a/0_", "b/")
        for one, two in ((0, 1), (0, 2), (1, 2))
    }
    with h5py.File(tmp_path / "to" / GLOBAL) as file:
        for photo in index.photos():
            name = Path(photo.path).relative_to(done.photos).as_posix()
            row = index.descriptors([photo.id])[0]
            np.testing.assert_array_equal(file[name]["global_descriptor"][()], row)
    with h5py.File(tmp_path / "to" / FEATURES) as file, h5py.File(tmp_path / "to" / MATCHES) as m:
        for line in lines:
            first, second = line.split()
            pair = m[first.replace("/", "-")][second.replace("/", "-")]
            one, two = (
                file[name]["descriptors"][()].astype(np.float32) for name in (first, second)
            )
            found = pair["matches0"][()]
            assert found.dtype == np.int16 and len(found) == one.shape[1] <= 300
            rows = np.flatnonzero(found >= 0)
            cosines = (one[:, rows] * two[:, found[rows]]).sum(0)
            scores = pair["matching_scores0"][rows]
            np.testing.assert_allclose(scores, cosines, atol=5e-3)
            best = (one.T @ two).argmax(1)
            assert (best[rows] == found[rows]).mean() > 0.99 and len(rows) > 40
            x, y = file[first]["keypoints"][:].T
            width, height = file[first]["image_size"][:]
            assert (x >= -0.5).all() and (x < width).all() and (y < height).all()


def test_matches_agree_with_the_geometry_beside_them(index: Index, tmp_path: Path) -> None:
    export_hloc(index, tmp_path, top=5, kept=True)
    with h5py.File(tmp_path / FEATURES) as file, h5py.File(tmp_path / MATCHES) as matches:
        pair = matches["a-0_0.png"]["a-0_1.png"]
        rows = np.flatnonzero(pair["inliers0"][()])
        ends = ("a/0_0.png", rows), ("a/0_1.png", pair["matches0"][()][rows])
        one, two = (
            np.column_stack([file[name]["keypoints"][()][at], np.ones(len(rows))])
            for name, at in ends
        )
        lines = one @ pair["fundamental"][()].T
        off = np.abs((lines * two).sum(1)) / np.hypot(lines[:, 0], lines[:, 1])
        assert len(rows) >= 15 and off.max() < 3  # of MAGSAC++'s 2 px


def test_verified_leaves_out_pairs_that_agree_with_nothing(index: Index, tmp_path: Path) -> None:
    everything = export_hloc(index, tmp_path / "all", top=5, kept=True)
    some = export_hloc(index, tmp_path / "some", top=5, kept=True, verified=True)
    assert everything.pairs == 15 and some.pairs == some.agreeing == everything.agreeing == 6
    for line in (tmp_path / "some" / PAIRS).read_text().splitlines():
        first, second = line.split()
        assert first[0] == second[0]


@pytest.mark.parametrize("top", [1, 2, 3])
def test_pairs_are_the_nearest_no_pair_twice(top: int, index: Index) -> None:
    ids = [photo.id for photo in index.photos()]
    near = {
        frozenset((number, other))
        for number, ranking in zip(ids, index.neighbours(ids, top), strict=True)
        for other in ranking.ids.tolist()
    }
    pairs = [frozenset((ids[one], ids[two])) for one, two in pairs_of(index, ids, top)]
    assert set(pairs) == near and len(pairs) == len(near)
    part = pairs_of(index, ids[:3], 2)  # others stand between, and are passed over
    assert {frozenset(pair) for pair in part} == {frozenset(p) for p in ((0, 1), (0, 2), (1, 2))}


@pytest.mark.parametrize("turn", range(1, 9))
def test_keypoints_are_in_stored_pixels(turn: int, tmp_path: Path) -> None:
    y, x = np.mgrid[:160, :240]
    blob = 250 * np.exp(-((x - AT[0]) ** 2 + (y - AT[1]) ** 2) / (2 * 4.0**2))
    upright = Image.fromarray(blob.astype(np.uint8)).convert("RGB")
    back = {5: 5, 6: 8, 7: 7, 8: 6}.get(turn, turn)
    stored = upright.transpose(TURNS[back]) if back in TURNS else upright
    exif = Image.Exif()
    exif[274] = turn
    (tmp_path / "photos").mkdir()
    stored.save(tmp_path / "photos" / "blob.png", exif=exif)
    busy_scene(1).save(tmp_path / "photos" / "other.png")
    made = Index.create(tmp_path / "i", ColourExtractor())
    made.add(tmp_path / "photos")
    export_hloc(made, tmp_path / "to", kept=True)
    row, column = np.unravel_index(np.array(stored.convert("L")).argmax(), stored.size[::-1])
    with h5py.File(tmp_path / "to" / FEATURES) as file:
        group = file["blob.png"]
        nearest = np.abs(group["keypoints"][()] - (column, row)).sum(1).argmin()
        np.testing.assert_allclose(group["keypoints"][nearest], (column, row), atol=0.1)
        assert group["scales"][nearest] == pytest.approx(4, rel=0.2)
        assert tuple(group["image_size"][()]) == stored.size


def test_wrong_calls_are_refused(index: Index, tmp_path: Path) -> None:
    bare = Index.create(tmp_path / "bare", ColourExtractor(), local=None)
    with pytest.raises(UsageError, match="keeps no features"):
        export_hloc(bare, tmp_path / "to", kept=True)
    with pytest.raises(SolarError, match="0 photos that can be exported"):
        export_hloc(bare, tmp_path / "to")
    export_hloc(index, tmp_path / "to", top=1, kept=True)
    with pytest.raises(UsageError, match="was made with top 1, not 2"):
        export_hloc(index, tmp_path / "to", top=2, kept=True)
    again = export_hloc(index, tmp_path / "to", top=2, kept=True, overwrite=True)
    assert again.pairs > 3 and not (tmp_path / "to" / "database.db").exists()


def test_names_that_hloc_would_confuse(tmp_path: Path) -> None:
    for name in ("a/b-c.png", "a-b/c.png", "d e.png"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        busy_scene(1).save(tmp_path / "photos" / name)
    made = Index.create(tmp_path / "i", ColourExtractor())
    made.add(tmp_path / "photos")
    with pytest.raises(SolarError, match=r"hloc has one name for them and for another pair"):
        export_hloc(made, tmp_path / "to", kept=True)
    (tmp_path / "photos" / "a-b" / "c.png").unlink()
    done = export_hloc(made, tmp_path / "to", kept=True)
    assert done.split == ("d e.png",) and len(done.left_out) == 1 and "c.png" in done.left_out[0]


def test_the_command(index: Index, tmp_path: Path) -> None:
    call = ("export-hloc", index.folder, "--to", "to", "--top", 5, "--kept", "--verified")
    told = succeed(*call, folder=tmp_path)
    assert "to: 6 photos, 6 pairs, 6 of which agree with one geometry" in told
    done = solar(*call[:-1], folder=tmp_path)
    assert done.returncode == 2 and "--overwrite" in done.stderr


def test_where_pycolmap_runs_is_no_pillow() -> None:
    script = "import solar.sfm.colmap, sys; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
