"""A network of timm's in every command, as a user has it: trained, whitened, measured, searched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from solar.models.checkpoints import save
from tests.cli.runner import succeed
from tests.models.small_timm import network_of
from tests.training.small import small_tables, toml


@pytest.mark.slow
def test_a_vision_transformer_from_training_to_search(tmp_path: Path) -> None:
    save(network_of("test_vit"), tmp_path / "start")
    tables = small_tables(tmp_path, tmp_path / "start")
    tables["model"] |= {"attention": ["block3", "block6"], "freeze": "block2"}
    tables["optimiser"]["epochs"] = 1
    (tmp_path / "my.toml").write_text(toml(tables))
    run = ("--device", "cpu")
    printed = succeed("train", "my.toml", *run, folder=tmp_path)
    assert "runs/my/model: solar index PHOTOS" in printed
    fit = ("whiten", "fit", "places", "--learned", "--model", "runs/my/model", "--to", "w.npz")
    assert "learned from 9 photos" in succeed(*fit, *run, folder=tmp_path)
    fold = ("whiten", "fold", "w.npz", "--model", "runs/my/model", "--to", "mine")
    assert "timm:test_vit, 4-D" in succeed(*fold, "--dimensions", 4, folder=tmp_path)
    scored = succeed(
        "eval", "folder", "validation", "--model", "mine", "--json", *run, folder=tmp_path
    )
    assert 0 < json.loads(scored)["classic"]["map"] <= 1
    succeed("index", "places", "--to", "my.index", "--model", "mine", *run, folder=tmp_path)
    found = succeed("search", "my.index", "places/1/0.png", "--json", folder=tmp_path)
    first = json.loads(found)["hits"][0]
    assert first["path"].endswith("1/0.png") and first["score"] == pytest.approx(1, abs=1e-3)
