"""solar eval by words of local features: ASMK*, whose vocabulary stands where a model does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from solar.cli.console import progress
from solar.errors import UsageError
from solar.evaluation.retrieval.words import evaluate_words

if TYPE_CHECKING:
    from solar.cli.evaluate import Measuring
    from solar.datasets import LabelledSet


def measure(photos: LabelledSet, options: Measuring, *, crop: bool) -> None:
    """What was opened before anything that takes time, measured."""
    from solar.cli.evaluate import show_report

    of_models = (options.image_size, options.scales, options.whiten, options.dimensions)
    if any(option is not None for option in (*of_models, options.local, options.distractors)):
        raise UsageError(
            f"{options.model}: words go with --rerank, --device, --to and --overwrite alone"
        )
    with progress("describing") as show:
        report, folder = evaluate_words(
            photos,
            options.model,
            options.to,
            crop=crop,
            rerank=options.rerank,
            device=options.device,
            overwrite=options.overwrite,
            progress=show,
        )
    show_report(report, folder / "report.html", as_json=options.as_json)
