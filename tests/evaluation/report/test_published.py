"""Published figures are what their sources say, with a source each."""

import pytest

from solar.evaluation.report.published import PATCH_BENCHMARKS, published_patches


def test_the_figures_of_phototour() -> None:
    rows = dict(published_patches("phototour"))
    assert {name: row["mean"] for name, row in rows.items()} == {
        "SIFT": 26.55,
        "TFeat-M*": 6.64,
        "L2-Net+": 2.23,
        "HardNet+": 1.51,
        "DOAP+ (unverified)": 1.45,
    }
    for row in rows.values():
        if row["columns"]:
            assert len(row["columns"]) == 6
            assert sum(row["columns"]) / 6 == pytest.approx(row["mean"], abs=0.01)


def test_every_figure_has_a_source() -> None:
    for benchmark in PATCH_BENCHMARKS:
        for _, entry in published_patches(benchmark):
            assert "arXiv" in entry["source"] or "CVPR" in entry["source"]
