"""How many functions and files a journey through the house enters, and lines by room.

    python benchmarks/journeys.py

follows one photo into an index, one query through an evaluation, and counts the functions of
`solar` that are called on the way, as a profile of each sees them.
"""

from __future__ import annotations

import io
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from PIL import Image

import solar

PACKAGE = Path(solar.__file__).parent


def main() -> None:
    """Print both tables."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        photos(root / "photos")
        print("| journey | functions | files |\n| --- | ---: | ---: |")
        for name, words in journeys(root).items():
            functions = follow(lambda words=words: command(words))  # type: ignore[misc]
            print(f"| {name} | {len(functions)} | {len({file for file, _ in functions})} |")
    print("\n| room | files | lines |\n| --- | ---: | ---: |")
    files, lines = Counter[str](), Counter[str]()
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0]
        files[room] += 1
        lines[room] += len(path.read_text(encoding="utf-8").splitlines())
    for room in sorted(lines):
        print(f"| {room} | {files[room]} | {lines[room]} |")
    print(f"| all | {sum(files.values())} | {sum(lines.values())} |")


def journeys(root: Path) -> dict[str, list[str]]:
    """The commands that are followed."""
    small = ["--image-size", "64", "--scales", "1"]
    index = str(root / "my.index")
    places = str(root / "photos")
    return {
        "one photo indexed": ["index", str(root / "photos/a/0.png"), "--to", index, *small],
        "one query searched": ["search", index, str(root / "photos/a/1.png")],
        "an evaluation": ["eval", "folder", places, "--to", str(root / "run"), *small],
    }


def photos(folder: Path) -> None:
    """Two places of two photos."""
    random = np.random.default_rng(0)
    for place in "ab":
        (folder / place).mkdir(parents=True)
        for number in range(2):
            pixels = random.integers(0, 256, (8, 10, 3), np.uint8)
            photo = Image.fromarray(pixels).resize((100, 80), Image.Resampling.BICUBIC)
            photo.save(folder / place / f"{number}.png")


def command(words: list[str]) -> None:
    """Run the command line with some words."""
    from solar.cli import main as run

    sys.argv = ["solar", *words]
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            run()
    except SystemExit as left:
        if left.code:
            raise


def follow(journey: Callable[[], None]) -> set[tuple[str, str]]:
    """The functions of the package that a journey calls, in any thread: file and name."""
    entered: set[tuple[str, str]] = set()

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        ours = event == "call" and code.co_filename.startswith(str(PACKAGE))
        if ours and not code.co_name.startswith("<"):
            entered.add((code.co_filename, f"{code.co_name} {code.co_firstlineno}"))

    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        journey()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return entered


if __name__ == "__main__":
    main()
