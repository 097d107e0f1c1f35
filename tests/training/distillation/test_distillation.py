"""Distillation: it learns, and a killed run ends with the same weights as one that was not."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from solar.errors import PhotoError, UsageError
from solar.models.config import GlobalConfig
from solar.models.global_descriptor import GlobalDescriptor
from solar.training.distillation.crops import Photos, RandomCrops
from solar.training.distillation.distillation import DistillationConfig, Phase, distill
from tests.scenes import album

CONFIG = DistillationConfig(
    phases=(Phase(48, 32), Phase(48, 64)),
    teacher_side=64,
    batch=8,
    warmup=16,
    cooldown=48,
    whitened=8,
    statistics=32,
    workers=0,
    save_every=0,
)


def teacher(photos: Tensor) -> Tensor:
    """A fixed view of the photos: colours of an 8 x 8 grid, mixed and cut at zero."""
    mix = torch.randn(16, 3, generator=torch.Generator().manual_seed(5))
    colours = torch.nn.functional.avg_pool2d(photos.float() / 255, 8)
    return torch.einsum("oc,bchw->bohw", mix, colours).clamp(min=0) + 0.01


def run(folder: Path, photos: Path, config: DistillationConfig = CONFIG) -> GlobalDescriptor:
    torch.manual_seed(0)
    student = GlobalDescriptor(GlobalConfig("resnet18", ()))
    found = [Photos(sorted(photos.iterdir()), 1.0)]
    distill(student, teacher, found, config, folder, report=lambda line: None)
    return student


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    album(folder, 12)
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="kills with SIGKILL")
def test_a_killed_run_resumes_to_the_same_weights(photos: Path, tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", photos)
    program = (
        "import sys, torch; torch.set_num_threads(1)\n"
        "import solar.training.distillation.distillation as d; save = d._save\n"
        "def told(*a): save(*a); print(a[3], flush=True)\n"
        "d._save = told\n"
        "from pathlib import Path; from tests.training.test_distillation import run\n"
        "run(Path(sys.argv[1]), Path(sys.argv[2]))\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "cut"), str(photos)]
    root = Path(__file__).resolve().parents[3]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) >= 40:
                os.kill(child.pid, signal.SIGKILL)
                break
    seen = torch.load(tmp_path / "cut/state.pt", weights_only=True)["seen"]
    assert 40 <= seen < 96
    resumed = run(tmp_path / "cut", photos)
    assert resumed.fingerprint == whole.fingerprint


def test_it_learns_and_logs(photos: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, phases=(Phase(640, 32),), cooldown=320)
    run(tmp_path, photos, config)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert len(lines) == 8
    for loss in ("descriptor", "map", "relations"):
        assert lines[-1][loss] < 0.8 * lines[0][loss]
    assert lines[-1]["crops"] == 640


def test_the_rate_rises_stays_and_falls() -> None:
    rates = [CONFIG.rate(seen) for seen in range(0, 96, 8)]
    assert rates[0] == 0 and max(rates) == CONFIG.learning_rate
    assert rates[2:7] == [CONFIG.learning_rate] * 5
    assert rates[7:] == sorted(rates[7:], reverse=True) and CONFIG.rate(96) == 0
    assert [CONFIG.side(seen) for seen in (0, 47, 48, 95)] == [32, 32, 64, 64]


def test_crops_depend_on_their_number_alone(photos: Path) -> None:
    paths = sorted(photos.iterdir())
    crops = RandomCrops([Photos(paths, 1.0)], 50, 3, 32, (0.2, 1.0), 0.3)
    again = RandomCrops([Photos(paths, 1.0)], 90, 3, 32, (0.2, 1.0), 0.3)
    for number in (0, 7, 49):
        for ours, theirs in zip(crops[number], again[number], strict=True):
            assert torch.equal(ours, theirs)
    assert crops[0][0].shape == (3, 32, 32) and crops[0][0].dtype == torch.uint8
    assert not torch.equal(crops[0][0], crops[1][0])
    assert not torch.equal(crops[0][0], crops[0][1])  # another light


def test_weights_of_folders_and_unreadable_photos(photos: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no")
    paths = sorted(photos.iterdir())
    crops = RandomCrops([Photos([bad], 30.0), Photos(paths, 1.0)], 9, 0, 32, (0.5, 1.0), 0.0)
    assert crops[3][0].shape == (3, 32, 32)
    with pytest.raises(PhotoError, match="100 photos in a row"):
        RandomCrops([Photos([bad], 1.0)], 9, 0, 32, (0.5, 1.0), 0.0)[0]


def test_a_longer_run_than_the_config_is_refused(photos: Path, tmp_path: Path) -> None:
    run(tmp_path, photos)
    with pytest.raises(UsageError, match="already seen 96 of 48"):
        run(tmp_path, photos, replace(CONFIG, phases=(Phase(48, 32),)))


def test_a_second_run_takes_weights_over_and_adds_attention(photos: Path, tmp_path: Path) -> None:
    first = run(tmp_path / "first", photos, replace(CONFIG, phases=(Phase(16, 32),)))
    start = tmp_path / "first/state.pt"
    found = [Photos(sorted(photos.iterdir()), 1.0)]

    def second(config: GlobalConfig, rate: float) -> GlobalDescriptor:
        student = GlobalDescriptor(config)
        once = replace(CONFIG, phases=(Phase(16, 64),), learning_rate=rate, seed=1)
        folder = tmp_path / f"{config.backbone}-{rate}"
        distill(student, teacher, found, once, folder, lambda line: None, start)
        return student

    still = second(GlobalConfig("resnet18", ("conv4_x", "conv5_x")), 0.0)
    for name, weights in first.named_parameters():
        assert torch.equal(weights, still.get_parameter(name)), name
    assert still.attention_is_identity(4) and still.attention_is_identity(5)
    before, after = (
        torch.load(path, weights_only=True)["modules"]["targets.projection"]
        for path in (start, tmp_path / "resnet18-0.0/state.pt")
    )
    assert torch.equal(before, after)
    moved = second(GlobalConfig("resnet18", ("conv4_x", "conv5_x")), 1e-3)
    assert not moved.attention_is_identity(4) and not moved.attention_is_identity(5)
    with pytest.raises(UsageError, match="not a distillation of this student"):
        second(GlobalConfig("resnet34", ()), 0.0)
