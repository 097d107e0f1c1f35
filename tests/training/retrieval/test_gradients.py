"""The gradient of a step: the same however many images go through the network at once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from solar.models.checkpoints import load
from solar.models.global_descriptor import GlobalDescriptor
from solar.training.retrieval.gradients import backward, tuple_loss
from solar.training.retrieval.recipe import LossSettings

LABELS = torch.tensor([-1, 1, 0, 0] * 3)
SETTINGS = (
    LossSettings(),
    LossSettings("contrastive", 0.7, "query", 3.0),
    LossSettings(second_order="none"),
    LossSettings("ap", second_order="none"),
)


@pytest.fixture(scope="module")
def model(model_folder: Path) -> GlobalDescriptor:
    return load(model_folder)


def plain(
    model: GlobalDescriptor, images: list[Tensor], settings: LossSettings
) -> tuple[dict[str, float], list[Tensor]]:
    model.zero_grad()
    descriptors = torch.cat([model(image[None]) for image in images])
    losses = tuple_loss(settings)(descriptors, LABELS)
    torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
    return {name: loss.item() for name, loss in losses.items()}, gradients(model)


def gradients(model: GlobalDescriptor) -> list[Tensor]:
    found = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    return found


ONE, MIXED = [(40, 40)], [(32, 48), (48, 32), (40, 40), (32, 32)]


@pytest.mark.parametrize(
    ("chunk", "settings", "shapes"),
    [
        (12, SETTINGS[1], ONE),
        (2, SETTINGS[0], MIXED),
        pytest.param(5, SETTINGS[0], ONE, marks=pytest.mark.slow),
        pytest.param(5, SETTINGS[2], MIXED, marks=pytest.mark.slow),
        pytest.param(5, SETTINGS[3], ONE, marks=pytest.mark.slow),
        pytest.param(1, SETTINGS[0], ONE, marks=pytest.mark.slow),
        pytest.param(11, SETTINGS[1], MIXED, marks=pytest.mark.slow),
        pytest.param(12, SETTINGS[0], MIXED, marks=pytest.mark.slow),
    ],
)
def test_cached_gradients_are_those_of_the_plain_way(
    model: GlobalDescriptor, chunk: int, settings: LossSettings, shapes: list[tuple[int, int]]
) -> None:
    torch.manual_seed(0)
    images = [torch.randn(3, *shapes[n % len(shapes)]) for n in range(12)]
    losses, wanted = plain(model, images, settings)
    found = backward(model, images, tuple_loss(settings), LABELS, chunk=chunk)
    assert found == pytest.approx(losses, rel=1e-5)
    assert sum(found.values()) > 0
    length = torch.stack([gradient.norm() for gradient in wanted]).norm()
    for got, right in zip(gradients(model), wanted, strict=True):
        assert (got - right).norm() < 1e-5 * length


def test_the_parts_of_the_loss_are_weighted(model: GlobalDescriptor) -> None:
    images = [torch.randn(3, 32, 32) for _ in range(12)]
    one, ten = (
        backward(model, images, tuple_loss(LossSettings(weight=w)), LABELS, chunk=99)
        for w in (1.0, 10.0)
    )
    assert ten["second_order"] == pytest.approx(10 * one["second_order"])
    assert ten["triplet"] == pytest.approx(one["triplet"]) and set(ten) == {
        "triplet",
        "second_order",
    }


@pytest.mark.slow
def test_bfloat16_is_near_float32(model: GlobalDescriptor) -> None:
    torch.manual_seed(0)
    images = [torch.randn(3, 32, 32) for _ in range(12)]
    criterion = tuple_loss(LossSettings())
    one, other = (
        backward(model, images, criterion, LABELS, chunk=5, precision=precision)
        for precision in (torch.float32, torch.bfloat16)
    )
    assert other["triplet"] == pytest.approx(one["triplet"], rel=0.01)
    assert other != one and all(gradient.isfinite().all() for gradient in gradients(model))
