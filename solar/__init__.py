"""Solar: find the same place again in anyone's photos.

Second-order attention and similarity for image retrieval, after Ng, Balntas, Tian and
Mikolajczyk, "SOLAR: Second-Order Loss and Attention for Image Retrieval", ECCV 2020.

The public names load on first use, so that ``import solar`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from solar.datasets import open_dataset, open_folder
    from solar.errors import SolarError
    from solar.evaluation.retrieval import evaluate
    from solar.index import Index
    from solar.matching import match
    from solar.models.attention import SecondOrderAttention
    from solar.models.checkpoints import load, load_local, save
    from solar.models.global_descriptor import GlobalDescriptor
    from solar.models.local_descriptor import LocalDescriptor
    from solar.models.whitening import Whitening
    from solar.photos import open_photo

__version__ = "0.1.0"

_HOMES = {
    "GlobalDescriptor": "solar.models.global_descriptor",
    "Index": "solar.index",
    "LocalDescriptor": "solar.models.local_descriptor",
    "SecondOrderAttention": "solar.models.attention",
    "SolarError": "solar.errors",
    "Whitening": "solar.models.whitening",
    "evaluate": "solar.evaluation.retrieval.evaluate",
    "load": "solar.models.checkpoints",
    "load_local": "solar.models.checkpoints",
    "match": "solar.matching",
    "open_dataset": "solar.datasets.photos",
    "open_folder": "solar.datasets.folder",
    "open_photo": "solar.photos",
    "save": "solar.models.checkpoints",
}

__all__ = [
    "GlobalDescriptor",
    "Index",
    "LocalDescriptor",
    "SecondOrderAttention",
    "SolarError",
    "Whitening",
    "evaluate",
    "load",
    "load_local",
    "match",
    "open_dataset",
    "open_folder",
    "open_photo",
    "save",
]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'solar' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
