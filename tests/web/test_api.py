"""What programs ask over HTTP, from a real server."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from solar.index import Index
from tests.web.conftest import COUNT
from tests.web.server import REPOSITORY, Server, serving


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    with server.client() as made:
        yield made


def test_an_upload_is_answered_as_the_command_answers(
    client: httpx.Client, scenes_index: Path, scenes_folder: Path
) -> None:
    photo = scenes_folder / "03.png"
    command = [sys.executable, "-m", "solar", "search", str(scenes_index), str(photo), "--json"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True)
    told = json.loads(done.stdout)
    answer = client.post("/api/v1/search", files={"photo": ("../x/q.png", photo.read_bytes())})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["query"] == "q.png" and found["alike"] == told["alike"]
    assert len(found["hits"]) == len(told["hits"]) == COUNT
    for hit, other in zip(found["hits"], told["hits"], strict=True):
        assert hit["root"] == "album" and other["path"] == f"{scenes_folder}/{hit['path']}"
        assert hit["id"] == other["id"] and hit["score"] == pytest.approx(other["score"], abs=1e-5)
        assert hit.get("inliers") == other.get("inliers")
    assert str(scenes_folder.parent) not in answer.text


def test_searching_by_id_box_filter_and_several(client: httpx.Client, scenes_folder: Path) -> None:
    def search(files: object = None, **fields: object) -> httpx.Response:
        return client.post("/api/v1/search", data=fields, files=files)  # type: ignore[arg-type]

    assert search(id=2, top=1).json()["hits"][0]["id"] == 2
    part = search(id=2, top=1, box="10,10,200,200").json()
    assert part["box"] == [10, 10, 200, 200] and part["hits"][0]["id"] == 2
    only = search(id=2, where="name ~ '05'").json()["hits"]
    assert [hit["path"] for hit in only] == ["05.png"]
    photos = [("photo", ("a.png", (scenes_folder / "00.png").read_bytes()))]
    both = search(photos, id=1, top=2, together=True).json()
    assert both["query"] == ["a.png", "01.png"] and {h["id"] for h in both["hits"]} == {0, 1}
    each = search(photos, id=1, top=1).json()
    assert [s["hits"][0]["id"] for s in each["searches"]] == [0, 1] and each["failed"] == []
    unlike = search(id=0, not_id=0).json()["hits"]
    assert [hit["id"] for hit in unlike][:1] == [0]
    photos.append(("photo", ("bad.png", b"nothing")))
    mixed = search(photos, top=1).json()
    assert len(mixed["searches"]) == 1 and mixed["failed"][0].startswith("bad.png: ")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "send 1 to"),
        ({"id": 2, "top": 0}, "top"),
        ({"id": 2, "where": "nonsense ="}, "nonsense"),
        ({"id": 2, "box": "1,2,3"}, "box"),
        ({"id": 2, "box": "9000,9000,9001,9001"}, "holds no pixel"),
        ({"id": 2, "rerank": "magic"}, "magic"),
        ({"id": [1, 2], "box": "1,2,3,4"}, "1 boxes for 2 photos"),
    ],
)
def test_a_wrong_call_gets_one_line(
    client: httpx.Client, scenes_folder: Path, fields: dict[str, object], words: str
) -> None:
    answer = client.post("/api/v1/search", data=fields)
    assert answer.status_code == 422 and words in answer.json()["error"]
    assert list(answer.json()) == ["error"] and "\n" not in answer.json()["error"]
    assert str(scenes_folder.parent) not in answer.text


def test_photos_are_listed_and_shown(client: httpx.Client) -> None:
    about = client.get("/api/v1/index").json()
    assert about["photos"] == COUNT and about["roots"] == ["album"] and not about["writable"]
    listed = client.get("/api/v1/photos", params={"offset": 3, "limit": 2}).json()
    assert listed["total"] == COUNT and [p["id"] for p in listed["photos"]] == [3, 4]
    assert client.get("/api/v1/photos/3").json() == listed["photos"][0]
    some = client.get("/api/v1/photos", params={"where": "name ~ '05'"}).json()
    assert some["total"] == 1 and some["photos"][0]["path"] == "05.png"
    for path in ("99", "99/thumbnail", "99/image"):
        assert client.get(f"/api/v1/photos/{path}").status_code == 404
    small = client.get("/api/v1/photos/3/thumbnail", params={"size": 64})
    assert Image.open(io.BytesIO(small.content)).size == (64, 48)
    known = {"If-None-Match": small.headers["etag"]}
    again = client.get("/api/v1/photos/3/thumbnail", params={"size": 64}, headers=known)
    assert again.status_code == 304 and not again.content
    whole = client.get("/api/v1/photos/3/image")
    assert Image.open(io.BytesIO(whole.content)).size == (320, 240)
    assert client.get("/api/v1/photos/3/thumbnail", params={"size": 5000}).status_code == 422


def test_a_photo_is_described_as_the_index_does(
    client: httpx.Client, scenes_index: Path, scenes_folder: Path
) -> None:
    answer = client.post("/api/v1/describe", data={"id": 4}).json()
    kept = Index.open(scenes_index).descriptors([4])[0]
    assert answer["dimensions"] == len(kept)
    assert np.allclose(answer["descriptor"], kept, atol=1e-5)


@pytest.mark.slow
def test_what_another_process_commits_is_found_at_once(tmp_path: Path, scenes_folder: Path) -> None:
    from solar.index import index_photos
    from tests.scenes import scene

    index_photos(tmp_path / "i.index", [scenes_folder / "00.png"])
    with serving(tmp_path / "i.index", tmp_path / "log") as server, server.client() as client:
        assert client.get("/api/v1/index").json()["photos"] == 1
        (tmp_path / "more").mkdir()
        scene(77).save(tmp_path / "more" / "new.png")
        index_photos(tmp_path / "i.index", [tmp_path / "more"])
        assert client.get("/api/v1/index").json()["photos"] == 2
        hits = client.post("/api/v1/search", data={"id": 1, "top": 1}).json()["hits"]
        assert hits[0]["path"] == "new.png" and hits[0]["root"] == "more"
        assert server.stop() == 0
