"""Photos into an index, end to end: what the product adds to decoding and the network.

    python -m benchmarks.indexing PHOTOS [--model solar-r18] [--count 5000]

Decoding and network are measured alone, then `solar index` in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.extraction import alone
from benchmarks.limits import machine
from solar.extraction import open_extractor
from solar.files.memory import peak_memory
from solar.files.threads import cores
from solar.index.indexing import index_photos
from solar.photos import find_photos


def main() -> None:
    """Read the options, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--model", default="solar-r18")
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--to", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.to:
        print(json.dumps(indexed(given.photos, given.to, given.model)))
    else:
        print(f"{machine()}\n\n{report(given.photos, given.model, given.count)}")


def report(photos: Path, model: str, count: int) -> str:
    """Markdown: seconds, photos a second, memory and cores of the product and of its parts."""
    found = find_photos(photos)
    paths = found[:: max(1, len(found) // count)][:count]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "photos"
        folder.mkdir()
        for number, path in enumerate(paths):
            shutil.copyfile(path, folder / f"{number:06}{path.suffix}")
        copies = sorted(folder.iterdir())
        command = [sys.executable, "-m", "benchmarks.indexing", str(folder), "--model", model]
        done = subprocess.run(  # noqa: S603
            [*command, "--to", str(Path(scratch) / "my.index")],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        ours = json.loads(done.stdout)
        decoding, network = alone(open_extractor(model), copies)
    whole = ours["seconds"]
    rows = [("decoding alone", decoding), ("network alone", network), ("solar index", whole)]
    added = 100 * (whole / (decoding + network) - 1)
    return "\n".join(
        [
            f"{len(paths):,} photos, {model}",
            "",
            "| part | seconds | photos/s |",
            "| --- | ---: | ---: |",
            *(f"| {name} | {spent:.1f} | {len(paths) / spent:.1f} |" for name, spent in rows),
            "",
            f"The product adds {added:+.1f} % to its parts; {ours['cores']:.2f} of "
            f"{cores()} cores busy, peak memory {ours['megabytes']} MB.",
        ]
    )


def indexed(photos: Path, to: Path, model: str) -> dict[str, float]:
    """An index made of a folder, from nothing: seconds, cores busy, peak memory."""
    began, busy = time.perf_counter(), time.process_time()
    index_photos(to, [photos], model=model, local=None)
    seconds, busy = time.perf_counter() - began, time.process_time() - busy
    return {
        "seconds": seconds,
        "cores": busy / seconds,
        "megabytes": (peak_memory() or 0) >> 20,
    }


if __name__ == "__main__":
    main()
