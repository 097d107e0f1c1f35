"""`solar calibrate` as a process: what it learns, keeps, prints and refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from solar.datasets.folder import open_folder
from solar.evaluation.retrieval import evaluate
from solar.index import Index
from solar.models.document import read_document
from tests.cli.runner import solar, succeed
from tests.rerank.views import street


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Path:
    """A model, places of three views each, and a list of pairs beside photos."""
    folder = tmp_path_factory.mktemp("calibrate")
    shutil.copytree(model_folder, folder / "model")
    for path in street(folder / "flat", 5, 3):
        (folder / "places" / path.name[0]).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / "places" / path.name[0] / path.name)
    rows = [f"{n}_0.png,{n}_1.png" for n in range(5)]
    (folder / "flat" / "pairs.csv").write_text("\n".join(["query,positive", *rows]) + "\n")
    return folder


@pytest.mark.slow
def test_a_model_is_calibrated_and_indexes_stay(home: Path) -> None:
    succeed("index", "flat", "--to", "i", "--model", "model", "--local", "rootsift", folder=home)
    before = read_document(home / "model")
    done = succeed("calibrate", "model", "places", "flat/pairs.csv", "--json", folder=home)
    found = json.loads(done)
    after = read_document(home / "model")
    assert after.calibration is not None and before.calibration is None
    assert after.fingerprint() == before.fingerprint() == after.calibration.fingerprint
    assert found["calibration"] == after.calibration.to_json()
    assert "places (45 cases), pairs (15 cases); rootsift" in after.calibration.learned_from
    assert [(each["dataset"], each["verified"]) for each in found["figures"]] == [
        ("places", False), ("places", True), ("pairs", False), ("pairs", True)
    ]  # fmt: skip
    assert found["figures"][1]["leading_auroc"] > 0.9  # geometry tells these scenes apart
    hits = Index.open(home / "i").search(home / "flat" / "0_0.png", top=15)
    probable = [hit.probability for hit in hits if hit.probability is not None]
    assert len(probable) == 15 and probable == sorted(probable, reverse=True)
    assert {Path(hit.path).name[0] for hit in hits[:3]} == {"0"}
    shutil.copytree(home / "model", home / "again")
    done = succeed("calibrate", "again", "places", folder=home)
    assert "Brier gain" in done and "again: calibrated" in done
    assert read_document(home / "again").calibration != after.calibration


@pytest.mark.slow
def test_a_copy_is_calibrated_and_measured_by_evaluations(home: Path) -> None:
    succeed("calibrate", "model", "places", "--to", "copy", folder=home)
    copy = read_document(home / "copy")
    copy.prove()
    assert copy.calibration is not None
    report = evaluate(open_folder(home / "places"), home / "copy", home / "report",
                      rerank="geometric", local="rootsift", page=False)  # fmt: skip
    for hits in report.ranks:
        probable = [hit.probability or 0.0 for hit in hits]
        assert len(hits) == 10 and (np.diff(probable) <= 0).all() and probable[0] > 0
    assert [path.name for path in home.glob("*.partial")] == []


def test_what_goes_wrong_is_one_line(home: Path) -> None:
    (home / "alone").mkdir(exist_ok=True)
    (home / "published.pth").write_bytes(b"")
    for words, call in (
        ("--to", ("solar-r18", "places")),
        ("exists already", ("model", "places", "--to", "flat")),
        ("solar convert", ("published.pth", "places")),
        ("alone", ("model", "alone")),
        ("nowhere", ("nowhere", "places")),
        ("magic", ("model", "places", "--local", "magic")),
    ):
        done = solar("calibrate", *call, folder=home)
        assert done.returncode in (1, 2) and not done.stdout, (call, done.stderr)
        assert words in done.stderr and done.stderr.count("\n") == 1, (call, done.stderr)


@pytest.mark.parametrize("value", ["null", "[]", '{"fingerprint": 1}', '"x"', "1e999"])
def test_a_damaged_calibration_is_named(tmp_path: Path, model_folder: Path, value: str) -> None:
    shutil.copytree(model_folder, tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    text = path.read_text().rstrip().removesuffix("}")
    path.write_text(f'{text}, "calibration": {value}}}')
    (tmp_path / "photos").mkdir()
    done = solar("index", "photos", "--to", "i", "--model", "model", folder=tmp_path)
    if value == "null":
        assert read_document(tmp_path / "model").calibration is None
    else:
        assert done.returncode != 0 and "config.json" in done.stderr
