"""The same work by Ray Data: two workers, one of them killed half-way."""

from __future__ import annotations

import os
import secrets
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from solar.errors import SolarError
from solar.extraction import Described, Failed
from solar.extraction.ray import describe_with_ray
from solar.extraction.workers import describe_together
from solar.photos import Box, Photo
from tests.extraction.test_workers import bytes_album, shards_in
from tests.index.bytes_extractor import BytesExtractor

pytestmark = pytest.mark.ray


class Mortal(BytesExtractor):
    """Kills the first process that describes the third photo of a shard; tells which describe."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def describe(
        self, photos: Sequence[Photo], boxes: Sequence[Box | None] | None = None
    ) -> Iterator[Described | Failed]:
        (self.folder / f"process-{os.getpid()}").touch()
        for number, result in enumerate(super().describe(photos, boxes)):
            time.sleep(0.02)
            if number == 2 and not (self.folder / "killed").exists():
                (self.folder / "killed").write_text(str(os.getpid()))
                os.kill(os.getpid(), signal.SIGKILL)
            yield result


@pytest.fixture(scope="module", autouse=True)
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Ray, not started yet, and what it tells those who count its users: in our place, and often.

    Its token is not put into the user's folder.
    """
    heard = list[str]()

    class Makers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Makers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
        patch.setenv("RAY_USAGE_STATS_REPORT_URL", f"http://127.0.0.1:{server.server_port}/")
        patch.setenv("RAY_USAGE_STATS_REPORT_INTERVAL_S", "1")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        patch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]), prepend=os.pathsep)
        ray = pytest.importorskip("ray")  # Which reads some of these at once.
        yield heard
        ray.shutdown()
    server.shutdown()
    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_AUTH_MODE"):
        os.environ.pop(name, None)


@pytest.mark.slow
def test_of_two_workers_one_is_killed(tmp_path: Path) -> None:
    photos, alone, to = (tmp_path / name for name in ("photos", "alone", "together"))
    bytes_album(photos, 48)
    (tmp_path / "notes").mkdir()
    describe_together(BytesExtractor(), [photos], alone, shard_size=4)
    extractor, steps = Mortal(tmp_path / "notes"), list[int]()
    report = describe_with_ray(
        {"model": extractor},
        [photos],
        to,
        lambda done, _: steps.append(done),
        workers=2,
        shard_size=4,
    )
    killed = (tmp_path / "notes" / "killed").read_text()
    processes = {path.name for path in (tmp_path / "notes").glob("process-*")}
    assert f"process-{killed}" in processes and len(processes) >= 3
    assert shards_in(to) == shards_in(alone) and len(shards_in(to)) == 12
    assert report.photos == 48 and len(report.failed) == 1
    assert steps == sorted(steps) and steps[-1] == 48

    (to / "shard-00003.npy").unlink()
    again = describe_with_ray({"model": extractor}, [photos], to, shard_size=4)
    assert again.described == 4 and shards_in(to) == shards_in(alone)
    assert describe_with_ray({"model": extractor}, [photos], to, shard_size=4).described == 0


@pytest.mark.slow
def test_ray_tells_its_makers_nothing(told: list[str], tmp_path: Path) -> None:
    """Reports would be due every second, to a server that would note them."""
    import ray
    from ray._common.usage import usage_lib

    bytes_album(tmp_path / "photos", 4)
    describe_with_ray({"model": BytesExtractor()}, [tmp_path / "photos"], tmp_path / "to")
    assert ray.is_initialized() and not usage_lib.usage_stats_enabled()
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0" and told == []


@pytest.mark.slow
def test_what_fails_on_a_worker_is_told(tmp_path: Path) -> None:
    bytes_album(tmp_path / "photos", 4)
    settings = {"model": BytesExtractor()}
    to = tmp_path / "to"
    describe_with_ray(settings, [tmp_path / "photos"], to)
    (to / "shard-00000.npy").unlink()
    (to / "shard-00000.npy").mkdir()  # Nothing can be put there.
    with pytest.raises(SolarError) as caught:
        describe_with_ray(settings, [tmp_path / "photos"], to)
    assert "\n" not in str(caught.value)
