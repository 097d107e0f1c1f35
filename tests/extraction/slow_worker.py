"""A worker in a process: python -m tests.extraction.slow_worker PHOTOS TO SECONDS LOG."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from solar.extraction import Described, Failed
from solar.extraction.workers import describe_together
from solar.photos import Box, Photo
from tests.index.bytes_extractor import BytesExtractor

SHARD_SIZE, PATIENCE = 4, 2.0


class SlowExtractor(BytesExtractor):
    """Writes down each photo that it has described."""

    def __init__(self, seconds: float, log: Path) -> None:
        super().__init__()
        self.seconds, self.log = seconds, log

    def describe(
        self, photos: Sequence[Photo], boxes: Sequence[Box | None] | None = None
    ) -> Iterator[Described | Failed]:
        for result in super().describe(photos, boxes):
            time.sleep(self.seconds)
            with self.log.open("a") as file:
                file.write(f"{self.described[-1].name}\n")
            yield result


if __name__ == "__main__":
    photos, to, seconds, log = sys.argv[1:]
    extractor = SlowExtractor(float(seconds), Path(log))
    describe_together(extractor, [photos], to, shard_size=SHARD_SIZE, patience=PATIENCE)
