"""Processes that write to an index, for the tests to kill.

``python -m tests.index.killed_writer loop INDEX PHOTOS SEED`` adds, removes and compacts, in an
index with features, until it is killed. It prints a JSON line before each call, with what it is
about to do, and one after it.

``python -m tests.index.killed_writer steps INDEX PHOTOS`` does each kind of call many times over,
on copies of the index, and kills itself before the first, the second, ... system call of each.

``python -m tests.index.killed_writer hold INDEX PHOTOS [fork]`` adds photos, but never gets to the
last one, and says when it hangs there; with fork, so does a process that it has forked.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType

import numpy as np

from solar.index import Index
from solar.index.records import Descriptor, path_to_text
from solar.index.snapshot import Snapshot
from tests.index.bytes_describer import BytesDescriber
from tests.index.bytes_local import BytesLocal

PHOTOS = 400  # More than one commit's worth.
# What changes the disk, by the names that Python gives to these calls.
SYSTEM_CALLS = {"open", "write", "fsync", "replace", "truncate", "ftruncate", "unlink", "close"}


def say(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def loop(folder: Path, photos: Path, seed: int) -> None:
    chance = np.random.default_rng(seed)
    index = Index.open(folder, BytesDescriber())
    index.keep_local(BytesLocal())
    say(ready=True)
    for turn in range(1_000_000):
        held = [path_to_text(entry.path) for entry in Snapshot.open(folder).entries()]
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
        index.keep_local(BytesLocal())
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
        step = 0
        while not survived:
            step += 1
            copy = folder.with_name(f"{name}-{step}")
            shutil.copytree(folder, copy)
            if name == "keep":
                shutil.rmtree(copy / "local")
            child = os.fork()
            if child == 0:
                index = Index.open(copy, BytesDescriber())
                if name != "keep":
                    index.keep_local(BytesLocal())
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


class _Sleeper(BytesDescriber):
    def __init__(self, fork: bool) -> None:
        super().__init__()
        self.fork = fork

    def describe(self, paths: Sequence[Path]) -> Iterator[tuple[int, Descriptor | str]]:
        yield from list(super().describe(paths))[:-1]
        forked = os.fork() == 0 if self.fork else False
        if forked or not self.fork:  # The child speaks: by then it has let go of the lock.
            say(child=os.getpid() if forked else None)
        time.sleep(60)


def main(job: str, folder: str, photos: str, *rest: str) -> None:
    if job == "loop":
        loop(Path(folder), Path(photos), int(rest[0]))
    elif job == "steps":
        steps(Path(folder), Path(photos))
    else:
        Index.open(folder, _Sleeper("fork" in rest)).add([photos])


if __name__ == "__main__":
    main(*sys.argv[1:])
