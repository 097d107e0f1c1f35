"""Published figures are printable beside one's own, with a source each."""

import pytest

from solar.evaluation.patches import phototour
from solar.evaluation.patches.hpatches import results as hpatches
from solar.evaluation.patches.published import sources


def test_the_figures_of_phototour() -> None:
    rows = {row.name: row for row in phototour.published_rows()}
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
    assert "| HardNet+ | 1.49 | 2.51 | 0.53 | 0.78 | 1.96 | 1.84 | 1.51 |" in (
        phototour.table(list(rows.values())).to_markdown()
    )


def test_the_figures_of_hpatches() -> None:
    table = hpatches.table(hpatches.published_rows()).to_markdown()
    assert "| SOSNet (unverified) | 88.48 | 53.75 | – |" in table
    assert "| RootSIFT (unverified) | 58.53 | 27.22 | – |" in table
    assert len(table.splitlines()) == 8


def test_every_figure_has_a_source() -> None:
    assert len(sources()) == len(phototour.published_rows()) + len(hpatches.published_rows())
    assert all("arXiv" in line or "CVPR" in line for line in sources())
