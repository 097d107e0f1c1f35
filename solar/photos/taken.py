"""When a photo was taken."""

from __future__ import annotations

import contextlib
import re
import struct
from datetime import datetime
from pathlib import Path

from PIL import Image

from solar.photos._quiet import QUIET
from solar.typing import AnyPath

_EXIF, _ORIGINAL, _CHANGED = 0x8769, 36867, 306  # a directory of EXIF, and tags of dates
_DATE = re.compile(r"([12]\d{3}):([01]\d):([0-3]\d)")
_ODD = (OSError, ValueError, SyntaxError, KeyError, TypeError, struct.error)


def date_of(path: AnyPath) -> str | None:
    """The day on which a photo was taken, as 2019-07-12; of its file, as `file of 2019-07-12`.

    Args:
        path: of a photo that can be decoded.
    """
    with QUIET, contextlib.suppress(*_ODD), Image.open(path) as photo:
        tags = photo.getexif()
        for value in (tags.get_ifd(_EXIF).get(_ORIGINAL), tags.get(_CHANGED)):
            if found := _DATE.match(str(value)):
                return "-".join(found.groups())
    with contextlib.suppress(OSError, ValueError, OverflowError):
        return f"file of {datetime.fromtimestamp(Path(path).stat().st_mtime):%Y-%m-%d}"
    return None
