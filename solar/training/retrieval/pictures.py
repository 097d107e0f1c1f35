"""Pictures of a training: its tuples as the network sees them, and where it attends."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from solar.errors import PhotoError
from solar.models.global_descriptor import GlobalDescriptor
from solar.photos import open_photo
from solar.photos.overlay import attention_overlay
from solar.training.retrieval.tuples import TupleImages
from solar.training.run.task import Picture

SIDE = 224  # pixels of an image in the picture of tuples
TUPLES = 8  # of an epoch, in that picture
ATTENDED = 2  # queries of an epoch with attention maps


def sheet(images: TupleImages) -> NDArray[np.uint8]:
    """The first tuples, a row each: query, positive, negatives; unreadable ones are left out."""
    found = [images[number] for number in range(min(TUPLES, len(images)))]
    rows = [row for row in found if not isinstance(row, str)]
    width = max((len(row) for row in rows), default=1)
    picture = Image.new("RGB", (width * SIDE, max(len(rows), 1) * SIDE))
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            small = Image.fromarray(image.permute(1, 2, 0).numpy())
            small.thumbnail((SIDE, SIDE))
            picture.paste(small, (x * SIDE, y * SIDE))
    return np.array(picture)


def attention_overlays(model: GlobalDescriptor, images: TupleImages) -> Iterator[Picture]:
    """Where the middle of the first queries attends, after each stage with attention."""
    for number, query in enumerate(images.tuples.photos[:ATTENDED, 0].tolist()):
        path = images.photos.path(query)
        try:
            photo = open_photo(path)
        except PhotoError:
            continue  # no reason to end a training
        middle = (photo.width / 2, photo.height / 2)
        for stage in model.config.attention:
            weights = model.attention_map(path, middle, stage)
            overlay = np.array(attention_overlay(photo, weights, middle))
            yield f"attention/{stage}, query {number}", overlay
