"""Extractors of somebody else's: any function of a photo; by address, or of a package."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image

from solar.errors import SolarError, UsageError
from solar.extraction.engines.batches import BatchExtractor
from solar.extraction.extractor import Extractor
from solar.extraction.given import unit_rows
from solar.files import printable
from solar.files.text import cut
from solar.models.config import GlobalConfig
from solar.typing import Descriptors

GROUP = "solar.extractors"
"""Entry points of packages: by name, an extractor or a function that makes one."""


def extractor(
    function: Callable[[Image], Any],
    *,
    name: str,
    dimensions: int,
    version: str = "1",
    image_size: int = 1024,
    decoding: str = "draft",
) -> FunctionExtractor:
    """An extractor of any function that makes a vector of a photo.

    It goes wherever a model's goes: into `Index.create`, `evaluate`, `collect`. Its fingerprint is
    made of its name, its dimensions and its version: raise the version when the function gives
    other vectors, so that they never meet the old ones.

    Args:
        function: takes a PIL image, RGB, upright, already cut to a box where one was asked for;
            gives D numbers in any array, of any length; Solar makes them unit length. It is called
            by one thread at a time.
        name: by which an index remembers it; a package's entry point of this name in the group
            `solar.extractors` makes it again.
        dimensions: D.
        version: any text.
        image_size: limit of the longest side of the image, in pixels.
        decoding: see `open_extractor`.

    Raises:
        UsageError: a setting out of range.
    """
    return FunctionExtractor(function, name, dimensions, version, image_size, decoding)


class FunctionExtractor(BatchExtractor):
    """See `extractor`."""

    batch_pixels = 1

    def __init__(
        self,
        function: Callable[[Image], Any],
        name: str,
        dimensions: int,
        version: str,
        image_size: int,
        decoding: str,
    ) -> None:
        config = GlobalConfig(name, (), image_size=image_size, scales=(1.0,))
        super().__init__(
            name, config, image_size=None, scales=None, decoding=decoding, whitening=None
        )
        self._function, self._dimensions, self._version = function, dimensions, version
        _ = self.extraction  # refuses what is out of range

    @property
    def engine(self) -> str:
        """What runs it, in words."""
        return f"{self.name}, version {self._version}"

    def decoded(self, decoding: str) -> FunctionExtractor:
        """The same function of files that are decoded in another way; see `open_extractor`."""
        own = (self._function, self.name, self._dimensions, self._version, self.image_size)
        return FunctionExtractor(*own, decoding)

    def _network(self) -> tuple[str, int]:
        of = ("function", self.name, self._dimensions, self._version)
        return hashlib.sha256(repr(of).encode()).hexdigest(), self._dimensions

    def _describe_batch(self, photos: Sequence[Image], at_once: int) -> Descriptors:
        return np.stack([self._row(photo) for photo in photos])

    def _row(self, photo: Image) -> Descriptors:
        try:
            row = np.asarray(self._function(photo), np.float32).reshape(-1)
        except SolarError:
            raise
        except Exception as error:
            what = f"extractor {self.name}: its function failed: {_reason(error)}"
            raise SolarError(what) from error
        made: Descriptors = unit_rows(row[None], self._dimensions, f"extractor {self.name}")[0]
        return made


def by_address(address: str) -> Extractor:
    """An extractor of a module: what the options --extractor name.

    Args:
        address: `package.module:name` of an extractor, or of a function without arguments that
            makes one. The module may lie in the current folder.

    Raises:
        UsageError: there is no such thing.
    """
    module, found, name = address.partition(":")
    if not (found and module and name):
        raise UsageError(f"--extractor {printable(address):.80}: expected package.module:function")
    sys.path.insert(0, str(Path.cwd()))  # as `python -m` does
    try:
        made = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"--extractor {printable(address):.80}: {cut(error)}") from error
    except Exception as error:  # whatever a stranger's module raises
        what = f"importing {printable(module):.80} failed: {_reason(error)}"
        raise UsageError(f"--extractor {printable(address):.80}: {what}") from error
    finally:
        sys.path.remove(str(Path.cwd()))
    return _made(made, f"--extractor {address}")


def installed(name: str) -> Extractor | None:
    """The extractor that an installed package has under a name; None if none has."""
    for entry in entry_points(group=GROUP):
        if entry.name == name:
            what = f"extractor {name} of {entry.value}"
            try:
                found = entry.load()
            except Exception as error:  # whatever a stranger's module raises
                raise UsageError(f"{what}: importing it failed: {_reason(error)}") from error
            return _made(found, what)
    return None


def _made(found: object, what: str) -> Extractor:
    if callable(found) and (isinstance(found, type) or not isinstance(found, Extractor)):
        try:
            found = found()
        except SolarError:
            raise
        except Exception as error:  # whatever a stranger's function raises
            reason = f"calling it without arguments failed: {_reason(error)}"
            raise UsageError(
                f"{what}: {reason}; it is to be solar.extractor(...), or a function that returns it"
            ) from error
    if not isinstance(found, Extractor):
        raise UsageError(f"{what}: neither an extractor nor a function that makes one")
    return found


def _reason(error: Exception) -> str:
    """What a stranger's code raised, in a line."""
    return f"{type(error).__name__}: {cut(error)}"
