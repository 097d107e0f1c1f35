import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from solar.datasets.ground_truth import parse
from solar.datasets.photos import LabelledSet
from solar.errors import SolarError, UsageError
from solar.evaluation.report.charts import line_chart
from solar.evaluation.report.pages import SHOWN_QUERIES, charts, write_page
from solar.evaluation.report.published import published_maps
from solar.evaluation.report.report import LabelledHit, Report, Result, read_report
from tests.evaluation.fakes import paint


def made(queries: int = 2, dataset: str = "roxford5k", **protocol: Any) -> Report:
    ap = [0.5, None, *[0.25] * (queries - 2)]
    curve = [1 - n / 100 for n in range(101)]
    by_k, none = {1: 1.0, 5: 0.5, 10: 0.25}, {1: None, 5: None, 10: None}
    easy = Result(0.5, by_k, {1: 1.0, 5: 0.2, 10: 0.125}, {1: 1.0, 5: 1.0, 10: 1.0}, ap, curve)
    hard = Result(None, none, none, none, [None] * queries, [None] * 101)
    return Report(
        dataset=dataset,
        protocol={"model": "mine | <b>", "ground_truth": "d1", "distractors": 0, **protocol},
        results={"easy": easy, "hard": hard},
        queries=[f"q{n}" for n in range(queries)],
        ranks=[
            [
                LabelledHit("a", "easy", 0.75, 31),
                LabelledHit("b", "wrong", 0.5, 0),
                LabelledHit("c", "junk", 0.25),
                LabelledHit("7", "distractor", 0.125),
            ]
        ]
        * queries,
        places=list(range(queries)),
        by_dimension={
            64: {"easy": replace(easy, map=0.4), "hard": hard},
            512: {"easy": easy, "hard": hard},
        },
    )


def photos_of(folder: Path, queries: int) -> LabelledSet:
    names = {"imlist": list("abc"), "qimlist": [f"q{n}" for n in range(queries)]}
    gnd = [{"bbx": None if n else [0, 0, 9, 9], "ok": [0], "junk": []} for n in range(queries)]
    paths = {name: [folder / f"{each}.png" for each in names[name]] for name in names}
    return LabelledSet(
        parse({**names, "gnd": gnd}, "toy", "toy"), paths["imlist"], paths["qimlist"]
    )


def test_json_comes_back_as_it_was(tmp_path: Path) -> None:
    report = made()
    report.write(tmp_path / "new" / "folder")
    assert read_report(tmp_path / "new" / "folder") == report
    raw = json.loads((tmp_path / "new" / "folder" / "report.json").read_text())
    assert raw["easy"]["map"] == 0.5
    assert raw["easy"]["mp_at"] == {"1": 1.0, "5": 0.5, "10": 0.25}
    assert raw["easy"]["p_at"]["5"] == 0.2 and raw["easy"]["recall_at"]["10"] == 1.0
    assert raw["by_dimension"]["64"]["easy"]["ap"] == [0.5, None]
    assert raw["hard"]["map"] is None
    assert raw["protocol"]["ground_truth"] == "d1"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"dataset": "x", "protocol": {}, "queries": [], "ranks": [], "by_dimension": {}}',
    ],
)
def test_what_is_no_report_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises(SolarError, match=r"report\.json: (not a report of 'solar eval'|not JSON)"):
        read_report(path)
    with pytest.raises(SolarError, match="no such file"):
        read_report(tmp_path / "gone.json")


def test_markdown_shows_own_and_published_figures() -> None:
    text = made().to_markdown()
    lines = text.splitlines()
    heads = "| protocol, % | mAP | 95 % interval | mP@1 | mP@5 | mP@10 | P@1 | P@5 | P@10 | R@1 |"
    assert lines[2].startswith(heads)
    figures = (
        "50.00 | – | 100.00 | 50.00 | 25.00 | 100.00 | 20.00 | 12.50 | 100.00 | 100.00 | 100.00"
    )
    assert lines[4] == f"| easy | {figures} | 1 |"
    assert lines[5] == "| hard |" + " – |" * 11 + " 0 |"
    assert "| mine \\| <b> | 50.00 | – | this report |" in lines
    assert any(
        line.startswith("| SOLAR ResNet-101, 2048-D (GL18) | 85.88 | 47.91 |") for line in lines
    )
    assert any("(unverified)" in line for line in lines)
    assert "| 64 | 40.00 | – |" in lines
    assert "| model | mine \\| <b> |" in lines
    assert "SOLAR" not in made(dataset="mine").to_markdown()


