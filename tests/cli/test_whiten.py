"""solar whiten: from photos to a model, from descriptors to descriptors; wrong calls."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from solar.models.whitening import Whitening
from tests.cli.runner import solar, succeed
from tests.scenes import album


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two places of six photos, and a bad file."""
    folder = tmp_path_factory.mktemp("home")
    album(folder / "places" / "bridge", 6, (64, 48))
    album(folder / "places" / "castle", 6, (48, 64))
    (folder / "places" / "castle" / "bad.jpg").write_bytes(b"not a photo")
    (folder / "empty").mkdir()
    return folder


@pytest.mark.parametrize("command", ["fit", "apply", "fold"])
def test_every_command_explains_itself_with_an_example(command: str, tmp_path: Path) -> None:
    text = succeed("whiten", command, "--help", folder=tmp_path)
    assert f"Example: solar whiten {command}" in " ".join(text.split())


@pytest.mark.parametrize("learned", [[], ["--learned"]])
def test_from_photos_to_a_model_that_uses_it(
    learned: list[str], home: Path, model_folder: Path
) -> None:
    name = "learned" if learned else "pca"
    call = ["whiten", "fit", "places", *learned, "--model", model_folder, "--scales", "1"]
    (home / "new").mkdir(exist_ok=True)
    done = solar(*call, "--to", f"new/{name}.npz", folder=home)
    few = "warning: learned from 12 photos, fewer than the 512 dimensions"
    assert (few in done.stderr) == bool(learned)
    assert done.returncode == 0 and "skipped" in done.stderr and "bad.jpg" in done.stderr
    if learned:
        assert "512-D to 512-D, learned from 12 photos, 11 pairs" in done.stdout
    else:
        assert "512-D to 11-D, learned from 12 photos\n" in done.stdout
        assert "12 photos differ in 11 directions only" in done.stderr
    fold = ["whiten", "fold", f"new/{name}.npz", "--model", model_folder, "--to", name]
    assert "resnet18, 4-D" in succeed(*fold, "--dimensions", 4, folder=home)
    succeed("describe", "places", "--to", f"{name}-d.npz", "--model", name, folder=home)
    with np.load(home / f"{name}-d.npz") as data:
        assert data["descriptors"].shape == (12, 4)
        assert Path(json.loads(str(data["extraction"]))["model"]).name == name
    assert solar(*fold, folder=home).returncode == 2  # the folder exists


def test_from_descriptors_to_descriptors(home: Path, model_folder: Path) -> None:
    succeed("describe", "places", "--to", "d.npz", "--model", model_folder, folder=home)
    text = succeed("whiten", "fit", "d.npz", "--to", "w.npz", "--dimensions", 5, folder=home)
    assert "w.npz: 32-D to 5-D, learned from 12 photos" in text
    text = succeed("whiten", "apply", "w.npz", "d.npz", "--to", "e.npz", folder=home)
    assert "e.npz: 12 descriptors, 5-D" in text
    with np.load(home / "d.npz") as before, np.load(home / "e.npz") as after:
        assert before["paths"].tolist() == after["paths"].tolist()
        assert after["descriptors"].shape == (12, 5) and after["descriptors"].dtype == np.float32
    succeed("whiten", "fit", "d.npz", "--to", "h.npz", "--power", 0.5, folder=home)
    full, half = (Whitening.load(home / name) for name in ("w.npz", "h.npz"))
    assert (full.settings["power"], half.settings["power"]) == (1.0, 0.5)
    lengths = [np.linalg.norm(w.projection[:5], axis=1) for w in (full, half)]
    np.testing.assert_allclose(lengths[0], lengths[1] ** 2, rtol=1e-6)
    call = ["whiten", "fold", "w.npz", "--model", model_folder, "--to", "no"]
    done = solar(*call, folder=home)
    assert done.returncode == 2 and "another kind" in done.stderr
    assert not (home / "no").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fit", "places", "--to", "w.txt"], "must end in .npz"),
        (["fit", "gone", "--to", "w.npz"], "gone: no such file"),
        (["fit", "gone.npz", "--to", "w.npz"], "gone.npz: no such file"),
        (["fit", "gone", "--learned", "--to", "w.npz"], "gone: no such file"),
        (["fit", "empty", "--to", "w.npz"], "empty: holds no photos"),
        (["fit", "empty", "--learned", "--to", "w.npz"], "empty: holds no photos"),
        (["fit", "d.npz", "--learned", "--to", "w.npz"], "only --to, --dimensions"),
        (["fit", "d.npz", "--scales", "1", "--to", "w.npz"], "only --to, --dimensions"),
        (["fit", "places", "--learned", "--power", "0.5", "--to", "w.npz"], "--power is for PCA"),
        (["fit", "places", "--dimensions", "20", "--to", "w.npz"], "at least 21 photos"),
        (["apply", "w.npz", "d.npz", "--to", "e.txt"], "must end in .npz"),
    ],
)
def test_a_wrong_call_is_one_line_with_the_way_out(
    arguments: list[str], words: str, home: Path
) -> None:
    done = solar("whiten", *arguments, folder=home)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("solar: ") and done.stderr.count("\n") == 1
    assert words in done.stderr


def test_a_damaged_whitening_is_a_failure(home: Path) -> None:
    (home / "bad.npz").write_bytes(b"PK")
    done = solar("whiten", "apply", "bad.npz", "d.npz", "--to", "x.npz", folder=home)
    assert done.returncode == 1 and "bad.npz: not a whitening" in done.stderr


def test_a_whitening_of_what_the_layer_sees_is_not_put_after_the_layer(
    home: Path, model_folder: Path
) -> None:
    """`whiten apply`, evaluations and distractors refuse it alike, before anything is described."""
    options = ["--model", model_folder, "--scales", "1"]
    succeed("whiten", "fit", "places", *options, "--to", "before.npz", folder=home)
    succeed("describe", "places/bridge", *options, "--to", "after.npz", folder=home)
    whiten = ["--whiten", "before.npz"]
    for call in (
        ["whiten", "apply", "before.npz", "after.npz", "--to", "no.npz"],
        ["eval", "folder", "places", "--to", "no", *options, *whiten],
        ["eval", "extract-distractors", "places", "--to", "no", *options, *whiten],
    ):
        done = solar(*call, folder=home)
        assert done.returncode == 2 and "learned from descriptors of another kind" in done.stderr
    assert not list(home.glob("no*"))


def test_pairs_alone_are_learned_from_as_published(home: Path, model_folder: Path) -> None:
    call = ["whiten", "fit", "places", "--published", "--model", model_folder, "--scales", "1"]
    done = solar(*call, "--to", "p.npz", folder=home)
    assert done.returncode == 2 and "are for pairs: give --learned too" in done.stderr
    text = succeed(*call, "--learned", "--to", "p.npz", folder=home)
    assert "learned from 12 photos, 30 pairs" in text
    (home / "lists").mkdir()
    rows = [f"{place}/0{n}.png,{place}\n" for place in ("bridge", "castle") for n in range(3)]
    (home / "lists" / "list.csv").write_text("path,place\n" + "".join(rows))
    call[2] = "lists/list.csv"
    text = succeed(*call, "--learned", "--photos", "places", "--to", "q.npz", folder=home)
    assert "learned from 6 photos, 6 pairs" in text
