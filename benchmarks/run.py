"""All that README says of speed, as one page of Markdown with the machine and the date.

    python -m benchmarks.run PHOTOS SCRATCH [--keep] [--count 5000] [--rows 1000000]

PHOTOS is a folder of small photos; photos of 12 megapixels are made. SCRATCH receives the generated
descriptors of the search, see `search.py`. `--keep` writes the page into `benchmarks/results` too.
The machine should have nothing else to do.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from datetime import datetime, timezone
from importlib import import_module
from pathlib import Path

from benchmarks import extraction, indexing
from benchmarks.limits import bandwidth, machine, matrix_peak

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Read the options, measure part by part, print each as it is done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("scratch", type=Path)
    parser.add_argument("--model", default="solar-r18")
    parser.add_argument("--int8", type=Path, help="a model folder")
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dimensions", type=int, action="append")
    parser.add_argument("--keep", action="store_true")
    given = parser.parse_args()
    model, sizes = given.model, given.dimensions or [512, 2048]

    def searched() -> str:
        search = import_module("benchmarks.search")
        for size in sizes:
            search.generate(given.scratch, given.rows, size)
        return str(search.report(given.scratch, given.rows, sizes))

    parts: dict[str, Callable[[], str]] = {
        "Limits": limits,
        "Files to descriptors: JPEG of 12 megapixels": lambda: extraction.report(
            model, None, 24, given.int8
        ),
        "Files to descriptors: small photos": lambda: extraction.report(
            model, given.photos, 60, given.int8
        ),
        "Files to descriptors: ResNet-101": extraction.large,
        "Index and describe": lambda: indexing.report(given.photos, model, given.count),
        "Search": searched,
    }
    page = []
    for title, part in {"Speed": machine, **parts}.items():
        page.append(f"{'#' if title == 'Speed' else '##'} {title}\n\n{part()}\n")
        print(page[-1], flush=True)
    if given.keep:
        RESULTS.mkdir(exist_ok=True)
        name = re.sub(r"[^a-z0-9]+", "-", machine().split(",")[0].lower()).strip("-")
        path = RESULTS / f"{datetime.now(timezone.utc):%Y-%m-%d}-{name}.md"
        path.write_text("\n".join(page), encoding="utf-8")


def limits() -> str:
    """What the machine can do at most."""
    return f"float32 {matrix_peak() / 1e9:.0f} GFLOPS, reading {bandwidth() / 1e9:.1f} GB/s"


if __name__ == "__main__":
    main()
