"""Published figures are printable beside one's own, with a source each."""

import pytest

from solar.evaluation.patches.hpatches.results import markdown as hpatches_table
from solar.evaluation.patches.phototour import markdown as phototour_table
from solar.evaluation.patches.published import published_hpatches, published_phototour, sources


def test_the_figures_of_phototour() -> None:
    rows = {row.name: row for row in published_phototour()}
    assert {name: row.mean for name, row in rows.items()} == {
        "SIFT": 26.55,
        "TFeat-M*": 6.64,
        "L2-Net+": 2.23,
        "HardNet+": 1.51,
        "DOAP+ (unverified)": 1.45,
    }
    for row in rows.values():
        known = [figure for figure in row.columns if figure is not None]
        assert len(row.columns) == 6
        if known and row.mean:
            assert sum(known) / 6 == pytest.approx(row.mean, abs=0.01)
    assert "| HardNet+ | 1.49 | 2.51 | 0.53 | 0.78 | 1.96 | 1.84 | 1.51 |" in phototour_table(
        list(rows.values())
    )


def test_the_figures_of_hpatches() -> None:
    table = hpatches_table(published_hpatches())
    assert "| SOSNet (unverified) | 88.48 | 53.75 | – |" in table
    assert "| RootSIFT (unverified) | 58.53 | 27.22 | – |" in table
    assert len(table.splitlines()) == 8


def test_every_figure_has_a_source() -> None:
    assert len(sources()) == len(published_phototour()) + len(published_hpatches())
    assert all("arXiv" in line or "CVPR" in line for line in sources())
