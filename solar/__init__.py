"""Solar: find the same place again in anyone's photos.

Second-order attention and similarity for image retrieval, after Ng, Balntas, Tian and
Mikolajczyk, "SOLAR: Second-Order Loss and Attention for Image Retrieval", ECCV 2020.

The public names load on first use, so that ``import solar`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from solar.client import Client
    from solar.datasets import open_dataset, open_folder
    from solar.errors import (
        CheckpointError,
        IndexDamaged,
        IndexFolderError,
        IndexLocked,
        PhotoError,
        SolarError,
        UsageError,
    )
    from solar.evaluation.retrieval import evaluate
    from solar.extraction import Extraction, Extractor, collect, open_extractor
    from solar.extraction.attend import attend
    from solar.extraction.own import extractor
    from solar.features import Features, open_feature_extractor
    from solar.index import Hit, Index, Search, index_photos, search_each
    from solar.matching import match
    from solar.models.attention import SecondOrderAttention
    from solar.models.checkpoints import load, load_local, save
    from solar.models.global_descriptor import GlobalDescriptor
    from solar.models.local_descriptor import LocalDescriptor
    from solar.models.whitening import Whitening
    from solar.photos import Photo, open_photo
    from solar.ranking import Ranking
    from solar.training.losses import ap_loss, contrastive_loss, sos_loss, triplet_loss
    from solar.training.train import TrainReport, train

__version__ = "0.1.0"

_HOMES = {
    "CheckpointError": "solar.errors",
    "Client": "solar.client",
    "Extraction": "solar.extraction",
    "Extractor": "solar.extraction",
    "Features": "solar.features",
    "GlobalDescriptor": "solar.models.global_descriptor",
    "Hit": "solar.index",
    "Index": "solar.index",
    "IndexDamaged": "solar.errors",
    "IndexFolderError": "solar.errors",
    "IndexLocked": "solar.errors",
    "LocalDescriptor": "solar.models.local_descriptor",
    "Photo": "solar.photos",
    "PhotoError": "solar.errors",
    "Ranking": "solar.ranking",
    "Search": "solar.index",
    "SecondOrderAttention": "solar.models.attention",
    "SolarError": "solar.errors",
    "TrainReport": "solar.training.train",
    "UsageError": "solar.errors",
    "Whitening": "solar.models.whitening",
    "ap_loss": "solar.training.losses",
    "attend": "solar.extraction.attend",
    "collect": "solar.extraction",
    "contrastive_loss": "solar.training.losses",
    "evaluate": "solar.evaluation.retrieval",
    "extractor": "solar.extraction.own",
    "index_photos": "solar.index",
    "load": "solar.models.checkpoints",
    "load_local": "solar.models.checkpoints",
    "match": "solar.matching",
    "open_dataset": "solar.datasets",
    "open_extractor": "solar.extraction",
    "open_feature_extractor": "solar.features",
    "open_folder": "solar.datasets",
    "open_photo": "solar.photos",
    "save": "solar.models.checkpoints",
    "search_each": "solar.index",
    "sos_loss": "solar.training.losses",
    "train": "solar.training.train",
    "triplet_loss": "solar.training.losses",
}
_ROOMS = ("evaluation", "models", "training")

__all__ = [
    "CheckpointError",
    "Client",
    "Extraction",
    "Extractor",
    "Features",
    "GlobalDescriptor",
    "Hit",
    "Index",
    "IndexDamaged",
    "IndexFolderError",
    "IndexLocked",
    "LocalDescriptor",
    "Photo",
    "PhotoError",
    "Ranking",
    "Search",
    "SecondOrderAttention",
    "SolarError",
    "TrainReport",
    "UsageError",
    "Whitening",
    "ap_loss",
    "attend",
    "collect",
    "contrastive_loss",
    "evaluate",
    "extractor",
    "index_photos",
    "load",
    "load_local",
    "match",
    "open_dataset",
    "open_extractor",
    "open_feature_extractor",
    "open_folder",
    "open_photo",
    "save",
    "search_each",
    "sos_loss",
    "train",
    "triplet_loss",
]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        from solar.errors import naming_extras

        with naming_extras():
            return getattr(import_module(_HOMES[name]), name)
    if name in _ROOMS:
        return import_module(f"solar.{name}")
    raise AttributeError(f"module 'solar' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, *_ROOMS])
