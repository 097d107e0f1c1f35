"""The evaluation commands on small data of the published layouts."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

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


@pytest.mark.slow
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


@pytest.mark.slow
def test_without_a_folder_each_setting_gets_its_own(home: Path, model_folder: Path) -> None:
    call = ["eval", "revisited", "--dataset", "rtiny", "--model", model_folder, "--json"]
    first = json.loads(succeed(*call, folder=home))
    again = json.loads(succeed(*call, folder=home))
    succeed(*call, "--image-size", "96", folder=home)
    succeed(*call, "--no-crop", folder=home)
    assert again["easy"] == first["easy"]
    reports = sorted((home / "runs" / "eval").glob("rtiny-untrained-*/report.html"))
    assert len(reports) == 3


@pytest.mark.slow
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


@pytest.mark.slow
def test_geometric_reranking(home: Path, model_folder: Path) -> None:
    call = ["eval", "revisited", "--dataset", "rtiny", "--model", model_folder, "--to", "geo"]
    again = ["--rerank", "geometric", "--local", "rootsift", "--json"]
    plain = json.loads(succeed(*call, "--json", folder=home))
    report = json.loads(succeed(*call, *again, "--dimensions", "8", folder=home))
    assert report["protocol"]["rerank"].startswith("geometric")
    assert "rootsift" in report["protocol"]["features"]
    assert report["medium"]["map"] >= plain["medium"]["map"]
    assert json.loads(succeed(*call, *again, folder=home))["medium"] == report["medium"]
    chained = [*call, "--rerank", "geometric,expansion", "--local", "rootsift", "--json"]
    both = json.loads(succeed(*chained, folder=home))["protocol"]["rerank"]
    assert both.index("geometric") < both.index("; expansion")
    for options in (["--rerank", "geometric"], ["--local", "rootsift"]):
        done = solar(*call, *options, folder=home)
        assert done.returncode == 2 and "--local solar-local" in done.stderr


@pytest.mark.slow
def test_folders_pairs_and_comparison(home: Path, model_folder: Path) -> None:
    call = ["eval", "folder", "places", "--model", model_folder]
    places = json.loads(succeed(*call, "--to", "f", "--json", folder=home))
    assert places["protocol"]["queries"] == 12 or len(places["queries"]) == 12
    succeed(*call, "--to", "g", "--scales", "1", folder=home)
    table = succeed("eval", "compare", "f", "g", folder=home)
    assert "scales" in table and "| 12 | 4 |" in table  # queries of four places
    assert "10000 times as many places are drawn anew" in table and "seed 0" in table
    few = succeed("eval", "compare", "f", "g", "--resamples", 200, "--seed", 7, folder=home)
    assert "200 times" in few and "seed 7" in few
    assert json.loads(succeed("eval", "compare", "f", "g", "--json", folder=home))
    (home / "pairs.csv").write_text("query,positive\n0/0.png,0/1.png\n1/0.png,nowhere.png\n")
    done = solar(*call, "--pairs", "pairs.csv", "--to", "p", folder=home)
    assert done.returncode == 1 and "row 3" in done.stderr
    (home / "pairs.csv").write_text("query,positive\n0/0.png,0/1.png\n")
    succeed(*call, "--pairs", "pairs.csv", "--to", "p", folder=home)


def test_photos_of_one_place_measure_nothing(home: Path, model_folder: Path) -> None:
    call = ["eval", "folder", "places/0", "--pairs", "one.csv", "--model", model_folder]
    pairs = [(query, found) for query in range(3) for found in range(3) if query != found]
    rows = [f"{query}.png,{found}.png" for query, found in pairs]
    (home / "one.csv").write_text("\n".join(["query,positive", *rows]))
    done = solar(*call, folder=home)
    assert done.returncode == 2 and "every photo is right for every query" in done.stderr


def test_a_bad_photo_is_left_out_and_said_or_stops_it_before_the_work(
    home: Path, model_folder: Path
) -> None:
    (home / "some").mkdir()
    for photo in sorted((home / "places").glob("[01]/*")):
        (home / "some" / photo.parent.name).mkdir(exist_ok=True)
        (home / "some" / photo.parent.name / photo.name).write_bytes(photo.read_bytes())
    (home / "some" / "1" / "bad.jpg").write_bytes(b"junk")
    call = ["eval", "folder", "some", "--model", model_folder, "--to", "s"]
    done = solar(*call, folder=home)
    assert done.returncode == 0 and done.stderr.startswith("skipped some/1/bad.jpg: ")
    assert "| unusable | 1 |" in done.stdout
    report = json.loads((home / "s" / "report.json").read_text())
    assert len(report["queries"]) == 6 and len(report["skipped"]) == 1
    assert {"p_at", "recall_at"} <= report["classic"].keys()
    done = solar(*call, "--bad-photos", "stop", folder=home)
    assert done.returncode == 1 and "--bad-photos skip" in done.stderr
    done = solar(*call, "--bad-photos", "ask", folder=home)
    assert done.returncode == 2 and "use stop or skip" in done.stderr


@pytest.mark.slow
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
    assert done.returncode in (1, 2) and done.stderr.splitlines()[-1].startswith("solar: ")
    done = solar(*call, "--split", "z", "--to", "hpr", folder=home)
    assert done.returncode == 2 and "--split z" in done.stderr


@pytest.mark.slow
def test_homographies(home: Path) -> None:
    photo = np.asarray(scene(3, (300, 240)).convert("L"))
    write_sequence(home / "seq" / "v_same", [photo, photo], [np.eye(3)])
    call = ["eval", "homographies", "seq", "--to", "hom", "--descriptor"]
    report = json.loads(succeed(*call, "rootsift", "--descriptor", "raw", "--json", folder=home))
    assert set(report["descriptors"]) == {"RootSIFT", "raw pixels"}
    assert report["protocol"]["magnification"] == 6
    assert report["descriptors"]["raw pixels"]["patches_per_second"] > 0
    assert "every patch 6 keypoint sizes wide" in (home / "hom" / "report.md").read_text()
    for name in ("RootSIFT", "raw_pixels"):
        with Image.open(home / "hom" / f"matches-{name}-v_same-1-2.jpg") as picture:
            assert picture.format == "JPEG" and picture.width > 600
    assert (home / "hom" / "report.html").read_text().count("data:image/jpeg") == 2
    assert (home / "hom" / "accuracy.svg").read_text().startswith("<svg")
    for name in ("a", "b"):  # two models of one name keep a row each
        save(LocalDescriptor(name="mine"), home / name)
    report = json.loads(succeed(*call, "a", "--descriptor", "b", "--json", folder=home))
    assert set(report["descriptors"]) == {"mine", "mine (b)"}
    done = solar(*call, "magic", folder=home)
    assert done.returncode == 2 and "magic" in done.stderr


@pytest.mark.slow
def test_homographies_of_any_pair(home: Path) -> None:
    photo = scene(5, (300, 240))
    photo.save(home / "A.png")
    photo.crop((20, 10, 300, 240)).save(home / "B.jpg", quality=95)
    (home / "H.txt").write_text("1 0 -20\n0 1 -10\n0 0 1\n")
    call = ["eval", "homographies", "A.png", "B.jpg", "H.txt", "--to", "pair"]
    report = json.loads(succeed(*call, "--json", folder=home))["descriptors"]["RootSIFT"]
    assert report["accuracy"]["3"] > 0.8 and report["pairs"][0]["sequence"] == "A-B"
    (home / "H.txt").write_text("1 0 20\n0 1 10\n0 0 1\n")  # the other way round
    wrong = json.loads(succeed(*call[:-1], "wrong", "--json", folder=home))
    assert wrong["descriptors"]["RootSIFT"]["accuracy"]["3"] < 0.2
    pixels = {}
    for name in ("pair", "wrong"):
        with Image.open(home / name / "matches-RootSIFT-A-B-1-2.jpg") as picture:
            rows = np.asarray(picture, int)
        red, green, blue = (rows[..., n] for n in range(3))
        pixels[name] = [int(((a > b + 90) & (a > blue + 60)).sum()) for a, b in
                        ((green, red), (red, green))]  # fmt: skip
    assert pixels["pair"][0] > 5 * pixels["pair"][1]
    assert pixels["wrong"][1] > 5 * pixels["wrong"][0]
    table = succeed("eval", "compare", "pair", "wrong", folder=home)
    assert "| MMA 3 px |" in table and "sequences are drawn anew" in table
    done = solar("eval", "homographies", "A.png", "B.jpg", "--to", "pair", folder=home)
    assert done.returncode == 2 and "A B H" in done.stderr
    done = solar(*call[:4], "gone.txt", "--to", "pair", folder=home)
    assert done.returncode == 1 and "gone.txt: no such file" in done.stderr
    assert "unpack" not in done.stderr
    done = solar(*call[:-1], "rtiny", folder=home)
    assert done.returncode == 2 and "holds something else" in done.stderr


@pytest.mark.slow
def test_patch_networks_compute_in_the_precision_that_is_asked_for(home: Path) -> None:
    patches = noise(0, 40, 64, 64)
    pairs = [(2 * n, 2 * n + 1) for n in range(20)] + [(2 * n, (2 * n + 2) % 40) for n in range(20)]
    write_phototour(home / "notredame", patches, [number // 2 for number in range(40)], pairs)
    call = ["eval", "phototour", "notredame", "--descriptor", "random", "--json", "--to"]
    figures = {}
    for precision in ("float32", "bfloat16"):
        to = f"pt-{precision}"
        figures[precision] = succeed(*call, to, "--precision", precision, folder=home)
    assert figures["float32"] != figures["bfloat16"]
    report = json.loads(figures["bfloat16"])
    assert "bfloat16" in report["protocol"]["fingerprint"] and "bfloat16" in report["engine"]
    done = solar(*call, "pt", "--precision", "half", folder=home)
    assert done.returncode == 2 and "--precision half" in done.stderr


def test_data_get_says_which_file_to_put_where(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urllib.request.urlopen", _no_network)
    done = solar("data", "get", "rparis6k", "--root", "rparis", folder=home)
    assert done.returncode == 1 and "Put it at" in done.stderr and "rparis" in done.stderr
    done = solar("data", "get", "nothing", "--root", "rparis", folder=home)
    assert done.returncode == 2


def _no_network(*arguments: object, **options: object) -> None:
    raise OSError("no network in tests")
