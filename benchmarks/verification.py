"""Geometric verification of 100 hits: time, and inliers kept, by how local descriptors are stored.

Each photo of a folder of places is a query in turn, with the photos of its place and others, 100
in all. Stored as bytes, which is what an index does; as float32; as signs of their differences from
the mean, compared by Hamming distance; and as bytes with another check, a homography by MAGSAC++.

    python benchmarks/verification.py PLACES [--local rootsift] [--queries 60]
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from solar.features.extractor import open_feature_extractor, see
from solar.features.features import Features
from solar.matching.verification import verify_matches
from solar.photos import find_photos
from solar.rerank.geometric import agreement, match_features, mutual, verify

HITS = 100
PLACE_BYTES = 8  # Of a keypoint, beside its descriptor.


@dataclass(frozen=True, eq=False)
class Photo:
    """One photo of a place: its features, and its descriptors in other forms.

    Attributes:
        place: name of its folder.
        features: as an index keeps them.
        floats: (N, D) as they were described.
        signs: (N, D / 64) of the differences from the mean of all photos.
    """

    place: str
    features: Features
    floats: NDArray[np.float32]
    signs: NDArray[np.uint64]


Way = Callable[[Photo, Sequence[Photo]], list[int]]


def main() -> None:
    """Read the options, describe the photos, verify, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("places", type=Path)
    parser.add_argument("--local", default="rootsift")
    parser.add_argument("--queries", type=int, default=60)
    options = parser.parse_args()
    photos = described(options.places, options.local)
    queries = photos[:: max(1, len(photos) // options.queries)][: options.queries]
    average = np.mean([len(photo.features) for photo in photos])
    print(f"{platform.processor() or platform.machine()}, {options.local}, {len(queries)} queries,")
    print(f"{len(photos)} photos of {average:.0f} keypoints on average\n")
    print("| stored as | bytes a keypoint | ms for 100 hits | inliers, same place ", end="")
    print("| above chance, same place |\n| --- | ---: | ---: | ---: | ---: |")
    dimensions = photos[0].floats.shape[1]
    ways: dict[str, tuple[int, Way]] = {
        "float32": (4 * dimensions, floats),
        "bytes": (dimensions, as_bytes),
        "signs": (dimensions // 8, signs),
        "bytes, homography by MAGSAC++": (dimensions, homographies),
    }
    for name, (size, way) in ways.items():
        print(f"| {name} | {size + PLACE_BYTES} | {measured(way, queries, photos)} |", flush=True)


def measured(way: Way, queries: Sequence[Photo], photos: Sequence[Photo]) -> str:
    """Time, mean inliers, and how many pairs of one place have more than chance gives.

    Chance is what 999 of 1000 pairs of different places have at most, for this way alone.
    """
    times, counts, same = [], [], []
    for query in queries:
        chosen = hits(query, photos)
        started = time.process_time()
        counts += way(query, chosen)
        times.append(time.process_time() - started)
        same += [photo.place == query.place for photo in chosen]
    inliers, together = np.array(counts), np.array(same)
    chance = int(np.quantile(inliers[~together], 0.999, method="higher"))
    above = (inliers[together] > chance).mean()
    return (
        f"{1000 * median(times):.0f} | {inliers[together].mean():.2f} | {above:.2%}, above {chance}"
    )


def hits(query: Photo, photos: Sequence[Photo]) -> list[Photo]:
    """The other photos of the query's place, and of other places, 100 in all."""
    others = [photo for photo in photos if photo is not query]
    return sorted(others, key=lambda photo: photo.place != query.place)[:HITS]


def floats(query: Photo, photos: Sequence[Photo]) -> list[int]:
    """Float32, photo by photo."""
    return [
        agreement(query.features, photo.features, mutual(photo.floats @ query.floats.T)).inliers
        for photo in photos
    ]


def as_bytes(query: Photo, photos: Sequence[Photo]) -> list[int]:
    """As `solar search --rerank geometric` goes."""
    return [found.inliers for found in verify(query.features, [photo.features for photo in photos])]


def signs(query: Photo, photos: Sequence[Photo]) -> list[int]:
    """Hamming distances by exclusive or and counting bits."""
    bits = 64 * query.signs.shape[1]
    found = []
    for photo in photos:
        different = np.zeros((len(photo.signs), len(query.signs)), np.uint16)
        for one, two in zip(photo.signs.T, query.signs.T, strict=True):
            different += np.bitwise_count(one[:, None] ^ two)
        cosine = 1 - 2 * different.astype(np.float32) / bits
        found.append(agreement(query.features, photo.features, mutual(cosine)).inliers)
    return found


def homographies(query: Photo, photos: Sequence[Photo]) -> list[int]:
    """Matches of bytes, and what `solar match` verifies them with."""
    features = [photo.features for photo in photos]
    return [
        len(verify_matches(query.features.xy, photo.xy, matches, threshold=4.0))
        for photo, matches in zip(features, match_features(query.features, features), strict=True)
    ]


def described(places: Path, local: str) -> list[Photo]:
    """All photos of a folder of places, described."""
    paths = find_photos(places)
    extractor = open_feature_extractor(local)
    kept: list[NDArray[np.float32]] = []

    features = []
    for path in paths:
        found = see(
            path,
            str(path),
            extractor.detector,
            extractor.descriptor,
            extractor.extraction.image_size,
        )
        kept.append(found.descriptors)
        features.append(Features.of(found.keypoints, found.descriptors, found.shape))
    mean = np.concatenate(kept).mean(axis=0)
    return [
        Photo(path.parent.name, compact, rows, np.packbits(rows > mean, axis=1).view(np.uint64))
        for path, compact, rows in zip(paths, features, kept, strict=True)
    ]


if __name__ == "__main__":
    main()
