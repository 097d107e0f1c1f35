"""Pickles of plain containers and NumPy arrays, read by a machine that knows nothing else.

Python's own reader is not used: it would run what a pickle asks for, and hash a key of nested
tuples for hours. This one reads the same instructions, makes plain values only, counts what it
makes, and refuses the rest.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from solar.errors import SolarError
from solar.files.reading import MEGABYTE, read_bytes
from solar.files.text import cut, printable, shown

MAX_BYTES = 16 * MEGABYTE
MOST_VALUES = 8_000_000
"""Values in all, one that stands twice counted twice: what a reader may have to look at."""
MOST_STEPS = 3_000_000
DEEPEST = 16

_BROKEN = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, MemoryError)
_MARK = object()


class _Refused(ValueError):
    """What the pickle asks for, in words."""


class _Name(str):
    """A class or function that the pickle names; only those of `_CALLS` can be called."""


class _Dtype:
    """A NumPy dtype: numbers and text of fixed size, nothing with objects or fields."""

    def __init__(self, code: object, *_: object) -> None:
        if not isinstance(code, str) or np.dtype(code).kind not in "biufU":
            raise _Refused(f"an array of type {shown(code)}")
        self.dtype = np.dtype(code)

    def build(self, state: Any, machine: _Machine) -> None:
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array(list[object]):
    """A NumPy array as (nested) lists."""

    def build(self, state: Any, machine: _Machine) -> None:
        _, shape, kind, fortran, data = state
        self[:] = machine.values(data, kind, shape, fortran)


_CONTAINERS = {list, tuple, dict, _Array}


class _Machine:
    """Stack, memo and what is left to be made of one pickle."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.left = MOST_VALUES

    def run(self, data: bytes) -> Any:
        """The value of a pickle."""
        for count, (code, argument, _) in enumerate(pickletools.genops(data)):
            if count > MOST_STEPS:
                raise _Refused(f"more than {MOST_STEPS} instructions")
            step = _STEPS.get(code.name)
            if step is not None:
                step(self, argument)
            elif code.name not in _NOTHING:
                raise _Refused(f"it uses the instruction {code.name}")
        (value,) = self.stack
        return value

    def push(self, value: Any) -> None:
        if isinstance(value, int) and value.bit_length() > 64:
            raise _Refused(f"{shown(value)} is out of range")
        self.stack.append(value)

    def pop(self, *kinds: type) -> Any:
        value = self.stack.pop()
        if value is _MARK or (kinds and not isinstance(value, kinds)):
            raise _Refused("damaged")
        return value

    def since_mark(self) -> list[Any]:
        """What stands above the last mark; the mark goes too."""
        above: list[Any] = []
        while (value := self.stack.pop()) is not _MARK:
            above.append(value)
        above.reverse()
        return above

    def top(self, kind: type) -> Any:
        if type(self.stack[-1]) is not kind:
            raise _Refused("damaged")
        return self.stack[-1]

    def set_items(self, items: list[Any], new: bool = False) -> None:
        if new:
            self.push({})
        table = self.top(dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str | int | float | bytes | None):
                raise _Refused("a key that is neither text nor number")
            table[key] = value

    def name(self, module: str, name: str) -> None:
        if (module, name) not in _CALLS:
            raise _Refused(f"it asks for {cut(f'{module}.{name}')}")
        self.push(_Name(f"{module} {name}"))

    def call(self, _: object) -> None:
        arguments, name = self.pop(tuple), self.pop(_Name)
        module, _, function = name.partition(" ")
        self.push(_CALLS[module, function](self, *arguments))

    def build(self, _: object) -> None:
        state = self.pop(tuple)
        if not isinstance(self.stack[-1], _Dtype | _Array):
            raise _Refused("it changes an object of NumPy")
        self.stack[-1].build(state, self)

    def values(self, data: Any, kind: Any, shape: Any, fortran: Any) -> list[Any]:
        """The values of an array, from its bytes."""
        if isinstance(data, str):  # written by Python 2
            data = data.encode("latin1")
        if not (isinstance(data, bytes | bytearray) and isinstance(kind, _Dtype) and shape):
            raise _Refused("a damaged array")
        if not data:  # an empty array of shape (10**12, 0) would become 10**12 empty lists
            return []
        self.spend(len(data) // kind.dtype.itemsize * len(shape))
        array = np.frombuffer(data, kind.dtype).reshape(shape, order="F" if fortran else "C")
        values: list[Any] = array.tolist()
        return values

    def encode(self, text: str, _: object) -> bytes:
        """Bytes, as protocols 0 to 2 carry them."""
        self.spend(len(text))
        return text.encode("latin1")

    def spend(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise _Refused(f"more than {MOST_VALUES} values")


def _refuse_ndarray(*_: object) -> Any:
    raise _Refused("it calls numpy.ndarray")


_CALLS: Mapping[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "dtype"): lambda _, code, *more: _Dtype(code, *more),
    ("numpy", "ndarray"): _refuse_ndarray,  # an argument of _reconstruct, never called
    ("_codecs", "encode"): _Machine.encode,
    ("__builtin__", "bytes"): lambda _: b"",  # of an empty array, protocols 0 to 2
    **{
        (f"numpy.{core}.{module}", name): make
        for core in ("core", "_core")
        for module, name, make in (
            ("multiarray", "_reconstruct", lambda *_: _Array()),
            ("multiarray", "scalar", lambda m, kind, data: m.values(data, kind, (1,), False)[0]),
            ("numeric", "_frombuffer", lambda m, *a: m.values(*a[:3], a[3] == "F")),
        )
    },
}

Step = Callable[[_Machine, Any], object]
_VALUES = (
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING "
    "UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8"
)
_NOTHING = {"PROTO", "FRAME", "STOP"}
_STEPS: Mapping[str, Step] = {
    **dict.fromkeys(_VALUES.split(), _Machine.push),
    "NONE": lambda m, _: m.push(None),
    "NEWTRUE": lambda m, _: m.push(True),
    "NEWFALSE": lambda m, _: m.push(False),
    "MARK": lambda m, _: m.stack.append(_MARK),
    "POP": lambda m, _: m.stack.pop(),
    "POP_MARK": lambda m, _: m.since_mark(),
    "DUP": lambda m, _: m.push(m.stack[-1]),
    "EMPTY_LIST": lambda m, _: m.push([]),
    "APPEND": lambda m, _: (value := m.pop(), m.top(list).append(value)),
    "APPENDS": lambda m, _: (values := m.since_mark(), m.top(list).extend(values)),
    "LIST": lambda m, _: m.push(m.since_mark()),
    "EMPTY_TUPLE": lambda m, _: m.push(()),
    "TUPLE": lambda m, _: m.push(tuple(m.since_mark())),
    "TUPLE1": lambda m, _: m.push((m.pop(),)),
    "TUPLE2": lambda m, _: m.push((m.pop(), m.pop())[::-1]),
    "TUPLE3": lambda m, _: m.push((m.pop(), m.pop(), m.pop())[::-1]),
    "EMPTY_DICT": lambda m, _: m.push({}),
    "DICT": lambda m, _: m.set_items(m.since_mark(), new=True),
    "SETITEM": lambda m, _: m.set_items([m.pop(), m.pop()][::-1]),
    "SETITEMS": lambda m, _: m.set_items(m.since_mark()),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda m, n: m.push(m.memo[n])),
    **dict.fromkeys(
        ("PUT", "BINPUT", "LONG_BINPUT"), lambda m, n: m.memo.__setitem__(n, m.stack[-1])
    ),
    "MEMOIZE": lambda m, _: m.memo.__setitem__(len(m.memo), m.stack[-1]),
    "GLOBAL": lambda m, both: m.name(*both.split(" ", 1)),
    "INST": lambda m, both: m.name(*both.split(" ", 1)),
    "STACK_GLOBAL": lambda m, _: m.name(*(m.pop(str), m.pop(str))[::-1]),
    "REDUCE": _Machine.call,
    "BUILD": _Machine.build,
}


