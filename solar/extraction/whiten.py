"""Which descriptors a whitening may be applied to, and what they are afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from solar.errors import UsageError
from solar.extraction.extraction import Extraction

if TYPE_CHECKING:
    from solar.models.whitening import Whitening


def whitened(extraction: Extraction, whitening: Whitening) -> Extraction:
    """The extraction of descriptors that were whitened.

    Args:
        extraction: of the descriptors before.
        whitening: says what it was learned from, if it was learned here.

    Raises:
        UsageError: the whitening was learned from descriptors of another network, or of another
            stage of this one: before its own whitening, say.
    """
    require_learned_from(
        whitening,
        extraction,
        "learn one from these with 'solar whiten fit', or 'solar whiten fold' this one into its "
        "model and describe the photos with that",
    )
    if whitening.mean.shape != (extraction.dimensions,):
        what = f"{len(whitening.mean)} dimensions, not {extraction.dimensions}"
        raise UsageError(f"model {extraction.model}: the whitening is for {what}")
    return replace(extraction, dimensions=len(whitening.projection), whitening=whitening.digest)


def require_learned_from(whitening: Whitening, extraction: Extraction, way_out: str) -> None:
    """Refuse a whitening that was learned here, from other descriptors than these.

    Raises:
        UsageError: it was; says from which.
    """
    known = whitening.settings.get("extraction")
    ours = vars(extraction)
    theirs = known if isinstance(known, Mapping) else {}
    if known is None or all(theirs.get(key) == ours[key] for key in ("fingerprint", "whitening")):
        return
    wanted, told = _told(theirs), _told(ours)
    if wanted == told:  # a network of the same name
        wanted, told = (
            f"{of} ({each.get('fingerprint', 'unknown')!s:.12})"
            for of, each in ((wanted, theirs), (told, ours))
        )
    raise UsageError(
        f"model {extraction.model}: the whitening was learned from descriptors of another kind, "
        f"{wanted}, not {told}: {way_out}"
    )


def _told(extraction: Mapping[str, Any]) -> str:
    """Whose descriptors these are, in words."""
    model = f"{extraction.get('model', 'an unknown model')!s:.200}"
    stage = "after its own whitening" if extraction.get("own_whitening") else "before any whitening"
    return f"{model} {stage}" + (", whitened once more" if extraction.get("whitening") else "")
