"""What many machines share: a list of photos, in shards that any of them may describe.

``photos.jsonl`` beside the shards lists the photos, as whoever came first found them. A shard is
for some lines of it, and so it is the same whoever makes it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from solar.errors import SolarError, UsageError
from solar.extraction.extraction import Extraction
from solar.extraction.shards import Shards, create_shards, open_shards
from solar.files import printable, shown
from solar.files.stores import Store, is_address, local_path, open_store
from solar.photos.stored import Listed, StoredPhoto, list_photos, open_listed
from solar.typing import AnyPath

LIST = "photos.jsonl"
_LOOKED_AT = 16  # Photos that tell whether a machine sees the same ones.


@dataclass(frozen=True)
class Work:
    """Shards, and the photos that they are for.

    Attributes:
        shards: filled or not.
        roots: where the photos are, as the machine that made the list calls it.
        photos: in order.
        notes: what that machine did not look at; empty on others.
    """

    shards: Shards
    roots: list[str]
    photos: list[Listed]
    notes: tuple[str, ...] = ()

    def of(self, shard: int) -> list[Listed]:
        """The photos of a shard."""
        start = shard * self.shards.shard_size
        return self.photos[start : start + self.shards.shard_size]

    @cached_property
    def names(self) -> list[str]:
        """What each photo is called: its address, or an absolute path."""
        return [photo.name for photo in open_listed(self.roots, self.photos)]


def join_work(
    place: AnyPath,
    extraction: Extraction,
    roots: Sequence[AnyPath],
    exclude: Sequence[str],
    shard_size: int,
) -> Work:
    """Take part in some work, or begin it.

    Args:
        place: of the shards, a folder or an address.
        extraction: what describes the photos.
        roots: folders, addresses and photos; the same on every machine, perhaps by other names.
        exclude: see `list_photos`; of no effect where others have listed the photos.
        shard_size: photos per shard.

    Raises:
        UsageError: the work is of another extraction, or for other photos.
        SolarError: there is no photo, or a place cannot be read or written.
    """
    store, notes = open_store(place), list[str]()
    where = printable(store.address)
    if store.stat(LIST) is None:
        photos, notes = list_photos(roots, exclude)
        if not photos:
            raise SolarError("; ".join((f"{where}: there is no photo to describe", *notes)))
        called = [_called(root) for root in roots]
        lines = [json.dumps({"roots": called}), *(json.dumps(photo) for photo in photos)]
        if not store.create(LIST, "\n".join(lines).encode()):
            notes = []
    called, photos = _listed(store)
    if len(called) != len(roots):
        raise UsageError(
            f"{where}: is for {len(called)} PHOTOS, not {len(roots)}: give the same on every "
            "machine, or choose another folder"
        )
    _require_same(roots, photos, where)
    lines = [json.dumps(photo) for photo in photos]
    shards = create_shards(store, extraction, lines, shard_size, "float32")
    return Work(shards, called, photos, tuple(notes))


def open_work(place: AnyPath) -> Work:
    """What machines have made together.

    Raises:
        SolarError: nothing is there, or it is damaged.
    """
    store = open_store(place)
    shards, (called, photos) = open_shards(store), _listed(store)
    if len(photos) != shards.photos:
        raise SolarError(
            f"{printable(store.address)}: lists {len(photos)} photos, but its manifest says "
            f"{shards.photos}: delete it, and describe the photos again"
        )
    return Work(shards, called, photos)


def _called(root: AnyPath) -> str:
    return os.fspath(root) if is_address(root) else local_path(root).absolute().as_posix()


def _listed(store: Store) -> tuple[list[str], list[Listed]]:
    """Roots and photos of a list; any line may be a stranger's."""
    what = f"{printable(store.address)}/{LIST}"
    try:
        first, *lines = store.read(LIST).split(b"\n")
        roots = [str(root) for root in json.loads(first)["roots"]]
        photos = []
        for line in lines:
            root, name, size, version = json.loads(line)
            if not (type(root) is type(size) is int and 0 <= root < len(roots)):
                raise ValueError("numbers out of range")
            if not isinstance(name, str) or ".." in name.split("/") or name.startswith("/"):
                raise ValueError(f"{name!r:.60} lies outside its root")
            photos.append(Listed(root, name, size, str(version)))
    except FileNotFoundError as missing:
        raise SolarError(f"{what}: no such file: `solar describe --worker` makes it") from missing
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SolarError(f"{what}: damaged ({shown(str(error))}): delete the folder") from error
    return roots, photos


def _require_same(roots: Sequence[AnyPath], photos: Sequence[Listed], where: str) -> None:
    """Refuse folders that hold other photos: each would become one that failed."""
    some = np.linspace(0, len(photos) - 1, min(len(photos), _LOOKED_AT)).astype(int).tolist()
    chosen = [photos[number] for number in some]
    stores = [open_store(root) for root in roots]
    found = [stores[each.root].stat(each.name) for each in chosen]
    lost = [each for each, here in zip(chosen, found, strict=True) if not here]
    if 2 * len(lost) > len(chosen):
        raise UsageError(
            f"{printable(stores[lost[0].root].address)}: holds no {printable(lost[0].name)}, which "
            f"{where} is for: give the same PHOTOS on every machine, or choose another folder"
        )


def opened(work: Work, shard: int, roots: Sequence[AnyPath]) -> list[StoredPhoto]:
    """The photos of a shard, as this machine reads them."""
    return list(open_listed(roots, work.of(shard)))