def load_plain(path: str | Path) -> object:
    """Read a pickle that holds nothing but plain containers, numbers, text and NumPy arrays.

    No object of the pickle's choosing is ever made: arrays and scalars of NumPy are rebuilt from
    their bytes here and come back as (nested) lists and numbers.

    Args:
        path: of at most 16 MiB.

    Raises:
        SolarError: the file is missing, too large, damaged, nested too deeply, or asks for
            anything else; the message names the file and what it asked for.
    """
    data = read_bytes(path, MAX_BYTES)
    try:
        value = _Machine().run(data)
        _count([value], -1, {})
    except _BROKEN as error:
        reason = str(error) if isinstance(error, _Refused) else cut(error) or type(error).__name__
        raise SolarError(
            f"{printable(path)}: refused, not a pickle of plain lists and arrays: {reason}"
        ) from error
    return value


def _count(value: Any, depth: int, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """How many values a container holds, and how deep: each is looked at once.

    Raises:
        _Refused: too many or too deep, as those that hold themselves are.
    """
    count, height = known.get(id(value), (1, 0))
    if id(value) not in known and depth < DEEPEST:
        items = value.values() if isinstance(value, dict) else value
        kinds = set(map(type, items))
        if kinds & {_Name, _Dtype}:
            raise _Refused("it leaves a class or a type of NumPy")
        count += len(items)
        for item in items if kinds & _CONTAINERS else ():
            if type(item) in _CONTAINERS:
                below, deep = _count(item, depth + 1, known)
                count, height = count + below, max(height, deep + 1)
        known[id(value)] = count, height
    if depth + height >= DEEPEST:
        raise _Refused(f"lists more than {DEEPEST} deep inside one another")
    if count > MOST_VALUES:
        raise _Refused(f"more than {MOST_VALUES} values")
    return count, height
