"""Load on `solar serve`: many clients, while another process adds and removes, and hostile ones.

    python -m benchmarks.serve FOLDER [--clients 32] [--seconds 60] [--photos 10000] [--token]

FOLDER is made: a few drawn scenes are indexed, and descriptors near theirs are added until the
index holds that many photos. Every client searches by photo (a tenth), by id, and asks for
thumbnails, one after the other without a pause. Prints latencies, errors and the memory held.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path

import httpx
import numpy as np

from solar.index import Index
from tests.scenes import album
from tests.web.server import Server, serving

SCENES = 60
WRITER = """
import sys, time
import numpy as np
from solar.index import Index
index = Index.open(sys.argv[1])
chance, turn = np.random.default_rng(1), 0
base = index.descriptors(list(index)[:20])
while True:
    rows = base + chance.normal(0, 0.02, base.shape).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    ids = index.add_descriptors([f"more/{turn}/{n}" for n in range(20)], rows, index.extraction)
    time.sleep(0.5)
    index.remove(ids)
    turn += 1
    time.sleep(0.5)
"""


def prepare(folder: Path, photos: int) -> Path:
    """An index of so many photos."""
    path = folder / "load.index"
    if not path.exists():
        album(folder / "scenes", SCENES, (480, 360))
    index = Index.open(path) if path.exists() else Index.create(path)
    index.add(folder / "scenes")
    chance = np.random.default_rng(0)
    own = index.descriptors(list(index)[:SCENES])
    for start in range(len(index), photos, 2000):
        count = min(2000, photos - start)
        rows = own[chance.integers(0, SCENES, count)]
        rows = rows + chance.normal(0, 0.05, rows.shape).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        index.add_descriptors([f"made/{start + n}" for n in range(count)], rows, index.extraction)
    print(f"index of {len(index):,} photos, {SCENES} of them files")
    return path


class Load:
    """Clients of one server, and what they saw."""

    def __init__(
        self, server: Server, index: Path, headers: dict[str, str], seconds: float
    ) -> None:
        self.server, self.headers = server, headers
        self.end = time.monotonic() + seconds
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.errors: list[str] = []
        self.ids = list(Index.open(index))[:SCENES]  # as `album` named them
        files = sorted((index.parent / "scenes").iterdir())
        self.contents = [file.read_bytes() for file in files]

    def client(self, number: int) -> None:
        """One that asks again and again."""
        chance = np.random.default_rng(number)
        with self.server.client(**self.headers) as client:
            while time.monotonic() < self.end:
                kind = chance.choice(["photo", "id", "thumbnail"], p=[0.1, 0.45, 0.45])
                photo = int(chance.integers(0, SCENES))
                started = time.perf_counter()
                try:
                    answer = self.ask(client, kind, photo)
                    if answer.status_code != 200:
                        self.errors.append(f"{kind}: {answer.status_code} {answer.text[:100]}")
                    elif kind != "thumbnail" and answer.json()["hits"][0]["score"] < 0.9:
                        self.errors.append(f"{kind}: {photo} was not found")
                except httpx.HTTPError as error:
                    self.errors.append(f"{kind}: {error!r}")
                self.seconds[kind].append(time.perf_counter() - started)

    def ask(self, client: httpx.Client, kind: str, photo: int) -> httpx.Response:
        """One request of a kind, about one of the scenes."""
        if kind == "thumbnail":
            return client.get(f"/api/v1/photos/{self.ids[photo]}/thumbnail")
        if kind == "id":
            return client.post("/api/v1/search", data={"id": self.ids[photo], "rerank": "none"})
        return client.post("/api/v1/search", files={"photo": ("q.png", self.contents[photo])})

    def hostile(self, number: int) -> None:
        """Half requests, noise, slow heads, photos that are none, wrong tokens."""
        chance, port = np.random.default_rng(1000 + number), self.server.port
        while time.monotonic() < self.end:
            kind = int(chance.integers(0, 4))
            try:
                if kind == 3:
                    files = {"photo": ("x.jpg", chance.bytes(100_000))}
                    httpx.post(f"{self.server.address}/api/v1/search", files=files, timeout=60)
                    continue
                with socket.create_connection(("127.0.0.1", port), 20) as raw:
                    head = (
                        b"POST /api/v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9999"
                    )
                    raw.sendall([chance.bytes(2000), head, head + b"\r\n\r\nabc"][kind])
                    time.sleep(float(chance.uniform(0, 2)))
            except (OSError, httpx.HTTPError):
                pass
            time.sleep(0.1)


def resident(process: int) -> float:
    """Megabytes that a process holds."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure(arguments: argparse.Namespace, index: Path) -> bool:
    """Run the load; whether there was no error."""
    token = secrets.token_urlsafe() if arguments.token else None
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    environment = {} if token is None else {"SOLAR_TOKEN": token}
    with serving(index, index.parent / "serve.log", environment=environment) as server:
        command = [sys.executable, "-c", WRITER, str(index)]
        writer = subprocess.Popen(command)  # noqa: S603
        load = Load(server, index, headers, arguments.seconds)
        threads = [threading.Thread(target=load.client, args=[n]) for n in range(arguments.clients)]
        threads += [
            threading.Thread(target=load.hostile, args=[n]) for n in range(arguments.hostile)
        ]
        memory = []
        for thread in threads:
            thread.start()
        while time.monotonic() < load.end:
            memory.append(resident(server.process.pid))
            time.sleep(1)
        for thread in threads:
            thread.join()
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        code = server.stop()
    for kind, seconds in sorted(load.seconds.items()):
        p50, p95, p99 = (1000 * np.percentile(seconds, part) for part in (50, 95, 99))
        rate = len(seconds) / arguments.seconds
        print(f"{kind:10} {rate:7.1f}/s   p50 {p50:6.0f}   p95 {p95:6.0f}   p99 {p99:6.0f} ms")
    third = len(memory) // 3
    middle, last = np.mean(memory[third : 2 * third]), np.mean(memory[2 * third :])
    print(f"memory     {middle:.0f} MB in the second third, {last:.0f} in the last")
    problems = Index.open(index).verify()
    print(f"errors     {len(load.errors)} {load.errors[:3]}")
    print(f"exit code  {code}; index: {problems or 'whole'}")
    return not load.errors and code == 0 and not problems


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--hostile", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--token", action="store_true")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    sys.exit(0 if measure(arguments, prepare(arguments.folder, arguments.photos)) else 1)


if __name__ == "__main__":
    main()
