"""Pages of a collection: its places, its duplicates, where a photo was taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from solar.files import numbered, printable
from solar.photos import Photo
from solar.photos.thumbnails import Thumbnail, thumbnail
from solar.typing import AnyPath, Progress
from solar.web.html import write_html

if TYPE_CHECKING:
    from solar.collection import (
        Duplicates,
        Group,
        GroupedPhoto,
        Located,
        Place,
        PlacesFound,
        Proof,
    )

_G = TypeVar("_G")

SECTIONS = 200
"""At most so many places or groups are shown."""
PICTURES = 24
"""At most so many photos of each, beside its cover."""
_SIDE = 240  # Pixels of a thumbnail.


@dataclass(frozen=True)
class Picture:
    """A photo of a page.

    Attributes:
        path: of it; the tooltip.
        photo: its thumbnail; None if it cannot be opened.
        title: in bold, below it.
        text: below that.
        frame: `right`, `query` or nothing: a class of the stylesheet.
    """

    path: str
    photo: Thumbnail | None
    title: str = ""
    text: str = ""
    frame: str = ""

    @property
    def name(self) -> str:
        """Of the file."""
        return printable(Path(self.path).name)

    @property
    def address(self) -> str | None:
        """A link to the file, if it is there."""
        path = Path(self.path)
        return path.resolve().as_uri() if path.is_file() else None


@dataclass(frozen=True)
class Section:
    """Photos that belong together.

    Attributes:
        title: of it.
        text: below the title.
        pictures: in order.
        cover: shown large on the left; None for none.
    """

    title: str
    text: str
    pictures: Sequence[Picture]
    cover: Picture | None = None


def write_where(path: AnyPath, photo: Photo, found: Located) -> None:
    """Write a page of a photo and of those that prove where it was taken, atomically.

    Args:
        path: of the HTML file; replaced if it exists.
        photo: the query; one that is decoded is not decoded again.
        found: what `solar.collection.where` gave.
    """
    query = _picture(photo, found.query, "query", frame="query")
    location = found.location
    if location is None:
        lead, sections = "Nowhere proven.", [Section("Nowhere proven", found.reason, [], query)]
    else:
        at = position(location.latitude, location.longitude)
        lead = f"Very probably taken within {location.radius:,.0f} m of {at}."
        proofs = _proofs(location.photos)
        sections = [Section(at, "These show the same place, and were taken there", proofs, query)]
        if location.disagreeing:
            told = "These seem to show the same place, but say that they were taken elsewhere"
            sections.append(Section("Disagreeing", told, _proofs(location.disagreeing)))
    _write(path, f"Where was {printable(Path(found.query).name)} taken?", lead, sections)


def write_places(
    path: AnyPath, found: PlacesFound, name: str, progress: Progress | None = None
) -> None:
    """Write a contact sheet of the places of a collection, atomically.

    Args:
        path: of the HTML file; replaced if it exists.
        found: what `solar.collection.places` gave.
        name: of the collection.
        progress: called with the number of places drawn, and of all.
    """
    sections = _drawn(found.places, _place, progress)
    lead = (
        f"{numbered(len(found.places), 'place')} of several photos, "
        f"{numbered(len(found.alone), 'photo')} alone. "
        "A percentage says how probable it is that a photo shows the place of another here."
        + _more(len(found.places), SECTIONS, "places")
    )
    _write(path, f"The places of {printable(name)}", lead, sections)


def _drawn(
    groups: Sequence[_G], draw: Callable[[int, _G], Section], progress: Progress | None
) -> list[Section]:
    """The first of many groups, drawn one after the other."""
    sections = []
    for number, group in enumerate(groups[:SECTIONS], 1):
        sections.append(draw(number, group))
        if progress is not None:
            progress(number, min(len(groups), SECTIONS))
    return sections


def _place(number: int, place: Place) -> Section:
    cover = next(photo for photo in place.photos if photo.id == place.cover)
    others = [photo for photo in place.photos if photo.id != place.cover]
    shown = [
        _picture(photo.path, photo.path, f"{100 * photo.probability:.0f} %", photo.taken or "")
        for photo in others[:PICTURES]
    ]
    text = _when_and_where(place) + _more(len(others), PICTURES, "photos")
    drawn = _picture(cover.path, cover.path, "cover", cover.taken or "", "query")
    return Section(f"{number}. {len(place.photos)} photos", text, shown, drawn)


def _when_and_where(place: Place) -> str:
    first, last = (place.first or "")[:10], (place.last or "")[:10]
    said = [first if first == last else f"{first} to {last}"] if first else []
    if place.gps is not None:
        at = position(*place.gps.middle)
        others = f", {place.gps.elsewhere} say elsewhere" if place.gps.elsewhere else ""
        says = f"{place.gps.photos} photos say so{others}"
        said.append(f"{at}, within {place.gps.metres:,.0f} m ({says})")
    return "; ".join(said)


def _more(count: int, shown: int, what: str) -> str:
    return f" {count - shown:,} more {what} are not shown." if count > shown else ""


def write_duplicates(
    path: AnyPath, found: Duplicates, name: str, progress: Progress | None = None
) -> None:
    """Write a page of the photos of a collection that are the same, atomically.

    Args:
        path: of the HTML file; replaced if it exists.
        found: what `solar.collection.duplicates` gave.
        name: of the collection.
        progress: called with the number of groups drawn, and of all.
    """
    sections = _drawn(found.groups, _group, progress)
    more = sum(len(group.photos) - 1 for group in found.groups)
    lead = (
        f"{numbered(len(found.groups), 'group')}, with {numbered(more, 'photo')} beside the ones "
        "to keep. Nothing was deleted." + _more(len(found.groups), SECTIONS, "groups")
    )
    _write(path, f"Photos of {printable(name)} that are the same", lead, sections)


def _group(number: int, group: Group) -> Section:
    first, *others = group.photos
    cover = _picture(first.path, first.path, "keep", _size(first), "right")
    shown = [
        _picture(each.path, each.path, each.same.how if each.same else "", _size(each))
        for each in others[:PICTURES]
    ]
    text = f"{group.why[0].upper()}{group.why[1:]}." + _more(len(others), PICTURES, "photos")
    return Section(f"{number}. The same {group.rung}", text, shown, cover)


def _size(photo: GroupedPhoto) -> str:
    pixels = f"{photo.width} × {photo.height}, " if photo.width else ""
    return f"{pixels}{photo.size:,} bytes" if photo.size >= 0 else pixels.rstrip(", ")


def _proofs(proofs: Sequence[Proof]) -> list[Picture]:
    shown = []
    for proof in proofs:
        probable = "" if proof.probability is None else f"{100 * proof.probability:.0f} % · "
        agree = "" if proof.inliers is None else f"; {proof.inliers} keypoints agree"
        title = f"{probable}{_distance(proof.metres)} away"
        shown.append(_picture(proof.path, proof.path, title, position(*proof.gps) + agree))
    return shown


def _distance(metres: float) -> str:
    return f"{metres:,.0f} m" if metres < 10_000 else f"{metres / 1000:,.0f} km"


def position(latitude: float, longitude: float) -> str:
    """Degrees north and east, to about a metre."""
    return f"{latitude:.5f},{longitude:.5f}"


def _picture(photo: Photo, path: str, title: str = "", text: str = "", frame: str = "") -> Picture:
    """A photo of a page, its thumbnail made now."""
    return Picture(path, thumbnail(photo, side=_SIDE), title, text, frame)


def _write(path: AnyPath, title: str, lead: str, sections: Sequence[Section]) -> None:
    write_html(path, "album.html", title=title, lead=lead, sections=sections)
