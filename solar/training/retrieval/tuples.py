"""Photos put together as tuples: query, positive, negatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from solar.datasets.places import Places, open_places
from solar.errors import PhotoError, UsageError
from solar.photos import Box, find_photos, open_photo, prepare
from solar.photos.augment import rephotograph
from solar.training.retrieval.recipe import RetrievalRecipe, Source
from solar.training.retrieval.sampling import Draw, draw_epoch

Numbers = NDArray[np.int64]
Images = list[Tensor] | str
"""Images (3, H, W) of any sizes, or why one of them cannot be read."""
Batch = tuple[Tensor, list[torch.Size]] | str
"""The bytes of many images, one after the other, and their shapes; or why one cannot be read."""


class TrainingPhotos:
    """All photos of a recipe, numbered through.

    Args:
        recipe: names them.

    Attributes:
        places: (N,) int64, the place that each shows; a photo without label is a place of its own.
        alone: how many photos with labels are the only ones of their place: never queries.

    Raises:
        UsageError: photos or lists are missing or wrong, or there are too few for the tuples asked
            for; names the table.
    """

    def __init__(self, recipe: RetrievalRecipe) -> None:
        self._sources = recipe.photos
        self._sets = [
            _open(recipe.base, source, f"[[photos]] number {number}")
            for number, source in enumerate(recipe.photos, 1)
        ]
        self._starts = np.cumsum([0, *map(len, self._sets)])
        sizes = [np.bincount(photos.places) for photos in self._sets if isinstance(photos, Places)]
        self.alone = sum(int((size == 1).sum()) for size in sizes)
        places, first = [], 0
        for photos in self._sets:
            own = photos.places if isinstance(photos, Places) else np.arange(len(photos))
            places.append(own.astype(np.int64) + first)
            first += int(own.max()) + 1
        self.places = np.concatenate(places)
        self._check(recipe.tuples.negatives)

    def __len__(self) -> int:
        return len(self.places)

    def path(self, number: int) -> Path:
        """The photo's file."""
        photos, own = self._find(number)
        return photos.path(own) if isinstance(photos, Places) else photos[own]

    def box(self, number: int) -> Box | None:
        """The part of the photo that counts."""
        photos, own = self._find(number)
        return photos.box(own) if isinstance(photos, Places) else None

    def labelled(self, number: int) -> bool:
        """Whether other photos of its place may be known."""
        return isinstance(self._find(number)[0], Places)

    def draw(self, random: np.random.Generator) -> Draw:
        """Queries with positives, and a pool, for one epoch."""
        drawn = [
            _draw(photos, source, random)
            for photos, source in zip(self._sets, self._sources, strict=True)
        ]
        columns = zip(*((d.queries, d.positives, d.pool) for d in drawn), strict=True)
        queries, positives, pool = (
            np.concatenate([part + s for part, s in zip(column, self._starts[:-1], strict=True)])
            for column in columns
        )
        # Mixed, or the sources would come one after the other.
        order = random.permutation(len(queries))
        return Draw(queries[order], positives[order], pool)

    def _check(self, negatives: int) -> None:
        asked = f"[tuples] negatives {negatives}"
        places = len(np.unique(self.places))
        if places <= negatives:
            few = f"the photos show {places} places, a tuple needs {negatives + 1}"
            raise UsageError(f"{asked}: {few}: add places or ask for fewer negatives")
        sizes = zip(self._sources, self._sets, strict=True)
        pool = sum(min(source.pool, len(photos)) for source, photos in sizes)
        if pool < negatives:
            raise UsageError(f"{asked}: the pool has {pool} photos: draw more in [[photos]] pool")

    def _find(self, number: int) -> tuple[Places | Sequence[Path], int]:
        index = int(np.searchsorted(self._starts, number, side="right")) - 1
        return self._sets[index], number - int(self._starts[index])


