"""Leases: which shares of some work are being done, so that machines do not do the same twice.

A lease is an object beside the work, which its holder writes anew from time to time. Whoever sees
one that does not change for a while, by his own clock, takes the share over: clocks of machines are
never compared. Nothing rests on leases but time: work is put whole under its own name, so that two
who do the same put the same.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from uuid import uuid4

from solar.errors import SolarError
from solar.files.stores import Store, Stored

_BEATS = 4  # In the time after which a lease is void.
_STUCK = 15  # Times that: without progress, a holder gives up its lease.


class Leases:
    """Leases of one worker, and what it has seen of others'."""

    def __init__(self, store: Store, patience: float) -> None:
        """Hold none yet.

        Args:
            store: where the work is.
            patience: seconds after which a lease that does not change is void.
        """
        self._store, self._patience = store, patience
        self._me = f"{socket.gethostname()} {os.getpid()} {uuid4().hex}"
        self._seen: dict[str, tuple[str, float]] = {}

    @staticmethod
    def name(share: str) -> str:
        """What the lease of a share is called."""
        return f"{share}.lease"

    def look(self, there: Mapping[str, Stored]) -> None:
        """Note which leases there are, by their names."""
        now, seen = time.monotonic(), {}
        for name, each in there.items():
            if name.endswith(".lease"):
                version, since = self._seen.get(name, ("", now))
                seen[name] = (each.version, since if version == each.version else now)
        self._seen = seen

    def held(self, share: str) -> bool:
        """Whether another holds a share, by what was seen."""
        _, since = self._seen.get(self.name(share), ("", float("-inf")))
        return time.monotonic() - since < self._patience

    def take(self, share: str) -> bool:
        """Take a share that nobody holds, or whose holder is lost; whether it is this worker's."""
        if self.held(share):
            return False
        name, mine = self.name(share), self._text(0)
        if name not in self._seen:
            return self._store.create(name, mine)
        version, _ = self._seen.pop(name)
        found = self._store.stat(name)
        if found is not None and found.version != version:
            return False  # Its holder, or who took it over, lives.
        self._store.write(name, mine)
        with suppress(FileNotFoundError):
            return self._store.read(name) == mine
        return False

    @contextmanager
    def holding(self, share: str) -> Iterator[Callable[[], None]]:
        """Keep a share's lease fresh while it is worked on, and give it back.

        Yields:
            What to call whenever there was progress.
        """
        ended, moved = threading.Event(), [time.monotonic()]

        def beat() -> None:
            count = 0
            while not ended.wait(self._patience / _BEATS):
                if time.monotonic() - moved[0] > _STUCK * self._patience:
                    return
                count += 1
                with suppress(SolarError, OSError):  # Another time.
                    self._store.write(self.name(share), self._text(count))

        def progress() -> None:
            moved[0] = time.monotonic()

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield progress
        finally:
            ended.set()
            thread.join()
            with suppress(SolarError, OSError):
                self._store.remove(self.name(share))

    def _text(self, beats: int) -> bytes:
        return json.dumps({"holder": self._me, "beats": beats}).encode()
