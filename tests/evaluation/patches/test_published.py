"""Published figures are what their sources say, with a source each."""

import pytest

from solar.evaluation.patches.published import BENCHMARKS, figures, sources


def test_the_figures_of_phototour() -> None:
    rows = dict(figures("phototour"))
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
    assert len(sources()) == sum(len(figures(benchmark)) for benchmark in BENCHMARKS)
    assert all("arXiv" in line or "CVPR" in line for line in sources())
