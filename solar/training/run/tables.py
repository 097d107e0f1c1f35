"""Recipes (TOML) as dataclasses: unknown keys and wrong types are refused by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, field, fields, is_dataclass, replace
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from solar.errors import UsageError
from solar.files import shown

Table = TypeVar("Table")
RECIPE = "recipe"  # how messages name the file's own table
Precision = Literal["auto", "float32", "bfloat16"]  # float16 would need losses to be scaled
# Metadata of fields that no file has, and of those that change no result.
OUTSIDE, FREE = {"outside": True}, {"free": True}


def number(usual: Any = MISSING, least: float = 1, most: float = math.inf, **metadata: bool) -> Any:
    """A field of a `Ranged` dataclass: a finite number, or some, from `least` to `most`."""
    return field(default=usual, metadata={"range": (least, most), **metadata})


class Ranged:
    """A dataclass whose numbers must lie within the ranges of their fields, see `number`.

    Raises:
        UsageError: one does not.
    """

    def __post_init__(self) -> None:
        for entry in fields(self):  # type: ignore[arg-type] # a dataclass
            least, most = entry.metadata.get("range", (None, None))
            value = None if least is None else getattr(self, entry.name)
            for each in value if isinstance(value, tuple) else [value]:
                if each is not None and not (least <= each <= most and each < math.inf):
                    to = "or more" if most == math.inf else f"to {most:g}"
                    raise UsageError(f"{entry.name} is {each}; choose {least:g} {to}")


def read_table(
    kind: type[Table], table: object, where: str = RECIPE, usual: Table | None = None
) -> Table:
    """A dataclass from a table.

    Args:
        kind: a dataclass of numbers, texts, truth values, choices, tables, lists and maps.
        table: as TOML gives it; what an inner table leaves out is as in its field's default.
        where: how messages name the table.
        usual: what keys that are left out stand for; None for the defaults of the fields, and those
            without one must be there.

    Raises:
        UsageError: an unknown or missing key, or a value of a wrong type or out of range.
    """
    if not isinstance(table, Mapping):
        raise UsageError(f"{where}: must be a table")
    hints = get_type_hints(kind)
    known = {
        entry.name: entry
        for entry in fields(kind)  # type: ignore[arg-type] # a dataclass
        if "outside" not in entry.metadata
    }
    for key in table:  # most are slips of the pen
        if key not in known:
            raise UsageError(f"{where}: unknown key '{key}'; it takes {', '.join(sorted(known))}")
    values = {}
    for name, entry in known.items():
        made = entry.default_factory
        default = entry.default if made is MISSING else made()
        if name in table:
            values[name] = _value(hints[name], table[name], where, name, default)
        elif default is MISSING and usual is None:
            raise UsageError(f"{where}: needs {_key(hints[name], name)}")
    try:
        return kind(**values) if usual is None else replace(usual, **values)  # type: ignore[type-var]
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error


def compared(recipe: object) -> Any:
    """A recipe as JSON has it, without fields that may differ where a run goes on."""
    if is_dataclass(recipe):
        return {
            f.name: compared(getattr(recipe, f.name))
            for f in fields(recipe)
            if not {"outside", "free"} & f.metadata.keys()
        }
    if isinstance(recipe, tuple):
        return [compared(value) for value in recipe]
    return recipe


def _value(hint: Any, value: object, where: str, name: str, default: object = None) -> Any:
    if get_origin(hint) is UnionType:  # X | None; TOML has no null
        hint = get_args(hint)[0]
    if is_dataclass(hint):
        inner = f"[{name}]" if where == RECIPE else f"{where[:-1]}.{name}]"
        return read_table(hint, value, inner, default if is_dataclass(default) else None)  # type: ignore[arg-type]
    if get_origin(hint) is dict:
        if not isinstance(value, Mapping):
            raise UsageError(f"[{name}]: must be a table")
        kind = get_args(hint)[1]
        return {key: _value(kind, item, f"[{name}]", key) for key, item in value.items()}
    if get_origin(hint) is tuple:
        return _values(get_args(hint)[0], value, where, name)
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            choices = " or ".join(map(repr, get_args(hint)))
            raise UsageError(f"{where} {name} {shown(value)}: use {choices}")
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not hint:
        names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
        raise UsageError(f"{where} {name} {shown(value)}: use {names[hint]}")
    return value


def _values(kind: Any, value: object, where: str, name: str) -> tuple[Any, ...]:
    if is_dataclass(kind):
        if not isinstance(value, list) or not value:
            raise UsageError(f"{where}: needs {_key(tuple[kind, ...], name)}")
        inner = f"[[{name}]] number" if where == RECIPE else f"{where} {name}, number"
        return tuple(read_table(kind, item, f"{inner} {n}") for n, item in enumerate(value, 1))  # type: ignore[arg-type]
    if not isinstance(value, list):
        raise UsageError(f"{where} {name} {shown(value)}: use a list")
    return tuple(_value(kind, item, where, name) for item in value)


def _key(hint: Any, name: str) -> str:
    """How a file writes a key that it lacks."""
    if get_origin(hint) is tuple and is_dataclass(get_args(hint)[0]):
        return f"[[{name}]], once or more"
    return f"[{name}]" if is_dataclass(hint) or get_origin(hint) is dict else f"'{name}'"
