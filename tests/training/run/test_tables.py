"""Tables of a recipe: what they may hold, and how wrong ones are refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from solar.errors import UsageError
from solar.training.run.tables import FREE, OUTSIDE, compared, read_table


@dataclass(frozen=True)
class Kind:
    count: int
    share: float = 0.5
    name: str | None = None
    on: bool = False
    way: Literal["up", "down"] = "up"
    sides: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.share > 1:
            raise UsageError("share ends at 1")


def test_right_tables() -> None:
    assert read_table(Kind, {"count": 3}, "[k]") == Kind(3)
    table = {"count": 3, "share": 1, "name": "x", "on": True, "way": "down", "sides": [1, 2]}
    found = read_table(Kind, table, "[k]")
    assert found == Kind(3, 1.0, "x", True, "down", (1, 2)) and isinstance(found.share, float)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, r"^\[k\]: needs 'count'$"),
        ({"count": 3, "size": 1}, r"^\[k\]: unknown key 'size'; it takes count, name, on, share"),
        ({"count": 3.0}, r"^\[k\] count 3.0: use a whole number$"),
        ({"count": True}, r"^\[k\] count True: use a whole number$"),
        ({"count": 3, "share": "1"}, r"^\[k\] share '1': use a number$"),
        ({"count": 3, "share": False}, r"^\[k\] share False: use a number$"),
        ({"count": 3, "share": 1.5}, r"^\[k\]: share ends at 1$"),
        ({"count": 3, "name": 1}, r"^\[k\] name 1: use a text$"),
        ({"count": 3, "on": 1}, r"^\[k\] on 1: use true or false$"),
        ({"count": 3, "way": "left"}, r"^\[k\] way 'left': use 'up' or 'down'$"),
        ({"count": 3, "sides": 1}, r"^\[k\] sides 1: use a list$"),
        ({"count": 3, "sides": [1, 0.5]}, r"^\[k\] sides 0.5: use a whole number$"),
        ([3], r"^\[k\]: must be a table$"),
    ],
)
def test_wrong_tables(table: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_table(Kind, table, "[k]")


@dataclass(frozen=True)
class Whole:
    kinds: tuple[Kind, ...]
    shares: dict[str, float]
    inner: Kind = field(default_factory=lambda: Kind(7, name="usual"))
    workers: int = field(default=1, metadata=FREE)
    base: Path = field(default_factory=Path, metadata=OUTSIDE)


WHOLE: dict[str, Any] = {"kinds": [{"count": 1}, {"count": 2}], "shares": {"a": 1}}


def test_tables_within_tables() -> None:
    found = read_table(Whole, {**WHOLE, "inner": {"on": True}})
    assert found == Whole((Kind(1), Kind(2)), {"a": 1.0}, Kind(7, name="usual", on=True))
    kept = compared(found)
    assert kept.keys() == {"kinds", "shares", "inner"} and kept["kinds"][1]["count"] == 2


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kinds": []}, r"^recipe: needs \[\[kinds\]\], once or more$"),
        ({"kinds": [{"count": 1}, {}]}, r"^\[\[kinds\]\] number 2: needs 'count'$"),
        ({"shares": {"a": "much"}}, r"^\[shares\] a 'much': use a number$"),
        ({"shares": 3}, r"^\[shares\]: must be a table$"),
        ({"inner": {"share": 2}}, r"^\[inner\]: share ends at 1$"),
        ({"base": "here"}, "^recipe: unknown key 'base'; it takes inner, kinds, shares, workers$"),
    ],
)
def test_wrong_tables_within_tables(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_table(Whole, {**WHOLE, **changed})
