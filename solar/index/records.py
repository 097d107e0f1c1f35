"""Records: what an index keeps of each photo, 100 bytes apiece, and the checksum of each.

The records file is a log. A record says what became of the photo with its id, and the last one
counts: a photo came, changed, could not be used, or was removed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

Records = NDArray[np.void]
Descriptor = NDArray[np.float32]

NO_ROW = -1
CHECKSUM_BYTES = 16
RECORD = np.dtype(
    [
        ("id", "<i8"),
        ("row", "<i8"),  # In the descriptors file; NO_ROW unless the state is PHOTO.
        ("size", "<i8"),  # Of the photo's file, in bytes.
        ("mtime_ns", "<i8"),
        ("text", "<i8"),  # Where the path starts in the texts file; the reason follows it.
        ("path_length", "<i4"),
        ("reason_length", "<i4"),
        ("state", "<i4"),
        ("sha256", "V32"),  # Of the photo's file.
        ("checksum", f"V{CHECKSUM_BYTES}"),  # Of this record, its texts and its descriptor.
    ]
)


class State(IntEnum):
    """What a record says of its photo."""

    PHOTO = 0
    FAILED = 1
    REMOVED = 2


class Entry(NamedTuple):
    """One photo, as the index knows it.

    Attributes:
        id: its number, kept for as long as the path is in the index, and never used again.
        state: whether it has a descriptor, failed, or was removed.
        path: of the photo's file, as `path_to_bytes` gives it.
        size: of the file, in bytes; -1 if it could not be read.
        mtime_ns: when the file was last modified; -1 if it could not be read.
        sha256: of the file, 32 bytes.
        row: of its descriptor.
        reason: why it failed, else empty.
    """

    id: int
    state: State
    path: bytes
    size: int
    mtime_ns: int
    sha256: bytes
    row: int = NO_ROW
    reason: str = ""


def path_to_bytes(path: Path) -> bytes:
    """A path as the index stores it: with forward slashes, in the file system's own bytes."""
    return os.fsencode(path.as_posix())


def path_to_text(path: bytes) -> str:
    """A stored path as text; bytes that are no UTF-8 become surrogates, as everywhere in Python."""
    return os.fsdecode(path)


def pack(
    entries: Sequence[Entry], descriptors: Sequence[Descriptor | None], text_start: int
) -> tuple[Records, bytes]:
    """Records and texts of entries, ready to be written.

    Args:
        entries: in the order in which they are written.
        descriptors: of each (D,), None if it has none.
        text_start: length of the texts file before these.

    Returns:
        The records (N,) and the bytes to append to the texts file.
    """
    rows: list[tuple[object, ...]] = []
    texts: list[bytes] = []
    for entry in entries:
        reason = entry.reason.encode("utf-8", "backslashreplace")
        lengths = len(entry.path), len(reason)
        stamps = entry.id, entry.row, entry.size, entry.mtime_ns
        rows.append((*stamps, text_start, *lengths, entry.state, entry.sha256, b""))
        texts.append(entry.path + reason)
        text_start += sum(lengths)
    records: Records = np.array(rows, dtype=RECORD)
    checksums = [
        checksum(record.tobytes(), text, descriptor)
        for record, text, descriptor in zip(records, texts, descriptors, strict=True)
    ]
    records["checksum"] = np.frombuffer(b"".join(checksums), f"V{CHECKSUM_BYTES}")
    return records, b"".join(texts)


def unpack(record: np.void, texts: bytes) -> Entry:
    """The entry that a record stands for; `texts` are its path and reason."""
    number, row, size, mtime_ns, _, path_length, _, state, sha256, _ = cast(
        tuple[Any, ...], record.item()
    )
    path, reason = texts[:path_length], texts[path_length:].decode("utf-8", "replace")
    return Entry(number, State(state), path, size, mtime_ns, sha256, row, reason)


def checksum(record: bytes, texts: bytes, descriptor: Descriptor | None) -> bytes:
    """BLAKE2b over everything that is stored of one photo.

    Args:
        record: its 100 bytes, of which the checksum itself does not count.
        texts: path and reason.
        descriptor: (D,) little-endian float32, None if it has none.
    """
    digest = hashlib.blake2b(record[:-CHECKSUM_BYTES], digest_size=CHECKSUM_BYTES)
    digest.update(texts)
    if descriptor is not None:
        digest.update(descriptor.tobytes())
    return digest.digest()
