"""Doors for files from anywhere: kind, size and depth are limited before anything is parsed."""

from __future__ import annotations

import json
import re
import stat
import sys
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from solar.errors import SolarError
from solar.files.text import cut, printable

if TYPE_CHECKING:
    from solar.typing import AnyPath

MEGABYTE = 1 << 20
MOST_TOML = 1 << 16
MOST_LISTS = 2_000_000
DEEPEST = 32
MOST_PARTS = 16
"""Of a TOML key: each part costs the parser a kilobyte, each time that it is met."""

_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_JSON_TEXT = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.S)
_TOML_TEXT = re.compile(
    rb'"""(?:[^"\\]|\\.|"(?!""))*"""|' + rb"'''(?:[^']|'(?!''))*'''|"
    rb'"(?:[^"\\\n]|\\.)*"|' + rb"'[^'\n]*'|#[^\n]*",
    re.S,
)
_TOML_PIECE = re.compile(rb"[=\[\]{},\n]")


def require_file(path: AnyPath, most: int, error: type[SolarError] = SolarError) -> int:
    """The size of a file that is fit to be read.

    Args:
        path: of the file.
        most: bytes.
        error: to raise.

    Raises:
        SolarError: of the type asked for: no such file, too large, or a pipe or a device, which
            could keep a reader waiting for ever.
    """
    name = printable(path)
    try:
        found = Path(path).stat()
    except FileNotFoundError as missing:
        raise error(f"{name}: no such file") from missing
    except (OSError, ValueError) as reason:  # ValueError: a null character
        raise error(f"{name}: cannot be read ({_reason(reason)})") from reason
    if not stat.S_ISREG(found.st_mode):
        raise error(f"{name}: not a regular file")
    if found.st_size > most:
        raise error(f"{name}: {_size(found.st_size)}, larger than {_size(most)}: not such a file")
    return found.st_size


def read_bytes(path: AnyPath, most: int, error: type[SolarError] = SolarError) -> bytes:
    """A whole file; arguments and errors as `require_file`."""
    require_file(path, most, error)
    try:
        with Path(path).open("rb") as file:
            return file.read(most)  # no more than that, should the file grow
    except OSError as reason:
        raise error(f"{printable(path)}: cannot be read ({_reason(reason)})") from reason


def read_text(path: AnyPath, most: int, error: type[SolarError] = SolarError) -> str:
    """A whole text in UTF-8, a byte order mark taken off; otherwise as `require_file`."""
    data = read_bytes(path, most, error)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as reason:
        raise error(f"{printable(path)}: not a text in UTF-8") from reason


def read_json(
    path: AnyPath,
    most: int = 16 * MEGABYTE,
    error: type[SolarError] = SolarError,
    way_out: str = "",
) -> Any:
    """What a JSON file holds: plain values, finite numbers, whole ones of at most 64 bits.

    Args:
        path: of the file.
        most: bytes.
        error: to raise.
        way_out: what to do about a damaged file; ends the message.

    Raises:
        SolarError: of the type asked for; see `require_file`, or it is no such JSON.
    """
    data = read_bytes(path, most, error)
    try:
        return parse_json(data)
    except ValueError as reason:
        advice = f": {way_out}" if way_out else ""
        raise error(f"{printable(path)}: not JSON ({reason}){advice}") from reason


def parse_json(data: bytes | str) -> Any:
    """Plain values out of JSON; for a file use `read_json`.

    Raises:
        ValueError: not JSON, too deep, or a number out of range; at most 60 characters.
    """
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    _require_shallow(_JSON_TEXT.sub(b"", raw))
    try:
        return json.loads(raw, parse_constant=_no_number, parse_int=_whole, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise ValueError(cut(error, 120)) from error


def read_toml(path: AnyPath, error: type[SolarError] = SolarError) -> dict[str, Any]:
    """The tables of a TOML file of at most 64 KiB.

    Raises:
        SolarError: of the type asked for; see `require_file`, or it is not TOML, nested too
            deeply, or has keys of too many parts.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    text = read_text(path, MOST_TOML, error)
    try:
        plain = _TOML_TEXT.sub(b"", text.encode())
        _require_shallow(plain)
        if max(piece.count(b".") for piece in _TOML_PIECE.split(plain)) >= MOST_PARTS:
            raise ValueError(f"a key of more than {MOST_PARTS} parts")
        tables: dict[str, Any] = tomllib.loads(text)
    except (ValueError, RecursionError) as reason:
        raise error(f"{printable(path)}: not TOML ({cut(reason, 120)})") from reason
    return tables


def _require_shallow(plain: bytes) -> None:
    """Refuse brackets that stand too deep inside one another; strings are taken out before."""
    brackets = plain.translate(None, _BRACKETS)
    if len(brackets) > 2 * MOST_LISTS:
        raise ValueError(f"more than {MOST_LISTS} lists")
    if max(accumulate(map(_STEP.__getitem__, brackets)), default=0) > DEEPEST:
        raise ValueError(f"more than {DEEPEST} brackets inside one another")


def _whole(text: str) -> int:
    if len(text) > 20 or not -(2**63) <= (number := int(text)) < 2**63:
        raise ValueError(f"{cut(text)} is out of range")
    return number


def _finite(text: str) -> float:
    number = float(text)
    if number - number:  # infinity
        raise ValueError(f"{cut(text)} is out of range")
    return number


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or cut(error)


def _size(count: int) -> str:
    for unit, name in ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return f"{count} bytes"
