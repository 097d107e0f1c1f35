"""Processes that write to an index, for the tests to kill.

``python -m tests.index.killed_writer loop INDEX PHOTOS SEED`` adds, removes and compacts, in an
index with features, until it is killed. It prints a JSON line before each call, with what it is
about to do, and one after it.

``python -m tests.index.killed_writer steps INDEX PHOTOS`` does each kind of call many times over,
on copies of the index, and kills itself before the first, the sixth, ... system call of each.

``python -m tests.index.killed_writer hold INDEX PHOTOS [fork]`` adds photos, but never gets to the
last one, and says when it hangs there; with fork, so does a process that it has forked.

``python -m tests.index.killed_writer convert INDEX KIND`` converts, makes lists of few photos and
adds ten, and says before it begins and after it ended.

``python -m tests.index.killed_writer renew INDEX PHOTOS MODEL`` describes anew by one of `MODELS`,
and says before it begins and, with how many it has described, after it ended.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType

import numpy as np

from solar.extraction import Described, Failed
from solar.index import Index
from solar.index.vectors import listed
from solar.photos import Box, Photo
from tests.index.bytes_extractor import EXTRACTION, BytesExtractor, describe_bytes
from tests.index.bytes_features import BytesFeatures

MODELS = {
    "bytes": EXTRACTION,
    "new": replace(EXTRACTION, model="new", fingerprint="0" * 64, dimensions=8),
}
PHOTOS = 400  # More than one commit's worth.
# What changes the disk, by the names that Python gives to these calls.
SYSTEM_CALLS = {"open", "write", "fsync", "replace", "truncate", "ftruncate", "unlink", "close"}
SYSTEM_CALLS |= {"execute", "executemany", "connect"}  # What SQLite does is killed at random.


def say(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def loop(folder: Path, photos: Path, seed: int) -> None:
    chance = np.random.default_rng(seed)
    index = Index.open(folder, BytesExtractor())
    index.keep_features(BytesFeatures())
    say(ready=True)
    for turn in range(1_000_000):
        held = [photo.path for photo in Index.open(folder).photos()]
        call = chance.choice(["add", "remove", "compact"], p=[0.6, 0.25, 0.15])
        if call == "add":
            many = PHOTOS if chance.random() < 0.3 else 20
            chosen = [photos / f"{n}.jpg" for n in chance.choice(PHOTOS, many, replace=False)]
            for path in chosen[:20]:
                partial = path.with_suffix(".partial")
                partial.write_text(f"{path} {seed} {turn}")
                partial.replace(path)
            say(begin="add", contents={str(path): path.read_text() for path in chosen})
            index.add(chosen)
        elif call == "remove":
            gone = [path for path in held if chance.random() < 0.3]
            say(begin="remove", paths=gone)
            index.remove(gone)
        else:
            say(begin="compact")
            index.compact()
        say(done=call)


def steps(folder: Path, photos: Path) -> None:
    known = sorted(photos.glob("*.jpg"))

    def keep(index: Index) -> None:
        index.keep_features(BytesFeatures())
        index.add(known[:3])

    new = photos / "new" / "photo.jpg"
    calls: dict[str, Callable[[Index], object]] = {
        "add": lambda index: index.add([new, *known]),
        "remove": lambda index: index.remove(known[:2]),
        "compact": lambda index: index.compact(),
        "keep": keep,
    }
    for name, call in calls.items():
        survived = False
        step = -2
        while not survived:
            step += 3
            copy = folder.with_name(f"{name}-{step}")
            shutil.copytree(folder, copy)
            child = os.fork()
            if child == 0:
                index = Index.open(copy, BytesExtractor())
                if name != "keep":
                    index.keep_features(BytesFeatures())
                sys.setprofile(_killer(step))
                call(index)
                sys.setprofile(None)
                os._exit(0)
            survived = os.waitpid(child, 0)[1] == 0
            say(call=name, folder=str(copy), survived=survived)


def _killer(step: int) -> Callable[[FrameType, str, object], None]:
    """Watch system calls, and do not return from the one before the last."""
    left = step

    def watch(_: FrameType, event: str, called: object) -> None:
        nonlocal left
        if event == "c_call" and getattr(called, "__name__", "") in SYSTEM_CALLS:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return watch


class _Sleeper(BytesExtractor):
    fork = False

    def describe(
        self, photos: Sequence[Photo], boxes: Sequence[Box | None] | None = None
    ) -> Iterator[Described | Failed]:
        yield from list(super().describe(photos, boxes))[:-1]
        forked = os.fork() == 0 if self.fork else False
        if forked or not self.fork:  # The child speaks: by then it has let go of the lock.
            say(child=os.getpid() if forked else None)
        time.sleep(60)


def renew(folder: Path, model: str) -> None:
    index = Index.open(folder, BytesExtractor(Index.open(folder).extraction))
    extractor = BytesExtractor(MODELS[model])
    say(begin=model)
    index.renew(extractor)
    say(described=len(extractor.described))


def convert(folder: Path, kind: str) -> None:
    listed.ENOUGH = 5
    index = Index.open(folder, BytesExtractor())
    say(begin=kind)
    index.convert(kind)
    count = len(index)
    names = [f"{number}.jpg" for number in range(count, count + 10)]
    rows = np.stack([describe_bytes(name.encode()) for name in names])
    index.add_descriptors(names, rows, index.extraction)
    say(done=kind)


def main(job: str, folder: str, photos: str, *rest: str) -> None:
    if job == "loop":
        loop(Path(folder), Path(photos), int(rest[0]))
    elif job == "steps":
        steps(Path(folder), Path(photos))
    elif job == "convert":
        convert(Path(folder), photos)
    elif job == "renew":
        renew(Path(folder), rest[0])
    else:
        sleeper = _Sleeper()
        sleeper.fork = "fork" in rest
        Index.open(folder, sleeper).add([photos])


if __name__ == "__main__":
    main(*sys.argv[1:])
