"""Batch norm, dropout and losses over a whole batch: two processes step as one does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from solar.training.run.processes import Processes
from tests.scenes import album
from tests.training.run.shared_steps import taught
from tests.training.small import log_of

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="torchrun needs libuv there")
def test_two_processes_step_as_one_does(tmp_path: Path) -> None:
    for name in ("photos", "one", "two"):
        (tmp_path / name).mkdir()
    album(tmp_path / "photos", 6)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "-m", "tests.training.run.shared_steps"]
    command += [str(tmp_path / "photos"), str(tmp_path / "two")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    one = taught(tmp_path / "photos", tmp_path / "one", Processes())
    first, second = (torch.load(tmp_path / f"two/{n}.pt", weights_only=True) for n in (0, 1))
    for task, weights in one.items():
        assert all(torch.equal(first[task][name], second[task][name]) for name in weights)
        wanted, found = (
            torch.cat([of[task][name].float().flatten() for name in weights]) for of in (one, first)
        )
        assert (found - wanted).norm() < 2e-4 * wanted.norm(), task
        alone, shared = (log_of(tmp_path / name / task) for name in ("one", "two"))
        assert [line["event"] for line in shared] == [line["event"] for line in alone]
        for line, right in zip(shared, alone, strict=True):
            if line["event"] == "step":
                losses = {name: right[name] for name in right if name != "event"}
                assert {name: line[name] for name in losses} == pytest.approx(losses, rel=2e-3)
