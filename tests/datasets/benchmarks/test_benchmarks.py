"""Benchmarks in their published layouts, each scored against an answer computed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from solar.datasets import LabelledSet
from solar.datasets.benchmarks import (
    open_gldv2,
    open_holidays,
    open_instre,
    open_products,
    open_ukbench,
    open_vpr,
)
from solar.errors import SolarError, UsageError
from solar.evaluation.report.report import Report
from solar.evaluation.retrieval.ilias import search_ilias
from solar.evaluation.retrieval.run import Searched, score
from solar.ranking import Ranking


def photos(root: Path, *names: str) -> Path:
    """Files of these names; nobody decodes them."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"a photo")
    return root


def scored(found: LabelledSet, *rankings: Sequence[str]) -> Report:
    """The report of rankings by name, the database photos that they leave out behind them."""
    truth = found.ground_truth
    row = {name: number for number, name in enumerate(truth.database)}
    made = []
    for names in rankings:
        first = [row[name] for name in names]
        ids = np.array([*first, *sorted(set(range(len(row))) - set(first))])
        made.append(Ranking.of(ids, np.linspace(1, 0, len(ids), dtype=np.float32)))
    return score(Searched(truth, made, {"model": "by hand"}))


def test_holidays(tmp_path: Path) -> None:
    names = ("100000", "100001", "100002", "100100", "100101", "100200")
    found = open_holidays(photos(tmp_path, *(f"jpg/{name}.jpg" for name in names)))
    one, two, three, other, match, alone = found.ground_truth.database
    assert [query.name for query in found.ground_truth.queries] == [one, other]
    assert found.queries[0] == tmp_path / "jpg" / "100000.jpg"
    # The first query finds itself, which does not count, a wrong one, and its two positives:
    # places 1 and 2, so that AP = ((0/1 + 1/2) + (1/2 + 2/3)) / 4; the second finds all at once.
    report = scored(found, [one, other, two, three], [other, match, alone])
    result = report.results["classic"]
    assert result.ap == pytest.approx([float(Fraction(5, 12)), 1])
    assert result.map == pytest.approx(float(Fraction(17, 24)))


def test_ukbench(tmp_path: Path) -> None:
    found = open_ukbench(photos(tmp_path, *(f"full/ukbench{n:05}.jpg" for n in range(8))))
    names = found.ground_truth.database
    first = [names[n] for n in (0, 1, 4, 2, 3)]  # three of four among the first four
    right = [[names[n] for n in ((0, 1, 2, 3) if q < 4 else (4, 5, 6, 7))] for q in range(1, 8)]
    report = scored(found, first, *right)
    assert report.results["classic"].p_at[4] == pytest.approx((3 + 7 * 4) / 32)
    lines = report.to_markdown().splitlines()
    heads = next(line for line in lines if line.startswith("| protocol")).split(" | ")
    figures = next(line for line in lines if line.startswith("| classic")).split(" | ")
    assert figures[heads.index("N-S")] == "3.88"  # 31 / 8


def test_products(tmp_path: Path) -> None:
    rows = ["image_id class_id super_class_id path"]
    rows += [f"{n} {n // 2} 1 chair_final/{n}.JPG" for n in range(4)] + ["5 9 1 chair_final/5.JPG"]
    (tmp_path / "Ebay_test.txt").write_text("\n".join(rows) + "\n")
    found = open_products(tmp_path)
    names = found.ground_truth.database
    assert len(found.queries) == 4 and len(names) == 5
    # Itself does not count: the second query's positive stands first, the others' second.
    report = scored(
        found,
        [names[0], names[4], names[1]],
        [names[1], names[0]],
        [names[2], names[4], names[3]],
        [names[3], names[4], names[2]],
    )
    assert report.results["classic"].recall_at == {1: 0.25, 10: 1, 100: 1, 1000: 1}


