"""timm's networks as graphs: both engines describe as torch does, photos of odd sizes too."""

from pathlib import Path

import pytest
import torch

from solar.errors import UsageError
from solar.extraction import collect, open_extractor
from solar.extraction.export import export
from tests.models.small_timm import EXPORTED, network_of
from tests.scenes import scene


def test_what_no_graph_can_be_made_of_is_refused_before_anybody_waits(tmp_path: Path) -> None:
    refused = "windows of Swin V2 fit no graph .* --engine torch"
    with pytest.raises(UsageError, match=refused):
        export(network_of("solar_swin_2"), tmp_path / "m")
    with pytest.raises(
        UsageError, match="int8 is measured for backbones of Solar's own alone; use float16"
    ):
        export(
            network_of("test_resnet"),
            tmp_path / "m",
            precision="int8",
            calibration=[tmp_path / "a.jpg"],
        )


@pytest.mark.slow
@pytest.mark.parametrize("family", EXPORTED)
def test_they_are_exported(family: str, tmp_path: Path) -> None:
    torch.manual_seed(2)
    network = network_of(family, whitening=16)
    folder = export(network, tmp_path / "m")
    sizes = ((96, 72), (61, 96), (96, 96), (96, 17))
    photos = [scene(number, size) for number, size in enumerate(sizes)]
    theirs = open_extractor(network, engine="torch", precision="float32")
    expected = collect(theirs, photos).descriptors
    for engine in ("openvino", "onnx"):
        ours = open_extractor(folder, engine=engine, precision="float32")
        assert ours.extraction.differences(theirs.extraction) == []
        cosines = (collect(ours, photos).descriptors * expected).sum(1)
        assert cosines.min() >= 0.9999, engine  # also of the one that has to be enlarged
