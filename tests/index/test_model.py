"""An index whose photos are described by a real network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from solar.errors import CheckpointError, PhotoError, UsageError
from solar.extraction import open_extractor
from solar.index import Index
from solar.models.checkpoints import save
from solar.models.config import GlobalConfig
from solar.models.global_descriptor import GlobalDescriptor
from tests.scenes import scene

REPOSITORY = Path(__file__).resolve().parents[2]


def make_model(folder: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    config = GlobalConfig(backbone="resnet18", whitening=32, image_size=96, scales=(1.0, 0.7071))
    save(GlobalDescriptor(config), folder)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network, untrained."""
    return make_model(tmp_path_factory.mktemp("models") / "small", 1)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six photos of two shapes, and a file that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    chance = np.random.default_rng(3)
    for number in range(6):
        height = 96 + 32 * (number % 2)
        pixels = chance.integers(0, 255, (4, 4, 3)).astype(np.uint8)
        photo = Image.fromarray(pixels).resize((128, height), Image.Resampling.BICUBIC)
        photo.save(folder / f"{number}.png")
    (folder / "bad.jpg").write_text("not a photo")
    return folder


def test_photos_are_described_and_found(tmp_path: Path, model: Path, photos: Path) -> None:
    index = Index.create(tmp_path / "my.index", model=model)
    made = index.extraction
    assert (made.dimensions, made.image_size) == (32, 96)
    assert made.scales == (1.0, 0.7071)
    report = index.add(photos)
    assert [Path(path).name for path in report.added] == [f"{n}.png" for n in range(6)]
    ((path, reason),) = report.failed
    assert Path(path).name == "bad.jpg"
    assert "bad.jpg" in reason
    index = Index.open(tmp_path / "my.index")
    assert index.info().failed == report.failed
    for number, path in enumerate(report.added):
        hit = index.search(path, top=1)[0]
        assert (hit.path, hit.id) == (path, number)
        assert hit.score > 0.9995
    part = index.search(report.added[0], top=1, box=(0, 0, 60, 50))[0]
    assert part.score < 0.9995
    with pytest.raises(PhotoError, match=r"bad\.jpg"):
        index.search(photos / "bad.jpg")


@pytest.mark.slow
def test_a_reader_follows_when_another_model_describes_the_photos(
    tmp_path: Path, model: Path, photos: Path
) -> None:
    index = Index.create(tmp_path / "my.index", model=model)
    index.add(photos)
    readers = [Index.open(index.folder), Index.open(index.folder, model)]
    for reader in readers:
        reader.search(photos / "0.png")  # It has loaded the first model.
    index.renew(make_model(tmp_path / "other", 2))
    for reader in readers:
        assert reader.refresh() and reader.extraction == index.extraction
        (hit,) = reader.search(photos / "0.png", top=1, rerank="none")
        assert Path(hit.path).name == "0.png" and hit.score > 0.9995


def test_an_index_is_opened_without_its_model(tmp_path: Path, model: Path, photos: Path) -> None:
    index = Index.create(tmp_path / "my.index", model=str(model), local=None)
    index.add(photos)
    program = (
        "import sys, numpy; from solar.index import Index\n"
        f"index = Index.open({str(tmp_path / 'my.index')!r})\n"
        f"assert len(index.add({str(photos)!r}).unchanged) == 6\n"
        "assert len(index.search(0)) == 6\n"
        "index.remove([0]); index.compact(); assert index.verify() == []\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=REPOSITORY)


def test_another_model_is_refused(tmp_path: Path, model: Path, photos: Path) -> None:
    folder = tmp_path / "my.index"
    Index.create(folder, model=model, local=None).add(photos)
    other = make_model(tmp_path / "other", 2)
    with pytest.raises(UsageError, match=r"small .*, not .*other"):
        Index.open(folder, model=other)
    moved = make_model(tmp_path / "moved", 1)
    assert Index.open(folder, model=moved).search(photos / "1.png", top=1)[0].score > 0.9995
    with pytest.raises(CheckpointError):
        Index.create(tmp_path / "new", model=tmp_path / "nothing")
    assert not (tmp_path / "new").exists()


def test_a_model_that_has_changed_or_gone_is_told(tmp_path: Path, photos: Path) -> None:
    folder, place = tmp_path / "my.index", tmp_path / "model"
    index = Index.create(folder, model=make_model(place, 1), local=None)
    index.add(photos)
    place.rename(tmp_path / "elsewhere")
    with pytest.raises(CheckpointError, match="needs the model"):
        Index.open(folder).search(photos / "0.png")
    make_model(place, 2)
    with pytest.raises(UsageError, match="was made with model"):
        Index.open(folder).search(photos / "0.png")
    Image.new("RGB", (64, 64)).save(photos / "new.png")
    with pytest.raises(UsageError, match="was made with model"):
        Index.open(folder).add(photos)
    assert len(Index.open(folder)) == 6


def test_an_index_keeps_its_decoding(model_folder: Path, tmp_path: Path) -> None:
    scene(1).save(tmp_path / "a.jpg")
    for decoding, other in (("draft", "upright"), ("upright", "draft")):
        folder = tmp_path / decoding
        index = Index.create(folder, open_extractor(model_folder, decoding=decoding), local=None)
        assert index.extraction.decoding == decoding
        index.add(tmp_path / "a.jpg")
        assert Index.open(folder).search(tmp_path / "a.jpg")[0].score > 0.999
        with pytest.raises(UsageError, match=f"decoding {decoding}, not {other}"):
            Index.open(folder, open_extractor(model_folder, decoding=other))
    assert Index.create(tmp_path / "own", model_folder, local=None).extraction.decoding == "draft"


def test_photos_as_stored_are_not_indexed(model_folder: Path, tmp_path: Path) -> None:
    extractor = open_extractor(model_folder, decoding="stored")
    with pytest.raises(UsageError, match="an index is of upright photos"):
        Index.create(tmp_path / "my.index", extractor)
    assert not (tmp_path / "my.index").exists()
