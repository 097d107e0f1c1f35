"""Re-ranking in evaluations: the same ways as in a search, beside distractors too."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from solar.datasets.ground_truth import GroundTruth, parse
from solar.datasets.photos import LabelledSet
from solar.errors import UsageError
from solar.evaluation.retrieval._ranking import FeaturesOfSet, Ranked
from solar.evaluation.retrieval.described import DescribedSet
from solar.evaluation.retrieval.exact import cut
from solar.evaluation.retrieval.run import evaluate, score, search
from solar.extraction.shard import Said, on_grid
from solar.extraction.shards import create_shards, open_shards, write_shard
from solar.features.extractor import features_of_one, open_feature_extractor
from solar.ranking import Ranking
from solar.rerank import View, reach, rerank
from solar.rerank.diffusion import Diffusion
from solar.rerank.expansion import Expansion
from solar.rerank.geometric import CHANCE, Geometric
from tests.evaluation.fakes import cheap_extractor, paint, unit_rows
from tests.rerank.arrays import ArrayView
from tests.rerank.views import street

DIMENSIONS = 16


def truth_of(database: int, queries: int, rng: np.random.Generator) -> GroundTruth:
    names = [f"d{n}" for n in range(database)]
    gnd = []
    for _ in range(queries):
        rows = rng.permutation(database).tolist()
        easy, hard, junk = sorted(rows[:2]), sorted(rows[2:4]), sorted(rows[4:5])
        gnd.append({"bbx": [0, 0, 9, 9], "easy": easy, "hard": hard, "junk": junk})
    asked = [f"q{n}" for n in range(queries)]
    return parse({"imlist": names, "qimlist": asked, "gnd": gnd}, "toy", "toy")


def described(database: int, queries: int, seed: int) -> DescribedSet:
    rng = np.random.default_rng(seed)
    rows, asked = (on_grid(unit_rows(rng, n, DIMENSIONS)).astype("f4") for n in (database, queries))
    extraction = cheap_extractor(dimensions=DIMENSIONS).extraction
    photos = labelled(truth_of(database, queries, rng))
    return DescribedSet(extraction, True, photos, asked, rows)


def labelled(truth: GroundTruth) -> LabelledSet:
    return LabelledSet(truth, [Path()] * len(truth.database), [Path()] * len(truth.queries))


def shards_of(folder: Path, rows: NDArray[np.floating], size: int) -> Path:
    extraction = cheap_extractor(dimensions=DIMENSIONS).extraction
    shards = create_shards(folder, extraction, [str(n) for n in range(len(rows))], size, "float16")
    for number in range(shards.count):
        part = rows[number * size : (number + 1) * size]
        write_shard(shards, number, part, Said([]))
    return folder


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.integers(5, 60), st.integers(0, 200), st.sampled_from([None, 5])
)
def test_a_chain_ranks_as_over_all_rows_in_memory(
    tmp_path_factory: pytest.TempPathFactory, seed: int, size: int, far: int, dimensions: int | None
) -> None:
    folder = tmp_path_factory.mktemp("set")
    found = described(size, 3, seed)
    others = unit_rows(np.random.default_rng(seed + 1), far, DIMENSIONS).astype(np.float16)
    shards = open_shards(shards_of(folder / "far", others, 37)) if far else None
    chain = (Expansion(verified=False), Diffusion(first=20))
    everything = np.concatenate([cut(found.database, dimensions), cut(others, dimensions)])
    everything = everything.astype(np.float32)
    for query, ranking in enumerate(Ranked(found, shards).rankings(chain, dimensions)):
        asked = cut(found.queries[query : query + 1], dimensions)[0].astype(np.float32)
        view = ArrayView(asked, everything)
        expected = rerank(view.search(asked, max(10, reach(chain))), view, chain)
        assert ranking.head >= len(expected)
        assert ranking.ids[: len(expected)].tolist() == expected.ids.tolist()
        np.testing.assert_allclose(ranking.scores, everything[ranking.ids] @ asked, atol=1e-5)
        labelled = found.ground_truth.queries[query].labelled
        assert np.isin(labelled, ranking.ids).all()


@dataclass(frozen=True)
class Searches:
    """Searches again and again, a number of times that depends on the query."""

    first: int = 4
    name: ClassVar[str] = "searches"
    description: ClassVar[str] = "searches: often"
    needs_features: ClassVar[bool] = False

    def __call__(self, ranking: Ranking, view: View) -> Ranking:
        for _ in range(int(ranking.ids[0]) % 4):
            ranking = view.search(-view.descriptors(ranking.ids[:1])[0], self.first)
        return ranking


def test_a_way_may_search_as_often_as_it_likes(tmp_path: Path) -> None:
    found = described(30, 9, 0)
    rankings = Ranked(found).rankings((Searches(), Searches()))
    for query, ranking in enumerate(rankings):
        view = ArrayView(found.queries[query], found.database)
        expected = rerank(view.search(view.descriptor, 10), view, (Searches(), Searches()))
        assert ranking.ids[:4].tolist() == expected.ids[:4].tolist()


def test_reranking_is_recorded_with_dimensions_and_distractors(tmp_path: Path) -> None:
    found = described(40, 4, 1)
    rows = unit_rows(np.random.default_rng(2), 50, DIMENSIONS)
    chain = (Expansion(verified=False),)
    far = shards_of(tmp_path / "far", rows, 20)
    report = score(search(found, chain, distractors=far, dimensions=(DIMENSIONS,)))
    assert report.protocol["rerank"] == chain[0].description
    assert report.protocol["features"] is None
    assert report.protocol["distractors"] == 50
    assert report.by_dimension[DIMENSIONS]["medium"] == report.results["medium"]
    plain = score(search(found))
    assert plain.protocol["rerank"] is None
    assert plain.results["medium"].ap != report.results["medium"].ap


def test_ways_that_compare_features_and_local_go_together(tmp_path: Path) -> None:
    for n in range(4):
        paint(tmp_path / "photos" / "ab"[n % 2] / f"{n}.png", n)
    with pytest.raises(UsageError, match="go together, such as --local solar-local"):
        evaluate(tmp_path / "photos", cheap_extractor(), tmp_path / "out", rerank="geometric")
    with pytest.raises(UsageError, match="go together"):
        evaluate(tmp_path / "photos", cheap_extractor(), tmp_path / "out", local="rootsift")
    with pytest.raises(UsageError, match="'magic': use none"):
        evaluate(tmp_path / "photos", cheap_extractor(), tmp_path / "out", rerank="magic")


def test_geometric_reranking_beside_distractors(tmp_path: Path) -> None:
    paths = street(tmp_path / "street", 4, 2)
    extractor = open_feature_extractor("rootsift")
    features = [features_of_one(extractor, path) for path in paths]
    found = described(8, 4, 3)
    gnd = [{"bbx": None, "easy": [2 * n + 1], "hard": [], "junk": [2 * n]} for n in range(4)]
    truth = {"imlist": [p.name for p in paths], "qimlist": [p.name for p in paths[::2]], "gnd": gnd}
    found = replace(found, photos=labelled(parse(truth, "toy", "toy")))
    kept = FeaturesOfSet(features, features[::2], "rootsift")
    rows = unit_rows(np.random.default_rng(2), 30, DIMENSIONS)
    chain = (Geometric(),)
    for distractors in (None, shards_of(tmp_path / "far", rows, 20)):
        report = score(search(found, chain, features=kept, distractors=distractors))
        # Descriptors say nothing here; the query, which is junk, and its other view come first.
        assert report.results["easy"].map == 1
        for hits in report.ranks:
            assert {hit.label for hit in hits[:2]} == {"junk", "easy"}
            assert all((hit.inliers or 0) > CHANCE for hit in hits[:2])
            assert all(hit.inliers is None for hit in hits if hit.label == "distractor")
    assert str(report.protocol["features"]).startswith("rootsift; distractors have none")
    assert score(search(found)).results["easy"].map < 1  # type: ignore[operator]
