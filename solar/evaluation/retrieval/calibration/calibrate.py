"""A model calibrated on labelled photos: what `solar calibrate` does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from solar.calibration import Calibration
from solar.datasets import open_labelled
from solar.errors import UsageError
from solar.evaluation.retrieval.calibration.cases import cases_to_learn
from solar.evaluation.retrieval.calibration.learning import learn
from solar.evaluation.retrieval.calibration.reliability import Reliability
from solar.extraction import open_extractor
from solar.extraction.engines.choose import document_of
from solar.features.extractor import FeatureExtractor, open_feature_extractor
from solar.files import printable
from solar.models.document import write_calibration
from solar.models.registry import GLOBAL, is_named
from solar.typing import AnyPath, Progress


@dataclass(frozen=True, eq=False)
class Calibrated:
    """A calibration that was learned and written.

    Attributes:
        folder: of the model that has it now.
        calibration: what was learned.
        reliability: by data set and by whether keypoints are compared, on what it was learned from.
    """

    folder: Path
    calibration: Calibration
    reliability: dict[tuple[str, bool], Reliability]


def calibrate(
    model: str | Path,
    places: Sequence[AnyPath],
    to: Path | None = None,
    *,
    local: str | FeatureExtractor = "rootsift",
    engine: str = "auto",
    device: str = "auto",
    progress: Progress | None = None,
) -> Calibrated:
    """Learn how probable it is that hits show a query's place, and keep that with the model.

    Args:
        model: a model folder, or the name of one.
        places: labelled photos, see `open_labelled`; each counts as much as any other. Photos that
            the network was trained on make probabilities too sure.
        to: a new folder for the calibrated model; None to put it into the model's own.
        local: what makes features, the ones that indexes will keep.
        engine: that runs the network, in float32.
        device: where networks run.
        progress: called with photos done and in all, for each of the places.

    Raises:
        UsageError: no folder to keep it in: a published file, a model of the package without `to`,
            or a folder that exists.
        SolarError: places cannot be read, or hold too few photos.
    """
    document = document_of(str(model), GLOBAL)
    if document is None:
        raise UsageError(f"{model}: a .pth file keeps no calibration: solar convert {model} FOLDER")
    if to is None and is_named(str(model)):
        raise UsageError(f"{model} comes with Solar: name a new folder with --to")
    if to is not None and to.exists():
        raise UsageError(f"--to {to}: exists already; choose another name or remove it first")
    opened = [open_labelled(each) for each in places]
    extractor = open_extractor(model, engine=engine, device=device, precision="float32")
    maker = local if isinstance(local, FeatureExtractor) else open_feature_extractor(local, device)
    sets = {
        photos.ground_truth.dataset: cases_to_learn(extractor, photos, maker, progress)
        for photos in opened
    }
    made = maker.extraction
    from_these = ", ".join(
        f"{printable(name)} ({len(cases)} cases)" for name, cases in sets.items()
    )
    how = f"{from_these}; {made}, {made.keypoints} keypoints, {made.image_size} px"
    calibration = learn(list(sets.values()), extractor.extraction.fingerprint, how)
    reliability = {
        (name, verified): Reliability.of(calibration, cases, verified=verified)
        for name, cases in sets.items()
        for verified in (False, True)
    }
    return Calibrated(write_calibration(document, calibration, to), calibration, reliability)
