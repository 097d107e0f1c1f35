"""Adding, forgetting and looking again, by the client and by hand; what a kill leaves."""

from __future__ import annotations

import json
import shutil
import signal
import time
from pathlib import Path

import httpx
import numpy as np
import pytest

from solar import Client
from solar.errors import SolarError, UsageError
from solar.index import Index
from tests.scenes import album, scene
from tests.web.server import serving
from tests.web.test_safety import png


@pytest.fixture
def own(tmp_path: Path, scenes_index: Path, scenes_folder: Path) -> Path:
    """A copy of the index, which tests may change."""
    shutil.copytree(scenes_index, tmp_path / "own.index")
    return tmp_path / "own.index"


@pytest.mark.slow
def test_the_client_has_the_methods_of_an_index(
    own: Path, tmp_path: Path, scenes_folder: Path
) -> None:
    options = ["--write", "--uploads", str(tmp_path / "uploads")]
    with serving(own, tmp_path / "log", *options) as server, Client(server.address) as client:
        index = Index.open(own)
        assert len(client) == len(index) == 8 and client.info()["writable"]
        hits, told = client.search(scenes_folder / "03.png", 3), index.search(3, 3)
        assert [hit.id for hit in hits] == [hit.id for hit in told]
        assert hits[0].path == "album/03.png" and hits[0].inliers == told[0].inliers
        assert client.search([3, scene(0, (320, 240))], top=2, box=[(0, 0, 300, 200), None])
        assert np.allclose(client.describe(3), index.descriptors([3])[0], atol=1e-5)
        assert [p.id for p in client.photos("name ~ '05'")] == [5] and client[5].width == 320
        with pytest.raises(KeyError):
            client[99]
        with pytest.raises(UsageError, match="top"):
            client.search(3, top=0)
        client.refresh()
        assert not client.refresh()
        seen: list[tuple[int, int]] = []
        job = client.add(
            [png(scene(50)), scene(51)], lambda done, total: seen.append((done, total))
        )
        assert job["added"] == 2 and job["failed"] == 0 and client.refresh()
        (found,) = client.search(png(scene(50)), 1)
        assert found.id == 8 and found.path.startswith("uploads/") and found.score > 0.999
        assert client.remove([8, 9]) == 2 and len(client) == 8
        assert len(list((tmp_path / "uploads").glob("[!.]*"))) == 2, "a file was removed"
        with pytest.raises(UsageError, match="no photo 8"):
            client.remove(8)
        with pytest.raises(UsageError, match="no folder of this name; it has: album"):
            client.look_again("elsewhere")
        with pytest.raises(UsageError, match="not a supported format"):
            client.add(b"nothing")
        assert client.look_again("album")["added"] == 0
        server.stop()
        with pytest.raises(SolarError, match="does not answer"):
            client.info()


@pytest.mark.slow
def test_progress_is_told_as_it_happens(own: Path, tmp_path: Path) -> None:
    album(tmp_path / "more", 12)
    with Index.open(own) as index:
        index.add(tmp_path / "more" / "00.png")
    with serving(own, tmp_path / "log", "--write") as server, server.client() as client:
        job = client.post("/api/v1/photos", data={"folder": "more"})
        assert job.status_code == 202
        number = job.json()["job"]
        events = []
        with client.stream("GET", f"/api/v1/jobs/{number}/events") as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    events.append(json.loads(line[6:]))
        assert events[-1]["state"] == "done" and events[-1]["added"] == 11
        assert [e["done"] for e in events] == sorted(e["done"] for e in events)
        listed = client.get("/api/v1/jobs").json()["jobs"]
        assert listed == [client.get(f"/api/v1/jobs/{number}").json()] == [events[-1]]
        assert client.get("/api/v1/jobs/77").status_code == 404
        refused = client.post("/api/v1/photos", files={"photo": ("a.png", png(scene(1)))})
        assert refused.status_code == 403 and "--uploads" in refused.json()["error"]


@pytest.mark.slow
def test_a_kill_loses_nothing_that_was_told_as_taken(own: Path, tmp_path: Path) -> None:
    options = ["--write", "--uploads", str(tmp_path / "uploads")]
    with serving(own, tmp_path / "log", *options) as server, server.client() as client:
        taken = []
        for number in range(30, 36):
            content = png(scene(number))
            files = {"photo": (f"{number}.png", content)}
            if client.post("/api/v1/photos", files=files).status_code == 202:
                taken.append(content)
        server.stop(signal.SIGKILL)
    assert len(taken) == 6
    with serving(own, tmp_path / "again", *options) as server, Client(server.address) as again:
        end = time.monotonic() + 120
        while len(again) < 14 and time.monotonic() < end:
            time.sleep(0.5)
        for content in taken:
            assert again.search(content, 1)[0].score > 0.999
        assert server.stop() == 0
    assert Index.open(own).verify() == []
    assert not list((tmp_path / "uploads" / ".pending").iterdir())


@pytest.mark.slow
def test_a_stop_ends_streams_and_answers(own: Path, tmp_path: Path) -> None:
    options = ["--write", "--uploads", str(tmp_path / "uploads")]
    with serving(own, tmp_path / "log", *options) as server:
        files = [("photo", (f"{n}.png", png(scene(n)))) for n in range(60, 70)]
        number = httpx.post(f"{server.address}/api/v1/photos", files=files).json()["job"]
        events = f"{server.address}/api/v1/jobs/{number}/events"
        with httpx.stream("GET", events, timeout=60) as stream:
            assert stream.status_code == 200
            assert server.stop() == 0
    assert Index.open(own).verify() == []


@pytest.mark.slow
def test_what_comes_into_a_watched_folder_is_found(own: Path, tmp_path: Path) -> None:
    photos = tmp_path / "watched"
    album(photos, 1)
    with Index.open(own) as index:
        index.add(photos)
    content = png(scene(40))
    options = ["--watch", "--exclude", "left-out"]
    with serving(own, tmp_path / "log", *options) as server, Client(server.address) as client:
        assert not client.info()["writable"], "nobody else may change it"
        (photos / "left-out").mkdir()
        (photos / "left-out" / "41.png").write_bytes(png(scene(41)))
        with (photos / "40.png").open("wb", buffering=0) as half:
            half.write(content[: len(content) // 2])
            time.sleep(1)
            assert len(client) == 9
            half.write(content[len(content) // 2 :])
        end = time.monotonic() + 120
        while len(client) < 10 and time.monotonic() < end:
            time.sleep(0.2)
        hits = client.search(content, 2)
        assert hits[0].path == "watched/40.png" and hits[0].score > 0.999
        with server.client() as plain:
            jobs = plain.get("/api/v1/jobs").json()["jobs"]
        assert "looking at watched again" in {job["what"] for job in jobs}
        assert len(client) == 10 and server.stop() == 0
    assert Index.open(own).verify() == []
