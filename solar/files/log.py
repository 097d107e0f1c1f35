"""What Solar tells a program through `logging`: silent, unless that program configures it."""

from __future__ import annotations

import logging


def logger(name: str) -> logging.Logger:
    """The logger of a module, below `solar`, which by itself prints nothing.

    Args:
        name: the module's `__name__`.
    """
    top = logging.getLogger("solar")
    if not top.handlers:
        top.addHandler(logging.NullHandler())
    return logging.getLogger(name)
