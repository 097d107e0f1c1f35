"""How many cores a process takes: no more than it is given."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from solar.files import threads


@pytest.mark.parametrize(
    ("limit", "bound", "expected"),
    [
        ("max 100000", 6, 6),
        ("250000 100000", 6, 3),
        ("50000 100000", 6, 1),
        ("800000 100000", 6, 6),
        ("nonsense", 2, 2),
        (None, 2, 2),
    ],
)
def test_cores_are_those_of_this_process_and_its_container(
    limit: str | None, bound: int, expected: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "cpu.max"
    if limit is not None:
        file.write_text(limit)
    monkeypatch.setattr(threads, "_LIMIT", file)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(bound)), raising=False)
    threads._share.cache_clear()
    assert threads.cores() == expected
    threads._share.cache_clear()
