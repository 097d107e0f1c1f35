"""A Milvus server of one's own: a process that is started, killed and started again."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

TOKEN = "root:Milvus"  # noqa: S105
SECONDS = 120  # To start on a busy machine; 20 is usual.
SETTINGS = {
    "common.security.authorizationEnabled": "true",
    "common.session.ttl": 15,  # Seconds until another may follow one that was killed.
}


class MilvusServer:
    """What the package `milvus` brings, with its data in a folder.

    Attributes:
        uri: where it answers.
    """

    def __init__(self, folder: Path) -> None:
        """Choose a port that is free; ports that it needs for itself, it looks for."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._folder = folder
        self.uri = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        from milvus import MilvusServer as Packaged
        from milvus import MilvusServerConfig

        config = MilvusServerConfig(data_dir=str(self._folder), proxy_port=self._port)
        for name, value in SETTINGS.items():
            config.set(name, value)
        self._packaged = Packaged(config, wait_for_started=False)
        here = Path.cwd()
        try:
            self._packaged.start()
        finally:
            os.chdir(here)
        self._wait()

    def _wait(self) -> None:
        process: subprocess.Popen[bytes] = self._packaged.server_proc
        health = f"http://127.0.0.1:{self._packaged.webservice_port}/healthz"
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            assert process.poll() is None, "the server ended by itself"
            try:
                with urllib.request.urlopen(health, timeout=5) as answer:
                    if b"OK" in answer.read():
                        return
            except OSError:
                time.sleep(0.2)
        self.kill()
        raise TimeoutError("the server did not start")

    def kill(self) -> None:
        """End it at once, by its own id, as if the machine had failed."""
        self._packaged.server_proc.kill()
        self._packaged.server_proc.wait()
        self._packaged.server_proc = None
        self._packaged.stop()
