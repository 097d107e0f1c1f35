"""The recipe's TOML file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from solar.models.global_descriptor import GlobalConfig
from solar.training.distillation import DistillationConfig, Phase

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RECIPE = Path(__file__).with_name("recipe.toml")


def read(path: Path) -> dict[str, Any]:
    """The tables of a recipe."""
    tables: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    return tables


def architecture(recipe: dict[str, Any]) -> GlobalConfig:
    """The table [model]: the network that is distilled."""
    table = recipe["model"]
    return GlobalConfig(**{**table, "attention": tuple(table["attention"])})


def distillation(recipe: dict[str, Any]) -> DistillationConfig:
    """The table [distillation]."""
    table = recipe["distillation"]
    return DistillationConfig(**{**table, "phases": tuple(Phase(**p) for p in table["phases"])})
