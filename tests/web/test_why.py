"""Attention, matches, contributions and the map, from a real server."""

from __future__ import annotations

import shutil
import struct
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from solar.index import Index
from tests.web.conftest import COUNT
from tests.web.server import Server, serving


def test_the_maps_of_all_positions_come_at_once(server: Server) -> None:
    with server.client() as client:
        stages = client.get("/api/v1/index").json()["attention"]
        assert stages == ["conv4_x", "conv5_x"]
        answer = client.post("/api/v1/attention", data={"id": 2, "stage": "4"})
        height, width = struct.unpack("<HH", answer.content[:4])
        assert (height, width) == (15, 20)
        maps = np.frombuffer(answer.content[4:], np.uint8).reshape(height * width, -1)
        assert maps.shape[1] == height * width and (maps.max(1) == 255).all()
        refused = client.post("/api/v1/attention", data={"id": 2, "stage": "conv1"})
        assert refused.status_code == 422 and "conv4_x" in refused.json()["error"]


@pytest.mark.slow
def test_matches_and_the_homography_are_of_the_whole_photos(
    server: Server, scenes_folder: Path, tmp_path: Path
) -> None:
    whole = Image.open(scenes_folder / "04.png").convert("RGB")
    left, top, right, bottom = 40, 30, 320, 240
    large = whole.resize((640, 480), Image.Resampling.LANCZOS)
    large.save(tmp_path / "large.png")
    files = {"photo": ("large.png", (tmp_path / "large.png").read_bytes())}
    with server.client() as client:
        for box in ("", f"{2 * left},{2 * top},{2 * right},{2 * bottom}"):
            data = {"hit": 4, "box": box}
            found = client.post("/api/v1/match", data=data, files=files).json()
            lines = np.array(found["lines"])
            assert found["inliers"] == len(lines) > 10 and found["same_place"]
            assert found["query_size"] == [640, 480] and found["hit_size"] == [320, 240]
            assert np.abs(lines[:, :2] - lines[:, 2:]).max() < 0.02
            matrix = np.array(found["homography"])
            corner = matrix @ [0.7, 0.6, 1]
            assert corner[:2] / corner[2] == pytest.approx([0.7, 0.6], abs=0.02)


def test_contributions_sum_to_the_score(server: Server) -> None:
    with server.client() as client:
        found = client.post("/api/v1/explain", data={"id": 2, "hit": 3}).json()
        for part in (found["query"], found["hit"]):
            assert len(part["values"]) == part["h"] * part["w"]
            assert sum(part["values"]) == pytest.approx(found["score"], abs=1e-4)
        boxed = client.post(
            "/api/v1/explain", data={"id": 2, "hit": 3, "box": "0%,0%,50%,100%"}
        ).json()
        assert boxed["query"]["w"] < found["query"]["w"]


@pytest.mark.parametrize("path", ["match", "explain"])
def test_who_asks_why_of_nothing_is_told(server: Server, path: str) -> None:
    def ask(**data: int) -> httpx.Response:
        with server.client() as client:
            return client.post(f"/api/v1/{path}", data=data)

    assert ask(id=1).status_code == 422
    assert ask(id=99, hit=1).status_code == 404
    assert ask(id=1, hit=99).status_code == 404
    assert ask(hit=1).status_code == 422


@pytest.mark.slow
def test_the_map_holds_every_photo_and_is_kept(server: Server, scenes_index: Path) -> None:
    kept = scenes_index.with_name("my.index.map.npz")
    with server.client() as client:
        points = client.get("/api/v1/map").json()["points"]
        assert client.get("/api/v1/map").json()["points"] == points
    assert [number for number, _, _ in points] == list(range(COUNT))
    rows = np.array(points)[:, 1:]
    assert rows.min() >= 0 and rows.max() <= 1 and len(np.unique(rows[:, 0])) > COUNT // 2
    assert kept.is_file()
    index = Index.open(scenes_index)
    from solar.web.api.map import _points

    before = kept.stat().st_mtime_ns
    assert [list(p) for p in _points(index)["points"]] == points
    assert kept.stat().st_mtime_ns == before
    kept.write_bytes(b"damaged")
    assert [list(p) for p in _points(index)["points"]] == points


@pytest.mark.slow
def test_places_and_copies_are_found_by_a_job(scenes_index: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copies"
    folder.mkdir()
    photo = Image.open(scenes_index.parent / "album" / "02.png").convert("RGB")
    photo.save(folder / "a.png")
    photo.resize((300, 225), Image.Resampling.LANCZOS).save(folder / "b.png")
    shutil.copytree(scenes_index, tmp_path / "my.index")
    with Index.open(tmp_path / "my.index") as index:
        index.add(folder)
    with serving(tmp_path / "my.index", tmp_path / "log") as server, server.client() as client:
        for path, key in (("duplicates", "groups"), ("places", "places")):
            end = time.monotonic() + 120
            answer = client.get(f"/api/v1/{path}")
            assert answer.status_code == 202 and "Retry-After" in answer.headers
            told = []
            while answer.status_code == 202 and time.monotonic() < end:
                told.append(answer.json())
                time.sleep(0.3)
                answer = client.get(f"/api/v1/{path}")
            assert {job["id"] for job in told} == {told[0]["id"]} and "compar" in told[0]["what"]
            assert all(0 <= job["done"] <= (job["total"] or 0) for job in told)
            assert answer.status_code == 200, answer.text
            assert str(tmp_path) not in answer.text
            if path == "duplicates":
                groups = [
                    {(photo["root"], photo["path"]) for photo in group["photos"]}
                    for group in answer.json()[key]
                ]
                assert any({("album", "02.png"), ("copies", "a.png")} <= each for each in groups)
        assert client.get("/api/v1/duplicates?same=magic").status_code == 422
