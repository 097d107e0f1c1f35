"""What a model folder says of itself, read without torch."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from solar.errors import CheckpointError
from solar.models.document import WEIGHTS, architecture, fingerprint, read_document
from solar.models.registry import BUNDLED


def test_a_fingerprint_is_remembered_and_never_for_other_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOLAR_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "model"
    shutil.copytree(BUNDLED / "solar-local", folder)
    document = read_document(folder)
    whole = fingerprint(architecture(document.config), document.tensors())
    other = folder / WEIGHTS
    damaged = bytearray(other.read_bytes())
    damaged[-1] ^= 1
    other.write_bytes(damaged)
    with pytest.raises(CheckpointError, match="not the file"):
        document.fingerprint()
    assert not (tmp_path / "cache").exists()
    shutil.copy(BUNDLED / "solar-local" / WEIGHTS, other)
    assert document.fingerprint() == whole
    (kept,) = (tmp_path / "cache").rglob("fingerprints/*")
    other.unlink()
    assert document.fingerprint() == whole
    with pytest.raises(CheckpointError):
        replace(document, weights_digest="0" * 64).fingerprint()
    kept.write_text("no fingerprint")
    shutil.copy(BUNDLED / "solar-local" / WEIGHTS, other)
    assert document.fingerprint() == whole


def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SOLAR_CACHE", str(tmp_path / "file"))
    assert len(read_document(BUNDLED / "solar-local").fingerprint()) == 64
