"""Every command that describes anything runs on the GPU of a machine that has one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.cli.runner import solar
from tests.scenes import album

NETWORK = ["--model", "MODEL"]
COMMANDS = {
    "index": ["index", "photos", "--to", "new.index", *NETWORK],
    "index, features": ["index", "photos", "--to", "local.index", "--local", "solar-local"],
    "search": ["search", "my.index", "photos/00.png", *NETWORK],
    "describe": ["describe", "photos", "--to", "d.npz", *NETWORK],
    "attend": ["attend", "photos/00.png", "--at", "9,9", "--to", "a.png", *NETWORK],
    "match": ["match", "photos/00.png", "photos/01.png"],
    "whiten fit": ["whiten", "fit", "photos", "--to", "w.npz", *NETWORK],
    "eval folder": ["eval", "folder", "places", "--to", "eval", *NETWORK],
    "eval extract-distractors": ["eval", "extract-distractors", "photos", "--to", "s", *NETWORK],
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Path:
    """Photos, places, and an index."""
    folder = tmp_path_factory.mktemp("home")
    album(folder / "photos", 3)
    for place in "ab":
        album(folder / "places" / place, 2)
    done = solar("index", "photos", "--to", "my.index", "--model", model_folder, folder=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The devices that networks are moved to, on what looks like a machine with one GPU.

    Nothing is really moved, so that the commands go on to their end.
    """
    seen: set[str] = set()
    real = torch.nn.Module.to

    def to(self: torch.nn.Module, *args: Any, **options: Any) -> torch.nn.Module:
        target = args[0] if args else options.get("device")
        if isinstance(target, str | torch.device):
            seen.add(torch.device(target).type)
            return self
        return real(self, *args, **options)

    monkeypatch.setattr(torch.nn.Module, "to", to)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr("solar.extraction.engines.choose.driver_here", lambda: True)
    return seen


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_uses_the_gpu_unless_told_otherwise(
    command: str, home: Path, model_folder: Path, moved: set[str]
) -> None:
    call = [str(model_folder) if word == "MODEL" else word for word in COMMANDS[command]]
    done = solar(*call, folder=home)
    assert done.returncode == 0, done.stderr
    assert moved == {"cuda"}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_device_that_is_not_there_is_refused(
    command: str, home: Path, model_folder: Path
) -> None:
    words = {"MODEL": str(model_folder), "new.index": "a.index", "local.index": "b.index"}
    call = [words.get(word, word) for word in COMMANDS[command]]
    done = solar(*call, "--device", "cuda:7", folder=home)
    assert done.returncode == 2 and "--device cuda:7: there is no such device" in done.stderr
