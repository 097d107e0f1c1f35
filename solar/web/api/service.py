"""The service itself: the index at its last commit, and threads that ask it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar

from fastapi import Depends, Request
from starlette.exceptions import HTTPException

from solar.errors import SolarError
from solar.extraction import open_extractor
from solar.index import Index
from solar.web.api.copies import Copies
from solar.web.api.names import Names
from solar.web.api.settings import Settings
from solar.web.api.sharing import SharedExtractor
from solar.web.api.tools import Tools

if TYPE_CHECKING:
    from solar.web.api.jobs import Job, Jobs

_QUICK = 4  # threads for what takes milliseconds
_FETCHING = 8  # for what waits for other machines

P = ParamSpec("P")
R = TypeVar("R")


class Service:
    """An index that many ask at once.

    Attributes:
        settings: that it was told.
        stopping: set once it ends.
        groups: what jobs made of the collection: the commit, and the answer.
        grouping: the last job that made each of these.
    """

    def __init__(self, settings: Settings) -> None:
        """Open the index; the model is loaded by `warm`.

        Raises:
            SolarError: the index or its model cannot be opened.
        """
        self.settings = settings
        self.stopping = threading.Event()
        self.ready = False
        self._pool = ThreadPoolExecutor(settings.limits.at_once, thread_name_prefix="solar-web")
        self._quick = ThreadPoolExecutor(_QUICK, thread_name_prefix="solar-quick")
        self._fetching = ThreadPoolExecutor(_FETCHING, thread_name_prefix="solar-fetch")
        self._pending = 0
        self._refreshing = threading.Lock()
        self._seen: object = None
        self.copies = Copies()
        self._making: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._remembered: dict[str, tuple[int, Any]] = {}
        self.jobs: Jobs  # given by the app
        self.groups: dict[str, tuple[int, dict[str, Any]]] = {}
        self.grouping: dict[str, Job] = {}
        self._open()

    def _open(self) -> None:
        s = self.settings
        made = Index.open(s.index).extraction
        extractor = open_extractor(
            made.model if s.model is None else s.model,
            engine=s.engine,
            device=s.device,
            precision=s.precision,
            image_size=made.image_size,
            scales=made.scales,
            decoding=made.decoding,
        )
        self.shared = SharedExtractor(extractor)
        self.tools = Tools(extractor.extraction.model, s.engine)
        self._index = Index.open(s.index, self.shared)
        self.names = Names(self._index.roots)

    def warm(self) -> None:
        """Load all that the first search needs.

        Raises:
            SolarError: the model cannot be loaded, or a descriptor is damaged.
        """
        self._index.warm()
        self.ready = True

    @property
    def index(self) -> Index:
        """The index at its last commit, also where another process made that.

        Raises:
            IndexFolderError: it is gone, or damaged.
        """
        seen = signature(self.settings.index)
        if seen != self._seen:
            with self._refreshing:
                if seen != self._seen:
                    made = self._index.extraction
                    self._index.refresh()
                    if made.differences(self._index.extraction):
                        self.shared.close()
                        self._open()  # described anew with another model
                    self.names = Names(self._index.roots)
                    self._seen = seen
        return self._index

    def remembered(self, what: str, make: Callable[[Index], R]) -> R:
        """What follows from the index alone, made once for each commit.

        Args:
            what: its name.
            make: makes it.
        """
        with self._making[what]:
            index = self.index
            kept = self._remembered.get(what)
            if kept is None or kept[0] != index.generation:
                kept = index.generation, make(index)
                self._remembered[what] = kept
            found: R = kept[1]
            return found

    async def work(self, task: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Do something in a thread, when its turn comes.

        Raises:
            HTTPException: 503 where too many wait, or it takes too long.
        """
        return await self._in(self._pool, partial(task, *args, **kwargs))

    async def quick(self, task: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """As `work`, of what takes milliseconds: it does not wait behind photos.

        Raises:
            HTTPException: 503 where too many wait, or it takes too long.
        """
        return await self._in(self._quick, partial(task, *args, **kwargs))

    async def fetch(self, task: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """As `work`, of what waits for another machine: nothing else waits behind it.

        Raises:
            HTTPException: 503 where too many wait, or it takes too long.
        """
        return await self._in(self._fetching, partial(task, *args, **kwargs))

    async def _in(self, pool: ThreadPoolExecutor, task: Callable[[], R]) -> R:
        limits = self.settings.limits
        if self._pending >= limits.waiting:
            raise busy("too many requests at once: try again")
        loop = asyncio.get_running_loop()
        future = pool.submit(task)
        self._pending += 1
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._done))
        try:
            return await asyncio.wait_for(
                asyncio.shield(asyncio.wrap_future(future)), limits.seconds
            )
        except asyncio.TimeoutError as error:
            future.cancel()
            raise busy(f"took longer than {limits.seconds:g} seconds: ask for less") from error

    def _done(self) -> None:
        self._pending -= 1

    @property
    def pending(self) -> int:
        """Requests that are worked on, or wait."""
        return self._pending

    def plain(self, error: SolarError) -> str:
        """What a stranger may read of an error: no path of this machine."""
        name = "" if error.path is None else f"{Path(error.path).name}: "
        return self.names.without_paths(f"{name}{error.reason}", self.settings.index)

    def close(self) -> None:
        """Let go of threads and files."""
        self.stopping.set()
        self.jobs.close()
        for pool in (self._pool, self._quick, self._fetching):
            pool.shutdown(wait=False, cancel_futures=True)
        self.shared.close()
        self._index.close()


def busy(words: str) -> HTTPException:
    """The answer to who should try again."""
    return HTTPException(503, words, {"Retry-After": "1"})


def signature(folder: Path) -> object:
    """What changes with every commit: names, sizes and times of the catalogue's files."""
    try:
        with os.scandir(folder) as files:
            return sorted(
                (file.name, (found := file.stat()).st_size, found.st_mtime_ns)
                for file in files
                if file.name.startswith("catalogue")
            )
    except OSError:
        return None  # refreshing says what is wrong


def service_of(request: Request) -> Service:
    """The service of a request."""
    service: Service = request.app.state.service
    return service


Served = Annotated[Service, Depends(service_of)]
