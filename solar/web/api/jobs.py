"""Work that takes longer than a request: one after the other, in a thread, with its progress."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from solar.errors import SolarError
from solar.index import AddReport, Index
from solar.typing import Progress
from solar.web.api.service import Served, Service, busy

log = logging.getLogger("solar.web")
router = APIRouter(tags=["jobs"])

_KEPT = 200  # jobs that have ended
_EVERY = 0.3  # seconds between looks at a job whose events are sent
_SILENCE = 10.0  # after which a stream says that it is alive

Task = Callable[[Index, Progress], AddReport]


class _Stopped(Exception):
    """The service ends; the job goes on with the same call another time."""


@dataclass
class Job:
    """Something to do.

    Attributes:
        id: its number.
        what: it does, in words.
        task: does it.
        state: waiting, running, done or failed.
        done: photos that were dealt with.
        total: of so many; None as long as that is not known.
        failed: photos that could not be used.
        added: photos that are new, or described anew.
        error: why it failed.
        started: when, by a clock that only rises, in seconds; None while it waits.
        ended: set once it is done or failed.
    """

    id: int
    what: str
    task: Task = field(repr=False)
    state: str = "waiting"
    done: int = 0
    total: int | None = None
    failed: int = 0
    added: int = 0
    error: str | None = None
    started: float | None = None
    ended: threading.Event = field(default_factory=threading.Event, repr=False)

    def plain(self) -> dict[str, Any]:
        """As it is told to clients."""
        left = None
        if self.state == "running" and self.started and self.total and self.done:
            spent = time.monotonic() - self.started
            left = round(spent * (self.total - self.done) / self.done, 1)
        names = ("id", "state", "what", "done", "total", "failed", "added", "error")
        return {**{name: getattr(self, name) for name in names}, "seconds_left": left}


class Jobs:
    """The jobs of one service."""

    def __init__(self, service: Service) -> None:
        """Begin."""
        self._service = service
        self._numbers = itertools.count(1)
        self._waiting: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._jobs: OrderedDict[int, Job] = OrderedDict()
        self._thread = threading.Thread(target=self._run, name="solar-jobs", daemon=True)
        self._thread.start()

    def begin(self, what: str, task: Task) -> Job:
        """Do something once all before it is done.

        Raises:
            HTTPException: 503 where too many wait.
        """
        waiting = sum(job.state == "waiting" for job in self.all())
        if waiting >= self._service.settings.limits.jobs:
            raise busy(f"{waiting} jobs wait already: try again")
        job = Job(next(self._numbers), what, task)
        self._jobs[job.id] = job
        ended = [each.id for each in self.all() if each.state in ("done", "failed")]
        for number in ended[:-_KEPT]:
            self._jobs.pop(number, None)
        self._waiting.put(job)
        return job

    def all(self) -> list[Job]:
        """Those that are known, the oldest first."""
        return list(self._jobs.values())

    def get(self, number: int) -> Job:
        """One by its number.

        Raises:
            HTTPException: 404, there is none.
        """
        if number not in self._jobs:
            raise HTTPException(404, f"there is no job {number}")
        return self._jobs[number]

    def close(self) -> None:
        """Stop; what runs has committed what it came to."""
        self._waiting.put(None)
        self._thread.join(10)

    def _run(self) -> None:
        while (job := self._waiting.get()) is not None and not self._service.stopping.is_set():
            job.state, job.started = "running", time.monotonic()
            try:
                self._do(job)
            except SolarError as error:
                job.state, job.error = "failed", self._service.plain(error)
            except _Stopped:
                job.state, job.error = "failed", "the service was stopped: ask again"
            except Exception as error:  # the thread goes on with the next
                log.exception("a job failed")
                job.state, job.error = "failed", f"a fault of Solar's own: {type(error).__name__}"
            job.ended.set()
            facts = {name: value for name, value in job.plain().items() if value is not None}
            log.info("job", extra={"facts": facts})

    def _do(self, job: Job) -> None:
        def progress(done: int, total: int) -> None:
            job.done, job.total = done, total
            if self._service.stopping.is_set():
                raise _Stopped

        report = job.task(self._service.index, progress)
        job.failed = len(report.failed) + len(report.still_failed)
        job.added = len(report.added) + len(report.changed)
        job.state = "done"


class JobState(BaseModel):
    """Where a job stands."""

    id: int
    state: str = Field(examples=["running"], pattern="^(waiting|running|done|failed)$")
    what: str = Field(examples=["looking at photos again"])
    done: int = Field(description="Photos that were dealt with.")
    total: int | None
    seconds_left: float | None
    failed: int = Field(description="Photos that could not be used.")
    added: int = Field(description="Photos that are new, or described anew.")
    error: str | None


class JobList(BaseModel):
    """All jobs, the oldest first."""

    jobs: list[JobState]


Number = Annotated[int, Path(ge=1, le=2**31)]
_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "`data:` with a JobState, each time that something changed.",
        "content": {"text/event-stream": {}},
    }
}


@router.get("/jobs", response_model=JobList, summary="All jobs")
async def jobs(service: Served) -> dict[str, Any]:
    """Those of this run of the service."""
    return {"jobs": [job.plain() for job in service.jobs.all()]}


@router.get("/jobs/{number}", response_model=JobState, summary="One job")
async def job(service: Served, number: Number) -> dict[str, Any]:
    """Where it stands."""
    return service.jobs.get(number).plain()


@router.get(
    "/jobs/{number}/events",
    response_class=Response,
    responses=_EVENTS,
    summary="A job's progress, as it happens",
)
async def events(service: Served, number: Number) -> Response:
    """Server-sent events until the job has ended."""
    watched = service.jobs.get(number)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    stream = _events(service, watched)
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


async def _events(service: Service, job: Job) -> AsyncIterator[str]:
    told, silent = "", 0.0
    while not service.stopping.is_set():
        plain = job.plain()
        text = json.dumps(plain)
        if text != told:
            told, silent = text, 0.0
            yield f"data: {text}\n\n"
        elif silent >= _SILENCE:
            silent = 0.0
            yield ": still here\n\n"
        if plain["state"] in ("done", "failed"):
            return
        await asyncio.sleep(_EVERY)
        silent += _EVERY
