"""Which descriptors a whitening may be applied to, and what they are afterwards."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

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
    learned_from = whitening.settings.get("extraction")
    if learned_from is not None:
        asked = learned_from.get("fingerprint"), learned_from.get("whitening")
        if asked != (extraction.fingerprint, extraction.whitening):
            raise UsageError(
                f"model {extraction.model}: the whitening was learned from descriptors of another "
                "kind: learn one from these with 'solar whiten fit', or 'solar whiten fold' this "
                "one into its model and describe the photos with that"
            )
    if whitening.mean.shape != (extraction.dimensions,):
        what = f"{len(whitening.mean)} dimensions, not {extraction.dimensions}"
        raise UsageError(f"model {extraction.model}: the whitening is for {what}")
    return replace(extraction, dimensions=len(whitening.projection), whitening=whitening.digest)