def test_google_landmarks(tmp_path: Path) -> None:
    index = [f"{n:016x}" for n in range(250)]
    (tmp_path / "index.csv").write_text("id\n" + "\n".join(index) + "\n")
    wanted = " ".join(index[:3]), " ".join(index[10:210])
    (tmp_path / "retrieval_solution_v2.1.csv").write_text(
        f"id,images,Usage\nffff000000000001,{wanted[0]},Private\n"
        f"ffff000000000002,{wanted[1]},Private\nffff000000000003,{index[7]},Public\n"
        "ffff000000000004,None,Ignored\n"
    )
    found = open_gldv2(tmp_path)
    assert [query.name[-1] for query in found.ground_truth.queries] == ["1", "2"]
    assert found.queries[0] == tmp_path / "test" / "ffff000000000001.jpg"
    assert len(open_gldv2(tmp_path, "public").queries) == 1
    # Three positives at places 0, 3 and 100, which is beyond: (1/1 + 2/4) / 3. Of the other's 200,
    # 40 stand in front and 10 from place 90 on; 100 could be among the first 100.
    wrong = [*index[210:], *index[:10]]  # 50 that neither asks for, but for three of the first
    first = [index[0], *wrong[:2], index[1], *wrong[2:40], *index[10:68], index[2]]
    second = [*index[10:50], *wrong, *index[50:60]]
    assert first.index(index[2]) == 100 and second.index(index[50]) == 90
    result = scored(found, first, second).results["classic"]
    again = sum((40 + j) / (90 + j) for j in range(1, 11))
    assert result.ap == pytest.approx([0.5, (40 + again) / 100])
    assert result.map == pytest.approx((0.5 + (40 + again) / 100) / 2)
    report = scored(found, first, second)
    assert "mAP@100" in report.to_markdown() and "| mAP |" not in report.to_markdown()


def test_instre(tmp_path: Path) -> None:
    photos(tmp_path, *(f"INSTRE-S1/01a/{n:03}.jpg" for n in range(4)), "INSTRE-S1/q/1.jpg")
    names = [f"INSTRE-S1/01a/{n:03}.jpg" for n in range(4)]
    gnd = np.array(
        [(np.array([2, 4]), np.array([5, 6, 70, 80]))], [("ok", object), ("bbx", object)]
    )
    savemat(
        tmp_path / "gnd_instre.mat",
        {
            "imlist": np.array(names, object),
            "qimlist": np.array(["INSTRE-S1/q/1.jpg"], object),
            "gnd": gnd,
        },
    )
    found = open_instre(tmp_path)
    (query,) = found.ground_truth.queries
    assert query.box is not None and list(query.box) == [5, 6, 70, 80]
    assert query.labels["ok"].tolist() == [1, 3]
    assert found.queries == [tmp_path / "INSTRE-S1/q/1.jpg"]
    # Places 0 and 2: ((1 + 1) + (1/2 + 2/3)) / 4
    report = scored(found, [names[1], names[0], names[3]])
    assert report.results["classic"].map == pytest.approx(float(Fraction(19, 24)))


def test_place_recognition_by_names(tmp_path: Path) -> None:
    database = ("database/@500000.0@4000000.0@17@T@@@.jpg", "database/@500020@4000015@.jpg",
                "database/@500100@4000000@.jpg")  # fmt: skip
    queries = "queries/@500000@4000000@q@.jpg", "queries/@500500@4000000@q@.jpg"
    found = open_vpr(photos(tmp_path, *database, *queries))
    truth = found.ground_truth
    labels = [query.labels["ok"].tolist() for query in truth.queries]
    assert labels == [[0, 1], []]  # 25 m off exactly is near; the second query is near none
    report = scored(found, [truth.database[2], truth.database[1]], [truth.database[0]])
    result = report.results["classic"]
    assert result.recall_at == {1: 0, 5: 0.5, 10: 0.5, 20: 0.5}
    assert result.ap == pytest.approx([((0 + 1 / 2) + (1 / 2 + 2 / 3)) / 4, 0])
    assert [len(q.labels["ok"]) for q in open_vpr(tmp_path, 24).ground_truth.queries] == [1, 0]


