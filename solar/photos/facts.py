"""What a photo's file says of itself: when, where and with what it was taken, and its size."""

from __future__ import annotations

import contextlib
import math
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from solar.errors import PhotoError
from solar.photos._orientation import TAG as _ORIENTATION
from solar.photos._quiet import QUIET
from solar.photos._sniff import kind_of, need_decoder
from solar.typing import AnyPath

_EXIF, _GPS = 0x8769, 0x8825  # directories
_MAKE, _MODEL, _CHANGED = 271, 272, 306
_ORIGINAL, _OFFSET, _OFFSET_ORIGINAL = 36867, 36880, 36881
_LATITUDE, _LONGITUDE, _CLOCK, _STATUS, _DAY = (1, 2), (3, 4), 7, 9, 29

_DATE = re.compile(r"(\d{4})[:\-](\d\d)[:\-](\d\d)[ T](\d\d):(\d\d):(\d\d)")
_ZONE = re.compile(r"([+-])(\d\d):(\d\d)|(Z)")
_EARLIEST = datetime(1826, 1, 1)  # The first photograph.
_WIDEST_ZONE = 14 * 60
_LONGEST = 100  # Characters of a camera's name.
_HEAD = 1 << 16  # Bytes that tell the kind.
_ODD = (
    *(PhotoError, OSError, ValueError, SyntaxError, KeyError, TypeError, IndexError),
    *(OverflowError, ArithmeticError, AttributeError, struct.error),
    Image.DecompressionBombError,
)


class Facts(NamedTuple):
    """What a photo's file says of itself; None for what it does not say, or what cannot be.

    Attributes:
        taken: when, by the camera's clock: 2019-07-12T18:30:00.
        zone: of that clock, in minutes east of UTC.
        latitude: where, in degrees north.
        longitude: in degrees east.
        camera: its maker and model.
        width: in pixels, after its EXIF orientation.
        height: likewise.
    """

    taken: str | None = None
    zone: int | None = None
    latitude: float | None = None
    longitude: float | None = None
    camera: str | None = None
    width: int | None = None
    height: int | None = None

    @property
    def gps(self) -> tuple[float, float] | None:
        """Where: degrees north and east."""
        if self.latitude is None or self.longitude is None:
            return None
        return self.latitude, self.longitude

    @property
    def when(self) -> str | None:
        """When it was taken, with the zone if it is known: 2019-07-12T18:30:00+02:00."""
        if self.taken is None or self.zone is None:
            return self.taken
        sign, (hours, minutes) = "+-"[self.zone < 0], divmod(abs(self.zone), 60)
        return f"{self.taken}{sign}{hours:02}:{minutes:02}"


def facts_of(path: AnyPath) -> Facts:
    """Read the facts of a photo from its file's head; nothing is decoded, and nothing raised.

    Whoever wrote them may be wrong or hostile: a date that no photo can have, a position without
    its hemisphere or off the earth, or 0, 0, which cameras write that know no position, is none.

    Args:
        path: of the photo.
    """
    with QUIET, contextlib.suppress(*_ODD), _opened(Path(path)) as image:
        width, height = image.size
        tags: Mapping[int, Any] = {}
        exif: Mapping[int, Any] = {}
        gps: Mapping[int, Any] = {}
        with contextlib.suppress(*_ODD):
            # A PNG's own would decode all of it to look for more behind its pixels.
            tags = found = Image.Image.getexif(image)
            exif, gps = found.get_ifd(_EXIF), found.get_ifd(_GPS)
        if tags.get(_ORIENTATION) in (5, 6, 7, 8) and image.format != "TIFF":  # Turned already.
            width, height = height, width
        taken = _moment(exif.get(_ORIGINAL)) or _moment(tags.get(_CHANGED))
        zone = None if taken is None else _zone(taken, exif, gps)
        latitude, longitude = _position(gps)
        when = None if taken is None else taken.isoformat()
        return Facts(when, zone, latitude, longitude, _camera(tags), width, height)
    return Facts()


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """A photo, its head read."""
    with path.open("rb") as file:
        kind = kind_of(file.read(_HEAD))
        if kind is None:
            raise ValueError
        need_decoder(kind)
        file.seek(0)
        with Image.open(file, formats=("TIFF" if kind == "RAW" else kind,)) as image:
            yield image


