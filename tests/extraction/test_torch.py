"""Extraction: batches equal single photos, bad files never stop a run, precision, export."""

import io
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from solar.errors import PhotoError, SolarError, UsageError
from solar.extraction import Extractor, collect, describe_one, open_extractor
from solar.extraction.describe import describe_to_file
from solar.extraction.shards import create_shards
from solar.models.checkpoints import load
from solar.models.global_descriptor import GlobalDescriptor
from solar.models.whitening import Whitening
from solar.photos import Photo, decode
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


def full(model: GlobalDescriptor) -> Extractor:
    return open_extractor(model, precision="float32")


def test_batched_descriptors_equal_single_ones(model: GlobalDescriptor, photos: list[Path]) -> None:
    alone = np.stack([describe_one(full(model), path) for path in photos])
    batched = collect(full(model), photos)
    assert batched.positions.tolist() == list(range(18)) and batched.failures == ()
    assert ((alone * batched.descriptors).sum(1) >= 0.99999).all()
    np.testing.assert_allclose(np.linalg.norm(batched.descriptors, axis=1), 1, atol=1e-5)


def test_the_model_describes_through_the_same_door(
    model: GlobalDescriptor, photos: list[Path]
) -> None:
    assert np.array_equal(model.describe(photos[0]), describe_one(open_extractor(model), photos[0]))


def test_describing_leaves_a_training_network_in_its_mode(
    model_folder: Path, photos: list[Path]
) -> None:
    network = load(model_folder).train()
    found = network.describe(photos[0])
    assert network.training
    assert np.array_equal(found, network.eval().describe(photos[0]))


@pytest.mark.slow
def test_the_precisions_of_one_class_agree(photos: list[Path]) -> None:
    """An index made in one of them is searched and extended in another."""
    network = load("solar-r18")
    one, *others = (
        open_extractor(network, precision=name) for name in ("float32", "bfloat16", "float16")
    )
    expected = collect(one, photos[:6]).descriptors
    for other in others:
        assert one.extraction.differences(other.extraction) == []
        assert ((collect(other, photos[:6]).descriptors * expected).sum(1) >= 0.9999).all()


def test_stored_pixels_are_not_turned(model: GlobalDescriptor, tmp_path: Path) -> None:
    plain, exif = scene(5, (120, 90)), Image.Exif()
    exif[274] = 6  # to be turned to the right
    plain.save(tmp_path / "plain.png")
    plain.save(tmp_path / "turned.png", exif=exif)
    stored, upright = (
        open_extractor(model, precision="float32", decoding=decoding)
        for decoding in ("stored", "upright")
    )
    turned = tmp_path / "turned.png"
    for box in (None, (5.0, 10.0, 115.0, 60.0)):
        expected = describe_one(upright, tmp_path / "plain.png", box)
        for photo in (turned, turned.read_bytes(), Image.open(turned)):
            assert np.array_equal(describe_one(stored, photo, box), expected)
    assert describe_one(upright, turned) @ describe_one(stored, turned) < 0.999
    assert stored.extraction.differences(upright.extraction) == ["decoding stored, not upright"]
    assert stored.extraction.own_whitening == model.config.whitening


def test_a_draft_of_a_large_jpeg_gives_nearly_its_descriptor_and_is_an_extraction(
    tmp_path: Path,
) -> None:
    paths = [tmp_path / f"{number}.jpg" for number in range(2)]
    for number, path in enumerate(paths):
        scene(number, (1600, 1200)).save(path, quality=92)
    drafted, whole = (
        open_extractor("solar-r18", image_size=224, decoding=decoding)
        for decoding in ("draft", "upright")
    )
    boxes = [None, (100.0, 100.0, 1400.0, 900.0)]
    found, expected = (collect(each, paths, boxes).descriptors for each in (drafted, whole))
    assert not np.array_equal(found, expected)
    assert ((found * expected).sum(1) >= 0.999).all()
    again = collect(drafted, [decode(path) for path in paths], boxes).descriptors
    assert np.allclose(again, found, atol=1e-6)  # whether it was decoded before or not
    assert drafted.extraction.differences(whole.extraction) == ["decoding draft, not upright"]
    assert open_extractor().extraction.decoding == "draft"


def test_a_whitening_of_other_descriptors_is_refused_at_once(model: GlobalDescriptor) -> None:
    before = open_extractor(model, pooled=True).extraction.to_json()
    random = np.random.default_rng(0)
    for extraction, width in ((before, 32), (before, 512), ({}, 512)):
        settings = {"extraction": extraction} if extraction else {}
        whitening = Whitening(np.zeros(width), random.normal(size=(8, width)), settings)
        with pytest.raises(UsageError, match=r"another kind|for 512 dimensions, not 32"):
            open_extractor(model, whitening=whitening)
    foreign = Whitening(np.zeros(32), random.normal(size=(8, 32)))
    assert open_extractor(model, whitening=foreign).extraction.dimensions == 8


