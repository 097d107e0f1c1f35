"""What decoders say on their own, kept from a user's screen."""

from __future__ import annotations

import ctypes
import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, _imaging

from solar.errors import PhotoError
from solar.photos._words import AGAIN


class _Quiet:
    """Hides what Pillow warns and logs while at least one thread is inside, and lifts its limit.

    Pillow's limit counts pixels; that of this room counts bytes (see `_budget`).

    `warnings.catch_warnings` alone is not for threads: one that leaves would end it for the others.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._handler = logging.NullHandler()

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.|pillow_heif|pillow_jxl")
                logging.getLogger("PIL").addHandler(self._handler)
                self._limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._caught.__exit__(None, None, None)
                logging.getLogger("PIL").removeHandler(self._handler)
                Image.MAX_IMAGE_PIXELS = self._limit


QUIET = _Quiet()

_Handler = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)


class _Libtiff:
    """Hears libtiff's errors, which it writes to standard error and Pillow never learns of.

    After some of them (a damaged row of a fax) it goes on with other pixels.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread = threading.local()
        self._hear: object = None  # what libtiff calls must not be collected

    def _install(self) -> None:
        """Take over from the handler before, which keeps hearing of what others decode."""
        with self._lock:
            if self._hear is not None:
                return
            self._hear = False
            try:  # the symbol is found through Pillow's own library, but not on Windows
                install = ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler
            except (AttributeError, OSError):
                return
            install.restype, install.argtypes = ctypes.c_void_p, [ctypes.c_void_p]

            def hear(module: bytes, form: bytes, values: int) -> None:
                if getattr(self._thread, "listens", False):
                    self._thread.errors += 1
                elif before:
                    _Handler(before)(module, form, values)

            self._hear = _Handler(hear)
            before: int | None = install(ctypes.cast(self._hear, ctypes.c_void_p))

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Refuse what libtiff complains about in this thread.

        Raises:
            PhotoError: libtiff found the file damaged.
        """
        self._install()
        self._thread.listens, self._thread.errors = True, 0
        try:
            yield
        finally:
            self._thread.listens = False
        if self._thread.errors:
            raise PhotoError(f"damaged TIFF: {AGAIN}")


LIBTIFF = _Libtiff()
