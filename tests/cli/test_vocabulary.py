"""solar vocabulary, and what describes photos by one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.runner import solar, succeed
from tests.scenes import album, scene


def test_from_photos_to_an_evaluation(tmp_path: Path) -> None:
    album(tmp_path / "others", 5)
    for place in range(2):
        album(tmp_path / "places" / str(place), 2, (120 + 40 * place, 100))
    options = ["--to", "v.npz", "--words", "4", "--keypoints", "60"]
    assert "vlad, 4 words, 512-D" in succeed("vocabulary", "others", *options, folder=tmp_path)
    (tmp_path / "mine.npz").write_bytes(b"something else")
    done = solar("vocabulary", "others", "--to", "mine.npz", folder=tmp_path)
    assert done.returncode == 2 and "mine.npz: " in done.stderr
    told = succeed("eval", "folder", "places", "--model", "v.npz", "--json", folder=tmp_path)
    assert 0 < json.loads(told)["classic"]["map"] <= 1
    succeed("describe", "places", "--model", "v.npz", "--to", "d.npz", folder=tmp_path)
    with np.load(tmp_path / "d.npz") as found:
        assert found["descriptors"].shape == (4, 512)
    call = ["describe", "places", "--model", "v.npz", "--image-size", "64", "--to", "e.npz"]
    done = solar(*call, folder=tmp_path)
    assert done.returncode == 2 and "its own --image-size" in done.stderr


@pytest.mark.slow
def test_words_are_measured_and_verified(tmp_path: Path) -> None:
    album(tmp_path / "others", 5)
    for place in range(2):
        folder = tmp_path / "places" / str(place)
        folder.mkdir(parents=True)
        whole = scene(place, (200, 160))
        for number, left in enumerate((0, 20)):
            whole.crop((left, 0, 180 + left, 160)).save(folder / f"{number}.png")
    options = ["--kind", "asmk", "--words", "30", "--keypoints", "60", "--to", "v.npz"]
    succeed("vocabulary", "others", *options, folder=tmp_path)
    call = ["eval", "folder", "places", "--model", "v.npz"]
    for ways in ([], ["--rerank", "geometric"]):
        told = succeed(*call, *ways, "--to", f"runs/{len(ways)}", "--json", folder=tmp_path)
        assert json.loads(told)["classic"]["map"] > 0.9
        assert (tmp_path / "runs" / str(len(ways)) / "report.html").exists()
    for wrong in (["--rerank", "diffusion"], ["--scales", "1"], ["--local", "rootsift"]):
        assert solar(*call, *wrong, folder=tmp_path).returncode == 2
