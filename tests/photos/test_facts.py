"""What photos say of themselves, and what no photo can truly say."""

from __future__ import annotations

import struct
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solar.photos.facts import Facts, facts_of
from tests.photos.exif import (
    CHANGED,
    MAKE,
    MODEL,
    OFFSET,
    ORIENTATION,
    ORIGINAL,
    PARIS,
    photo_with,
)


def test_a_whole_photo(tmp_path: Path) -> None:
    tags = {MAKE: "Canon\0", MODEL: "Canon EOS 5D", ORIENTATION: 6}
    exif = {ORIGINAL: "2019:07:12 18:30:00", OFFSET: "+02:00"}
    facts = facts_of(photo_with(tmp_path / "a.jpg", tags, exif, PARIS))
    assert facts == Facts("2019-07-12T18:30:00", 120, 48.85, 2.29, "Canon EOS 5D", 48, 64)
    assert facts.when == "2019-07-12T18:30:00+02:00" and facts.gps == (48.85, 2.29)
    for name in ("a.png", "a.webp", "a.tif"):
        assert facts_of(photo_with(tmp_path / name, tags, exif, PARIS)) == facts, name


def test_a_bare_photo(tmp_path: Path) -> None:
    assert facts_of(photo_with(tmp_path / "a.jpg")) == Facts(width=64, height=48)
    (tmp_path / "b.jpg").write_bytes(b"no photo")
    assert facts_of(tmp_path / "b.jpg") == facts_of(tmp_path / "missing.jpg") == Facts()
    assert Facts().when is None and Facts().gps is None


LATER = datetime.now() + timedelta(days=40)


@pytest.mark.parametrize(
    ("original", "changed", "taken"),
    [
        ("2021:02:03 04:05:06", None, "2021-02-03T04:05:06"),
        (None, "2021:02:03 04:05:06", "2021-02-03T04:05:06"),
        ("2020-01-02T03:04:05", None, "2020-01-02T03:04:05"),
        ("0000:00:00 00:00:00", "2021:02:03 04:05:06", "2021-02-03T04:05:06"),
        ("0000:00:00 00:00:00", None, None),
        ("    :  :     :  :  ", None, None),
        ("2021:13:01 00:00:00", None, None),
        ("2021:02:30 00:00:00", None, None),
        ("2021:02:03 24:61:00", None, None),
        ("1601:01:01 00:00:00", None, None),
        pytest.param(f"{LATER:%Y:%m:%d %H:%M:%S}", None, None, id="not yet"),
        ("9999:12:31 23:59:59", None, None),
        ("yesterday", None, None),
        ("", "", None),
        ("x" * 5000, None, None),
    ],
)
def test_dates(
    tmp_path: Path, original: str | None, changed: str | None, taken: str | None
) -> None:
    tags = {} if changed is None else {CHANGED: changed}
    exif = {} if original is None else {ORIGINAL: original}
    assert facts_of(photo_with(tmp_path / "a.jpg", tags, exif)).taken == taken


@pytest.mark.parametrize(
    ("offset", "utc", "zone"),
    [
        ("+02:00", None, 120),
        ("-03:30", None, -210),
        ("Z", None, 0),
        ("+99:00", None, None),
        ("   :  ", None, None),
        (None, ("2019:07:12", (16, 30, 0)), 120),
        (None, ("2019:07:12", (16, 28, 10)), 120),  # a fix of two minutes ago
        (None, ("2019:07:13", (0, 15, 0)), -345),
        (None, ("2019:07:12", (12, 37, 0)), None),  # an old one
        (None, ("2019:07:10", (16, 30, 0)), None),
        (None, ("2019:99:12", (16, 30, 0)), None),
        (None, None, None),
        ("+01:00", ("2019:07:12", (16, 30, 0)), 60),
    ],
)
def test_zones(
    tmp_path: Path, offset: str | None, utc: tuple[str, Any] | None, zone: int | None
) -> None:
    exif = {ORIGINAL: "2019:07:12 18:30:00", **({} if offset is None else {OFFSET: offset})}
    gps = None if utc is None else {29: utc[0], 7: tuple(map(float, utc[1]))}
    facts = facts_of(photo_with(tmp_path / "a.jpg", exif=exif, gps=gps))
    assert (facts.taken, facts.zone) == ("2019-07-12T18:30:00", zone)


