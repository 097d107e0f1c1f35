"""HPatches from files to the report."""

import json
from pathlib import Path

import numpy as np
import pytest

from solar.datasets.patches.hpatches import KINDS, HPatchesSequence
from solar.errors import SolarError, UsageError
from solar.evaluation.patches.hpatches.lists import ListSizes
from solar.evaluation.patches.hpatches.run import (
    describe_sequence,
    score_sequences,
    table,
    table_by_noise,
    textured,
)
from solar.features.keypoints import FloatArray
from tests.datasets.builders import noise, write_hpatches
from tests.features.pixels import pixels, raw_pixels

SMALL = ListSizes(pairs=4000, queries=20, distractors=30)


@pytest.fixture
def sequences(tmp_path: Path) -> list[HPatchesSequence]:
    """Two sequences of 40 patches; e is the reference with a little noise, t is unrelated."""
    found = []
    for seed, name in enumerate(("i_dome", "v_wall")):
        reference = noise(100 * seed, 40, 65, 65)
        strips = {"ref": reference}
        for number, kind in enumerate(KINDS[1:], start=1):
            other = noise(100 * seed + number, 40, 65, 65)
            share = {"e": 0.1, "h": 0.5, "t": 1.0}[kind[0]]
            strips[kind] = ((1 - share) * reference + share * other).astype(np.uint8)
        found.append(HPatchesSequence(write_hpatches(tmp_path / "hpatches" / name, strips)))
    return found


def test_describe_sequence_follows_the_strips(sequences: list[HPatchesSequence]) -> None:
    strips = describe_sequence(sequences[0], pixels())
    assert strips.shape == (16, 40, 1024)
    cosine = (strips[0] * strips).sum(axis=2).mean(axis=1)
    assert cosine[0] == pytest.approx(1, abs=1e-5)
    assert cosine[1:6].min() > 0.95 > cosine[6:11].max() > 0.5 > cosine[11:].max()


def test_a_full_run(sequences: list[HPatchesSequence]) -> None:
    result = score_sequences(sequences, pixels(), split="mine", sizes=SMALL)
    assert result.verification
    assert result.matching
    assert result.retrieval
    assert result.verification.auc["easy"]["intra"] == 1.0
    # The benchmark draws the other patch freely, at times the very same one: 1 in 80 here.
    assert 0.98 < result.verification.auc["easy"]["inter"] < 1.0
    assert 0.4 < result.verification.auc["tough"]["intra"] < 0.8
    assert result.matching.map_of("easy") == 1.0
    assert result.matching.map_of("tough") < 0.2
    assert result.retrieval.map["easy"][100] == 1.0
    assert (result.retrieval.queries, result.retrieval.distractors) == (20, 30)
    report = json.loads(json.dumps(result.to_json()))
    assert report["split"] == "mine"
    assert report["verification"]["pairs"] == 4000
    assert report["matching"]["map"]["easy"] == 1.0
    assert set(report["retrieval"]["map"]["hard"]) == {
        "100", "500", "1000", "5000", "10000", "15000", "20000",
    }  # fmt: skip
    line = table("raw", result).to_markdown()
    assert "| SOSNet (unverified) | 88.48 | 53.75 | – | – |" in line
    assert "| RootSIFT (unverified) | 58.53 | 27.22 | – | – |" in line
    assert len([row for row in line.splitlines() if row.startswith("|")]) == 9
    assert "- matching: mean of the mAP under illumination and under viewpoint" in line
    for name, figure in result.figures().items():
        if "parts" in figure:
            assert figure["value"] == pytest.approx(np.mean(figure["parts"])), name
            assert len(figure["units"]) == len(figure["parts"]) == 5
    detail = table_by_noise(result).to_markdown()
    assert "| matching mAP, illumination | 100.00 |" in detail
    assert "| retrieval mAP, pool 20000 | 100.00 |" in detail


def test_a_broken_run_goes_on_where_it_stopped(sequences: list[HPatchesSequence]) -> None:
    strip = sequences[1].folder / "t5.png"
    whole = strip.read_bytes()
    strip.write_bytes(whole[:2000])
    with pytest.raises(SolarError, match=r"v_wall/t5\.png: not a readable image"):
        score_sequences(sequences, pixels(), split="mine", tasks=["matching"])
    strip.write_bytes(whole)
    calls = []

    def counted(patches: FloatArray) -> FloatArray:
        calls.append(len(patches))
        return raw_pixels(patches)

    result = score_sequences(sequences, pixels(counted), split="mine", tasks=["matching"])
    assert calls == [40] * 16  # only the second sequence
    assert result.verification is None
    assert result.retrieval is None
    assert result.matching is not None


@pytest.mark.slow
def test_a_strip_that_changed_is_described_again(sequences: list[HPatchesSequence]) -> None:
    calls = []

    def counted(patches: FloatArray) -> FloatArray:
        calls.append(len(patches))
        return raw_pixels(patches)

    def run() -> object:
        calls.clear()
        return score_sequences(sequences, pixels(counted), split="mine", tasks=["matching"])

    first = run()
    assert run() == first and calls == []
    strip = sequences[1].folder / "t5.png"
    strip.write_bytes((sequences[1].folder / "t4.png").read_bytes())
    assert run() != first and calls == [40] * 16


def test_an_unknown_task_is_refused(sequences: list[HPatchesSequence]) -> None:
    with pytest.raises(UsageError, match="no HPatches task 'search'; there are verification"):
        score_sequences(sequences, pixels(), split="a", tasks=["search"])


def test_flat_patches_are_not_textured(tmp_path: Path) -> None:
    flat = np.full((1, 65, 65), 90, np.uint8)
    strips = {kind: np.concatenate([flat, noise(1, 1, 65, 65)]) for kind in KINDS}
    sequence = HPatchesSequence(write_hpatches(tmp_path / "v_flat", strips))
    assert textured(sequence).tolist() == [False, True]
