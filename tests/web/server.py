"""A real `solar serve` in a process of its own, on a free port."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

REPOSITORY = Path(__file__).resolve().parents[2]
NARROWER = """
import json, sys
from dataclasses import replace
import solar.cli
from solar.web.api import run
limits, whole = json.loads(sys.argv.pop(1)), run.serve
def serve(settings, *rest, **more):
    whole(replace(settings, limits=replace(settings.limits, **limits)), *rest, **more)
run.serve = serve
solar.cli.main()
"""
TOKENS = ("SOLAR_TOKEN", "SOLAR_WRITE_TOKEN")


@dataclass
class Server:
    """One that runs.

    Attributes:
        address: without a slash at its end.
        process: that it is.
        log: file of what it writes.
    """

    address: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def client(self, **headers: str) -> httpx.Client:
        return httpx.Client(base_url=self.address, headers=headers, timeout=60)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Its exit code."""
        self.process.send_signal(number)
        return self.process.wait(30)


@contextmanager
def serving(
    index: Path,
    log: Path,
    *options: str,
    environment: Mapping[str, str] | None = None,
    limits: Mapping[str, float] | None = None,
    before: str = "",
) -> Iterator[Server]:
    """Start one, wait until it is ready, and stop it.

    Args:
        index: that it serves.
        log: file for what it writes.
        options: of the command.
        environment: beside this process's.
        limits: narrower ones than the command's, which tests reach sooner.
        before: Python that the process runs first.
    """
    clean = {name: value for name, value in os.environ.items() if name not in TOKENS}
    start = ["-c", before + NARROWER, json.dumps(dict(limits or {}))]
    start = start if before or limits else ["-m", "solar"]
    command = [sys.executable, *start, "serve", str(index), "--port", "0", *options]
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, stderr=file, cwd=REPOSITORY, env={**clean, **(environment or {})}
        )
    try:
        address = _ready(process, log)
        yield Server(address, process, log)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _ready(process: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        found = re.search(r"at http://\S+:(\d+)/", log.read_text())
        if found:
            address = f"http://127.0.0.1:{found[1]}"
            try:
                if httpx.get(f"{address}/ready").status_code == 200:
                    return address
            except httpx.TransportError:
                pass
        time.sleep(0.1)
    raise AssertionError(f"it did not start: {log.read_text()}")
