"""What all engines do alike: photos decoded while others are described, in batches of one shape.

Where an engine describes several batches at once, each thread decodes and describes: cores that
share a batch wait for each other, and for the one that decodes meanwhile.

Photos are never padded or stretched to fill a batch, so a batched descriptor equals the one that
the photo would get alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from functools import cached_property, partial

from PIL.Image import Image

from solar.errors import PhotoError, SolarError, UsageError
from solar.extraction.extraction import Extraction
from solar.extraction.extractor import Described, Failed
from solar.extraction.whiten import whitened
from solar.files.threads import cores, threads
from solar.models.config import GlobalConfig
from solar.models.whitening import Whitening
from solar.photos import Box, Photo, decode_each, require_sizes
from solar.typing import Descriptors

# Pixels of the photos that wait, decoded, to be sorted by shape.
WINDOW_PIXELS = 64_000_000
_FIRST = 8  # photos of the first window


class BatchExtractor(ABC):
    """An `Extractor` of photos in batches of equal shape; an engine says what becomes of a batch.

    Attributes:
        name: what the extraction calls the model.
        image_size: limit of the longest side in pixels.
        scales: at which descriptors are averaged.
        whitening: applied after the model, or None.
    """

    def __init__(
        self,
        name: str,
        config: GlobalConfig,
        *,
        image_size: int | None,
        scales: Sequence[float] | None,
        decoding: str,
        whitening: Whitening | None,
    ) -> None:
        """Take what `open_extractor` was given, or the model's own.

        Raises:
            UsageError: a size or a scale out of range.
        """
        self.name = name
        self._config, self._decoding, self.whitening = config, decoding, whitening
        self.image_size = config.image_size if image_size is None else image_size
        self.scales = tuple(config.scales if scales is None else scales)
        require_sizes(self.image_size, self.scales)

    @property
    @abstractmethod
    def batch_pixels(self) -> int:
        """Of a batch at the largest scale: enough to fill the device, not too much to hold."""

    @abstractmethod
    def _network(self) -> tuple[str, int]:
        """The network's fingerprint, and how many dimensions its descriptors have."""

    def _precision(self) -> str:
        """The class within which its descriptors agree; see `Extraction`."""
        return "full"

    def _at_once(self, count: int) -> int:
        """How many batches are described at the same time, of so many photos."""
        return 1

    @abstractmethod
    def _describe_batch(self, photos: Sequence[Image], at_once: int) -> Descriptors:
        """Photos of equal size, prepared -> (B, D) float32, unit rows.

        Args:
            photos: B of them.
            at_once: what `_at_once` said.

        Raises:
            SolarError: descriptors are not finite.
        """

    @cached_property
    def extraction(self) -> Extraction:
        """Everything that the descriptors depend on; reads every weight when first asked.

        Raises:
            UsageError: the whitening was learned from other descriptors than the model's.
        """
        fingerprint, dimensions = self._network()
        bare = Extraction(
            model=self.name,
            fingerprint=fingerprint,
            dimensions=dimensions,
            image_size=self.image_size,
            scales=self.scales,
            precision=self._precision(),
            decoding=self._decoding,
            own_whitening=self._config.whitening,
            multiple=self._config.multiple,
        )
        return bare if self.whitening is None else whitened(bare, self.whitening)

    def describe(
        self, photos: Sequence[Photo], boxes: Sequence[Box | None] | None = None
    ) -> Iterator[Described | Failed]:
        """See `Extractor.describe`: batch by batch, in the order of their shapes.

        Raises:
            SolarError: descriptors are not finite.
        """
        if boxes is not None and len(boxes) != len(photos):
            raise UsageError(f"{len(boxes)} boxes for {len(photos)} photos")
        at_once = self._at_once(len(photos))
        with threads(at_once if at_once > 1 else max(2, cores())) as pool:
            for window in self._decoded(pool, photos, boxes):
                yield from self._describe_window(window, pool, at_once)

    def _describe_window(
        self, window: Sequence[tuple[int, Image | SolarError]], pool: Executor, at_once: int
    ) -> Iterator[Described | Failed]:
        for position, photo in window:
            if isinstance(photo, SolarError):
                yield Failed(position, photo)
        batches = self._batches(window, at_once)
        each = map if at_once == 1 else pool.map
        rows = each(partial(self._whitened, at_once=at_once), [photos for _, photos in batches])
        for (positions, _), described in zip(batches, rows, strict=True):
            yield from map(Described, positions, described)

    def _decoded(
        self,
        pool: Executor,
        photos: Sequence[Photo],
        boxes: Sequence[Box | None] | None,
    ) -> Iterator[list[tuple[int, Image | SolarError]]]:
        """Windows of (position, photo or why not), each decoded while the last is used.

        They grow from a few photos, so that the first results do not wait for many.
        """
        size, turned, draft = (
            self.image_size,
            self._decoding != "stored",
            self._decoding == "draft",
        )

        def prepared(position: int) -> tuple[int, Image | SolarError]:
            try:
                photo = decode_each(photos, position, size, turned=turned, draft=draft)
                return position, photo.prepared(size, boxes[position] if boxes else None)
            except (PhotoError, UsageError) as error:
                return position, error

        most = min(max(WINDOW_PIXELS // size**2, _FIRST), 512)
        start, count = 0, _FIRST
        ahead: list[Future[tuple[int, Image | SolarError]]] = []
        while start < len(photos):
            window = range(start, min(start + count, len(photos)))
            start, count = window.stop, min(2 * count, most)
            current, ahead = ahead, [pool.submit(prepared, position) for position in window]
            if current:
                yield [future.result() for future in current]
        yield [future.result() for future in ahead]

    def _batches(
        self, window: Sequence[tuple[int, Image | SolarError]], at_once: int
    ) -> list[tuple[list[int], list[Image]]]:
        """Positions and photos of equal shape, of at most so many pixels."""
        by_shape = defaultdict(list)
        for position, photo in window:
            if not isinstance(photo, SolarError):
                by_shape[photo.size].append((position, photo))
        pixels = int(self.batch_pixels / max(self.scales) ** 2 / at_once)
        batches = []
        for (width, height), group in by_shape.items():
            count = max(1, pixels // (width * height))
            for start in range(0, len(group), count):
                part = group[start : start + count]
                batches.append(([number for number, _ in part], [photo for _, photo in part]))
        return batches

    def _whitened(self, photos: Sequence[Image], at_once: int) -> Descriptors:
        described = self._describe_batch(photos, at_once)
        return described if self.whitening is None else self.whitening.apply(described)
