"""Tables of a recipe (TOML) as dataclasses: unknown keys and wrong types are refused by name."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from solar.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Table = TypeVar("Table")


def read_toml(path: str | Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        UsageError: no such file, or not TOML; names the file and the line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        tables: dict[str, Any] = tomllib.loads(text)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not TOML ({error})") from error
    return tables


def refuse_unknown(table: Mapping[str, Any], known: set[str], where: str) -> None:
    """Refuse keys that mean nothing: most are slips of the pen.

    Raises:
        UsageError: names the first of them, and those there are.
    """
    for key in table:
        if key not in known:
            raise UsageError(f"{where}: unknown key '{key}'; it takes {', '.join(sorted(known))}")


def read_table(kind: type[Table], table: object, where: str) -> Table:
    """A dataclass from a table; fields without a default must be there.

    Args:
        kind: a dataclass of numbers, texts, truth values, choices and tuples of these.
        table: as TOML gives it.
        where: how messages name the table.

    Raises:
        UsageError: an unknown or missing key, or a value of a wrong type or out of range.
    """
    if not isinstance(table, Mapping):
        raise UsageError(f"{where}: must be a table")
    hints = get_type_hints(kind)
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type] # a dataclass
    refuse_unknown(table, set(known), where)
    for name, field in known.items():
        if name not in table and field.default is MISSING and field.default_factory is MISSING:
            raise UsageError(f"{where}: needs '{name}'")
    values = {name: _value(hints[name], value, f"{where} {name}") for name, value in table.items()}
    try:
        return kind(**values)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error


def _value(hint: Any, value: object, where: str) -> Any:
    if get_origin(hint) is UnionType:  # X | None; TOML has no null
        hint = get_args(hint)[0]
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise UsageError(f"{where} {value!r}: use {' or '.join(map(repr, get_args(hint)))}")
        return value
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise UsageError(f"{where} {value!r}: use a list")
        return tuple(_value(get_args(hint)[0], item, where) for item in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not hint:
        names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
        raise UsageError(f"{where} {value!r}: use {names[hint]}")
    return value
