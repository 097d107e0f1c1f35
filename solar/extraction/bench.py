"""How fast this machine describes photos: by engine, precision and size, and what to choose.

Each case runs in a process of its own, so that its memory is its own, and for as many photos as
its seconds allow.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from solar.errors import SolarError, UsageError
from solar.extraction.engines.choose import document_of, driver_here, engines_here
from solar.extraction.extractor import ENGINES, collect, open_extractor
from solar.files.memory import peak_memory
from solar.files.threads import cores
from solar.models.document import INT8
from solar.models.registry import GLOBAL
from solar.photos import find_photos, require_sizes
from solar.typing import AnyPath, Progress

SECONDS = (0.1, 120.0)
"""A case may take: least and most."""

_MADE = 6  # photos, of 12 megapixels
_MOST = 64  # of one's own
_START = 60.0  # seconds that a process may take to begin
_AS_GOOD = 1.05  # times as fast is no reason to type an option


@dataclass(frozen=True)
class Case:
    """One way to describe photos, and how fast it was.

    Attributes:
        engine: of `ENGINES`.
        precision: of the arithmetic.
        image_size: limit of the longest side in pixels.
        photos_per_second: files to descriptors; 0 if it failed.
        megabytes: that the process needed at most; None where the system does not say.
        ran: the engine in words.
        failed: why, in one line; empty if it did not.
    """

    engine: str
    precision: str
    image_size: int
    photos_per_second: float = 0.0
    megabytes: int | None = None
    ran: str = ""
    failed: str = ""


@dataclass(frozen=True)
class Bench:
    """What was measured, and what to make of it.

    Attributes:
        model: that described the photos.
        machine: its processor and how many cores it has.
        photos: how many different ones there were.
        cases: in the order in which they ran; the model's own size, or the first asked, first.
        options: to type after `solar index`; empty if what it does by itself is as fast.
        advice: in words.
    """

    model: str
    machine: str
    photos: int
    cases: tuple[Case, ...]
    options: str
    advice: str

    def to_json(self) -> dict[str, object]:
        """As `solar bench --json` prints it."""
        return asdict(self)


def bench(
    photos: Sequence[AnyPath] = (),
    *,
    model: AnyPath = "solar-r18",
    image_sizes: Sequence[int] = (),
    engines: Sequence[str] = (),
    seconds: float = 3.0,
    progress: Progress | None = None,
) -> Bench:
    """Measure this machine.

    Args:
        photos: and folders of photos, of which some are taken; made ones of 12 megapixels if none
            are given.
        model: what `solar.load` takes.
        image_sizes: None for the model's own and two thirds of it.
        engines: of `ENGINES` but `auto`; none for all that can run the model here.
        seconds: for each case, about, beside its start.
        progress: called with the number of cases done, and of all.

    Raises:
        UsageError: there are no photos, or a setting is out of range.
        CheckpointError: the model cannot be loaded.
        SolarError: no case could be measured.
    """
    least, most = SECONDS
    if not least <= seconds <= most:
        raise UsageError(f"--seconds {seconds:g}: use {least:g} to {most:g}")
    if wrong := set(engines) - set(ENGINES[1:]):
        raise UsageError(f"--engine {min(wrong):.60}: use {' or '.join(ENGINES[1:])}")
    document = document_of(os.fspath(model), GLOBAL)
    chosen = list(engines) or engines_here(document)
    own = getattr(document.config, "image_size", 1024) if document else 1024
    sizes = list(dict.fromkeys(image_sizes)) or [own, max(32, own * 2 // 3 // 32 * 32)]
    for size in sizes:
        require_sizes(size, (1.0,))
    only = ["auto"] if document and document.stored == INT8 else None
    ways = [(name, precision) for name in chosen for precision in only or _precisions(name)]
    cases: list[Case] = []
    with _files(photos) as files:
        for size in sizes:
            for engine, precision in ways:
                if progress:
                    progress(len(cases), len(sizes) * len(ways))
                case = Case(engine, precision, size)
                cases.append(_apart(case, os.fspath(model), files, seconds))
    if all(case.failed for case in cases):
        raise SolarError(f"nothing could be measured: {cases[0].engine}: {cases[0].failed}")
    options, advice = recommend(cases)
    machine = f"{platform.processor() or platform.machine()}, {cores()} cores"
    return Bench(os.fspath(model), machine, len(files), tuple(cases), options, advice)


def recommend(cases: Sequence[Case]) -> tuple[str, str]:
    """Options to type and words, for the size that was measured first.

    Args:
        cases: some of which did not fail; what Solar does by itself comes first.
    """
    first = cases[0]
    alike = [case for case in cases if case.image_size == first.image_size and not case.failed]
    if not alike:
        return "", f"nothing ran at {first.image_size} px: give another --image-size"
    best = max(alike, key=lambda case: case.photos_per_second)
    hour = f"{best.photos_per_second * 3600:,.0f} photos an hour at {best.image_size} px"
    if best.photos_per_second <= first.photos_per_second * _AS_GOOD:
        options, advice = "", f"leave the options out: {hour}, by {first.ran or first.engine}"
    else:
        options = f"--engine {best.engine} --precision {best.precision}"
        advice = f"solar index PHOTOS --to my.index {options}: {hour}"
    smaller = [c for c in cases if c.image_size < first.image_size and not c.failed]
    if smaller:
        quick = max(smaller, key=lambda case: case.photos_per_second)
        times = quick.photos_per_second / best.photos_per_second
        advice += f"; --image-size {quick.image_size} is {times:.1f} times as fast and sees less"
    return options, advice


def _precisions(engine: str) -> list[str]:
    """Those worth measuring: what the engine takes by itself, and float32 beside it."""
    if engine == "onnx":
        return ["float32"]
    if engine == "openvino" or not driver_here():
        try:
            from solar.extraction.engines.openvino import precisions
        except ImportError:
            return ["float32"]
        return ["bfloat16", "float32"] if "bfloat16" in precisions() else ["float32"]
    return ["bfloat16", "float32"]


def _apart(case: Case, model: str, files: Sequence[str], seconds: float) -> Case:
    """A case in a process of its own."""
    asked = json.dumps({"case": asdict(case), "model": model, "files": files, "seconds": seconds})
    command = [sys.executable, "-c", f"from {__name__} import _child; _child()"]
    try:
        done = subprocess.run(  # noqa: S603 - this very program
            command,
            input=asked,
            capture_output=True,
            text=True,
            timeout=_START + 20 * seconds,
        )
        return Case(**json.loads(done.stdout))
    except subprocess.TimeoutExpired:
        return Case(*_way(case), failed="took too long: try a smaller --image-size")
    except ValueError:  # it left without a word
        last = (done.stderr.strip().splitlines() or ["the process ended"])[-1]
        return Case(*_way(case), failed=f"{last:.200}")


def _way(case: Case) -> tuple[str, str, int]:
    return case.engine, case.precision, case.image_size


def _child() -> None:
    """What the process does: read what is asked, print what was measured."""
    asked = json.load(sys.stdin)
    case = Case(**asked["case"])
    try:
        found = _measure(case, asked["model"], asked["files"], asked["seconds"])
    except SolarError as error:
        found = Case(*_way(case), failed=str(error))
    sys.stdout.write(json.dumps(asdict(found)))


def _measure(case: Case, model: str, files: list[str], seconds: float) -> Case:
    engine, precision, size = _way(case)
    extractor = open_extractor(model, engine=engine, precision=precision, image_size=size)
    if failures := collect(extractor, files[:1]).failures:  # nothing of the start is timed
        raise failures[0].error
    began = time.perf_counter()
    collect(extractor, files[:1])
    each = time.perf_counter() - began
    count = max(2, min(int(seconds / each), 10_000))
    many = (files * (count // len(files) + 1))[:count]
    began = time.perf_counter()
    described = len(collect(extractor, many).positions)
    rate = described / (time.perf_counter() - began)
    memory, ran = peak_memory(), getattr(extractor, "engine", engine)
    return Case(engine, precision, size, rate, memory and memory >> 20, str(ran))


@contextmanager
def _files(photos: Sequence[AnyPath]) -> Iterator[list[str]]:
    """Some of the photos, evenly, or made ones that are gone afterwards."""
    if photos:
        found = [os.fspath(path) for given in photos for path in find_photos(Path(given))]
        if not found:
            raise UsageError("PHOTOS: no photos there")
        yield found[:: -(-len(found) // _MOST)]
        return
    with tempfile.TemporaryDirectory() as folder:
        yield [os.fspath(path) for path in make_photos(Path(folder), _MADE)]


def make_photos(folder: Path, count: int) -> list[Path]:
    """Photo-like JPEG files of 12 megapixels, two thirds of them upright.

    Args:
        folder: that is there.
        count: of photos.

    Returns:
        Their paths, in order.
    """
    random = np.random.default_rng(0)
    paths = [folder / f"{number:03}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        small = Image.fromarray(random.integers(0, 256, (96, 128, 3), np.uint8))
        shape = (4000, 3000) if number % 3 == 0 else (3000, 4000)
        large = small.resize(shape, Image.Resampling.BICUBIC)
        grain = Image.effect_noise(shape, 12).convert("RGB")  # as a sensor's: it costs bytes
        Image.blend(large, grain, 0.2).save(path, quality=92)
    return paths
