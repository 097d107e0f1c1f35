"""Ctrl-C while many photos wait to be decoded: those in work are finished, the queue is dropped."""

from __future__ import annotations

import _thread
import io
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from solar.extraction import open_extractor
from solar.features.extractor import open_feature_extractor
from solar.files.threads import threads

PHOTOS, SECONDS = 400, 0.1


class SlowPhoto(io.BytesIO):
    """A photo on a slow disk."""

    def read(self, size: int | None = -1) -> bytes:
        time.sleep(SECONDS)
        return super().read(size)


@pytest.fixture
def slow() -> list[Any]:
    file = io.BytesIO()
    Image.fromarray(np.arange(3000, dtype=np.uint8).reshape(25, 40, 3)).save(file, "PNG")
    return [SlowPhoto(file.getvalue()) for _ in range(PHOTOS)]


@pytest.fixture(autouse=True)
def listening() -> Iterator[None]:
    """Ctrl-C is heard, also where the tests run behind a shell that ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupted(work: Iterator[object]) -> float:
    """How long work went on after it was interrupted, in seconds."""
    timer = threading.Timer(1, _thread.interrupt_main)
    began = time.monotonic()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        for _ in work:
            pass
    return time.monotonic() - began - 1


def test_describing_ends(slow: list[Any], model_folder: Path) -> None:
    extractor = open_extractor(model_folder, image_size=64, scales=(1.0,), device="cpu")
    assert interrupted(extractor.describe(slow)) < 3


def test_making_features_ends(slow: list[Any]) -> None:
    assert interrupted(open_feature_extractor("rootsift").describe(slow)) < 3


def test_a_pool_drops_what_waits() -> None:
    done = []

    def work() -> None:
        time.sleep(0.02)
        done.append(1)

    with suppress(KeyboardInterrupt), threads(2) as pool:
        for _ in range(200):
            pool.submit(work)
        raise KeyboardInterrupt
    assert len(done) < 100


SIGNALLED = """
import faulthandler, gc, os, signal
import solar
faulthandler.enable()  # as pytest does: signals then have a stack of their own
heard = []
signal.signal(signal.SIGUSR1, lambda *_: heard.append(1))
first, second = (solar.open_extractor("solar-r18", engine="openvino") for _ in range(2))
del first
gc.collect()
del second
gc.collect()
os.kill(os.getpid(), signal.SIGUSR1)
print(len(heard))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGUSR1")
def test_a_signal_is_heard_after_extractors_have_come_and_gone() -> None:
    command = [sys.executable, "-c", SIGNALLED]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