@dataclass(frozen=True)
class Tuples:
    """Tuples of one epoch.

    Attributes:
        photos: (T, 2 + S) photo numbers: query, positive, negatives.
    """

    photos: Numbers

    def __len__(self) -> int:
        return len(self.photos)

    def labels(self, count: int) -> Tensor:
        """Tuple labels of so many tuples: (count * (2 + S),)."""
        one = torch.zeros(self.photos.shape[1], dtype=torch.long)
        one[0], one[1] = -1, 1
        return one.repeat(count)


class TupleImages(Dataset[Images]):
    """The images of tuples; each depends on the seed, the epoch and its place only.

    Args:
        photos: of the recipe.
        tuples: of the epoch.
        recipe: how photos are seen.
        epoch: number of the epoch.

    Shape:
        item: 2 + S uint8 tensors (3, H, W), or why one of the photos cannot be read.
    """

    def __init__(
        self, photos: TrainingPhotos, tuples: Tuples, recipe: RetrievalRecipe, epoch: int
    ) -> None:
        self.photos, self.tuples, self.recipe, self.epoch = photos, tuples, recipe, epoch

    def __len__(self) -> int:
        return len(self.tuples)

    def __getitem__(self, number: int) -> Images:
        members = self.tuples.photos[number].tolist()
        try:
            return [self._image(photo, number, place) for place, photo in enumerate(members)]
        except PhotoError as error:  # raised in a worker, it would arrive as a stack trace
            return str(error)

    def _image(self, photo: int, number: int, place: int) -> Tensor:
        settings = self.recipe.tuples
        random = np.random.default_rng((self.recipe.optimiser.seed, self.epoch, number, place))
        image = open_photo(self.photos.path(photo))
        box = self.photos.box(photo)
        if box is not None:
            image = prepare(image, max(image.size), box)
        # Query and positive of a photo without label are two other visits to what it shows.
        if place < 2 and not self.photos.labelled(photo):
            image = rephotograph(image, random, self.recipe.visit)
        if settings.crop == "square":
            image = _square(image, settings.image_size, random)
        else:
            image = prepare(image, settings.image_size)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


def pack(items: Sequence[Images]) -> Batch:
    """Images of tuples in one piece of memory: a shared one for each would take too many files."""
    images: list[Tensor] = []
    for item in items:
        if isinstance(item, str):
            return item
        images += item
    pixels = [torch.empty(0, dtype=torch.uint8), *(image.flatten() for image in images)]
    return torch.cat(pixels), [image.shape for image in images]


def unpack(pixels: Tensor, shapes: Sequence[torch.Size]) -> list[Tensor]:
    """The images that were packed, (3, H, W) each."""
    parts = torch.split(pixels, [prod(shape) for shape in shapes]) if shapes else ()
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]


def _open(base: Path, source: Source, where: str) -> Places | Sequence[Path]:
    try:
        photos = _listed(base, source)
        _draw(photos, source, np.random.default_rng())  # what cannot be drawn is said at once
    except UsageError as error:
        key = "places" if source.folder is None else "folder"
        raise UsageError(f"{where} {key}: {error}") from error
    return photos


def _listed(base: Path, source: Source) -> Places | Sequence[Path]:
    if source.folder is not None:
        found = find_photos(base / source.folder)
        if not found:
            raise UsageError(f"{base / source.folder}: holds no photo")
        return found
    assert source.places is not None  # noqa: S101 - narrows the type
    return open_places(
        base / source.places,
        photos=None if source.photos is None else base / source.photos,
        boxes=[base / box for box in source.boxes],
    )


def _draw(photos: Places | Sequence[Path], source: Source, random: np.random.Generator) -> Draw:
    if isinstance(photos, Places):
        return draw_epoch(photos.places, photos.pairs, source.queries, source.pool, random)
    queries = random.permutation(len(photos))[: source.queries]
    return Draw(queries, queries, random.permutation(len(photos))[: source.pool])


def _square(image: Image.Image, side: int, random: np.random.Generator) -> Image.Image:
    """A random square of the short side, resized bilinearly, as released."""
    short = min(image.size)
    left = int(random.integers(image.width - short + 1))
    top = int(random.integers(image.height - short + 1))
    box = (left, top, left + short, top + short)
    return image.crop(box).resize((side, side), Image.Resampling.BILINEAR)
