"""Photos to descriptors: what they depend on, what makes them, and files of them."""

from solar.extraction.extraction import Extraction
from solar.extraction.extractor import (
    Collected,
    Described,
    Extractor,
    Failed,
    calibration_of,
    collect,
    describe_one,
    engine_of,
    open_extractor,
)

__all__ = [
    "Collected",
    "Described",
    "Extraction",
    "Extractor",
    "Failed",
    "calibration_of",
    "collect",
    "describe_one",
    "engine_of",
    "open_extractor",
]
