"""Whitening applied to a file of descriptors, or folded into a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from solar.errors import UsageError
from solar.evaluation.describer import whitening_digest
from solar.extraction.descriptors import DescriptorsFile
from solar.models.global_descriptor import GlobalDescriptor
from solar.models.whitening import Whitening, with_whitening


def apply_to_file(
    whitening: Whitening, source: Path, target: Path, dimensions: int | None = None
) -> DescriptorsFile:
    """Whiten a file of descriptors into another, which is returned.

    Raises:
        UsageError: no such file, or its descriptors are not of the kind that the whitening was
            learned from.
        SolarError: not a file of descriptors.
    """
    file = DescriptorsFile.load(source)
    _require_kind(
        whitening,
        file.settings,
        f"{source}: these descriptors are of another kind than the whitening was learned from: "
        "learn one from them with 'solar whiten fit', or 'solar whiten fold' this one into its "
        "model and describe the photos with that",
    )
    kept = whitening.reduced(dimensions)
    settings = {**file.settings, "whitening": whitening_digest(kept)}
    whitened = DescriptorsFile(file.paths, kept.apply(file.descriptors), settings)
    target.parent.mkdir(parents=True, exist_ok=True)
    whitened.save(target)
    return whitened


def fold(
    model: GlobalDescriptor, whitening: Whitening, name: str, dimensions: int | None = None
) -> GlobalDescriptor:
    """A model of a new name with the whitening as its linear layer, in place of any it has.

    Raises:
        UsageError: the whitening was learned from descriptors of another model.
    """
    bare = with_whitening(model, None)
    _require_kind(
        whitening,
        {"fingerprint": bare.fingerprint},
        f"model {model.name}: its pooled descriptors are of another kind than the whitening was "
        "learned from: learn one from photos with 'solar whiten fit PHOTOS --model'",
    )
    made = with_whitening(bare, whitening.reduced(dimensions))
    made.name = name
    how = "learned" if whitening.settings.get("method") == "learned" else "PCA"
    count = whitening.settings.get("photos", "unknown")
    trained_on = f"{model.provenance.trained_on}; {how} whitening from {count} photos"
    made.provenance = replace(model.provenance, trained_on=trained_on)
    return made


def _require_kind(whitening: Whitening, settings: Mapping[str, Any], refusal: str) -> None:
    """Refuse descriptors that the whitening, if it says so, was not learned from."""
    asked, given = (
        (kind.get("fingerprint"), kind.get("whitening")) for kind in (whitening.settings, settings)
    )
    if whitening.settings and asked != given:
        raise UsageError(refusal)
