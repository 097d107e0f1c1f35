"""Duplicates: the ladder of sameness, its evidence, and the photo to keep."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter, ImageOps

from solar.collection import LADDER, Duplicates, duplicates
from solar.collection._alignment import Alignment, aligned, as_wholes, mirrored
from solar.collection._pictures import likeness
from solar.collection._turned import may_be_turned
from solar.collection.deduplicating import VIEW, VIEW_SPREAD, seconds_apart
from solar.errors import UsageError
from solar.features import open_feature_extractor
from solar.features.extractor import features_of_one
from solar.features.features import Features
from solar.index import Index
from tests.collection.holidays import place, save, view

TURNED = Image.Transpose.ROTATE_90


def features_of(photo: Image.Image) -> Features:
    found = features_of_one(open_feature_extractor("rootsift"), photo, None)
    assert found is not None
    return found


def names(found: Duplicates) -> list[tuple[str, set[str]]]:
    return [(group.rung, {Path(p.path).stem for p in group.photos}) for group in found.groups]


@pytest.fixture
def copies(photos: Path) -> Path:
    """A folder with copies of two of the photos, made in all ways."""
    folder = photos / "copies"
    folder.mkdir()
    original = Image.open(photos / "tower" / "0.jpg")
    shutil.copy(photos / "tower" / "0.jpg", folder / "bytes.jpg")
    original.save(folder / "encoded.jpg", quality=40)
    original.resize((200, 150)).save(folder / "resized.png")
    ImageOps.mirror(original).save(folder / "mirrored.jpg", quality=85)
    original.transpose(TURNED).save(folder / "turned.jpg", quality=85)
    original.crop((40, 60, 360, 290)).save(folder / "cropped.jpg", quality=85)
    ImageOps.mirror(original.crop((80, 20, 390, 260))).save(folder / "both.jpg", quality=85)
    return folder


@pytest.mark.slow
def test_copies_of_one_picture_are_one_group(index: Index, photos: Path, copies: Path) -> None:
    index.add(photos)
    found = duplicates(index)
    (group,) = found.groups
    assert group.rung == "picture" and found.unread == ()
    assert {Path(photo.path).stem for photo in group.photos} == {
        *("0", "bytes", "encoded", "resized", "mirrored", "turned", "cropped", "both")
    }
    how = {Path(photo.path).stem: photo.same for photo in group.photos}
    assert group.photos[0].id == group.keep and group.photos[0].same is None
    kept = Path(group.photos[0].path).stem
    assert kept in ("0", "bytes") and "as many pixels" in group.why
    assert how[{"0": "bytes", "bytes": "0"}[kept]].rung == "bytes"  # type: ignore[union-attr]
    for name, words in (
        ("encoded", "encoded anew"),
        ("resized", "resized"),
        ("mirrored", "mirrored"),
        ("turned", "turned by"),
        ("cropped", "cropped"),
        ("both", "cropped, mirrored"),
    ):
        same = how[name]
        assert same is not None and words in same.how, (name, same)
        assert same.rung == "picture" and same.likeness is not None and same.likeness >= 0.9
    assert json.loads(json.dumps(found.to_json()))["groups"][0]["keep"] == group.keep
    assert names(duplicates(index, "bytes")) == [("bytes", {"0", "bytes"})]


def test_turned_copies_are_candidates_by_their_keypoints(
    index: Index, photos: Path, copies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.add(photos)
    pair = [index.id_of(photos / "tower" / "0.jpg"), index.id_of(copies / "turned.jpg")]
    assert tuple(sorted(pair)) in may_be_turned(index, sorted(index))
    monkeypatch.setattr("solar.collection._turned.MOST", 3)
    assert may_be_turned(index, sorted(index)) == []


def test_other_views_of_a_place_are_not_the_same_picture(index: Index) -> None:
    assert duplicates(index).groups == ()
    found = names(duplicates(index, "place"))
    assert len(found) == 4 and {rung for rung, _ in found} <= {"view", "place"}


def test_rungs_are_climbed_down(index: Index, photos: Path) -> None:
    shot = place("museum").crop((60, 60, 460, 360))
    later = place("museum").crop((70, 64, 470, 364))
    aside = place("museum").crop((120, 100, 520, 400))
    folder = photos / "museum"
    save(folder / "a.jpg", shot, taken="2024:06:01 10:00:00")
    save(folder / "b.jpg", later, taken="2024:06:01 10:00:04")
    save(folder / "c.jpg", aside, taken="2024:06:01 11:00:00")
    save(folder / "d.jpg", shot, taken="2024:06:01 10:00:20")
    index.add(photos)
    index.remove([photos / name for name in ("bridge", "tower", "harbour", "garden")])
    assert names(duplicates(index)) == []  # the same pixels, 20 s apart: a tripod
    moment = duplicates(index, "moment")
    assert names(moment) == [("moment", {"a", "b"})]
    assert moment.groups[0].photos[1].same.how == "4 s apart"  # type: ignore[union-attr]
    view_ = duplicates(index, "view")
    assert view_.groups[0].rung == "view"
    assert {"a", "b", "d"} <= {Path(photo.path).stem for photo in view_.groups[0].photos}
    assert names(duplicates(index, "place"))[0][1] == {"a", "b", "c", "d"}
    with pytest.raises(UsageError, match="bytes, picture"):
        duplicates(index, "smell")


def test_the_one_to_keep_has_most_pixels_then_is_sharpest_then_has_most_bytes(
    index: Index, photos: Path
) -> None:
    shot = view("museum", 1)
    folder = photos / "museum"
    save(folder / "small.jpg", shot.resize((300, 225)))
    save(folder / "blurred.jpg", shot.filter(ImageFilter.GaussianBlur(1)), quality=99)
    kept = save(folder / "sharp.jpg", shot, quality=92)
    index.add(photos)
    (group,) = duplicates(index).groups
    assert index[group.keep].path == str(kept) and "sharpest" in group.why
    index.remove(folder / "blurred.jpg")
    (group,) = duplicates(index).groups
    assert index[group.keep].path == str(kept) and "most pixels: 0.12 million" in group.why
    save(folder / "heavy.jpg", Image.open(kept), quality=100)
    index.add(photos)
    (group,) = duplicates(index).groups
    assert index[group.keep].path == str(folder / "heavy.jpg")


def test_photos_that_cannot_be_read_are_told_and_nothing_is_deleted(
    index: Index, photos: Path, copies: Path
) -> None:
    index.add(photos)
    before = sorted(photos.rglob("*.*"))
    (copies / "mirrored.jpg").unlink()
    found = duplicates(index)
    assert found.unread == (str(copies / "mirrored.jpg"),)
    assert "mirrored" not in names(found)[0][1]
    assert sorted(photos.rglob("*.*")) == [each for each in before if each.stem != "mirrored"]


def test_mirrored_features_are_those_of_the_mirrored_photo() -> None:
    photo = view("bridge", 0)
    one, two = features_of(photo), features_of(ImageOps.mirror(photo))
    assert aligned(one, two) is None
    turned = mirrored(one, "rootsift")
    assert turned is not None
    found = aligned(turned, two)
    assert found is not None and found.inliers > len(one) / 2
    assert np.allclose(found.matrix, np.eye(3), atol=0.01)
    assert np.allclose(found.of_mirrored().matrix, [[-1, 0, 1], [0, 1, 0], [0, 0, 1]], atol=0.01)
    again = mirrored(turned, "rootsift")
    assert again is not None and np.array_equal(again.descriptors, one.descriptors)
    assert mirrored(one, "solar-local") is None


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 0.3), st.floats(0, 0.3), st.floats(0.35, 0.7), st.booleans(), st.integers(0, 3))
def test_alignments_tell_what_was_done(
    left: float, top: float, side: float, flipped: bool, quarters: int
) -> None:
    crop = np.array([[1 / side, 0, -left / side], [0, 1 / side, -top / side], [0, 0, 1]])
    whole = list(as_wholes())[4 * flipped + quarters]
    found = Alignment(whole @ crop)
    first, second = found.covered()
    assert abs(first - side**2) < 0.05 and second > 0.95
    sizes = (400, 300), (400, 300) if quarters % 2 == 0 else (300, 400)
    zoom, turned, was_flipped = found.shape(*sizes)
    assert was_flipped == flipped and zoom == pytest.approx(1 / side)
    assert round(turned / 90) % 4 == quarters


def test_a_bar_that_two_photos_share_makes_no_common_view_of_them() -> None:
    bar = view("garden", 0).resize((400, 300)).crop((0, 120, 400, 160))
    barred = [view(name, 0).resize((400, 300)) for name in ("tower", "museum")]
    for photo in barred:
        photo.paste(bar, (0, 260))
    found = aligned(*map(features_of, barred))
    assert found is not None and found.inliers >= 6 and min(found.covered()) > VIEW
    assert found.spread < VIEW_SPREAD
    whole = aligned(*[features_of(view("tower", 0))] * 2)
    assert whole is not None and whole.spread > VIEW_SPREAD


def test_likeness_sees_what_moved_in_a_corner() -> None:
    shot = view("bridge", 0).convert("L")
    same = np.asarray(shot)
    moved = np.asarray(shot).copy()
    moved[200:, 250:] = moved[100:200, 100:250]
    assert likeness(same, same, np.eye(3)) > 0.999
    assert likeness(same, moved, np.eye(3)) < 0.5
    small = np.asarray(shot.resize((160, 120)))
    assert likeness(same, small, np.eye(3)) > 0.95
    assert likeness(small, same, np.eye(3)) > 0.95
    assert likeness(same, np.full_like(same, 128), np.eye(3)) <= 0


def test_times_are_compared_by_their_zones_where_both_have_one() -> None:
    assert seconds_apart("2024-05-01T10:00:00", "2024-05-01T10:00:07") == 7
    assert seconds_apart("2024-05-01T10:00:00+02:00", "2024-05-01T08:00:00+00:00") == 0
    assert seconds_apart("2024-05-01T10:00:00+02:00", "2024-05-01T10:00:03") == 3
    assert seconds_apart(None, "2024-05-01T10:00:00") is None
    assert LADDER == ("bytes", "picture", "moment", "view", "place")