def test_place_recognition_by_tables(tmp_path: Path) -> None:
    (tmp_path / "database.csv").write_text(
        "path,latitude,longitude\na.jpg,48.8584,2.2945\nb.jpg,48.8584,2.2948\nc.jpg,-48.8584,2.2945\n"
    )
    (tmp_path / "queries.csv").write_text("lat,lon,path\n48.8584,2.29465,x.jpg\n")
    # 0.00015 degrees east at 48.8584 degrees north are 11.0 m.
    near = [query.labels["ok"].tolist() for query in open_vpr(tmp_path).ground_truth.queries]
    assert near == [[0, 1]]
    with pytest.raises(SolarError, match=r"no query was taken within 10\.9 m of a photo"):
        open_vpr(tmp_path, 10.9)
    assert open_vpr(tmp_path, 11.1).ground_truth.queries[0].labels["ok"].tolist() == [0, 1]
    (tmp_path / "queries.csv").write_text("path,easting,northing\nx.jpg,1,2\n")
    with pytest.raises(SolarError, match="one has metres, the other degrees"):
        open_vpr(tmp_path)
    (tmp_path / "queries.csv").write_text("path,lat,lon\nx.jpg,91,2\n")
    with pytest.raises(SolarError, match=r"queries\.csv: row 2: 91, 2 are not degrees"):
        open_vpr(tmp_path)


def write_ilias(root: Path, far: int = 0) -> Path:
    """Two instances with two positives each, and so many distractors, in its own layout."""
    root.mkdir(parents=True, exist_ok=True)
    rows = np.eye(8, dtype=np.float16)
    queries = np.stack([rows[0], rows[1]]) * np.float16(3)  # lengths do not matter
    positives = np.stack([rows[0], rows[0] + rows[2], rows[3], rows[1]])
    text = h5py.string_dtype()
    for name, features, ids in (
        ("queries", queries, ["a/query/1", "b/query/1"]),
        ("positives", positives, ["a/pos/1", "a/pos/2", "b/pos/1", "b/pos/2"]),
        ("distractors_00000", np.tile(rows[1] + rows[4], (far, 1)), [f"y/{n}" for n in range(far)]),
    ):
        with h5py.File(root / f"features_{name}.hdf5", "w") as file:
            file["features"] = features
            file.create_dataset("index", data=ids, dtype=text)
    return root


def test_ilias(tmp_path: Path) -> None:
    report = score(search_ilias(write_ilias(tmp_path)))
    # a: places 0 and 1: 1. b: b/pos/2 first; behind it a/pos/1, a/pos/2 and b/pos/1 score 0 alike
    # and stand as in the database: place 3: (1/1 + 2/4) / 2.
    assert report.results["classic"].ap == pytest.approx([1, 0.75])
    far = score(search_ilias(write_ilias(tmp_path / "far", 1200)))
    # 1,200 distractors stand between b's positives: the second is beyond the first 1,000.
    assert far.results["classic"].ap == pytest.approx([1, 0.5])
    assert far.protocol["distractors"] == 1200 and "mAP@1000" in far.to_markdown()


