"""solar eval holidays, vpr, ilias, ...: figures by name, and others where they are asked for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from solar.photos.augment import Visit, rephotograph
from tests.cli.runner import solar, succeed
from tests.datasets.benchmarks.test_benchmarks import write_ilias
from tests.scenes import scene

GENTLE = Visit(angle=5, occlusion=0, blur=0, noise=2)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three places of two views, named as those of Holidays, and as those of place recognition."""
    folder = tmp_path_factory.mktemp("home")
    for name in ("holidays", "vpr/database", "vpr/queries"):
        (folder / name).mkdir(parents=True)
    for place in range(3):
        for visit in range(2):
            view = rephotograph(scene(place, (160, 120)), visit, GENTLE)
            view.save(folder / "holidays" / f"{1000 + place}{visit:02}.jpg")
            part = "queries" if visit else "database"
            view.save(folder / "vpr" / part / f"@{500_000 + 100 * place + visit}@4000000@.jpg")
    return folder


@pytest.mark.slow
def test_holidays_by_any_figures(home: Path, model_folder: Path) -> None:
    call = ["eval", "holidays", "holidays", "--model", model_folder, "--to", "h", "--json"]
    report = json.loads(succeed(*call, folder=home))
    assert len(report["classic"]["ap"]) == len(report["queries"]) == 3
    assert set(report["classic"]["recall_at"]) == {"1", "5", "10"}
    assert report["protocol"]["decoding"] == "draft" and report["protocol"]["cut"] is None
    other = json.loads(succeed(*call, "--at", "1,2", "--map-at", "1", folder=home))
    assert set(other["classic"]["recall_at"]) == {"1", "2"} and other["protocol"]["cut"] == 1
    first = other["classic"]["recall_at"]["1"]  # one positive each: found at once, or not
    assert np.isclose(other["classic"]["map"], first)
    told = succeed(*call[:-1], "--map-at", "100", folder=home)
    assert "mAP@100" in told and "report: h/report.html" in told
    for wrong in (["--at", "0"], ["--at", "1,1"], ["--at", "1.5"], ["--map-at", "0"]):
        assert solar(*call, *wrong, folder=home).returncode == 2


@pytest.mark.slow
def test_place_recognition_within_metres(home: Path, model_folder: Path) -> None:
    call = ["eval", "vpr", "vpr", "--model", model_folder, "--json"]
    near = json.loads(succeed(*call, "--to", "near", folder=home))["classic"]
    assert set(near["recall_at"]) == {"1", "5", "10", "20"} and near["recall_at"]["5"] == 1
    none = solar(*call, "--metres", "0.5", folder=home)
    assert none.returncode == 1 and "no query was taken within 0.5 m" in none.stderr
    assert solar(*call, "--metres", "0", folder=home).returncode == 2
    (home / "vpr/queries/@500001@4000000@.jpg").rename(home / "vpr/queries/@9@9@.jpg")
    told = succeed(*call[:-1], "--to", "far", folder=home)
    assert "queries: all: one without positives finds none" in told and "| 66.67 |" in told


def test_ilias_from_descriptors(tmp_path: Path) -> None:
    write_ilias(tmp_path / "siglip")
    told = succeed("eval", "ilias", "siglip", "--to", "out", folder=tmp_path)
    assert "ilias: siglip" in told and "mAP@1000" in told and "87.50" in told
    assert json.loads((tmp_path / "out" / "report.json").read_text())["classic"]["ap"] == [1, 0.75]
    told = succeed("eval", "ilias", "siglip", "--at", "1,2", "--map-at", "1", folder=tmp_path)
    assert "mAP@1 |" in told and "R@2" in told and "R@10" not in told
    done = solar("eval", "ilias", "siglip", "--json", folder=tmp_path)
    assert "no features_distractors_*.hdf5: measured among the positives alone" in done.stderr
    done = solar("eval", "ilias", "nothing", folder=tmp_path)
    assert done.returncode == 1 and "features_queries.hdf5: no such file" in done.stderr
