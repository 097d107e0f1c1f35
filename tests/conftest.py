"""What many tests need: a model folder with random weights, made once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from solar.models.checkpoints import save
from solar.models.config import GlobalConfig, Provenance
from solar.models.global_descriptor import GlobalDescriptor

os.environ["HF_HUB_OFFLINE"] = "1"  # no test asks the hub for anything
os.environ.setdefault("OMP_NUM_THREADS", "1")  # of what they start; the tests run side by side
torch.set_num_threads(1)
settings.register_profile("whole", deadline=None)  # on busy machines too
settings.register_profile("quick", deadline=None, max_examples=30)


def pytest_configure(config: pytest.Config) -> None:
    """Fewer examples in the quick suite, before any property is read."""
    quick = "not slow" in (config.getoption("markexpr") or "")
    settings.load_profile("quick" if quick else "whole")


@pytest.fixture(scope="session", autouse=True)
def kept_descriptors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What evaluations keep goes into a cache of this session's own; models stay where they are."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("kept")
        patch.setattr("solar.evaluation.kept.cache_folder", lambda: folder)
        yield


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small untrained model, saved: ResNet-18, attention, whitening to 32 dimensions."""
    torch.manual_seed(7)
    config = GlobalConfig("resnet18", whitening=32, image_size=128, scales=(1.0, 0.7))
    model = GlobalDescriptor(config, Provenance(licence="MIT"), "untrained")
    torch.nn.init.normal_(model.get_parameter("attention.conv5_x.v.weight"), std=0.05)
    folder = tmp_path_factory.mktemp("models") / "untrained"
    save(model, folder)
    return folder
