"""A Milvus server of one's own: a process that is started, killed and started again."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

TOKEN = "root:Milvus"  # noqa: S105
SECONDS = 120  # To start on a busy machine; 20 is usual.
SETTINGS = {
    "common.security.authorizationEnabled": "true",
}
# The store inside it would take ports that every such server takes.
STORE = """
name: default
listen-client-urls: {client}
advertise-client-urls: {client}
listen-peer-urls: {peer}
initial-advertise-peer-urls: {peer}
initial-cluster: default={peer}
"""


class MilvusServer:
    """What the package `milvus` brings, with its data in a folder.

    Attributes:
        uri: where it answers.
        certificate: file of the authority that its certificate is signed by; None without TLS.
    """

    def __init__(self, folder: Path) -> None:
        """Choose ports that are free, and make a certificate if something here can."""
        self._folder = folder
        self._port, self._client, self._peer = free_ports(3)
        self.certificate = certificate(folder) if shutil.which("openssl") else None
        scheme = "http" if self.certificate is None else "https"
        self.uri = f"{scheme}://localhost:{self._port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        from milvus import MilvusServer as Packaged
        from milvus import MilvusServerConfig

        ports = {"proxy_port": self._port, "etcd_port": self._client}
        config = MilvusServerConfig(data_dir=str(self._folder), **ports)
        config.try_bind_port = bound  # Its own refuses a port that a killed server has just left.
        for name, value in SETTINGS.items():
            config.set(name, value)
        if self.certificate is not None:
            config.set("common.security.tlsMode", 1)
            config.set("tls.serverPemPath", str(self.certificate))
            config.set("tls.serverKeyPath", str(self.certificate.with_suffix(".key")))
        store = self._folder / "store.yaml"
        urls = {
            name: f"http://localhost:{port}"
            for name, port in (("client", self._client), ("peer", self._peer))
        }
        store.write_text(STORE.format(**urls))
        config.template_text = config.template_text.replace(
            "\netcd:\n", f"\netcd:\n  config:\n    path: {store}\n"
        )
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
        if self._packaged.server_proc is not None:
            self._packaged.server_proc.kill()
            self._packaged.server_proc.wait()
            self._packaged.server_proc = None
        self._packaged.stop()


def bound(port: int) -> socket.socket | None:
    """A socket that listens at a port; None if another does."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind(("127.0.0.1", port))
        made.listen()
    except OSError:
        made.close()
        return None
    return made


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at."""
    held = [socket.socket() for _ in range(count)]
    for each in held:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def certificate(folder: Path) -> Path:
    """A certificate for this machine, signed by itself, with its key beside it."""
    made = folder / "server.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command += ["-out", str(made), "-keyout", str(made.with_suffix(".key"))]
    subprocess.run(command, check=True, capture_output=True)
    return made
