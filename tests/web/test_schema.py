"""The OpenAPI document, and schemathesis, which tries what it allows and what it does not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.web.server import Server, serving

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance"
)


def test_every_route_is_described_with_its_errors(server: Server) -> None:
    with server.client() as client:
        document = client.get("/api/v1/openapi.json").json()
    assert "/api/v1/search" in document["paths"] and "/" not in document["paths"]
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            assert route["summary"], f"{method} {path}"
            assert {"422", "401", "403", "503"} <= route["responses"].keys()
            assert "Problem" in str(route["responses"]["422"])


@pytest.mark.slow
def test_schemathesis_finds_no_answer_that_is_not_described(
    scenes_index: Path, tmp_path: Path
) -> None:
    shutil.copytree(scenes_index, tmp_path / "my.index")
    options = ["--write", "--uploads", str(tmp_path / "uploads")]
    command = [str(Path(sys.executable).with_name("schemathesis")), "run"]
    with serving(tmp_path / "my.index", tmp_path / "log", *options) as server:
        command += [f"{server.address}/api/v1/openapi.json", "--checks", CHECKS, "--no-color"]
        command += ["--max-examples", "10", "--max-time", "45", "--seed", "1", "--no-shrink"]
        command += [
            "--phases",
            "examples,coverage,fuzzing",
            "--exclude-path-regex",
            "events$|places|duplicates",
        ]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200)
        with server.client() as client:
            assert client.get("/health").status_code == 200
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
