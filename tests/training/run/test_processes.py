"""Two processes train as one does: losses, gradients, tuples, weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from solar.models.checkpoints import load
from solar.training.run.processes import Processes
from tests.training.run.two_processes import TUPLES, gradients, mined
from tests.training.small import log_of, retrieval, small_tables, toml, trained

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="torchrun needs libuv there")
def test_two_processes_are_as_good_as_one(tmp_path: Path, model_folder: Path) -> None:
    tables = small_tables(tmp_path, model_folder)
    tables["optimiser"]["epochs"] = 1
    del tables["validation"]  # the last weights are the result, not the best
    (tmp_path / "photos/03.png").write_bytes(b"damaged")  # one process finds it; both must know
    (tmp_path / "recipe.toml").write_text(toml(tables))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "-m", "tests.training.run.two_processes"]
    command += [str(tmp_path / "recipe.toml"), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    recipe = retrieval(tables, tmp_path)
    both = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1)]
    for found in both:
        for count, (losses, summed) in zip(TUPLES, found["gradients"], strict=True):
            wanted, alone = gradients(recipe, count, Processes())
            assert losses == pytest.approx(wanted, rel=1e-5)
            length = torch.stack([gradient.norm() for gradient in alone]).norm()
            for got, right in zip(summed, alone, strict=True):
                assert (got - right).norm() < 1e-5 * length
        assert torch.equal(found["tuples"], mined(recipe, Processes()))
        assert found["lines"] == ["of 0", "of 1", "of each", "of each"]
        assert torch.equal(found["rows"], torch.arange(15).reshape(5, 3))
    one = trained(recipe, tmp_path / "one")
    for expected, line in zip(log_of(tmp_path / "one"), log_of(tmp_path / "run"), strict=True):
        assert line.keys() == expected.keys()
        for name, value in expected.items():
            floats = value if isinstance(value, dict) else {"": value}
            close = all(isinstance(number, float) for number in floats.values())
            near = pytest.approx(value, rel=1e-3) if close else value
            assert line[name] == near, (expected["event"], name)
    start, two = load(model_folder).state_dict(), load(tmp_path / "run/model").state_dict()
    alone_state = one.state_dict()
    moved, apart = (
        torch.cat([(state[name] - other[name]).float().flatten() for name in start]).norm()
        for state, other in ((alone_state, start), (two, alone_state))
    )
    assert moved > 0 and apart < 0.01 * moved


def test_shares_are_whole_and_even() -> None:
    for total in (0, 1, 7, 100):
        for count in (1, 2, 3, 8):
            parts = [Processes(rank, count).share(total) for rank in range(count)]
            assert [n for part in parts for n in range(total)[part]] == list(range(total))
            sizes = [part.stop - part.start for part in parts]
            assert max(sizes) - min(sizes) <= 1
