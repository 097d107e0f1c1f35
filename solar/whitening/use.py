"""Whitening applied to a file of descriptors, or folded into a model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from solar.errors import UsageError, naming_extras
from solar.extraction.descriptors import DescriptorsFile
from solar.extraction.extraction import Extraction
from solar.extraction.whiten import require_learned_from, whitened
from solar.models.whitening import Whitening

if TYPE_CHECKING:
    from solar.models.global_descriptor import GlobalDescriptor


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
    kept = whitening.reduced(dimensions)
    try:
        extraction = whitened(file.extraction, kept)
    except UsageError as error:
        raise UsageError(f"{source}: {error}") from error
    made = DescriptorsFile(file.paths, kept.apply(file.descriptors), extraction)
    made.save(target)
    return made


def fold(
    model: GlobalDescriptor, whitening: Whitening, name: str, dimensions: int | None = None
) -> GlobalDescriptor:
    """A model of a new name with the whitening as its linear layer, in place of any it has.

    Raises:
        UsageError: the whitening was learned from descriptors of another model.
        MissingPackage: torch is not installed.
    """
    with naming_extras():
        from solar.models.whitening_layer import with_whitening

    bare = with_whitening(model, None)
    size, scales = model.config.image_size, model.config.scales
    require_learned_from(
        whitening,
        Extraction(model.name, bare.fingerprint, bare.dimensions, size, scales),
        f"learn one from photos with 'solar whiten fit PHOTOS --model {model.name}'",
    )
    made = with_whitening(bare, whitening.reduced(dimensions))
    made.name = name
    how = "learned" if whitening.settings.get("method") == "learned" else "PCA"
    count = whitening.settings.get("photos", "unknown")
    trained_on = f"{model.provenance.trained_on}; {how} whitening from {count} photos"
    made.provenance = replace(model.provenance, trained_on=trained_on)
    return made
