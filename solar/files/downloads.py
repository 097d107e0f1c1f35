"""Downloads that resume, verify and appear whole or not at all."""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

from solar.errors import SolarError, UsageError
from solar.files.atomic import sha256 as file_sha256
from solar.files.atomic import sync_folder

Progress = Callable[[int, int | None], None]
TIMEOUT = 30.0
BLOCK = 1 << 20


def download(
    addresses: Sequence[str],
    target: Path,
    sha256: str | None = None,
    size: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Fetch a file from the first address that gives it.

    What arrived before an interruption is kept beside the target and continued.

    Args:
        addresses: http or https, tried in order.
        target: where the file goes; returned at once if it is there.
        sha256: expected, where known; else nothing but the size is checked.
        size: expected bytes, where known.
        progress: called with bytes done and in all (None where unknown).

    Raises:
        SolarError: no address gave it; says which file to put where.
    """
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    reasons = []
    for address in addresses:
        if urlsplit(address).scheme not in ("http", "https"):
            raise UsageError(f"{address}: only http and https addresses are fetched")
        # mirrors may differ: without a checksum, one is never continued with another's bytes
        source = "" if sha256 else f".{hashlib.sha256(address.encode()).hexdigest()[:8]}"
        partial = target.with_name(f"{target.name}{source}.partial")
        try:
            _fetch(address, partial, progress)
            _verify(partial, sha256, size)
        except (urllib.error.URLError, HTTPException, OSError, SolarError) as error:
            reasons.append(f"{urlsplit(address).hostname}: {getattr(error, 'reason', error)}")
            continue
        partial.replace(target)
        sync_folder(target.parent)
        return target
    tried = "; ".join(reasons) or "no address is known"
    place = f" It can be had from {addresses[0]}" if addresses else ""
    raise SolarError(f"{target.name} could not be fetched ({tried}). Put it at {target}.{place}")


def _fetch(address: str, partial: Path, progress: Progress | None) -> None:
    done = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(address, headers={"User-Agent": "solar-retrieval"})  # noqa: S310 - scheme checked by the caller
    if done:
        request.add_header("Range", f"bytes={done}-")
    try:
        response: HTTPResponse = urllib.request.urlopen(request, timeout=TIMEOUT)  # noqa: S310
    except urllib.error.HTTPError as error:
        if done and error.code == 416:  # nothing beyond what is there: _verify decides
            return
        raise
    with response, partial.open("ab" if response.status == 206 else "wb") as file:
        done = file.tell()
        length = response.headers.get("Content-Length")
        total = done + int(length) if length and length.isdecimal() else None
        while block := response.read(BLOCK):
            file.write(block)
            done += len(block)
            if progress:
                progress(done, total)
        file.flush()
        os.fsync(file.fileno())
    if total is not None and done < total:
        raise SolarError(f"the connection ended after {done} of {total} bytes")


def _verify(partial: Path, sha256: str | None, size: int | None) -> None:
    """A file of another size or checksum is no use to a resumed download either: remove it."""
    found = partial.stat().st_size
    if size is not None and found != size:
        partial.unlink()
        raise SolarError(f"{found} bytes instead of {size}")
    if sha256 is not None and file_sha256(partial) != sha256:
        partial.unlink()
        raise SolarError("another checksum than expected")
