"""Memory that all decoders of this process share, however many threads decode.

A decode waits until what it takes at its peak fits beside the others and beside the decoded photos
that callers still hold. The oldest that waits is never held up by photos at rest, and a decode
that runs never waits: so one always goes on, and nothing waits for ever.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

MAX_MEMORY = 1_250_000_000
"""Bytes that a file and its decoding may take; and all files that are decoded at once."""


class Budget:
    """Bytes for which threads wait their turn."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._free = threading.Condition()  # on an RLock: a finalizer may run at any line
        self._running = self._decodes = self._resting = 0
        self._waiting: deque[object] = deque()

    @contextmanager
    def share(self, amount: int) -> Iterator[None]:
        """Wait, in order of arrival, until this many bytes are free; take them meanwhile."""
        turn = object()
        with self._free:
            self._waiting.append(turn)
            try:
                while not (self._waiting[0] is turn and self._fits(amount)):
                    self._free.wait(0.5)  # without a limit Windows would not see Ctrl-C
                self._running += amount
                self._decodes += 1
            finally:
                self._waiting.remove(turn)
                self._free.notify_all()
        try:
            yield
        finally:
            with self._free:
                self._running -= amount
                self._decodes -= 1
                self._free.notify_all()

    def hold(self, photo: Image.Image) -> None:
        """Count the pixels of a decoded photo for as long as it lives."""
        amount = photo.width * photo.height * 4
        with self._free:
            self._resting += amount
        weakref.finalize(photo, self._release, amount).atexit = False

    def _fits(self, amount: int) -> bool:
        return not self._decodes or self._running + self._resting + amount <= self._most

    def _release(self, amount: int) -> None:
        with self._free:
            self._resting -= amount
            self._free.notify_all()


BUDGET = Budget(MAX_MEMORY)