def test_boxes_crop_before_describing(model: GlobalDescriptor, photos: list[Path]) -> None:
    box = (10.0, 20.0, 90.0, 110.0)
    boxes = [box if i % 2 else None for i in range(6)]
    rows = collect(full(model), photos[:6], boxes).descriptors
    for photo, part, row in zip(photos[:6], boxes, rows, strict=True):
        assert row @ describe_one(full(model), photo, part) >= 0.99999
    whole, cropped = (describe_one(full(model), photos[0], b) for b in (None, box))
    assert whole @ cropped < 0.9999
    with pytest.raises(UsageError, match="2 boxes for 1 photos"):
        list(full(model).describe(photos[:1], [None, None]))
    with pytest.raises(UsageError, match=r"00\.png: box .* holds no pixel"):
        describe_one(full(model), photos[0], (500, 0, 600, 10))


def test_bad_files_are_reported_and_the_rest_goes_on(
    model: GlobalDescriptor, photos: list[Path], tmp_path: Path
) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(photos[0].read_bytes()[:900])
    paths = [photos[0], bad, tmp_path / "gone.jpg", photos[1]]
    steps: list[tuple[int, int]] = []
    found = collect(full(model), paths, progress=lambda *step: steps.append(step))
    assert found.positions.tolist() == [0, 3]
    for failed, name in zip(found.failures, ("bad.jpg", "gone.jpg"), strict=True):
        assert name in failed.reason and "\n" not in failed.reason
    assert steps == [(n, 4) for n in (1, 2, 3, 4)]
    with pytest.raises(PhotoError, match=r"gone\.jpg"):
        describe_one(full(model), tmp_path / "gone.jpg")


def test_no_photos_give_no_descriptors(model: GlobalDescriptor) -> None:
    assert collect(full(model), []).descriptors.shape == (0, 32)


def test_every_kind_of_photo_gives_the_same_descriptor(
    model: GlobalDescriptor, photos: list[Path]
) -> None:
    image = Image.open(photos[0])
    data = photos[0].read_bytes()
    kinds: list[Photo] = [data, io.BytesIO(data), image, np.asarray(image), decode(photos[0])]
    rows = collect(full(model), [photos[0], str(photos[0]), *kinds]).descriptors
    np.testing.assert_allclose(rows, np.tile(rows[:1], (7, 1)), atol=1e-6)
    broken: list[Photo] = [data[:900], np.zeros((2, 3, 4), np.uint8), Image.new("L", (8, 8)), 7]  # type: ignore[list-item]
    reasons = [failed.reason for failed in collect(full(model), broken).failures]
    assert [reason.split(":")[0] for reason in reasons] == [f"photo {n} of 4" for n in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "tpu"}, "--device tpu"),
        ({"device": "cuda:77"}, "no such device here"),
        ({"precision": "int3"}, "--precision int3"),
        ({"engine": "abacus"}, "--engine abacus"),
        ({"scales": (1.0, float("nan"))}, "scale nan"),
        ({"scales": (1e-30,)}, "scale 1e-30"),
        ({"image_size": 10**9}, "image size 1000000000"),
    ],
)
def test_wrong_settings_are_refused(model_folder: Path, options: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_extractor(model_folder, **options)


def test_export_writes_rows_in_the_order_of_paths(
    model: GlobalDescriptor, photos: list[Path], tmp_path: Path
) -> None:
    target = tmp_path / "d.npz"
    report = describe_to_file(open_extractor(model), [photos[0].parent], target)
    with np.load(target) as data:  # without pickle
        assert data["paths"].tolist() == [str(p) for p in photos]
        np.testing.assert_allclose(data["descriptors"][4], model.describe(photos[4]), atol=0.01)
    assert (report.described, report.resumed, report.failed) == (18, 0, ())
    assert [p.name for p in tmp_path.iterdir()] == ["d.npz"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kills with SIGKILL")
def test_a_killed_export_goes_on_where_it_stopped(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    album(tmp_path / "photos", 40)
    program = (
        "import time, torch; torch.set_num_threads(1)\n"
        "import solar.extraction.describe as e; from solar.extraction import open_extractor\n"
        "e._SHARD = 5\n"
        "slow = lambda d, t: (print(d, flush=True), time.sleep(0.05))\n"
        f"e.describe_to_file(open_extractor({str(model_folder)!r}), ['photos'], 'd.npz', slow)\n"
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
    monkeypatch.setattr("solar.extraction.describe._SHARD", 5)
    report = describe_to_file(open_extractor(model_folder), ["photos"], "d.npz")
    assert report.described == 40
    assert report.resumed >= 10


def test_export_refuses_what_it_cannot_do(
    model: GlobalDescriptor, photos: list[Path], tmp_path: Path
) -> None:
    extractor = open_extractor(model)
    with pytest.raises(UsageError, match=r"must end in \.npz"):
        describe_to_file(extractor, photos, tmp_path / "d.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SolarError, match="no photo"):
        describe_to_file(extractor, [tmp_path / "empty"], tmp_path / "d.npz")
    extraction = replace(extractor.extraction, image_size=64)
    create_shards(tmp_path / "d.npz.partial", extraction, [], 5, "float32")
    with pytest.raises(UsageError, match="image_size 64, not 128: an interrupted run left this"):
        describe_to_file(extractor, photos, tmp_path / "d.npz")
    (tmp_path / "x.npz.partial").write_bytes(b"this is no folder")
    with pytest.raises(SolarError, match="remove it"):
        describe_to_file(extractor, photos, tmp_path / "x.npz")
