"""The recipe's TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from solar.models.config import GlobalConfig
from solar.training.distillation.distillation import DistillationConfig, Phase

RECIPE = Path(__file__).with_name("recipe.toml")


def architecture(recipe: dict[str, Any]) -> GlobalConfig:
    """The table [model]: the network that is distilled."""
    table = recipe["model"]
    return GlobalConfig(**{**table, "attention": tuple(table["attention"])})


def distillation(recipe: dict[str, Any]) -> DistillationConfig:
    """The table [distillation]."""
    table = recipe["distillation"]
    return DistillationConfig(**{**table, "phases": tuple(Phase(**p) for p in table["phases"])})
