"""A service as if it were an index: the methods of `Index` over HTTP (extra `client`)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from solar.client._forms import (
    box_text,
    checked,
    file_of,
    form_of,
    hit_of,
    kind_of,
    listed,
    photo_of,
)
from solar.errors import SolarError, UsageError, naming_extras
from solar.index.results import Hit, IndexedPhoto
from solar.photos import Box, Photo
from solar.typing import Descriptor, Progress

if TYPE_CHECKING:
    import httpx

_PAGE = 500  # photos that are asked for at once
_EVERY = 0.5  # seconds between looks at a job


class Client:
    """An index that `solar serve` answers for. Paths are its names: root/path below it."""

    def __init__(
        self,
        address: str = "http://127.0.0.1:8000",
        token: str | None = None,
        *,
        timeout: float = 60.0,
    ) -> None:
        """Name a service; nothing is asked yet.

        Args:
            address: of the service.
            token: that it takes, if it takes one.
            timeout: seconds to wait for an answer.

        Raises:
            MissingPackage: httpx is not installed.
        """
        with naming_extras():
            import httpx
        self._httpx = httpx
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        base = address.rstrip("/")
        self._http: httpx.Client = httpx.Client(base_url=base, headers=headers, timeout=timeout)
        self.generation = -1
        """Of the index, when it was last asked for."""

    def __enter__(self) -> Client:
        """The client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()

    def __len__(self) -> int:
        """How many photos can be found."""
        return int(self.info()["photos"])

    def __getitem__(self, number: int) -> IndexedPhoto:
        """The photo of an id.

        Raises:
            KeyError: there is none.
        """
        answer = self._http.get(f"/api/v1/photos/{number}")
        if answer.status_code == 404:
            raise KeyError(number)
        return photo_of(checked(answer).json())

    def info(self) -> dict[str, Any]:
        """What the index holds, as `GET /api/v1/index` says it."""
        found: dict[str, Any] = self._ask("GET", "/index")
        self.generation = int(found["generation"])
        return found

    def refresh(self) -> bool:
        """Look whether the index has changed; the service always answers from its last commit.

        Returns:
            Whether there was a later commit than when this or `info` was last called.
        """
        before = self.generation
        self.info()
        return self.generation != before

    def search(
        self,
        photo: Photo | int | Sequence[Photo | int],
        top: int = 10,
        box: Box | Sequence[Box | None] | None = None,
        rerank: str = "default",
        *,
        distinct: bool = False,
        where: str | None = None,
        not_: Sequence[Photo | int] = (),
    ) -> list[Hit]:
        """Find photos of the same place; see `Index.search`.

        A photo may also be an http or https address, which a service that was started with
        `--fetch` asks itself.

        Raises:
            PhotoError: a photo of this machine cannot be used.
            UsageError: the service refuses the call, or the token.
            SolarError: it cannot be reached, or fails.
        """
        asked = listed(photo)
        boxes = box if isinstance(box, list) else [box] * len(asked)
        if len(boxes) != len(asked):
            raise UsageError(f"{len(boxes)} boxes for {len(asked)} photos: give one for each")
        pairs = list(zip(asked, boxes, strict=True))
        order = ("photo", "url", "id")  # as the service counts them
        pairs.sort(key=lambda pair: order.index(kind_of(pair[0])))
        data, files = form_of(asked)
        data |= {
            "box": [box_text(part) for _, part in pairs] if any(boxes) else [],
            "not_id": [each for each in not_ if isinstance(each, int)],
            "top": top,
            "rerank": rerank,
            "distinct": distinct,
            "together": True,
        }
        data |= {} if where is None else {"where": where}
        files += [file_of("not", each) for each in not_ if not isinstance(each, int)]
        found = self._ask("POST", "/search", data=data, files=files)
        return [hit_of(each) for each in found["hits"]]

    def describe(self, photo: Photo | int, box: Box | None = None) -> Descriptor:
        """Describe a photo as the index's were: (D,), unit length.

        Raises:
            UsageError: the service refuses the call.
            SolarError: it cannot be reached, or fails.
        """
        data, files = form_of([photo])
        found = self._ask("POST", "/describe", data=data | {"box": box_text(box)}, files=files)
        return np.array(found["descriptor"], np.float32)

    def photos(self, where: str | None = None) -> Iterator[IndexedPhoto]:
        """All photos in the index, by ascending id.

        Args:
            where: only those that this filter lets through.

        Raises:
            UsageError: the filter cannot be read.
            SolarError: the service cannot be reached, or fails.
        """
        offset = 0
        while True:
            params: dict[str, Any] = {"offset": offset, "limit": _PAGE}
            params |= {} if where is None else {"where": where}
            part = self._ask("GET", "/photos", params=params)["photos"]
            yield from map(photo_of, part)
            offset += len(part)
            if len(part) < _PAGE:
                return

    def add(
        self, photos: Photo | Sequence[Photo], progress: Progress | None = None
    ) -> dict[str, Any]:
        """Send photos to the service, and wait until they are in the index.

        Args:
            photos: one or many of this machine.
            progress: called with the number of photos dealt with, and of all.

        Returns:
            The job, as `GET /api/v1/jobs/NUMBER` says it: `added`, `failed`.

        Raises:
            UsageError: the service takes no photos, or the token only reads.
            SolarError: it cannot be reached, or the job failed.
        """
        files = [file_of("photo", each) for each in listed(photos)]
        return self._wait(self._ask("POST", "/photos", files=files)["job"], progress)

    def look_again(self, root: str, progress: Progress | None = None) -> dict[str, Any]:
        """Let the service look for new and changed photos in a folder of its index, and wait.

        Args:
            root: its name, one of `info()["roots"]`.
            progress: as for `add`.

        Raises:
            UsageError: there is none of this name, or the token only reads.
            SolarError: the service cannot be reached, or the job failed.
        """
        return self._wait(self._ask("POST", "/photos", data={"folder": root})["job"], progress)

    def remove(self, photos: int | Sequence[int]) -> int:
        """Take photos out of the index by their ids; their files stay.

        Returns:
            How many there were.

        Raises:
            UsageError: one is not in the index, or the token only reads.
            IndexLocked: another writes all that time.
            SolarError: the service cannot be reached, or fails.
        """
        numbers = [photos] if isinstance(photos, int) else list(photos)
        for number in numbers:
            self._ask("DELETE", f"/photos/{number}")
        return len(numbers)

    def _wait(self, number: int, progress: Progress | None) -> dict[str, Any]:
        while True:
            job: dict[str, Any] = self._ask("GET", f"/jobs/{number}")
            if progress is not None and job["total"]:
                progress(job["done"], job["total"])
            if job["state"] == "failed":
                raise SolarError(f"job {number}: {job['error']}")
            if job["state"] == "done":
                return job
            time.sleep(_EVERY)

    def _ask(self, method: str, path: str, **what: Any) -> Any:
        try:
            answer = self._http.request(method, f"/api/v1{path}", **what)
        except self._httpx.HTTPError as error:
            base = str(self._http.base_url)
            raise SolarError(
                f"{base}: does not answer ({error or type(error).__name__})"
            ) from error
        answer = checked(answer)
        return answer.json() if answer.content else None
