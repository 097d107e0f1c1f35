import json
from pathlib import Path

import pytest

from solar.datasets.ground_truth import parse
from solar.datasets.photos import LabelledSet, locate, open_dataset
from solar.errors import SolarError, UsageError
from tests.evaluation.fakes import paint

LISTS = {"imlist": ["a"], "qimlist": ["q"], "gnd": [{"bbx": None, "ok": [0], "junk": []}]}


def test_names_without_suffix_in_jpg_or_beside_it(tmp_path: Path) -> None:
    first = paint(tmp_path / "jpg" / "a_1.png", 0)
    second = paint(tmp_path / "b.2.JPG", 0)
    nested = paint(tmp_path / "jpg" / "deep" / "c.png", 0)
    paint(tmp_path / "a_1.png", 0)  # jpg/ comes first
    assert locate(["b.2", "a_1", "deep/c.png", "b.2.JPG"], tmp_path) == [
        second, first, nested, second,
    ]  # fmt: skip


def test_missing_photos_are_named_and_counted(tmp_path: Path) -> None:
    paint(tmp_path / "jpg" / "a.png", 0)
    (tmp_path / "jpg" / "text.txt").write_text("")
    names = ["a", "text", *(f"gone{n}" for n in range(8))]
    with pytest.raises(
        SolarError, match=r"jpg: 9 of 10 photos are missing \(text, gone0, .*gone3 and 4 more\)"
    ):
        locate(names, tmp_path)
    with pytest.raises(SolarError, match="nowhere: no such folder"):
        locate(names, tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd", "..\\secret.png", "jpg/../../s"])
def test_names_never_lead_out_of_the_data_set(name: str, tmp_path: Path) -> None:
    root = tmp_path / "data"
    paint(tmp_path / "secret.png", 0)
    paint(root / "a.png", 0)
    with pytest.raises(SolarError, match="1 of 1 photos are missing"):
        locate([name], root)


def test_a_data_set_by_name_and_root_or_by_folder(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "toy"):
        (place / "jpg").mkdir(parents=True, exist_ok=True)
        (place / "gnd_toy.json").write_text(json.dumps(LISTS))
        paths = [paint(place / "jpg" / f"{name}.png", 0) for name in "aq"]
        for found in (open_dataset("toy", place), open_dataset(str(place)), open_dataset(place)):
            assert found.ground_truth.dataset == "toy"
            assert [*found.database, *found.queries] == paths
            assert found.boxes(True) == found.boxes(False) == [None]
    assert open_dataset("toy", tmp_path).database[0].parent == tmp_path / "jpg"
    (tmp_path / "gnd_toy.json").unlink()
    assert open_dataset("toy", tmp_path).database[0].parent == tmp_path / "toy" / "jpg"


def test_a_data_set_has_a_path_for_each_name() -> None:
    truth = parse(LISTS, "toy", "toy")
    with pytest.raises(UsageError, match="toy: a data set has a path for each of its names"):
        LabelledSet(truth, [Path("a.png")], [])


def test_a_missing_ground_truth_says_which_file_to_put_where(tmp_path: Path) -> None:
    with pytest.raises(
        SolarError,
        match=rf"{tmp_path}: no gnd_roxford5k\.pkl: put it there, or run 'solar data get roxford5k",
    ):
        open_dataset("roxford5k", tmp_path)
    with pytest.raises(UsageError, match="roxford5k: not a folder: give --root"):
        open_dataset("roxford5k")
    with pytest.raises(SolarError, match="holds 0 files gnd_"):
        open_dataset(str(tmp_path))
