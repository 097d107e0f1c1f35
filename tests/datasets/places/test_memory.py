"""Large lists stay small in memory, in a process of their own."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("resource", reason="needs a system that tells the memory of a process")

PROGRAM = """
import sys
from solar.datasets.places.places import read_places
from solar.files.memory import peak_memory
before = peak_memory()
places, problems = read_places(sys.argv[1])
print(len(places), problems.count, peak_memory() - before)
"""


def grown(source: Path) -> tuple[int, int, int]:
    """Photos, problems, and by how many bytes reading them made the process grow."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, source], capture_output=True, text=True, check=True
    )
    photos, problems, memory = map(int, done.stdout.split())
    return photos, problems, memory


@pytest.mark.slow
def test_200_000_rows(tmp_path: Path) -> None:
    source = tmp_path / "list.csv"
    with source.open("w") as file:
        file.write("path,place,box\n")
        for number in range(200_000):
            file.write(f"train/images/{number:030}.jpg,place {number // 5},1 2 300 400.5\n")
    photos, problems, memory = grown(source)
    assert (photos, problems) == (200_000, 0)
    assert memory < 100e6  # a fifth of a million rows in a tenth of a gigabyte


def test_a_line_without_end_and_nothing_but_errors(tmp_path: Path) -> None:
    source = tmp_path / "list.csv"
    with source.open("w") as file:
        file.write("path,place\n" + "row of one field\n" * 200_000)
        for _ in range(64):
            file.write("x" * (1 << 20))
    photos, problems, memory = grown(source)
    assert (photos, problems) == (0, 200_001)
    assert memory < 30e6