def test_a_mean_has_an_interval_over_places() -> None:
    ap = [1.0, 1.0, 0.5, 0.5, 0.0, 0.0]
    result = replace(made().results["easy"], ap=ap, map=0.5)
    report = replace(made(6), results={"easy": result}, places=[0] * 6)
    assert "| easy | 50.00 | – |" in report.to_markdown()  # one place says nothing of others
    report = replace(report, places=[0, 0, 1, 1, 2, 2])
    assert "| easy | 50.00 | 0.00 … 100.00 |" in report.to_markdown()


def test_every_word_of_a_table_is_explained_below_it() -> None:
    report = made(crop=True, whitening=None)
    text = report.to_markdown()
    for word in (
        "easy",
        "hard",
        "mAP",
        "95 % interval",
        "mP@k",
        "P@k",
        "R@k",
        "query left out",
        "crop",
    ):
        assert re.search(rf"^- {re.escape(word)}: \w", text, re.M), word
    assert "- whitening: digest of one that is applied after the model; None:" in text
    assert "- classic:" not in text
    classic = replace(report, results={"classic": report.results["easy"]}, by_dimension={})
    assert "- classic: positives are the photos labelled ok, or of the query's place" in (
        classic.to_markdown()
    )


def test_a_million_distractors_are_set_beside_a_million() -> None:
    assert "| 72.04 | 29.89 |" in made(distractors=1_001_001).to_markdown()
    assert "SOLAR" in made().to_markdown()


def test_published_figures_of_the_paper() -> None:
    paper = {
        "roxford5k": (85.88, 69.9, 47.91),
        "rparis6k": (92.95, 81.57, 64.45),
        "roxford5k+r1m": (72.04, 53.49, 29.89),
        "rparis6k+r1m": (83.35, 59.19, 33.41),
    }
    for dataset, expected in paper.items():
        solar = next(
            f for f in published_maps(dataset) if f.method == "SOLAR ResNet-101, 2048-D (GL18)"
        )
        assert tuple(solar.map[p] for p in ("easy", "medium", "hard")) == expected
        assert not solar.unverified
        for figure in published_maps(dataset):
            assert figure.source
            assert all(0 < value < 100 for value in figure.map.values())
    assert published_maps("my holiday") == []


def test_the_page_needs_nothing_but_itself(tmp_path: Path) -> None:
    for name in ("q0", "q1", "a", "b"):
        paint(tmp_path / f"{name}.png", 1)
    page = write_page(made(), tmp_path, photos_of(tmp_path, 2))
    text = page.read_text()
    assert "<script" not in text
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "mine | &lt;b&gt;" in text
    assert "<b>mine" not in text
    assert '<ul class="legend">' in text and "<b>mP@k</b>: share of positives" in text
    strips = text.split('class="strip"')[1:]
    assert len(strips) == 2
    assert "1 ✓ easy · 31 inliers" in strips[0] and "3 ○ junk<" in strips[0]
    frames = re.findall(r'figure class="(\w+)"', strips[0])
    assert frames == ["query", "right", "wrong", "ignored", "wrong"]
    assert "c<br>cannot be opened" in strips[0]
    assert strips[0].count("data:image/jpeg") == 3 and "distractor</div>" in strips[0]
    assert text.count("<svg") == 2


def test_a_page_of_many_queries_shows_the_worst(tmp_path: Path) -> None:
    count = SHOWN_QUERIES + 20
    page = write_page(made(count), tmp_path, photos_of(tmp_path, count))
    text = page.read_text()
    assert f"{SHOWN_QUERIES} of {SHOWN_QUERIES + 20} are shown" in text
    assert text.count('class="strip"') == SHOWN_QUERIES
    assert "<b>q2</b>" in text
    assert "<b>q0</b>" not in text


def test_charts_are_svg_with_each_point_where_it_belongs() -> None:
    curves = {"one": [(0.0, 0.0), (1.0, 1.0)], "<two>": [(0.5, 0.25)]}
    text = line_chart("Title", "x", "y", curves, x_ticks=[0, 1], y_ticks=[0, 0.5, 1])
    root = ElementTree.fromstring(text)  # noqa: S314 - made here
    lines = root.findall("{http://www.w3.org/2000/svg}polyline")
    assert [line.get("points") for line in lines] == ["56.0,292.0 504.0,36.0", "280.0,228.0"]
    powers = {"a": [(64, 1.0), (128, 0.0), (512, 0.5)]}
    even = line_chart("T", "x", "y", powers, x_ticks=[64, 128, 512], y_ticks=[0, 1], even=True)
    assert 'points="56.0,36.0 280.0,292.0 504.0,164.0"' in even
    with pytest.raises(UsageError, match="7 curves, at most 6"):
        line_chart("T", "x", "y", {str(n): [] for n in range(7)}, x_ticks=[0, 1], y_ticks=[0, 1])


def test_no_dimensions_no_curve_of_them() -> None:
    report = made()
    assert len(charts(report)) == 2
    assert len(charts(Report(**{**vars(report), "by_dimension": {}}))) == 1