@pytest.mark.parametrize(
    ("changes", "gps"),
    [
        ({}, (48.85, 2.29)),
        ({1: "S", 3: "W"}, (-48.85, -2.29)),
        ({1: "n", 3: "e"}, (48.85, 2.29)),
        ({2: (48.85, 0.0, 0.0)}, (48.85, 2.29)),
        ({1: "E", 3: "N"}, None),  # hemispheres swapped
        ({1: None}, None),
        ({3: ""}, None),
        ({4: None}, None),
        ({2: (91.0, 0.0, 0.0)}, None),
        ({2: (90.0, 0.0, 1.0)}, None),
        ({4: (180.0, 30.0, 0.0)}, None),
        ({2: (48.0, 75.0, 0.0)}, None),
        ({2: (0.0, 0.0, 0.0), 4: (0.0, 0.0, 0.0)}, None),  # no position was known
        ({9: "V"}, None),
        ({9: "A"}, (48.85, 2.29)),
    ],
)
def test_positions(
    tmp_path: Path, changes: dict[int, Any], gps: tuple[float, float] | None
) -> None:
    given = {tag: value for tag, value in {**PARIS, **changes}.items() if value is not None}
    found = facts_of(photo_with(tmp_path / "a.jpg", gps=given)).gps
    assert found == (None if gps is None else pytest.approx(gps, abs=1e-6))


def test_rationals_with_zero_below_are_no_position(tmp_path: Path) -> None:
    path = photo_with(tmp_path / "a.jpg", gps=PARIS)
    content = path.read_bytes()
    one = struct.pack(">II", 48, 1), struct.pack("<II", 48, 1)
    which = next(each for each in one if each in content)
    for parts in ((48, 0), (0, 0)):
        zero = struct.pack(">II" if which is one[0] else "<II", *parts)
        path.write_bytes(content.replace(which, zero))
        assert facts_of(path).gps is None


def test_nothing_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(*_: object) -> None:
        pytest.fail("a photo was decoded")

    paths = [
        photo_with(tmp_path / f"a.{suffix}") for suffix in ("png", "jpg", "webp", "tif", "gif")
    ]
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decode)
    assert [facts_of(path) for path in paths] == [Facts(width=64, height=48)] * len(paths)
    paths[0].write_bytes(paths[0].read_bytes()[:60])
    assert facts_of(paths[0]).taken is None


@pytest.mark.parametrize(
    ("maker", "model", "camera"),
    [
        ("NIKON CORPORATION", "NIKON D90", "NIKON CORPORATION NIKON D90"),
        ("Canon", "Canon EOS 5D", "Canon EOS 5D"),
        ("", "SM-G960F", "SM-G960F"),
        ("Apple", "", "Apple"),
        ("a\nb\x1b[31m", "c  d", "a b [31m c d"),
        ("  ", "\0", None),
        ("x" * 300, "y", "x" * 100),
    ],
)
def test_cameras(tmp_path: Path, maker: str, model: str, camera: str | None) -> None:
    path = photo_with(tmp_path / "a.jpg", {MAKE: maker, MODEL: model})
    assert facts_of(path).camera == camera


@given(st.data())
def test_no_bytes_make_an_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp() / "facts"
    source = folder / "good.jpg"
    if not source.exists():
        photo_with(source, {MAKE: "Canon"}, {ORIGINAL: "2019:07:12 18:30:00"}, PARIS)
    content = bytearray(source.read_bytes())
    for _ in range(data.draw(st.integers(1, 12))):
        content[data.draw(st.integers(0, min(len(content), 400) - 1))] = data.draw(
            st.integers(0, 255)
        )
    (folder / "bad.jpg").write_bytes(content[: data.draw(st.integers(0, len(content)))])
    facts = facts_of(folder / "bad.jpg")
    assert facts.gps is None or (abs(facts.gps[0]) <= 90 and abs(facts.gps[1]) <= 180)
    assert facts.camera is None or facts.camera.isprintable()
