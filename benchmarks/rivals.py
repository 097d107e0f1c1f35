"""SOLAR's rivals beside it: poolings of its own maps, local features as vectors and as words.

    nice python -m benchmarks.rivals DATA FOLDER [--sets rparis-mini,strecha] [--few 800]

DATA holds rparis-mini/, and strecha, landmarks-val, gld-web, paintings and landmarks-unlabelled as
folders or .zip files. FOLDER keeps descriptors, vocabularies and figures, so that a run goes on
where another stopped; what is there already is not made again. `--write docs/rivals.md` puts the
table between that file's marks.

Poolings are of the bundled network's maps, which were trained for GeM: nothing of the others was
trained. Whitenings (PCA), NetVLAD's clusters and vocabularies come from landmarks-unlabelled, which
is never searched. `--few` takes so many of its photos, evenly spread; of fewer than 300,
vocabularies are small, which is to try the command.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from benchmarks.limits import machine
from solar.aggregation import Vocabulary, learn_vocabulary
from solar.datasets import LabelledSet, open_labelled
from solar.evaluation.retrieval import rank, score_rankings
from solar.evaluation.retrieval._features import features_of_set
from solar.evaluation.retrieval._ranking import FeaturesOfSet
from solar.evaluation.retrieval.described import rows_of_queries
from solar.evaluation.retrieval.words import rank_by_words
from solar.extraction import Failed
from solar.features import (
    FeatureExtraction,
    FeatureExtractor,
    Features,
    FeaturesOf,
    open_feature_extractor,
)
from solar.files import write_atomically
from solar.models.checkpoints import load
from solar.models.global_descriptor import GlobalDescriptor
from solar.models.repool import with_pooling
from solar.models.whitening import Whitening
from solar.photos import Box, Photo, find_photos
from solar.ranking import Ranking
from solar.rerank.geometric import order, verify

Floats = NDArray[np.float32]
SETS = ("rparis-mini", "strecha", "landmarks-val", "gld-web", "paintings")
LEARNED = "landmarks-unlabelled"
POOLINGS = ("gem", "mac", "spoc", "rmac", "crow", "netvlad-16")
LOCAL = ("rootsift", "solar-local")
KEYPOINTS, IMAGE_SIZE, VERIFIED, DIMENSIONS = 500, 640, 100, 512
BLOCK = 64  # photos that an interruption may cost
MARKS = "<!-- rivals: begin -->", "<!-- rivals: end -->"


def main() -> None:
    """Read the options, measure what is not measured yet, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--few", type=int)
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    bench = Bench(given.data, given.folder, given.few)
    for name in given.sets.split(","):
        bench.measure(name)
    table = bench.table(given.sets.split(","))
    print(table)
    if given.write is not None:
        fill(given.write, table)


@dataclass(frozen=True)
class Row:
    """One way to search.

    Attributes:
        name: for the table.
        size: of a photo's descriptor, in words.
        rankings: of a set's queries.
    """

    name: str
    size: str
    rankings: Callable[[], list[Ranking]]


class Remembered:
    """A feature extractor that describes the same photos once.

    Args:
        extractor: is asked the first time.
    """

    def __init__(self, extractor: FeatureExtractor) -> None:
        self.extractor = extractor
        self._found: dict[tuple[Photo, ...], list[FeaturesOf | Failed]] = {}

    @property
    def extraction(self) -> FeatureExtraction:
        """That of the extractor."""
        return self.extractor.extraction

    def describe(
        self, photos: Sequence[Photo], boxes: Sequence[Box | None] | None = None
    ) -> Iterator[FeaturesOf | Failed]:
        """As `FeatureExtractor.describe`; boxes are described anew."""
        if boxes is not None:
            return self.extractor.describe(photos, boxes)
        asked = tuple(photos)
        if asked not in self._found:
            self._found[asked] = list(self.extractor.describe(photos))
        return iter(self._found[asked])


