"""How much memory this process has needed."""

from __future__ import annotations

import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak_memory() -> int | None:
    """Bytes of this process that were resident at most; None where the system does not say."""
    if _STATUS.exists():  # not what `getrusage` says, which begins with the parent's
        return 1024 * int(_STATUS.read_text().split("VmHWM:")[1].split()[0])
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )
