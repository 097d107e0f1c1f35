"""Types that more than one room speaks of."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

AnyPath = str | os.PathLike[str]

Descriptor = NDArray[np.float32]
"""(D,) of unit length."""

Descriptors = NDArray[np.float32]
"""(N, D), one row each, of unit length."""

GrayImage = NDArray[np.uint8]
"""(height, width), 0 to 255."""

Ids = NDArray[np.int64]

Progress = Callable[[int, int], None]
"""Called with what is done, and of how much."""
