"""What training starts from: the network, what of it is trained, and at which rates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import nn

from solar.errors import CheckpointError, UsageError
from solar.models.checkpoints import load
from solar.models.global_descriptor import GlobalDescriptor
from solar.models.pooling import exponents
from solar.models.registry import is_named
from solar.training.retrieval.recipe import Optimisation, RetrievalRecipe

P_RATE = 100.0  # factor on the rate of the pooling's p, as released


def starting_model(recipe: RetrievalRecipe) -> GlobalDescriptor:
    """The network of a recipe before its first step, in evaluation mode.

    Batch norm is frozen throughout, as released: the network stays in evaluation mode.

    Args:
        recipe: names the start, a path of which refers to the recipe's folder.

    Raises:
        UsageError: the recipe names a stage that the start does not have, the start has trained
            attention where the recipe wants none, or nothing is trained.
        CheckpointError: the start cannot be loaded.
    """
    start = recipe.model
    path = recipe.base / start.start
    try:
        by_name = is_named(start.start) or not path.exists()
        source = load(start.start if by_name else path)
    except CheckpointError as error:
        raise CheckpointError(f"[model] start: {error}") from error
    attention = [source.stages.stage(stage, "[model] attention").name for stage in start.attention]
    dropped = [stage for stage in source.config.attention if stage not in attention]
    if missing := [stage for stage in dropped if not source.attention_is_identity(stage)]:
        raise UsageError(
            f"[model] attention: {start.start} has it after {', '.join(missing)}; list these too"
        )
    torch.manual_seed(recipe.optimiser.seed)
    config = replace(source.config, attention=tuple(attention))
    model = GlobalDescriptor(config, source.provenance, source.name)
    model.load_state_dict(source.state_dict(), strict=False)  # fresh blocks are the identity
    if start.freeze != "nothing":
        for stage in model.stages.up_to(start.freeze, "[model] freeze"):
            stage.requires_grad_(False)
    if not any(p.requires_grad for p in model.parameters()):
        raise UsageError(f"[model] freeze '{start.freeze}': nothing of {start.start} is trained")
    return model.eval()


def build_optimizer(model: GlobalDescriptor, settings: Optimisation) -> torch.optim.Adam:
    """Adam with groups: attention, the pooling's p (no decay), stages with rates, all the rest.

    Raises:
        UsageError: a rate of a stage that the network does not have.
    """
    stages = {
        model.stages.stage(stage, "[optimiser] rates").name: factor
        for stage, factor in settings.rates.items()
    }
    apart = (model.attention, *(model.stages[name] for name in stages))
    powers = exponents(model.pool)
    special = {id(p) for p in powers} | {id(p) for module in apart for p in module.parameters()}
    rest = [p for p in model.parameters() if id(p) not in special]
    groups = [
        (rest, 1.0, settings.weight_decay),
        (model.attention.parameters(), settings.attention_rate, settings.weight_decay),
        (powers, P_RATE, 0.0),
        *(
            (model.stages[name].parameters(), factor, settings.weight_decay)
            for name, factor in stages.items()
        ),
    ]
    return torch.optim.Adam(
        [
            {"params": _trained(parameters), "factor": factor, "weight_decay": decay}
            for parameters, factor, decay in groups
        ],
        lr=settings.learning_rate,
    )


def _trained(parameters: Iterable[nn.Parameter]) -> list[nn.Parameter]:
    return [p for p in parameters if p.requires_grad]
