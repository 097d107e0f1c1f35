"""OpenCV, an optional dependency of local matching."""

from __future__ import annotations

from types import ModuleType

from solar.errors import SolarError


def opencv() -> ModuleType:
    """The module `cv2`.

    Raises:
        SolarError: it is not installed; the message says how to.
    """
    try:
        import cv2
    except ImportError as error:
        raise SolarError(
            "local matching needs OpenCV; install it with: pip install 'solar-retrieval[match]'"
        ) from error
    return cv2
