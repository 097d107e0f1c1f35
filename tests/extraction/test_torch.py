"""Extraction: batches equal single photos, bad files never stop a run, precision, export."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from solar.errors import PhotoError, SolarError, UsageError
from solar.extraction.describe import describe_to_file
from solar.extraction.engines.torch import Described, Failed, describe_photo, describe_photos
from solar.models.checkpoints import load
from solar.models.global_descriptor import GlobalDescriptor
from tests.scenes import album, scene


@pytest.fixture(scope="module")
def model(model_folder: Path) -> GlobalDescriptor:
    return load(model_folder)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three shapes, interleaved."""
    folder = tmp_path_factory.mktemp("photos")
    shapes = [(160, 120), (120, 160), (200, 90)]
    paths = []
    for number in range(18):
        path = folder / f"{number:02}.png"
        scene(number, shapes[number % 3]).save(path)
        paths.append(path)
    return paths


def test_batched_descriptors_equal_single_ones(model: GlobalDescriptor, photos: list[Path]) -> None:
    alone = np.stack([describe_photo(model, path, precision="float32") for path in photos])
    batched = np.zeros_like(alone)
    for result in describe_photos(model, photos, precision="float32"):
        assert isinstance(result, Described)
        batched[result.position] = result.descriptor
    assert ((alone * batched).sum(1) >= 0.99999).all()
    np.testing.assert_allclose(np.linalg.norm(batched, axis=1), 1, atol=1e-5)


def test_the_model_describes_through_the_same_door(
    model: GlobalDescriptor, photos: list[Path]
) -> None:
    assert np.array_equal(model.describe(photos[0]), describe_photo(model, photos[0]))


def test_bfloat16_stays_close_to_float32(model: GlobalDescriptor, photos: list[Path]) -> None:
    for path in photos[:6]:
        full = describe_photo(model, path, precision="float32")
        half = describe_photo(model, path, precision="bfloat16")
        assert full @ half >= 0.999


def test_boxes_crop_before_describing(model: GlobalDescriptor, photos: list[Path]) -> None:
    box = (10.0, 20.0, 90.0, 110.0)
    boxes = [box if i % 2 else None for i in range(6)]
    for result in describe_photos(model, photos[:6], boxes=boxes, precision="float32"):
        assert isinstance(result, Described)
        i = result.position
        alone = describe_photo(model, photos[i], boxes[i], precision="float32")
        assert result.descriptor @ alone >= 0.99999
    whole = describe_photo(model, photos[0], precision="float32")
    part = describe_photo(model, photos[0], box, precision="float32")
    assert whole @ part < 0.9999
    with pytest.raises(UsageError, match="2 boxes for 1 photos"):
        list(describe_photos(model, photos[:1], boxes=[None, None]))


def test_bad_files_are_reported_and_the_rest_goes_on(
    model: GlobalDescriptor, photos: list[Path], tmp_path: Path
) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(photos[0].read_bytes()[:900])
    paths = [photos[0], bad, tmp_path / "gone.jpg", photos[1]]
    steps: list[tuple[int, int]] = []
    progress = lambda done, total: steps.append((done, total))  # noqa: E731
    results = {r.position: r for r in describe_photos(model, paths, progress=progress)}
    assert sorted(results) == [0, 1, 2, 3]
    for position, name in ((1, "bad.jpg"), (2, "gone.jpg")):
        failed = results[position]
        assert isinstance(failed, Failed)
        assert name in failed.reason and "\n" not in failed.reason
    assert steps == [(n, 4) for n in (1, 2, 3, 4)]
    with pytest.raises(PhotoError, match=r"gone\.jpg"):
        describe_photo(model, tmp_path / "gone.jpg")


def test_no_photos_give_no_descriptors(model: GlobalDescriptor) -> None:
    assert list(describe_photos(model, [])) == []


def test_attention_map_is_the_descriptors_own(model: GlobalDescriptor, photos: list[Path]) -> None:
    weights = model.attention_map(photos[0], at=(80, 60), stage=4)
    assert weights.shape == (6, 8)  # 128 x 96 px at stride 16
    assert weights.min() >= 0
    assert float(weights.sum()) == pytest.approx(1, abs=1e-5)
    assert model.attention_is_identity(4) and not model.attention_is_identity(5)
    with pytest.raises(UsageError, match="outside its 160x120"):
        model.attention_map(photos[0], at=(160, 10))
    with pytest.raises(UsageError, match="no attention at stage 3"):
        model.attention_map(photos[0], at=(1, 1), stage=3)


def test_export_writes_rows_in_the_order_of_paths(
    model: GlobalDescriptor, photos: list[Path], tmp_path: Path
) -> None:
    target = tmp_path / "d.npz"
    report = describe_to_file(model, [photos[0].parent], target)
    with np.load(target) as data:  # without pickle
        assert data["paths"].tolist() == [str(p) for p in photos]
        np.testing.assert_allclose(
            data["descriptors"][4], describe_photo(model, photos[4]), atol=0.01
        )
    assert (report.described, report.resumed, report.failed) == (18, 0, ())
    assert [p.name for p in tmp_path.iterdir()] == ["d.npz"]


@pytest.mark.skipif(sys.platform == "win32", reason="kills with SIGKILL")
def test_a_killed_export_goes_on_where_it_stopped(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    album(tmp_path / "photos", 40)
    program = (
        "import sys, time, torch; torch.set_num_threads(1)\n"
        "import solar.extraction.describe as e; from solar.models.checkpoints import load\n"
        "e.COMMIT_SECONDS = 0.05\n"
        "slow = lambda d, t: (print(d, flush=True), time.sleep(0.05))\n"
        f"e.describe_to_file(load({str(model_folder)!r}), ['photos'], 'd.npz', progress=slow)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) >= 15:
                os.kill(child.pid, signal.SIGKILL)
                break
    assert not (tmp_path / "d.npz").exists()
    monkeypatch.chdir(tmp_path)
    report = describe_to_file(load(model_folder), ["photos"], "d.npz")
    assert report.described == 40
    assert report.resumed >= 10


def test_export_refuses_what_it_cannot_do(
    model: GlobalDescriptor, photos: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"must end in \.npz"):
        describe_to_file(model, photos, tmp_path / "d.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SolarError, match="no photo"):
        describe_to_file(model, [tmp_path / "empty"], tmp_path / "d.npz")
    with pytest.raises(UsageError, match="other settings"):
        describe_to_file(model, photos, tmp_path / "d.npz", image_size=64)
    (tmp_path / "x.npz.partial").write_bytes(b"this is no database, but long enough" * 50)
    with pytest.raises(SolarError, match="remove it"):
        describe_to_file(model, photos, tmp_path / "x.npz")
