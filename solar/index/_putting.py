"""Photos that are done: their features are made, and they are put into the index and committed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from solar.features.extractor import FeatureExtractor
from solar.index._describing import make_features
from solar.index._entries import Descriptor, Entry
from solar.index._writer import Writer
from solar.index.results import AddReport
from solar.typing import Progress

# What a killed run has to do again, at most.
_PHOTOS_PER_COMMIT = 256
_SECONDS_PER_COMMIT = 10.0


class Outcome(NamedTuple):
    """A photo that is ready to be put, once its features are made."""

    entry: Entry
    file: Path
    descriptor: Descriptor | None = None


class Putting:
    """Puts photos, some at a time, and counts what is done.

    Attributes:
        keeps_features: whether the index keeps features.
    """

    def __init__(
        self,
        writer: Writer,
        features: Callable[[], FeatureExtractor] | None,
        report: AddReport,
        progress: Progress | None,
    ) -> None:
        """Prepare.

        Args:
            writer: on top of the last commit.
            features: called once there is a photo to make features of; None if the index keeps
                none.
            report: gets the photos whose features cannot be made.
            progress: called with the number of photos dealt with, and of all.
        """
        self.keeps_features = features is not None
        self._writer = writer
        self._features = features
        self._report = report
        self._progress = progress
        self._ready: list[Outcome] = []
        self._last_commit = time.monotonic()
        self._done = self._total = 0

    def begin(self, total: int) -> None:
        """So many photos are to be dealt with."""
        self._total = total
        if self._progress is not None:
            self._progress(0, total)

    def step(self) -> None:
        """One more photo is dealt with."""
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)

    def keep(self, outcome: Outcome) -> None:
        """A photo has its descriptor, and perhaps its features."""
        self._ready.append(outcome)
        if self._features is None:  # Else a photo is done once these are made.
            self.step()
        self.commit_if_due()

    def commit_if_due(self) -> None:
        """Commit if a killed run would lose much."""
        many = self._writer.pending + len(self._ready) >= _PHOTOS_PER_COMMIT
        if many or time.monotonic() - self._last_commit >= _SECONDS_PER_COMMIT:
            self.commit()

    def commit(self) -> None:
        """Put what is ready, and commit."""
        self.put(with_features=True)
        self._writer.commit()
        self._last_commit = time.monotonic()

    def put(self, *, with_features: bool) -> None:
        """Hand over what is ready, with its features if the index keeps any."""
        lacking = [outcome for outcome in self._ready if outcome.entry.features_at is None]
        found: dict[bytes, bytes | str] = {}
        if self._features is not None and with_features and lacking:
            files = {
                outcome.entry.sha256: outcome.file
                for outcome in reversed(lacking)
                if outcome.entry.sha256
            }
            found = make_features(self._features(), files, self.step)
        ready, self._ready = self._ready, []
        for _ in range(len(ready) - len(found) if self._features else 0):
            self.step()
        stored: dict[bytes, Entry] = {}
        for entry, file, descriptor in ready:
            key = entry.sha256 or b""
            made = found.get(key)
            if isinstance(made, str):
                self._report.without_features.append((str(file), made))
                made = None
            if made is not None and key in stored:  # Kept once for photos with the same bytes.
                self._writer.put(entry.with_features_of(stored[key]), descriptor)
            elif descriptor is not None or made is not None:
                stored[key] = self._writer.put(entry, descriptor, made)
