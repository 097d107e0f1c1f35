"""The global network: photos of every kind, every type of weights, its modes, its attention."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from solar.errors import SolarError, UsageError
from solar.models.checkpoints import load
from solar.models.global_descriptor import GlobalDescriptor
from solar.photos import Photo, decode
from tests.scenes import scene


@pytest.fixture(scope="module")
def model(model_folder: Path) -> GlobalDescriptor:
    return load(model_folder)


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "a.png"
    scene(0, (160, 120)).save(path)
    return path


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_other_types_describe_too(
    dtype: torch.dtype, model: GlobalDescriptor, photo: Path
) -> None:
    other = copy.deepcopy(model).to(dtype)
    descriptor = other.describe(photo)
    assert descriptor.dtype == np.float32
    assert float(descriptor @ model.describe(photo)) > 0.999
    assert other.attention_map(photo, at=(80, 60)).sum() == pytest.approx(1, abs=1e-3)
    images = torch.rand(2, 3, 64, 64).to(dtype)
    rows = other.multi_scale(images, (1.0, 0.7))
    assert rows.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    torch.testing.assert_close(rows.norm(dim=1).float(), torch.ones(2))


def test_what_is_asked_of_it_leaves_its_mode(model: GlobalDescriptor, photo: Path) -> None:
    other = copy.deepcopy(model).train()
    other.stages.eval()  # as batch norm is often frozen
    before = {name: module.training for name, module in other.named_modules()}
    state = copy.deepcopy(other.state_dict())
    np.testing.assert_array_equal(other.describe(photo), model.describe(photo))
    other.attention_map(photo, at=(3, 4))
    with pytest.raises(UsageError, match="holds no pixel"):
        other.describe(photo, (500, 0, 600, 10))
    assert {name: module.training for name, module in other.named_modules()} == before
    assert all(torch.equal(tensor, state[name]) for name, tensor in other.state_dict().items())


def test_every_kind_of_photo_is_described(model: GlobalDescriptor, photo: Path) -> None:
    image = Image.open(photo)
    kinds: list[Photo] = [
        str(photo), photo.read_bytes(), image.convert("RGBA"), np.asarray(image),
        decode(photo),
    ]  # fmt: skip
    wanted, box = model.describe(photo), (20, 10, 150, 90)
    for kind in kinds:
        np.testing.assert_array_equal(model.describe(kind), wanted)
    part = model.preprocess(photo, box=box)
    assert part.shape == (1, 3, 64, 104)  # 130 x 80, at most 128 * 130 / 160
    assert not np.allclose(model.describe(photo, box), wanted, atol=0.01)
    assert model.preprocess(image.convert("L"), 64).shape == (1, 3, 48, 64)


def test_attention_map_is_the_descriptors_own(model: GlobalDescriptor, photo: Path) -> None:
    weights = model.attention_map(photo, at=(80, 60), stage=4)
    assert np.array_equal(weights, model.attention_map(photo, at=(80, 60), stage="conv4_x"))
    assert weights.shape == (6, 8)  # 128 x 96 px at stride 16
    assert weights.min() >= 0
    assert float(weights.sum()) == pytest.approx(1, abs=1e-5)
    assert model.attention_is_identity(4) and not model.attention_is_identity(5)
    with pytest.raises(UsageError, match="outside its 160x120"):
        model.attention_map(photo, at=(160, 10))
    with pytest.raises(UsageError, match="no attention after conv3_x; it has: conv4_x, conv5_x"):
        model.attention_map(photo, at=(1, 1), stage=3)


def test_a_network_that_diverged_is_refused(model_folder: Path, photo: Path) -> None:
    network = load(model_folder)
    with torch.no_grad():
        next(iter(network.whiten.parameters())).fill_(torch.nan)
    with pytest.raises(SolarError, match="not finite: its training diverged"):
        network.describe(photo)