def test_what_is_no_such_data_set_is_refused(tmp_path: Path) -> None:
    photos(tmp_path / "h", "summer.jpg")
    photos(tmp_path / "u", *(f"ukbench{n:05}.jpg" for n in range(5)))
    photos(tmp_path / "v", "database/a.jpg", "queries/@1@2@.jpg")
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "Ebay_test.txt").write_text("1 2 3\n")
    (tmp_path / "g").mkdir()
    (tmp_path / "g" / "index.csv").write_text("id\n0000000000000001\n")
    (tmp_path / "g" / "retrieval_solution.csv").write_text(
        "id,images,Usage\nffff000000000001,0000000000000002,Private\n"
    )
    (tmp_path / "i").mkdir()
    (tmp_path / "i" / "gnd_instre.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(300))
    for name, opener, words in (
        ("h", open_holidays, "no name such as 100000"),
        ("u", open_ukbench, "object 1 has 1 photos, not four"),
        ("v", open_vpr, "does not say where it was taken"),
        ("p", open_products, "row 1: '1 2 3' is not image_id"),
        ("g", open_gldv2, "row 2: '0000000000000002' is not in the index"),
        ("i", open_instre, "no ground truth of INSTRE"),
    ):
        with pytest.raises(SolarError, match=words):
            opener(tmp_path / name)
    photos(tmp_path / "e", "database/@1@2@.jpg")
    (tmp_path / "e" / "queries").mkdir()
    with pytest.raises(SolarError, match="queries: holds no photos"):
        open_vpr(tmp_path / "e")
    with pytest.raises(UsageError, match="usage 'both': use private or public"):
        open_gldv2(tmp_path / "g", "both")
    write_ilias(tmp_path / "x")
    (tmp_path / "x" / "features_positives.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(SolarError, match="no HDF5 file, or damaged"):
        search_ilias(tmp_path / "x")


def test_what_stands_twice_or_is_missing_is_named(tmp_path: Path) -> None:
    photos(tmp_path / "twice", *(f"{part}/10000{n}.jpg" for part in "ab" for n in range(2)))
    with pytest.raises(SolarError, match=r"'a/100000\.jpg' and 'b/100000\.jpg' are one photo"):
        open_holidays(tmp_path / "twice")
    with pytest.raises(SolarError, match=r"lacks 100000\.jpg, the query of its group"):
        open_holidays(photos(tmp_path / "lone", "100001.jpg", "100002.jpg", "100100.jpg"))
    table = tmp_path / "Ebay_test.txt"
    table.write_text("image_id class_id super_class_id path\n")
    with pytest.raises(SolarError, match=r"Ebay_test\.txt: names no photo"):
        open_products(tmp_path)
    table.write_text("1 1 1 a.jpg\n2 1 1 ./a.jpg\n")
    with pytest.raises(SolarError, match=r"row 2: 'a\.jpg' stands in row 1, too"):
        open_products(tmp_path)
    index, solution = tmp_path / "index.csv", tmp_path / "retrieval_solution.csv"
    index.write_text("id\n")
    with pytest.raises(SolarError, match=r"index\.csv: names no photo"):
        open_gldv2(tmp_path)
    index.write_text("id\n0000000000000001\n")
    for rows, words in (
        ("f,0000000000000001,Private\nf,0000000000000001,Private\n", "row 3: 'f' stands in row 2"),
        ("f,None,Private\n", "row 2: 'f' has nothing to find"),
    ):
        solution.write_text(f"id,images,Usage\n{rows}")
        with pytest.raises(SolarError, match=words):
            open_gldv2(tmp_path)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"imlist": None}, "no gnd and imlist in it"),
        ({"gnd": np.array([(np.array([1]),)], [("ok", object)])}, "no bbx of query 0"),
        ({"gnd": np.array([([0], [1, 1, 2, 2])], [("ok", object), ("bbx", object)])}, "0, but im"),
    ],
)
def test_another_list_than_instre_s_is_refused(
    tmp_path: Path, wrong: dict[str, object], words: str
) -> None:
    (tmp_path / "gnd_instre.mat").write_bytes(b"")
    with pytest.raises(SolarError, match="no ground truth of INSTRE, or damaged"):
        open_instre(tmp_path)
    held = {"imlist": ["1.jpg"], "qimlist": ["q.jpg"], **wrong}
    savemat(tmp_path / "gnd_instre.mat", {key: each for key, each in held.items() if each})
    with pytest.raises(SolarError, match=words):
        open_instre(tmp_path)


def test_files_of_ilias_that_do_not_fit_are_named(tmp_path: Path) -> None:
    def other(name: str, features: tuple[int, int], ids: Sequence[str]) -> None:
        write_ilias(tmp_path, 3)
        with h5py.File(tmp_path / f"features_{name}.hdf5", "w") as file:
            file["features"] = np.ones(features, np.float32)
            file.create_dataset("index", data=list(ids), dtype=h5py.string_dtype())

    for name, features, ids, words in (
        ("queries", (2, 5), ("a/q/1", "b/q/1"), "features_queries.hdf5: descriptors of 5 dim"),
        ("distractors_00000", (2, 5), ("y/1", "y/2"), "_00000.hdf5: descriptors of 5 dim"),
        ("queries", (2, 8), ("a/q/1", "a/q/1"), "features_queries.hdf5: the id 'a/q/1' stands twi"),
        ("queries", (2, 8), ("a/q/1",), "1 ids of 2 descriptors"),
        ("queries", (2, 8), ("c/q/1", "d/q/1"), "ilias: no query has anything to find"),
    ):
        other(name, features, ids)
        with pytest.raises(SolarError, match=words):
            search_ilias(tmp_path)
