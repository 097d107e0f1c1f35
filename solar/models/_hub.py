"""The Hugging Face hub, where models lie; nothing is told there of who asks."""

from __future__ import annotations

import os


def be_silent() -> None:
    """Keep its package, which timm uses too, from telling its makers; before it is imported."""
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
