"""A service on one screen: it keeps an index open, adds what arrives and answers from many threads.

    python examples/service.py my.index inbox/ query.jpg

`inbox/` is looked at once a second, by this process or by any other that holds a replica; queries
are answered meanwhile, each from one commit. A web server would call `Service.search` from its
threads; nothing needs a lock of your own.
"""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import solar
from solar.errors import IndexLocked, SolarError
from solar.extraction import Extractor
from solar.index import Hit, Index


class Service:
    """An index that is kept open, and a thread that keeps it up to date."""

    def __init__(self, folder: Path, inbox: Path, model: str | Extractor = "solar-r18") -> None:
        self.index = Index.open(folder, model) if folder.exists() else Index.create(folder, model)
        self.index.warm()  # Loads the model now, once, and not with the first query.
        self._inbox = inbox
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_up)
        self._thread.start()

    def search(self, photo: solar.photos.Photo, top: int = 10) -> list[Hit] | str:
        """Hits, or one line for whoever asked: without any path of this machine."""
        try:
            return self.index.search(photo, top)
        except SolarError as error:
            return error.reason

    def close(self) -> None:
        """Stop; what is being added is finished."""
        self._stop.set()
        self._thread.join()
        self.index.close()

    def _keep_up(self) -> None:
        while not self._stop.wait(1.0):
            try:
                if any(self._inbox.iterdir()):
                    self.index.add(self._inbox, timeout=5)
                self.index.refresh()  # What other processes have committed.
            except IndexLocked:
                continue  # Another adds just now: next time.


def main(folder: str, inbox: str, *queries: str) -> None:
    """Answer queries, several at a time."""
    service = Service(Path(folder), Path(inbox))
    try:
        with ThreadPoolExecutor(4) as pool:
            for query, hits in zip(queries, pool.map(service.search, queries), strict=True):
                print(query, *(hits if isinstance(hits, str) else [hit.path for hit in hits]))
    finally:
        service.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
