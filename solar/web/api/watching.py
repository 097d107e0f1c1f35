"""The folders of the index are watched: what comes into them becomes a job."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from starlette.exceptions import HTTPException

from solar.errors import SolarError
from solar.index.watching import Settled, watch
from solar.web.api.changes import look_again
from solar.web.api.service import Service

log = logging.getLogger("solar.web")


def watch_folders(service: Service) -> None:
    """Watch the folders of the index until the service stops, if it is told to.

    Args:
        service: whose jobs add what comes.
    """
    settings = service.settings
    if not settings.watch:
        return

    def folders() -> list[Path]:
        with suppress(SolarError):  # whoever asks is told what is wrong with the index
            service.index  # noqa: B018 - another process may have added a root
        return [Path(root) for root in service.names.roots.values()]

    def add(changed: Sequence[Path], settled: Settled) -> None:
        names = {Path(root): name for name, root in service.names.roots.items()}
        try:
            jobs = [look_again(service, names[root], settled) for root in changed if root in names]
        except HTTPException as error:  # too many jobs wait
            raise SolarError(error.detail) from error
        for job in jobs:
            while not job.ended.wait(1):
                if service.stopping.is_set():
                    return
            if job.state == "failed":
                raise SolarError(job.error or "it failed")

    def failed(error: SolarError) -> None:
        log.warning("a watched folder", extra={"facts": {"error": str(error)}})

    options = {"exclude": settings.exclude, "sweep": settings.sweep, "failed": failed}
    threading.Thread(
        target=watch,
        args=[folders, add],
        kwargs={"stop": service.stopping, **options},
        name="solar-watch",
        daemon=True,
    ).start()
