"""Where a photo was taken: right, with a radius, or nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solar.collection import where
from solar.collection._earth import MAJORITY, TOGETHER, metres, middle
from solar.collection.locating import _radius
from solar.index import Index
from tests.collection.colours import ColourExtractor
from tests.collection.holidays import PLACES, save, view

BRIDGE = PLACES["bridge"]


def away(index: Index, photo: Path, truth: tuple[float, float]) -> float:
    """How far from the truth a photo was said to be taken, in radii."""
    found = where(index, photo).location
    assert found is not None
    distance = metres(np.array([found.latitude, found.longitude]), np.array(truth))
    return float(distance) / found.radius


def test_a_photo_is_where_others_of_its_place_are(index: Index, tmp_path: Path) -> None:
    for name, position in PLACES.items():
        query = save(tmp_path / "query.jpg", view(name, 9), (-12.0, 100.0))
        assert away(index, query, position) < 1
    found = where(index, query)
    assert found.location is not None and found.query == str(query)
    assert [Path(proof.path).parent.name for proof in found.location.photos] == ["harbour"] * 3
    assert all((proof.probability or 0) > 0.9 for proof in found.location.photos)
    assert json.loads(json.dumps(found.to_json()))["location"]["radius"] == found.location.radius


def test_nothing_is_said_of_absent_places_and_of_those_without_positions(
    index: Index, tmp_path: Path
) -> None:
    for name, reason in (("museum", "no photo of the index surely"), ("garden", "none says where")):
        found = where(index, save(tmp_path / "query.jpg", view(name, 9), BRIDGE))
        assert found.location is None and reason in found.reason
        assert found.to_json()["location"] is None
    other = Index.create(tmp_path / "empty.index", ColourExtractor())
    assert where(other, tmp_path / "query.jpg").location is None


def test_a_photo_of_the_index_proves_nothing_of_itself(index: Index, photos: Path) -> None:
    number = index.id_of(photos / "tower" / "0.jpg")
    found = where(index, number).location
    assert found is not None and len(found.photos) == 2
    assert number not in [proof.id for proof in found.photos]
    index.remove([photos / "tower" / "1.jpg", photos / "tower" / "2.jpg"])
    assert where(index, number).location is None


def test_one_wrong_position_is_outvoted_and_told(
    index: Index, photos: Path, tmp_path: Path
) -> None:
    wrong = save(photos / "bridge" / "3.jpg", view("bridge", 3), (-48.85, 2.29))
    index.add(photos)
    query = save(tmp_path / "query.jpg", view("bridge", 9))
    assert away(index, query, BRIDGE) < 1
    found = where(index, query).location
    assert found is not None and [p.path for p in found.disagreeing] == [str(wrong)]
    assert found.disagreeing[0].metres > 1e7
    index.remove([photos / "bridge" / "1.jpg", photos / "bridge" / "2.jpg"])
    undecided = where(index, query)
    assert undecided.location is None and "different" in undecided.reason


@pytest.mark.parametrize("hemispheres", ["XE", "EN", "N ", "  "])
def test_positions_whose_hemispheres_make_no_sense_do_not_count(
    index: Index, photos: Path, tmp_path: Path, hemispheres: str
) -> None:
    save(photos / "garden" / "0.jpg", view("garden", 0), BRIDGE, hemispheres=hemispheres)
    index.add(photos)
    assert where(index, save(tmp_path / "q.jpg", view("garden", 9))).location is None


def test_places_across_the_date_line_have_a_middle() -> None:
    north, east = middle(np.array([(10.0, 179.999), (10.0, -179.997)]))
    assert abs(north - 10) < 1e-6 and abs(abs(east) - 179.999) < 1e-6
    across = metres(np.array((10.0, 179.999)), np.array((10.0, -179.997)))
    assert across == pytest.approx(438, abs=1)
    # Paris to Madrid
    assert metres(np.array((48.8566, 2.3522)), np.array((40.4168, -3.7038))) == pytest.approx(
        1.0535e6, rel=2e-3
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, TOGETHER), min_size=1, max_size=50))
def test_a_radius_holds_most_of_the_photos_and_grows_with_them(away: list[float]) -> None:
    radius = _radius(away)
    assert np.isfinite(radius) and radius > 50
    assert radius >= np.quantile(away, 0.6) * 0.9
    assert _radius([each * 2 for each in away]) >= radius
    assert 0.5 < MAJORITY < 2 / 3


def test_a_radius_holds_as_much_as_it_says() -> None:
    """Of normally distributed positions, each found by K others."""
    random = np.random.default_rng(0)
    for count in (1, 2, 5, 20):
        inside = 0
        for _ in range(2000):
            spread = 60 * np.sqrt(4 / random.chisquare(4))  # as the prior says it is
            points = random.normal(0, spread, (count + 1, 2))
            centre = points[1:].mean(axis=0)
            others = np.linalg.norm(points[1:] - centre, axis=1)
            inside += int(np.linalg.norm(points[0] - centre) <= _radius(others.tolist()))
        assert inside / 2000 == pytest.approx(0.95, abs=0.02)
