"""The evaluation commands on small data of the published layouts."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from solar.datasets.patches.hpatches import KINDS
from solar.models.checkpoints import save
from solar.models.local_descriptor import LocalDescriptor
from solar.models.whitening import Whitening
from solar.photos.augment import Visit, rephotograph
from tests.cli.runner import solar, succeed
from tests.datasets.builders import noise, write_hpatches, write_phototour, write_sequence
from tests.scenes import scene

GENTLE = Visit(angle=5, occlusion=0, blur=0, noise=2)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four places of three views: as folders, and in the layout of Revisited Paris."""
    folder = tmp_path_factory.mktemp("home")
    truth: dict[str, list[Any]] = {"imlist": [], "qimlist": [], "gnd": []}
    (folder / "rtiny" / "jpg").mkdir(parents=True)
    for place in range(4):
        (folder / "places" / str(place)).mkdir(parents=True)
        for visit in range(3):
            view = rephotograph(scene(place, (200, 150)), visit, GENTLE)
            view.save(folder / "places" / str(place) / f"{visit}.png")
            view.save(folder / "rtiny" / "jpg" / f"{place}_{visit}.jpg")
        truth["imlist"] += [f"{place}_1", f"{place}_2"]
        truth["qimlist"].append(f"{place}_0")
        truth["gnd"].append(
            {"bbx": [5, 5, 120, 100], "easy": [2 * place], "hard": [2 * place + 1], "junk": []}
        )
    (folder / "rtiny" / "gnd_rtiny.json").write_text(json.dumps(truth))
    return folder


def test_revisited_reports_and_repeats(home: Path, model_folder: Path) -> None:
    call = ["eval", "revisited", "--dataset", "rtiny", "--model", model_folder, "--to", "run"]
    report = json.loads(succeed(*call, "--json", "--dimensions", "8,32", folder=home))
    assert 0 < report["medium"]["map"] <= 1 and set(report["medium"]["mp_at"]) == {"1", "5", "10"}
    assert len(report["easy"]["ap"]) == 4
    assert report["protocol"]["image_size"] == 128 and report["protocol"]["crop"] is True
    assert set(report["by_dimension"]) == {"8", "32"}
    for name in ("report.json", "report.md", "report.html"):
        assert (home / "run" / name).stat().st_size > 500
    again = json.loads(succeed(*call, "--json", folder=home))
    assert again["medium"] == report["medium"]
    other = solar(*call, "--image-size", "96", folder=home)
    assert other.returncode == 2 and "image_size" in other.stderr
    succeed(*call, "--image-size", "96", "--overwrite", folder=home)


def test_without_a_folder_each_setting_gets_its_own(home: Path, model_folder: Path) -> None:
    call = ["eval", "revisited", "--dataset", "rtiny", "--model", model_folder, "--json"]
    first = json.loads(succeed(*call, folder=home))
    again = json.loads(succeed(*call, folder=home))
    succeed(*call, "--image-size", "96", folder=home)
    succeed(*call, "--no-crop", folder=home)
    assert again["easy"] == first["easy"]
    reports = sorted((home / "runs" / "eval").glob("rtiny-untrained-*/report.html"))
    assert len(reports) == 3


def test_distractors_whitening_and_expansion(home: Path, model_folder: Path) -> None:
    random = np.random.default_rng(0)
    Whitening.pca(random.normal(size=(200, 32))).save(home / "w.npz")
    with_model = ["--model", model_folder, "--whiten", "w.npz"]
    for part in (0, 1):
        succeed(
            "eval", "extract-distractors", "places", "--to", "shards", *with_model,
            "--part", part, "--parts", 2, folder=home,
        )  # fmt: skip
    call = ["eval", "revisited", "--dataset", "rtiny", *with_model, "--to", "hard"]
    alone = json.loads(succeed(*call, "--json", folder=home))
    beside = json.loads(succeed(*call, "--distractors", "shards", "--json", folder=home))
    assert beside["medium"]["map"] < alone["medium"]["map"]
    assert beside["protocol"]["distractors"] == 12
    expanded = json.loads(succeed(*call, "--rerank", "expansion", "--json", folder=home))
    assert "expansion" in str(expanded["protocol"]["rerank"])
    done = solar(*call, "--rerank", "magic", folder=home)
    assert done.returncode == 2 and "magic" in done.stderr
    plain = [*call[:4], "--model", model_folder, "--to", "plain", "--distractors", "shards"]
    assert "whitening" in solar(*plain, folder=home).stderr


