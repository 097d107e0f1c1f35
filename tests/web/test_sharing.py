"""Concurrent queries share forward passes, and their descriptors do not depend on company."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from solar.errors import PhotoError, SolarError
from solar.extraction import Described, Extraction, Failed, describe_one, open_extractor
from solar.photos import Box, Photo, name_of
from solar.web.api.sharing import MOST, SharedExtractor
from tests.index.bytes_extractor import EXTRACTION, BytesExtractor, describe_bytes
from tests.scenes import scene

BOUND = 2e-6
"""Of each number of a descriptor: engines sum in another order for another number of photos."""


class Gate(BytesExtractor):
    """Waits before it answers, so that others gather."""

    def __init__(self) -> None:
        super().__init__()
        self.opened, self.sizes = threading.Event(), list[int]()

    def describe(
        self, photos: Sequence[Photo], boxes: Sequence[Box | None] | None = None
    ) -> Iterator[Described | Failed]:
        self.opened.wait(30)
        self.sizes.append(len(photos))
        if any(photo == b"explodes" for photo in photos):
            raise SolarError("not finite")
        return super().describe(photos, boxes)


def test_what_waits_is_described_together() -> None:
    gate = Gate()
    shared = SharedExtractor(gate)
    contents = [b"%d" % number for number in range(20)] + [b"not a photo", b"explodes"]

    def ask(content: bytes) -> object:
        try:
            return describe_one(shared, content)
        except SolarError as error:
            return error

    with ThreadPoolExecutor(len(contents)) as pool:
        answers = [pool.submit(ask, content) for content in contents]
        while shared._waiting.qsize() < len(contents) - MOST:
            pass
        gate.opened.set()
        found = [answer.result() for answer in answers]
    for content, row in zip(contents[:20], found[:20], strict=True):
        assert np.array_equal(np.asarray(row), describe_bytes(content))
    assert isinstance(found[20], PhotoError) and "not finite" in str(found[21])
    assert max(gate.sizes) <= MOST and shared.passes < 20
    shared.close()


@pytest.mark.slow
def test_a_descriptor_does_not_depend_on_company() -> None:
    extractor = open_extractor("solar-r18", engine="openvino")
    photos = [scene(number, (320, 240)) for number in range(4)] + [scene(9, (200, 280))]
    alone = [describe_one(extractor, photo) for photo in photos]
    together = np.zeros((len(photos), len(alone[0])), np.float32)
    for result in extractor.describe(photos):
        assert isinstance(result, Described)
        together[result.position] = result.descriptor
    assert np.abs(together - np.array(alone)).max() <= BOUND


def test_lists_go_to_the_extractor_itself() -> None:
    inner = BytesExtractor()
    shared = SharedExtractor(inner)
    assert shared.extraction == EXTRACTION and shared.engine is None
    found = {result.position for result in shared.describe([b"a", b"b"])}
    assert found == {0, 1} and shared.passes == 0
    shared.close()
    assert name_of(b"") == "photo"


def test_a_closed_one_ends_its_thread() -> None:
    shared = SharedExtractor(BytesExtractor())
    shared.close()
    shared._thread.join(10)
    assert not shared._thread.is_alive()


@pytest.mark.parametrize("box", [None, (0.0, 0.0, 10.0, 10.0)])
def test_a_box_goes_with_its_photo(box: Box | None, tmp_path: Path) -> None:
    shared = SharedExtractor(BytesExtractor())
    inner: Extraction = shared.extraction
    assert inner.dimensions == 16
    expected = describe_bytes(b"x" + (b"" if box is None else repr(box).encode()))
    assert np.array_equal(describe_one(shared, b"x", box), expected)
    shared.close()