def date_of(path: AnyPath) -> str | None:
    """The day on which a photo was taken, as 2019-07-12; of its file, as `file of 2019-07-12`.

    Args:
        path: of a photo.
    """
    if taken := facts_of(path).taken:
        return taken[:10]
    with contextlib.suppress(OSError, ValueError, OverflowError):
        return f"file of {datetime.fromtimestamp(Path(path).stat().st_mtime):%Y-%m-%d}"
    return None


def _moment(value: object) -> datetime | None:
    """A time of EXIF; None if it is none, or one when no photo was taken."""
    found = _DATE.match(str(value))
    if found is None:
        return None
    with contextlib.suppress(ValueError):
        moment = datetime(*map(int, found.groups()))  # type: ignore[arg-type]
        if _EARLIEST <= moment <= datetime.now() + timedelta(days=1):
            return moment
    return None


def _zone(taken: datetime, exif: Mapping[int, Any], gps: Mapping[int, Any]) -> int | None:
    """Minutes east of UTC: as stated, or by the time that the satellites gave."""
    for tag in (_OFFSET_ORIGINAL, _OFFSET):
        if found := _ZONE.match(str(exif.get(tag)).strip()):
            sign, hours, minutes, utc = found.groups()
            zone = 0 if utc else int(f"{sign}1") * (60 * int(hours) + int(minutes))
            return zone if abs(zone) <= _WIDEST_ZONE else None
    with contextlib.suppress(*_ODD):
        hour, minute, second = map(float, gps[_CLOCK])
        day = datetime.strptime(str(gps[_DAY])[:10].replace("-", ":"), "%Y:%m:%d")
        utc_time = day + timedelta(hours=hour, minutes=minute, seconds=second)
        quarters = (taken - utc_time).total_seconds() / 900
        near = round(quarters)
        # A zone is whole quarters of an hour; what is off by more was an old position's time.
        if abs(quarters - near) <= 0.2 and abs(15 * near) <= _WIDEST_ZONE:
            return 15 * near
    return None


def _position(gps: Mapping[int, Any]) -> tuple[float | None, float | None]:
    """Latitude and longitude in degrees, or neither."""
    latitude = _degrees(gps, _LATITUDE, "NS", 90)
    longitude = _degrees(gps, _LONGITUDE, "EW", 180)
    void = str(gps.get(_STATUS)).strip("\0 ") == "V"
    if void or latitude is None or longitude is None or latitude == longitude == 0:
        return None, None
    return latitude, longitude


def _degrees(
    gps: Mapping[int, Any], tags: tuple[int, int], hemispheres: str, most: int
) -> float | None:
    side = str(gps.get(tags[0])).strip("\0 ").upper()
    with contextlib.suppress(*_ODD):
        parts: Sequence[float] = [float(part) for part in gps[tags[1]]]
        degrees, minutes, seconds = (*parts, 0.0, 0.0)[:3]
        inside = degrees >= 0 and 0 <= minutes < 60 and 0 <= seconds <= 60
        total = degrees + minutes / 60 + seconds / 3600
        if inside and total <= most and side in (*hemispheres,) and math.isfinite(total):
            return round(total if side == hemispheres[0] else -total, 7)
    return None


def _camera(tags: Mapping[int, Any]) -> str | None:
    maker, model = (_text(tags.get(tag)) for tag in (_MAKE, _MODEL))
    named = model.casefold().startswith(maker.casefold())
    return (model if named else f"{maker} {model}").strip()[:_LONGEST] or None


def _text(value: object) -> str:
    text = value.partition("\0")[0] if isinstance(value, str) else ""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
