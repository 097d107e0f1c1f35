"""How long a command takes from the shell to its end, and how much memory.

    python -m benchmarks.startup [INDEX QUERY] [--times 7]

Whole processes, one of each kind in turn, so that a busy moment strikes all; the median of each.
INDEX should keep keypoints; the default is what `make demo` has made, searched with the Eiffel
Tower. Then what imports cost, by package, as `python -X importtime` counts them in one search.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

from benchmarks.limits import machine

EMPTY = "import typer; app = typer.Typer(); app.command()(lambda: None); app()"
_IMPORT = re.compile(r"import time: +(\d+) \| +\d+ \| +([^. ]+)")


def run(command: list[str]) -> tuple[float, float]:
    """Seconds, and the peak of resident memory in MB, of a process."""
    began = time.perf_counter()
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=quiet, stderr=quiet, env=_usual())  # noqa: S603
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {process.returncode}")
    return time.perf_counter() - began, used.ru_maxrss / (1 << 10)


def _usual() -> dict[str, str]:
    """An environment in which Python keeps what it has compiled, as it does unless it is told."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def imports(command: list[str]) -> list[tuple[str, float]]:
    """Milliseconds that modules took to load, by package, the dearest first."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-X", "importtime", *command[1:]],
        capture_output=True,
        text=True,
        check=True,
        env=_usual(),
    )
    spent: Counter[str] = Counter()
    for microseconds, package in _IMPORT.findall(done.stderr):
        spent[package] += int(microseconds)
    return [(package, count / 1000) for package, count in spent.most_common()]


def sample() -> tuple[Path, Path]:
    spec = find_spec("mvtbdata")
    found = sorted(Path("demo/samples").glob("index-*"))
    if not found or spec is None or spec.origin is None:
        raise SystemExit("run `make demo` first, or say INDEX and QUERY")
    return found[-1], Path(spec.origin).parent / "images/eiffel-2.png"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("index", nargs="?", type=Path)
    parser.add_argument("query", nargs="?", type=Path)
    parser.add_argument("--times", type=int, default=7)
    asked = parser.parse_args()
    index, query = (asked.index, asked.query) if asked.query else sample()
    solar = [sys.executable, "-m", "solar"]
    search = [*solar, "search", str(index), str(query)]
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "an empty typer program --help": [sys.executable, "-c", EMPTY, "--help"],
        "solar --help": [*solar, "--help"],
        "import numpy": [sys.executable, "-c", "import numpy"],
        "solar search --rerank none": [*search, "--rerank", "none"],
        "solar search, verified": search,
    }
    for command in commands.values():
        run(command)
    runs = [{name: run(command) for name, command in commands.items()} for _ in range(asked.times)]
    print(f"{machine()}; median of {asked.times} processes each\n")
    print("| process | ms | ratio | peak MB |\n| --- | ---: | ---: | ---: |")
    empty = statistics.median(each["an empty typer program --help"][0] for each in runs)
    for name in commands:
        seconds, memory = (statistics.median(each[name][k] for each in runs) for k in (0, 1))
        print(f"| {name} | {1000 * seconds:.0f} | {seconds / empty:.2f} | {memory:.0f} |")
    spent = imports(search)
    print(f"\nimports of a verified search: {sum(ms for _, ms in spent):.0f} ms, of these")
    print(", ".join(f"{package} {ms:.0f}" for package, ms in spent[:8]))


if __name__ == "__main__":
    main()
