"""A training loop on one screen: a network learns from photos whose places are known.

    python examples/train.py places/ my-model

Sub-folders of `places/` are places, two at least, each of two photos or more. This is the heart of
what `solar train` does, without what a long run needs: hard negatives, validation, checkpoints that
resume, several processes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import solar
from solar.photos import normalise
from solar.training.losses import sos_loss, triplet_loss


def batches(
    folder: Path, model: solar.GlobalDescriptor, size: int, steps: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Two photos each of up to four places: (B, 3, size, size), and their places (B,)."""
    places = [sorted(place.iterdir()) for place in sorted(folder.iterdir()) if place.is_dir()]
    random = np.random.default_rng(0)
    for _ in range(steps):
        chosen = random.permutation(len(places))[:4]
        drawn = [(n, row) for n in chosen for row in random.permutation(len(places[n]))[:2]]
        images = [solar.open_photo(places[n][row]).resize((size, size)) for n, row in drawn]
        pixels = [normalise(image, model.mean, model.std) for image in images]
        yield torch.from_numpy(np.stack(pixels)), torch.from_numpy(chosen.repeat(2))


def main(folder: str, to: str, size: int = 224, steps: int = 100) -> list[float]:
    """Train, and write a model folder that `--model` takes everywhere; the losses of all steps."""
    model = solar.load("solar-r18").train()
    for module in model.modules():  # statistics of small batches are worse than those there are
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-5)
    losses: list[float] = []
    for images, places in batches(Path(folder), model, size, steps):
        descriptors = model(images)  # (B, D), unit rows
        loss = triplet_loss(descriptors, places) + 10 * sos_loss(descriptors, places)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
        print(f"step {len(losses)}: {losses[-1]:.4f}")
    solar.save(model.eval(), to)
    return losses


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
