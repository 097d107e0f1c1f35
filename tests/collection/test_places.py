"""Places: which photos show one, what stands for it, when and where it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from solar.collection import places
from solar.collection.grouping import _range
from solar.index import Index, IndexedPhoto
from tests.collection.holidays import PLACES, save, view


def names(index: Index, ids: list[int]) -> set[str]:
    return {Path(index[number].path).parent.name for number in ids}


def test_photos_of_one_place_are_together(index: Index) -> None:
    found = places(index)
    groups = [[photo.id for photo in place.photos] for place in found.places]
    assert sorted(map(len, groups)) == [2, 3, 3, 3] and found.alone == ()
    assert all(len(names(index, group)) == 1 for group in groups)
    for place in found.places:
        (name,) = names(index, [photo.id for photo in place.photos])
        assert place.cover in [photo.id for photo in place.photos]
        if name == "garden":
            assert place.gps is None and place.first is None
            continue
        assert place.gps is not None and place.gps.photos == 3
        assert place.gps.middle == pytest.approx((PLACES[name][0] + 0.0005, PLACES[name][1]))
        assert place.gps.south_west[0] == pytest.approx(PLACES[name][0], abs=1e-6)
        assert place.gps.metres == pytest.approx(55.6, abs=0.5)
        assert (place.first, place.last) == ("2024-05-01T10:00:00", "2024-05-03T10:00:00")
    assert json.loads(json.dumps(found.to_json()))["places"][0]["cover"] == found.places[0].cover
    assert found.compared == 11 and places(index).compared == 0


def test_photos_of_no_place_stay_alone_and_leave_when_removed(index: Index, photos: Path) -> None:
    index.add(save(photos / "museum" / "0.jpg", view("museum", 0)))
    found = places(index)
    assert names(index, list(found.alone)) == {"museum"} and found.compared == 12
    index.remove([photos / "museum", photos / "garden" / "1.jpg"])
    after = places(index)
    assert names(index, list(after.alone)) == {"garden"}
    assert after.compared == 0 and len(after.places) == 3


def test_a_photo_with_a_wrong_position_does_not_move_its_place() -> None:
    said = [(48.85, 2.29), (48.8502, 2.2902), (-48.85, 2.29), (48.8501, 2.2899)]
    photos = [
        IndexedPhoto(n, "", "", None, -1, False, gps=gps) for n, gps in enumerate([*said, None])
    ]
    found = _range(photos)
    assert found is not None and (found.photos, found.elsewhere) == (3, 1)
    assert found.metres < 50 and found.south_west[0] == 48.85
    torn = _range(photos[1:3])
    assert torn is not None and (torn.photos, torn.elsewhere) == (2, 0) and torn.metres > 1e6


def test_a_place_across_the_date_line_is_small(index: Index, photos: Path) -> None:
    for number, east in enumerate((179.9995, -179.9995)):
        save(photos / "garden" / f"{number}.jpg", view("garden", number), (-17.0, east))
    index.add(photos)
    (place,) = [p for p in places(index).places if names(index, [p.cover]) == {"garden"}]
    assert place.gps is not None and place.gps.metres < 60
    assert place.gps.south_west[1] > 179 and place.gps.north_east[1] < -179
