import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from solar.datasets.folder import open_folder
from solar.datasets.ground_truth import parse
from solar.datasets.photos import open_dataset
from solar.errors import SolarError, UsageError
from solar.evaluation.report.report import read_report
from solar.evaluation.retrieval.distractors import extract_distractors
from solar.evaluation.retrieval.run import default_folder, evaluate, places_of
from solar.extraction import Extractor, open_extractor
from tests.evaluation.fakes import cheap_extractor, paint
from tests.shared import shared


@pytest.mark.slow
def test_rparis_mini_from_photos_to_pages(tmp_path: Path) -> None:
    steps = list[tuple[int, int]]()
    report = evaluate(
        str(shared("data/rparis-mini")), cheap_extractor(), tmp_path / "out",
        dimensions=(12, 48), progress=lambda *step: steps.append(step),
    )  # fmt: skip
    assert steps[-1] == (250, 250) and steps == sorted(steps)
    assert (report.protocol["queries"], report.protocol["database"]) == (12, 238)
    # Chance is 13 / 19 / 8: thumbnails are a little better, and far from a network.
    assert 0.15 < report.results["easy"].map < 0.6  # type: ignore[operator]
    assert report.by_dimension[48]["easy"] == report.results["easy"]
    assert read_report(tmp_path / "out") == report
    for name in ("report.json", "report.md", "report.html"):
        assert (tmp_path / "out" / name).stat().st_size > 1000
    photos = open_dataset(shared("data/rparis-mini"))
    assert report.places == places_of(photos.ground_truth)
    assert 1 < len(set(report.places)) < len(report.places)


def test_missing_photos_of_a_published_list_are_named(tmp_path: Path) -> None:
    shutil.copy(shared("data/revisited/gnd_roxford5k.pkl"), tmp_path)
    paint(tmp_path / "jpg" / "oxford_002124.jpg", 0)
    with pytest.raises(SolarError, match="5062 of 5063 photos are missing"):
        open_dataset("roxford5k", tmp_path)


def test_a_folder_of_places_and_of_pairs(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    for n in range(6):
        paint(root / ("red" if n % 2 else "blue") / f"{n}.png", n, (220, 40, 40 + 180 * (n % 2)))
    report = evaluate(root, cheap_extractor(), tmp_path / "places")
    assert report.dataset == "photos"
    assert report.results["classic"].map == 1
    table = tmp_path / "pairs.csv"
    table.write_text("query,positive\nred/1.png,blue/0.png\n")
    report = evaluate(open_folder(root, table), cheap_extractor(), tmp_path / "pairs")
    assert report.results["classic"].map < 0.5  # type: ignore[operator]
    assert (tmp_path / "pairs" / "report.html").exists()
    evaluate(root, cheap_extractor(), tmp_path / "bare", page=False)
    assert not (tmp_path / "bare" / "report.html").exists()


def test_a_folder_of_its_own_for_each_setting_and_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for n in range(4):
        paint(tmp_path / "photos" / "ab"[n % 2] / f"{n}.png", n)
    for extractor in (cheap_extractor(), cheap_extractor(image_size=32), cheap_extractor()):
        evaluate("photos", extractor)
    paint(tmp_path / "photos" / "a" / "9.png", 9)
    evaluate("photos", cheap_extractor())
    folders = sorted((tmp_path / "runs" / "eval").glob("photos-cheap-*/report.json"))
    assert len(folders) == 3
    assert default_folder(open_folder("photos"), cheap_extractor().extraction) in {
        each.parent.relative_to(tmp_path) for each in folders
    }


def test_photos_of_one_place_measure_nothing(tmp_path: Path) -> None:
    for n in range(3):
        paint(tmp_path / "places" / "a" / f"{n}.png", n)
    with pytest.raises(UsageError, match="every photo is right for every query"):
        evaluate(tmp_path / "places", cheap_extractor(), tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_scoring_needs_no_torch() -> None:
    modules = (
        "evaluation.report.compare",
        "evaluation.retrieval.metrics",
        "evaluation.retrieval.run",
        "evaluation.report.published",
        "evaluation.revisited",
        "datasets.sources",
    )
    imports = "; ".join(f"import solar.{name}" for name in modules)
    command = [sys.executable, "-c", f"import sys; {imports}; sys.exit('torch' in sys.modules)"]
    assert subprocess.run(command, check=False).returncode == 0


def small_model(image_size: int) -> Extractor:
    torch = pytest.importorskip("torch")
    from solar.models.config import GlobalConfig
    from solar.models.global_descriptor import GlobalDescriptor

    torch.manual_seed(0)
    return open_extractor(
        GlobalDescriptor(GlobalConfig("resnet18", attention=()), name="tiny").eval(),
        image_size=image_size,
        scales=(1.0,),
    )


def test_a_real_network(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    for n in range(4):
        paint(root / "ab"[n % 2] / f"{n}.png", n, (220, 40, 40 + 180 * (n % 2)))
    far = [paint(tmp_path / "far" / f"{n}.png", n) for n in range(3)]
    extractor = small_model(64)
    extract_distractors(extractor, far, tmp_path / "shards")
    report = evaluate(
        root, extractor, tmp_path / "out",
        distractors=tmp_path / "shards",
    )  # fmt: skip
    assert report.protocol["model"] == "tiny"
    assert report.protocol["dimensions"] == 512
    assert report.protocol["distractors"] == 3
    assert report.protocol["precision"] == "full"
    assert len(report.protocol["fingerprint"]) == 64
    with pytest.raises(SolarError, match="image_size 32, not 64"):
        evaluate(root, extractor, tmp_path / "out", distractors=_other(far, tmp_path))


def _other(far: list[Path], tmp_path: Path) -> Path:
    extract_distractors(small_model(32), far, tmp_path / "others")
    return tmp_path / "others"


def test_a_report_of_other_settings_is_not_replaced_unless_told(tmp_path: Path) -> None:
    for n in range(4):
        paint(tmp_path / "photos" / "ab"[n % 2] / f"{n}.png", n)
    call = (tmp_path / "photos", cheap_extractor(), tmp_path / "out")
    evaluate(*call)
    evaluate(*call, rerank="expansion")
    other = (call[0], cheap_extractor(image_size=32), call[2])
    with pytest.raises(UsageError, match=r"out: .*image_size 64, not 32.*or say --overwrite"):
        evaluate(*other)
    evaluate(*other, overwrite=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("precious")
    with pytest.raises(UsageError, match="mine: holds something else"):
        evaluate(*call[:2], tmp_path / "mine", overwrite=True)
    with pytest.raises(UsageError, match="--bad-photos perhaps: use stop or skip"):
        evaluate(*call, bad_photos="perhaps")


def test_queries_that_share_positives_are_of_one_place(tmp_path: Path) -> None:
    for n in range(7):
        paint(tmp_path / "photos" / "aabbbcd"[n] / f"{n}.png", n)
    # Each query is a photo; those that are alone ask nothing.
    assert places_of(open_folder(tmp_path / "photos").ground_truth) == [0, 0, 1, 1, 1]
    gnd = [
        {"bbx": None, "easy": easy, "hard": hard, "junk": [0]}
        for easy, hard in (([1], []), ([2], [3]), ([], [4]), ([4, 3], []), ([], []))
    ]
    names = {"imlist": list("abcde"), "qimlist": list("vwxyz")}
    assert places_of(parse({**names, "gnd": gnd}, "toy", "toy")) == [0, 1, 1, 1, 2]
