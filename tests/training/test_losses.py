"""Losses: the published code's values and gradients, by hand, wrong input."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from solar.errors import UsageError
from solar.training.losses import ap_loss, contrastive_loss, sos_loss, triplet_loss
from tests.shared import shared


@pytest.mark.parametrize(
    "name", ["triplet_m1_25", "triplet_m0_1", "contrastive_m0_7", "sos", "triplet_plus_10sos"]
)
def test_values_and_gradients_equal_the_published_code(name: str) -> None:
    golden = np.load(shared("golden/losses.npz"))
    x = torch.from_numpy(golden["x"].T.copy()).requires_grad_()
    labels = torch.from_numpy(golden["label"])
    loss = {
        "triplet_m1_25": lambda: triplet_loss(x, labels, 1.25),
        "triplet_m0_1": lambda: triplet_loss(x, labels, 0.1),
        "contrastive_m0_7": lambda: contrastive_loss(x, labels, 0.7),
        "sos": lambda: sos_loss(x, labels),
        "triplet_plus_10sos": lambda: triplet_loss(x, labels, 1.25) + 10 * sos_loss(x, labels),
    }[name]()
    torch.autograd.backward(loss)
    assert x.grad is not None
    np.testing.assert_allclose(loss.item(), golden[name], rtol=1e-4)
    gradient = golden[f"{name}_grad"].T
    np.testing.assert_allclose(x.grad, gradient, rtol=1e-4, atol=1e-4 * np.abs(gradient).max())


def batch(tuples: int, negatives: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    labels = torch.tensor([-1, 1] + [0] * negatives).repeat(tuples)
    return normalize(torch.randn(len(labels), 8), dim=1), labels


def test_sos_variants_by_hand() -> None:
    x, labels = batch(3, 2)
    q, p, n1, n2 = x.reshape(3, 4, 8).unbind(1)
    delta = torch.stack(
        [((q - n) ** 2).sum(1) - ((p - n) ** 2).sum(1) for n in (n1, n2)], 1
    )  # (3, 2)
    torch.testing.assert_close(sos_loss(x, labels, "absolute"), delta.abs().sum())
    torch.testing.assert_close(sos_loss(x, labels, "query"), delta.square().sum(1).sqrt().sum())
    torch.testing.assert_close(sos_loss(x, labels), delta.square().sum().sqrt() / 3)


def test_equal_query_and_positive_are_at_second_order_rest() -> None:
    x, labels = batch(2, 3)
    tuples = x.reshape(2, 5, 8).clone()
    tuples[:, 1] = tuples[:, 0]
    x = tuples.reshape(-1, 8).requires_grad_()
    loss = sos_loss(x, labels) + contrastive_loss(x, labels)
    torch.autograd.backward(loss)
    assert sos_loss(x, labels).item() == 0
    assert x.grad is not None and bool(x.grad.isfinite().all())


@pytest.mark.parametrize(
    "labels", [[-1, 1], [1, -1, 0], [-1, 1, 0, -1, 0, 1], [-1, 1, 0, 0, -1, 1, 0], [0, 0, 0], []]
)
def test_labels_that_are_no_tuples_are_refused(labels: list[int]) -> None:
    x = torch.randn(len(labels), 4)
    with pytest.raises(UsageError, match="labels"):
        triplet_loss(x, torch.tensor(labels))


def test_an_unknown_variant_is_refused() -> None:
    with pytest.raises(UsageError, match="'mean'"):
        sos_loss(*batch(1, 1), "mean")  # type: ignore[arg-type]


@pytest.mark.parametrize("loss", [triplet_loss, contrastive_loss, sos_loss])
def test_tuples_can_be_given_as_three(loss: Callable[..., Tensor]) -> None:
    x, labels = batch(3, 2)
    q, p, *n = x.reshape(3, 4, 8).unbind(1)
    assert torch.equal(loss((q, p, torch.stack(n, 1))), loss(x, labels))
    for wrong in ((q, p, q), (q, p[:2], torch.stack(n, 1)), (q, p, torch.empty(3, 0, 8))):
        with pytest.raises(UsageError, match=r"\(T, S, D\)"):
            loss(wrong)
    with pytest.raises(UsageError, match="without labels"):
        loss((q, p, torch.stack(n, 1)), labels)


@pytest.mark.parametrize("loss", [triplet_loss, contrastive_loss, sos_loss])
def test_class_ids_make_tuples_of_every_two_of_a_class(loss: Callable[..., Tensor]) -> None:
    x, _ = batch(2, 2)
    x.requires_grad_()
    classes = torch.tensor([7, 3, 7, 3, 0, 7, 3, 3])  # three of 7, four of 3, one alone
    tuples = [
        (x[[i]], x[[j]], x[classes != classes[i]][None])
        for i in range(8)
        for j in range(8)
        if i != j and classes[i] == classes[j]
    ]
    found, each = loss(x, classes), torch.stack([loss(part) for part in tuples])
    if loss is triplet_loss:
        torch.testing.assert_close(found, each.mean())
    elif loss is contrastive_loss:
        torch.testing.assert_close(found, each.sum())
    else:
        torch.testing.assert_close(found, each.square().sum().sqrt() / len(tuples))
    torch.autograd.backward(found)
    assert x.grad is not None and bool(x.grad.isfinite().all()) and bool(x.grad.any())


@pytest.mark.parametrize("classes", [[0, 0, 0], [0, 1, 2], [5]])
def test_class_ids_without_pairs_or_others_are_refused(classes: list[int]) -> None:
    with pytest.raises(UsageError, match="class ids"):
        triplet_loss(torch.randn(len(classes), 4), torch.tensor(classes))


def slow_ap(cosines: list[float], positive: list[bool], levels: int) -> float:
    """Eq. 6 to 11, cosine by cosine."""
    step, found, among, total = 2 / (levels - 1), 0.0, 0.0, 0.0
    for m in range(levels):
        near = [max(0.0, 1 - abs(c - (1 - m * step)) / step) for c in cosines]
        here = sum(n for n, p in zip(near, positive, strict=True) if p)
        found, among = found + here, among + sum(near)
        if among:
            total += found / among * here / sum(positive)
    return total


@pytest.mark.parametrize("levels", [3, 20])
def test_ap_of_classes_equals_the_slow_one(levels: int) -> None:
    x = normalize(torch.randn(8, 4, generator=torch.Generator().manual_seed(1)).double(), dim=1)
    classes = torch.tensor([7, 3, 7, 3, 0, 7, 3, 3])
    found = []
    for i in (0, 1, 2, 3, 5, 6, 7):  # the one that is alone asks for nothing
        others = [j for j in range(8) if j != i]
        cosines = [float(x[i] @ x[j]) for j in others]
        found.append(slow_ap(cosines, [bool(classes[j] == classes[i]) for j in others], levels))
    assert ap_loss(x, classes, levels).item() == pytest.approx(1 - np.mean(found), rel=1e-9)


def test_ap_of_tuples_ranks_each_query_s_own() -> None:
    x, labels = batch(3, 4)
    tuples = x.reshape(3, 6, 8)
    found = [
        slow_ap((one[1:] @ one[0]).tolist(), [True] + [False] * 4, 20) for one in tuples.double()
    ]
    assert ap_loss(x, labels).item() == pytest.approx(1 - np.mean(found), rel=1e-5)


def test_ap_of_cosines_far_apart_is_the_true_one() -> None:
    """Cosines at levels of their own are not smoothed."""
    angles = torch.arccos(torch.tensor([1.0, 0.8, 0.4, 0.0, -0.4, -0.8], dtype=torch.float64))
    ranked = torch.stack([angles.cos(), angles.sin()], 1)
    query, positive = ranked[:1], ranked[[3]]
    negatives = ranked[[1, 2, 4, 5]][None]
    assert ap_loss((query, positive, negatives), levels=11).item() == pytest.approx(1 - 1 / 3)
    assert ap_loss((query, ranked[[1]], ranked[2:][None]), levels=11).item() == pytest.approx(0)


@pytest.mark.parametrize("labels", [[-1, 1, 0, 0, -1, 1, 0, 0], [4, 4, 4, 2, 2, 1, 0, 0]])
def test_gradients_of_ap_are_those_of_its_values(labels: list[int]) -> None:
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(8, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    target = torch.tensor(labels)
    assert torch.autograd.gradcheck(lambda rows: ap_loss(normalize(rows, dim=1), target), x)


def test_ap_falls_as_rows_are_trained() -> None:
    x = torch.randn(12, 6, generator=torch.Generator().manual_seed(3)).requires_grad_()
    classes, optimiser = torch.arange(12) // 3, torch.optim.Adam([x], 0.05)
    first = ap_loss(normalize(x, dim=1), classes).item()
    for _ in range(60):
        optimiser.zero_grad()
        torch.autograd.backward(ap_loss(normalize(x, dim=1), classes))
        optimiser.step()
    assert first > 0.3 and ap_loss(normalize(x, dim=1), classes).item() < 0.05


def test_ap_refuses_what_has_no_lists() -> None:
    with pytest.raises(UsageError, match="2 levels: use 3 or more"):
        ap_loss(*batch(1, 1), levels=2)
    with pytest.raises(UsageError, match="class ids"):
        ap_loss(torch.randn(3, 4), torch.tensor([0, 1, 2]))