def test_geometric_reranking(home: Path, model_folder: Path) -> None:
    pytest.importorskip("cv2", reason="needs opencv-python-headless")
    call = ["eval", "revisited", "--dataset", "rtiny", "--model", model_folder, "--to", "geo"]
    again = ["--rerank", "geometric", "--local", "rootsift", "--json"]
    plain = json.loads(succeed(*call, "--json", folder=home))
    report = json.loads(succeed(*call, *again, "--dimensions", "8", folder=home))
    assert report["protocol"]["rerank"].startswith("geometric")
    assert "rootsift" in report["protocol"]["features"]
    assert report["medium"]["map"] >= plain["medium"]["map"]
    before = (home / "geo" / "features.bin").read_bytes()
    assert json.loads(succeed(*call, *again, folder=home))["medium"] == report["medium"]
    assert (home / "geo" / "features.bin").read_bytes() == before
    chained = [*call, "--rerank", "geometric,expansion", "--local", "rootsift", "--json"]
    both = json.loads(succeed(*chained, folder=home))["protocol"]["rerank"]
    assert both.index("geometric") < both.index("; expansion")
    for options in (["--rerank", "geometric"], ["--local", "rootsift"]):
        done = solar(*call, *options, folder=home)
        assert done.returncode == 2 and "--local solar-local" in done.stderr


def test_folders_pairs_and_comparison(home: Path, model_folder: Path) -> None:
    call = ["eval", "folder", "places", "--model", model_folder]
    places = json.loads(succeed(*call, "--to", "f", "--json", folder=home))
    assert places["protocol"]["queries"] == 12 or len(places["queries"]) == 12
    succeed(*call, "--to", "g", "--scales", "1", folder=home)
    table = succeed("eval", "compare", "f", "g", folder=home)
    assert "scales" in table and ("within noise" in table or "a difference" in table)
    assert json.loads(succeed("eval", "compare", "f", "g", "--json", folder=home))
    (home / "pairs.csv").write_text("query,positive\n0/0.png,0/1.png\n1/0.png,nowhere.png\n")
    done = solar(*call, "--pairs", "pairs.csv", "--to", "p", folder=home)
    assert done.returncode == 1 and "row 3" in done.stderr
    (home / "pairs.csv").write_text("query,positive\n0/0.png,0/1.png\n")
    succeed(*call, "--pairs", "pairs.csv", "--to", "p", folder=home)


def test_phototour_and_hpatches(home: Path) -> None:
    patches = noise(0, 40, 64, 64)
    points = [number // 2 for number in range(40)]
    patches[1::2] = patches[::2] // 2 + 20  # the second view of each point: another light
    pairs = [(2 * n, 2 * n + 1) for n in range(20)] + [(2 * n, (2 * n + 2) % 40) for n in range(20)]
    write_phototour(home / "liberty", patches, points, pairs)
    call = ["eval", "phototour", "liberty", "--descriptor", "raw", "--to", "pt"]
    report = json.loads(succeed(*call, "--json", folder=home))
    assert report["scenes"][0]["fpr95"] == 0
    assert "HardNet" in succeed(*call, folder=home)

    for name in ("i_one", "v_two"):
        strips = {kind: noise(len(name), 30, 65, 65) for kind in KINDS}
        write_hpatches(home / "hp" / name, strips)
    (home / "splits.json").write_text(
        json.dumps({"full": {"name": "full", "test": ["i_one", "v_two"], "train": []}})
    )
    call = ["eval", "hpatches", "hp", "--splits", "splits.json", "--descriptor", "raw"]
    done = solar(*call, "--to", "hpr", folder=home)
    # 60 patches cannot fill the published lists of 200,000 pairs
    assert done.returncode in (1, 2) and done.stderr.count("\n") == 1
    done = solar(*call, "--split", "z", "--to", "hpr", folder=home)
    assert done.returncode == 2 and "--split z" in done.stderr


def test_homographies(home: Path) -> None:
    pytest.importorskip("cv2", reason="needs opencv-python-headless")
    photo = np.asarray(scene(3, (300, 240)).convert("L"))
    write_sequence(home / "seq" / "v_same", [photo, photo], [np.eye(3)])
    call = ["eval", "homographies", "seq", "--to", "hom", "--descriptor"]
    report = json.loads(succeed(*call, "rootsift", "--descriptor", "raw", "--json", folder=home))
    assert set(report["descriptors"]) == {"RootSIFT", "raw pixels"}
    assert report["protocol"]["magnification"] == 6
    assert report["descriptors"]["raw pixels"]["patches_per_second"] > 0
    assert "every patch 6 keypoint sizes wide" in (home / "hom" / "report.md").read_text()
    assert (home / "hom" / "accuracy.svg").read_text().startswith("<svg")
    for name in ("a", "b"):  # two models of one name keep a row each
        save(LocalDescriptor(name="mine"), home / name)
    report = json.loads(succeed(*call, "a", "--descriptor", "b", "--json", folder=home))
    assert set(report["descriptors"]) == {"mine", "mine (b)"}
    done = solar(*call, "magic", folder=home)
    assert done.returncode == 2 and "magic" in done.stderr


def test_data_get_says_which_file_to_put_where(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urllib.request.urlopen", _no_network)
    done = solar("data", "get", "rparis6k", "--root", "rparis", folder=home)
    assert done.returncode == 1 and "Put it at" in done.stderr and "rparis" in done.stderr
    done = solar("data", "get", "nothing", "--root", "rparis", folder=home)
    assert done.returncode == 2


def _no_network(*arguments: object, **options: object) -> None:
    raise OSError("no network in tests")
