"""Forward passes that concurrent requests share: what waits at a moment is described together."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace

from solar.errors import SolarError
from solar.extraction import Described, Extraction, Extractor, Failed, engine_of
from solar.photos import Box, Photo

MOST = 7
"""Photos at once: engines open the graph anew for more streams where there are eight."""

_Result = Described | Failed
_Waiting = tuple[Photo, Box | None, "Future[_Result]"]


class SharedExtractor:
    """An `Extractor` for many threads, each with one photo.

    One thread takes what waits, and hands it to the extractor behind, which batches photos of one
    shape. Nobody waits for company: a photo that comes alone is described alone. Lists of photos,
    as of adding, go to the extractor itself.
    """

    def __init__(self, extractor: Extractor) -> None:
        """Begin.

        Args:
            extractor: that describes.
        """
        self._extractor = extractor
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self.passes = self.photos = 0
        self._thread = threading.Thread(target=self._run, name="solar-describe", daemon=True)
        self._thread.start()

    @property
    def extraction(self) -> Extraction:
        """See `Extractor`."""
        return self._extractor.extraction

    @property
    def engine(self) -> str | None:
        """What runs the network, in words."""
        return engine_of(self._extractor)

    def describe(
        self, photos: Sequence[Photo], boxes: Sequence[Box | None] | None = None
    ) -> Iterator[Described | Failed]:
        """See `Extractor.describe`."""
        if len(photos) != 1:
            yield from self._extractor.describe(photos, boxes)
            return
        future: Future[_Result] = Future()
        self._waiting.put((photos[0], boxes[0] if boxes else None, future))
        yield replace(future.result(), position=0)

    def close(self) -> None:
        """End the thread; what waits is still described."""
        self._waiting.put(None)

    def _run(self) -> None:
        while True:
            first = self._waiting.get()
            if first is None:
                return
            batch = [first]
            while len(batch) < MOST and not self._waiting.empty():
                another = self._waiting.get()
                if another is None:
                    self._waiting.put(None)
                    break
                batch.append(another)
            self._describe(batch)

    def _describe(self, batch: Sequence[_Waiting]) -> None:
        self.passes, self.photos = self.passes + 1, self.photos + len(batch)
        photos, boxes = [each[0] for each in batch], [each[1] for each in batch]
        failure: Exception = SolarError("the extractor left out a photo")
        try:
            for result in self._extractor.describe(photos, boxes):
                batch[result.position][2].set_result(result)
        except Exception as error:  # noqa: BLE001 - whoever asked gets it
            failure = error
        left = [each for each in batch if not each[2].done()]
        if len(batch) > 1:
            for each in left:
                self._describe([each])  # one that fails is no reason for others to
        elif left:
            left[0][2].set_exception(failure)
