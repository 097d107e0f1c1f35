"""The networks: backbones, attention, pooling, whitening, and their files.

What a network is (`config`), which there are by name (`registry`) and `Whitening` come without
torch. The networks themselves are in `global_descriptor`, `local_descriptor` and `tfeat`,
`checkpoints` loads and saves them, and `whitening_layer` puts a whitening into one.
"""

from solar.models.config import GlobalConfig, LocalConfig, Provenance
from solar.models.registry import GLOBAL, LOCAL, MODELS, NamedModel, fetch, is_named, named
from solar.models.whitening import Whitening

__all__ = [
    "GLOBAL",
    "LOCAL",
    "MODELS",
    "GlobalConfig",
    "LocalConfig",
    "NamedModel",
    "Provenance",
    "Whitening",
    "fetch",
    "is_named",
    "named",
]
