"""Changing the index: photos that are sent, folders that are looked at again, photos forgotten."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Form, UploadFile
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from solar.errors import UsageError
from solar.files.atomic import sync_folder, write_atomically
from solar.index import AddReport, Index, Ready
from solar.photos import SUFFIXES, size_of
from solar.typing import Progress
from solar.web.api.jobs import Job
from solar.web.api.photos import Number
from solar.web.api.service import Served, Service
from solar.web.api.uploads import Files, Upload, path_of, read_uploads

router = APIRouter(tags=["changes"])

PENDING = ".pending"
"""Folder of marks, one for each photo that was taken and is not in the index yet."""

_PATIENCE = 10.0  # seconds to wait for another writer


class Begun(BaseModel):
    """What was begun."""

    job: int = Field(description="Its number: /api/v1/jobs/NUMBER.")


@router.post("/photos", status_code=202, response_model=Begun, summary="Add photos, or look again")
async def add(
    service: Served,
    photo: Files = [],  # noqa: B006
    folder: Annotated[
        str, Form(max_length=300, description="Name of a root, to look for new photos in.")
    ] = "",
) -> dict[str, int]:
    """Photos that are sent are on disk before this is answered, and in the index after the job."""
    if bool(photo) == bool(folder):
        raise UsageError("send photos, or the name of a folder of the index")
    if folder:
        return {"job": look_again(service, folder).id}
    return {"job": await service.work(_take, service, photo)}


@router.delete("/photos/{number}", status_code=204, summary="Forget a photo")
async def forget(service: Served, number: Number) -> Response:
    """It is found no more; its file stays as it is."""

    def work() -> None:
        path_of(service, number)
        service.index.remove(number, timeout=_PATIENCE)

    await service.work(work)
    return Response(status_code=204)


def look_again(service: Service, name: str, ready: Ready | None = None) -> Job:
    """Begin to look for new and changed photos in a folder of the index.

    Args:
        service: whose index it is.
        name: of the root.
        ready: see `Index.add`.

    Raises:
        HTTPException: 404, there is no such root; 503, too many jobs wait.
    """
    root = service.names.roots.get(name)
    if root is None:
        have = ", ".join(service.names.roots) or "none"
        raise HTTPException(404, f"the index has no folder of this name; it has: {have}")

    def task(index: Index, progress: Progress) -> AddReport:
        return index.add(root, progress, exclude=service.settings.exclude, ready=ready)

    return service.jobs.begin(f"looking at {name} again", task)


def _take(service: Service, files: Sequence[UploadFile]) -> int:
    """Keep photos on disk, then begin to add them."""
    folder = service.settings.uploads
    if folder is None:
        raise HTTPException(403, "this service takes no photos: start it with --uploads FOLDER")
    uploads = read_uploads(files, service.settings.limits)
    for upload in uploads:
        size_of(upload.content, upload.name)  # refuses what is no photo
    taken = [keep(folder, upload) for upload in uploads]
    what = "1 photo" if len(taken) == 1 else f"{len(taken)} photos"
    return service.jobs.begin(f"adding {what}", adding(folder, taken)).id


def keep(folder: Path, upload: Upload) -> Path:
    """A photo on disk, under a name of its own; it survives a crash from here on.

    Args:
        folder: for photos; its mark says that the photo is to be added.
        upload: what was sent.

    Raises:
        SolarError: it cannot be written.
    """
    name, digest = Path(upload.name), hashlib.sha256(upload.content).hexdigest()
    stem = "".join(c if c.isalnum() or c in "-_" else "-" for c in name.stem)[:40]
    suffix = name.suffix.lower() if name.suffix.lower() in SUFFIXES else ".jpg"
    kept = folder / f"{digest[:20]}-{stem}{suffix}"
    with write_atomically(folder / PENDING / kept.name) as mark:
        mark.write(b"")
    if not kept.exists():  # what has this name has these bytes
        with write_atomically(kept) as file:
            file.write(upload.content)
    return kept


def adding(folder: Path, taken: Sequence[Path]) -> Any:
    """What adds photos that were kept, and takes away their marks."""

    def task(index: Index, progress: Progress) -> AddReport:
        report = index.add([path for path in taken if path.exists()], progress)
        for path in taken:
            (folder / PENDING / path.name).unlink(missing_ok=True)
        sync_folder(folder / PENDING)
        return report

    return task


def prepare_uploads(service: Service) -> None:
    """Make the folder for photos, and go on with those that an earlier run did not come to.

    Raises:
        UsageError: it cannot be made.
    """
    folder = service.settings.uploads
    if folder is None:
        return
    try:
        (folder / PENDING).mkdir(parents=True, exist_ok=True)
        marks = sorted((folder / PENDING).iterdir())
    except OSError as error:
        raise UsageError("--uploads: cannot be written", folder) from error
    waiting = [folder / mark.name for mark in marks if (folder / mark.name).is_file()]
    for mark in marks:
        if not (folder / mark.name).is_file():
            mark.unlink()
    if waiting:
        service.jobs.begin(f"adding {len(waiting)} photos of before", adding(folder, waiting))
