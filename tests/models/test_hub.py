"""Models at the Hugging Face hub, from a snapshot on this machine; the hub is never asked."""

import shutil
from pathlib import Path
from typing import Any

import huggingface_hub
import huggingface_hub.constants
import pytest
import torch

from solar.errors import CheckpointError, SolarError, UsageError
from solar.extraction import calibration_of, open_extractor
from solar.models.checkpoints import load, load_local, save
from solar.models.config import LocalConfig
from solar.models.local_descriptor import LocalDescriptor
from solar.models.registry import bring, is_named, lies_at

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache, empty; offline."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def snapshot(cache: Path, repository: str, model: Path, branch: str = "main") -> Path:
    """A model as the hub's package would have downloaded it."""
    kept = cache / f"models--{repository.replace('/', '--')}"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / branch).write_text(COMMIT)
    shutil.copytree(model, kept / "snapshots" / COMMIT)
    return kept / "snapshots" / COMMIT


def test_a_model_of_the_hub(cache: Path, model_folder: Path) -> None:
    folder = snapshot(cache, "owner/net", model_folder)
    wanted = load(model_folder).fingerprint
    for name in ("hf:owner/net", "hf:owner/net@main", f"hf:owner/net@{COMMIT}"):
        assert is_named(name) and load(name).fingerprint == wanted
        assert bring(name) == lies_at(name) == folder
    extractor = open_extractor("hf:owner/net")
    assert extractor.extraction.model == "hf:owner/net"
    assert extractor.extraction.fingerprint == wanted
    assert calibration_of(extractor.extraction) is None
    with pytest.raises(CheckpointError, match="hf:owner/net: a global model"):
        load_local("hf:owner/net")


def test_what_is_not_here_or_no_model(cache: Path, model_folder: Path) -> None:
    wanted = (
        r"hf:owner/net@v2: cannot be downloaded \(.*\): bring config.json and model.safetensors"
    )
    with pytest.raises(CheckpointError, match=wanted):
        load("hf:owner/net@v2")
    folder = snapshot(cache, "owner/net", model_folder)
    (folder / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"hf:owner/net: no model of Solar's: config\.json"):
        load("hf:owner/net")
    for odd in ("hf:net", "hf:../x", "hf:a/b/c", "hf:a/b@", "hf:a/../b"):
        assert not is_named(odd)


class Hub:
    """Keeps what is uploaded in a folder."""

    to: Path

    def create_repo(self, repository: str, *, private: bool, exist_ok: bool) -> None:
        assert exist_ok
        if repository == "somebody/else":
            raise PermissionError("403: not yours")

    def upload_folder(self, *, repo_id: str, folder_path: Path, **asked: Any) -> None:
        assert set(asked) == {"revision", "commit_message"}
        shutil.copytree(folder_path, self.to)


def test_pushed_and_loaded(
    cache: Path, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Hub, "to", tmp_path / "sent", raising=False)
    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    model = load(model_folder)
    assert model.push_to_hub("owner/net") == "hf:owner/net"
    sent = {each.name for each in Hub.to.iterdir()}
    assert sent == {"config.json", "model.safetensors", "README.md"}
    card = (Hub.to / "README.md").read_text()
    assert "license: mit\n" in card and 'solar.load("hf:owner/net")' in card
    snapshot(cache, "owner/net", Hub.to)
    assert load("hf:owner/net").fingerprint == model.fingerprint
    with pytest.raises(SolarError, match=r"somebody/else: cannot be uploaded \(403: not yours"):
        model.push_to_hub("somebody/else")
    with pytest.raises(UsageError, match="net: expected owner/name"):
        model.push_to_hub("net")


def test_a_network_of_patches(cache: Path, tmp_path: Path) -> None:
    network = LocalDescriptor(LocalConfig(()), name="patches")
    save(network, tmp_path / "m")
    snapshot(cache, "owner/patches", tmp_path / "m")
    assert load_local("hf:owner/patches").fingerprint == network.fingerprint


def test_nothing_is_told_of_who_asks(cache: Path, model_folder: Path) -> None:
    snapshot(cache, "owner/net", model_folder)
    bring("hf:owner/net")
    assert huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY is True


def test_by_torch_hub() -> None:
    root = Path(__file__).parents[2]
    hub: Any = torch.hub.load
    found = hub(str(root), "solar_r18", source="local")
    assert found.fingerprint == load("solar-r18").fingerprint
    assert hub(str(root), "solar_local", source="local").dimensions == 128
    again = hub(str(root), "model", "solar-r18", source="local")
    assert again.fingerprint == found.fingerprint