class Bench:
    """All measurements, kept in a folder.

    Args:
        data: the sets.
        folder: keeps what is made.
        few: photos to learn from; None for all.
    """

    def __init__(self, data: Path, folder: Path, few: int | None) -> None:
        self.data, self.folder, self.few = data, folder, few
        folder.mkdir(parents=True, exist_ok=True)
        self.figures = folder / f"{self.named('figures')}.json"

    def measure(self, name: str) -> None:
        """One set, row by row; each figure is kept as soon as it is known."""
        one = Set(self, name)
        kept = self.kept()
        for row in one.rows():
            if name in kept.get(row.name, {}):
                continue
            started = time.monotonic()
            scores = score_rankings(row.rankings(), one.photos.ground_truth.queries)
            found = {protocol: score.map for protocol, score in scores.items()}
            kept.setdefault(row.name, {"size": row.size})[name] = found
            with write_atomically(self.figures) as file:
                file.write(json.dumps(kept, indent=1).encode())
            said = ", ".join(f"{protocol} {100 * value:.1f}" for protocol, value in found.items())
            print(f"{name}: {row.name}: {said} ({time.monotonic() - started:.0f} s)", flush=True)

    def kept(self) -> dict[str, dict[str, Any]]:
        """Figures by row and set."""
        if not self.figures.exists():
            return {}
        found: dict[str, dict[str, Any]] = json.loads(self.figures.read_text())
        return found

    def place(self, name: str) -> Path:
        """The folder of a set; a .zip is unpacked once."""
        for folder in (self.data / name, self.folder / "sets" / name):
            if folder.is_dir():
                inner = folder / name
                return inner if inner.is_dir() else folder
        with ZipFile(self.data / f"{name}.zip") as file:
            file.extractall(self.folder / "sets" / name)
        return self.place(name)

    @cached_property
    def learned_from(self) -> list[Path]:
        """Photos that nothing is measured on."""
        photos = find_photos(self.place(LEARNED))
        return (
            photos if self.few is None else photos[:: max(1, len(photos) // self.few)][: self.few]
        )

    @cached_property
    def model(self) -> GlobalDescriptor:
        """The bundled network."""
        return load("solar-r18")

    @cached_property
    def pools(self) -> dict[str, GlobalDescriptor]:
        """The network with each pooling."""
        photos = self.learned_from
        return {name: with_pooling(self.model, name, photos) for name in POOLINGS}

    def pooled(self, key: str, photos: Sequence[tuple[Path, Box | None]]) -> dict[str, Floats]:
        """Descriptors (N, D) of photos by each pooling, and "solar", the network as it is.

        The maps of a photo are made once for all poolings; scales are averaged as usual.
        """
        parts: list[dict[str, Floats]] = []
        for start in range(0, len(photos), BLOCK):
            path = self.folder / f"{key}-{start}.npz"
            if not path.exists():
                rows = [self._poolings(*photo) for photo in photos[start : start + BLOCK]]
                arrays: dict[str, Any] = {n: np.stack([row[n] for row in rows]) for n in rows[0]}
                with write_atomically(path) as file:
                    np.savez(file, **arrays)
            with np.load(path) as data:
                parts.append({name: data[name] for name in data.files})
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    @torch.inference_mode()
    def _poolings(self, photo: Path, box: Box | None) -> dict[str, Floats]:
        images = self.model.preprocess(photo, box=box)
        sums: dict[str, torch.Tensor] = {}
        for scale in self.model.config.scales:
            resized = images
            if scale != 1:
                resized = F.interpolate(images, scale_factor=scale, mode="bilinear")
            maps = self.model.features(resized)
            found = {name: net.pool(maps) for name, net in self.pools.items()}
            found["solar"] = self.model.whiten(F.normalize(self.model.pool(maps), dim=1))
            for name, vector in found.items():
                sums[name] = sums.get(name, torch.zeros(())) + F.normalize(vector, dim=1)
        return {k: F.normalize(v, dim=1)[0].numpy().astype(np.float32) for k, v in sums.items()}

    def unlabelled(self, pooling: str) -> Floats:
        """Descriptors of the photos that whitenings are learned from."""
        return self._unlabelled[pooling]

    @cached_property
    def _unlabelled(self) -> dict[str, Floats]:
        return self.pooled(self.named(LEARNED), [(path, None) for path in self.learned_from])

    def vocabulary(self, kind: str, local: str) -> Vocabulary:
        """Of a kind and of local features; learned once."""
        path = self.folder / f"{self.named(kind)}-{local}.npz"
        if not path.exists():
            words = 64 if self.few is not None and self.few < 300 else None
            learn_vocabulary(self.remembered[local], self.learned_from, kind, words).save(path)
        return Vocabulary.load(path)

    def maker(self, local: str) -> FeatureExtractor:
        """What makes local features."""
        return open_feature_extractor(local, keypoints=KEYPOINTS, image_size=IMAGE_SIZE)

    @cached_property
    def remembered(self) -> dict[str, Remembered]:
        """The same, for the photos that are learned from: every kind asks for these again."""
        return {local: Remembered(self.maker(local)) for local in LOCAL}

    def vectors_learned_from(self, kind: str, local: str) -> Floats:
        """Vectors of the photos that whitening is learned from."""
        path = self.folder / f"{self.named(LEARNED)}-{kind}-{local}.npy"
        if not path.exists():
            vocabulary, rows = self.vocabulary(kind, local), []
            for found in self.remembered[local].describe(self.learned_from):
                if isinstance(found, FeaturesOf):
                    rows.append(vocabulary.aggregate(found.features))
            with write_atomically(path) as file:
                np.save(file, np.stack(rows))
        return np.asarray(np.load(path), np.float32)

    def named(self, what: str) -> str:
        """The name of what depends on the photos that were learned from."""
        return what if self.few is None else f"{what}-{self.few}"

    def table(self, sets: Sequence[str]) -> str:
        """Markdown: mAP in per cent, a row for each way."""
        kept, heads = self.kept(), ["way", "descriptor"]
        columns = [
            (name, protocol)
            for name in sets
            for protocol in (("medium", "hard") if name == "rparis-mini" else (None,))
        ]
        heads += [name if p is None else f"{name} {p}" for name, p in columns]
        lines = [f"| {' | '.join(heads)} |", "| --- | --- |" + " ---: |" * len(columns)]
        for row, found in kept.items():
            cells = []
            for name, protocol in columns:
                values = found.get(name, {})
                usual = protocol or ("medium" if "medium" in values else "classic")
                cells.append(f"{100 * values[usual]:.1f}" if usual in values else "")
            lines.append(f"| {row} | {found['size']} | {' | '.join(cells)} |")
        learned = f"learned from {len(self.learned_from):,} photos of {LEARNED}"
        return "\n".join([f"mAP in per cent; {learned}; {machine()}.", "", *lines])


class Set:
    """The ways to search one set."""

    def __init__(self, bench: Bench, name: str) -> None:
        self.bench, self.name = bench, name
        self.photos: LabelledSet = open_labelled(bench.place(name))
        truth = self.photos.ground_truth
        self.known = rows_of_queries(truth, True)
        self.agreed: dict[tuple[str, int, int], int] = {}

    def rows(self) -> Iterator[Row]:
        """Every way, the cheap ones first."""
        solar = self._by_vectors("SOLAR", partial(self._pooled, "solar"))
        yield solar
        for name in POOLINGS:
            made, learned = partial(self._pooled, name), partial(self.bench.unlabelled, name)
            yield self._by_vectors(f"{name} of its map", made)
            yield self._whitened(f"{name} of its map", made, learned)
        for local in LOCAL:
            yield self._verified(solar, local)
            for kind in ("vlad", "fisher"):
                made = partial(self._vectors, kind, local)
                learned = partial(self.bench.vectors_learned_from, kind, local)
                yield self._by_vectors(f"{kind} of {local}", made)
                plain = self._whitened(f"{kind} of {local}", made, learned)
                yield plain
                yield self._verified(plain, local)
            words = Row(f"ASMK* of {local}", "128 bits a word", partial(self._words, local))
            yield words
            yield self._verified(words, local)

    def _by_vectors(self, name: str, vectors: Callable[[], Floats]) -> Row:
        sizes = {"SOLAR": 512, "netvlad": 16 * 512, "vlad": 64 * 128, "fisher": 2 * 64 * 64}
        size = next((size for kind, size in sizes.items() if name.startswith(kind)), 512)
        return Row(name, f"{size}-D", lambda: self._ranked(vectors()))

    def _whitened(
        self, name: str, vectors: Callable[[], Floats], learned: Callable[[], Floats]
    ) -> Row:
        def rankings() -> list[Ranking]:
            whitening = Whitening.pca(learned())
            kept = min(DIMENSIONS, len(whitening.projection))
            return self._ranked(np.asarray(whitening.apply(vectors(), kept)))

        return Row(f"{name}, whitened", f"{DIMENSIONS}-D", rankings)

    def _verified(self, row: Row, local: str) -> Row:
        """The first hits by how many keypoints agree with the query's."""

        def rankings() -> list[Ranking]:
            return [self._verify(r, number, local) for number, r in enumerate(row.rankings())]

        by = "" if local in row.name else f" by {local}"
        return Row(f"{row.name} + verification{by}", row.size, rankings)

    def _verify(self, ranking: Ranking, number: int, local: str) -> Ranking:
        features, ids = self._features(local), ranking.ids[: min(VERIFIED, ranking.head)].tolist()
        new = [i for i in ids if (local, number, i) not in self.agreed]
        found = verify(features.queries[number], [features.database[i] for i in new])
        for each, agreement in zip(new, found, strict=True):
            self.agreed[local, number, each] = agreement.inliers
        return ranking.reordered(order([self.agreed[local, number, i] for i in ids]))

    def _ranked(self, rows: Floats) -> list[Ranking]:
        """By cosines of descriptors of the database, then of queries that are not in it."""
        truth = self.photos.ground_truth
        database = rows[: len(truth.database)]
        queries = rows[len(database) :] if self.known is None else database[self.known]
        return rank(queries, database, [q.labelled for q in truth.queries], top=VERIFIED)

    def _words(self, local: str) -> list[Ranking]:
        return rank_by_words(self._features(local), self.bench.vocabulary("asmk", local))

    def _pooled(self, pooling: str) -> Floats:
        return self._maps[pooling]

    @cached_property
    def _maps(self) -> dict[str, Floats]:
        wanted: list[tuple[Path, Box | None]] = [(path, None) for path in self.photos.database]
        if self.known is None:
            wanted += zip(self.photos.queries, self.photos.boxes(True), strict=True)
        return self.bench.pooled(self.bench.named(self.name), wanted)

    def _vectors(self, kind: str, local: str) -> Floats:
        features, vocabulary = self._features(local), self.bench.vocabulary(kind, local)
        looked: list[Features] = list(features.database)
        if self.known is None:
            looked += features.queries
        return np.stack([vocabulary.aggregate(each) for each in looked])

    def _features(self, local: str) -> FeaturesOfSet:
        if local not in self._made:
            self._made[local] = features_of_set(self.bench.maker(local), self.photos)
        return self._made[local]

    @cached_property
    def _made(self) -> dict[str, FeaturesOfSet]:
        return {}


def fill(page: Path, table: str) -> None:
    """Put the table between a page's marks."""
    begin, end = MARKS
    text = page.read_text(encoding="utf-8")
    found = re.sub(
        f"{re.escape(begin)}.*{re.escape(end)}",
        lambda _: f"{begin}\n{table}\n{end}",
        text,
        flags=re.DOTALL,
    )
    with write_atomically(page) as file:
        file.write(found.encode())


if __name__ == "__main__":
    main()
