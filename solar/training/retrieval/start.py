"""What training starts from: the network, what of it is trained, and at which rates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from solar.errors import CheckpointError, UsageError
from solar.models.checkpoints import load
from solar.models.global_descriptor import GlobalDescriptor
from solar.models.pooling import exponents
from solar.models.registry import is_named
from solar.models.repool import with_pooling
from solar.training.retrieval.recipe import Optimisation, RetrievalRecipe

P_RATE = 100.0  # factor on the rate of the pooling's p, as released


def starting_model(
    recipe: RetrievalRecipe, photos: Sequence[Path] = (), device: torch.device | None = None
) -> GlobalDescriptor:
    """The network of a recipe before its first step, in evaluation mode.

    Batch norm is frozen throughout, as released: the network stays in evaluation mode.

    Args:
        recipe: names the start, a path of which refers to the recipe's folder.
        photos: that NetVLAD's clusters start from where the recipe asks for it in place of the
            start's pooling; without any they are random.
        device: where the network is; None for the CPU.

    Raises:
        UsageError: the recipe names a stage that the start does not have, the start has trained
            attention where the recipe wants none, nothing is trained, or the photos give too few
            clusters.
        CheckpointError: the start cannot be loaded.
    """
    start = recipe.model
    path = recipe.base / start.start
    try:
        by_name = is_named(start.start) or not path.exists()
        source = load(start.start if by_name else path).to(device)
    except CheckpointError as error:
        raise CheckpointError(f"[model] start: {error}") from error
    attention = [source.stages.stage(stage, "[model] attention").name for stage in start.attention]
    dropped = [stage for stage in source.config.attention if stage not in attention]
    if missing := [stage for stage in dropped if not source.attention_is_identity(stage)]:
        raise UsageError(
            f"[model] attention: {start.start} has it after {', '.join(missing)}; list these too"
        )
    seed = recipe.optimiser.seed
    if start.pooling not in (None, source.config.pooling):
        size = recipe.tuples.pool_image_size
        source = with_pooling(source, start.pooling, photos, image_size=size, seed=seed)
    torch.manual_seed(seed)
    config = replace(source.config, attention=tuple(attention))
    model = GlobalDescriptor(config, source.provenance, source.name)
    model.load_state_dict(source.state_dict(), strict=False)  # fresh blocks are the identity
    if start.freeze != "nothing":
        for stage in model.stages.up_to(start.freeze, "[model] freeze"):
            stage.requires_grad_(False)
    if not any(p.requires_grad for p in model.parameters()):
        raise UsageError(f"[model] freeze '{start.freeze}': nothing of {start.start} is trained")
    return model.to(device).eval()


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
