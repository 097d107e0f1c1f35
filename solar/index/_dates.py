"""Dates of filters: what a written one stands for."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d))?(Z|[+-]\d\d:\d\d)?)?)?)?", re.I
)
"""A year, or more of it down to the second, and then perhaps a zone."""


def period(found: re.Match[str]) -> tuple[str, str]:
    """The first moment of what a date names, and the first after it; in UTC if it has a zone.

    Args:
        found: by `DATE`.

    Raises:
        ValueError: no calendar has it.
        OverflowError: likewise.
    """
    year, month, day, hour, minute, second = (
        None if part is None else int(part) for part in found.groups()[:6]
    )
    start = datetime(year or 0, month or 1, day or 1, hour or 0, minute or 0, second or 0)
    if month is None:
        end = start.replace(year=start.year + 1)
    elif day is None:
        end = (start + timedelta(days=31)).replace(day=1)
    else:
        length = (
            timedelta(seconds=1)
            if second is not None
            else timedelta(minutes=1)
            if minute is not None
            else timedelta(days=1)
        )
        end = start + length
    if zone := found[7]:
        start, end = (
            datetime.fromisoformat(each.isoformat() + zone.upper().replace("Z", "+00:00"))
            .astimezone(timezone.utc)
            .replace(tzinfo=None)
            for each in (start, end)
        )
    return start.isoformat(), end.isoformat()
