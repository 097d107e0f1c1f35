"""Images per second in training and in mining: Solar against the published loop, in one run.

The published loop, written here from its description: images go through the network one at a time,
in float32, their gradients added up over the tuples of a step; mining describes one photo at a time
and sorts the whole matrix of similarities of pool and queries. All ways have the same network,
tuples and sizes, and read photos in the main process.

    python benchmarks/training.py PLACES [--model solar-r18] [--image-size 224] [--steps 4]
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from solar.models.device import choose_precision
from solar.photos import normalise, open_photo, prepare
from solar.training.pixels import normalised
from solar.training.retrieval.gradients import tuple_loss
from solar.training.retrieval.recipe import RetrievalRecipe
from solar.training.retrieval.sampling import Draw
from solar.training.retrieval.task import RetrievalTask
from solar.training.retrieval.tuples import TupleImages, Tuples
from solar.training.run.folder import RunFolder
from solar.training.run.processes import Processes
from solar.training.run.run import Run
from solar.training.train import read_recipe


def main() -> None:
    """Read the options, run each way, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("places", type=Path, help="a folder whose sub-folders are places")
    parser.add_argument("--model", default="solar-r18")
    parser.add_argument("--freeze", default="conv4_x", help="this stage and those before it")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--tuples", type=int, default=8, help="in a step")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--pool", type=int, default=150)
    options = parser.parse_args()
    fast = "yes" if choose_precision("auto", torch.device("cpu")) is torch.bfloat16 else "no"
    print(
        f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads,", end=""
    )
    print(f" bfloat16 in hardware: {fast}; {options.model}, frozen up to {options.freeze},", end="")
    print(f" {options.image_size} px, {options.tuples} tuples of 7 images in a step\n")
    print("| way | trained, images/s | ratio | mined, photos/s | ratio |")
    print("| --- | ---: | ---: | ---: | ---: |", flush=True)
    tuples: Tuples | None = None
    first: tuple[float, float] | None = None
    for name, way, precision in (
        ("one at a time, float32 (published)", Published, "float32"),
        ("Solar, float32", Solar, "float32"),
        ("Solar, bfloat16", Solar, "bfloat16"),
    ):
        with tempfile.TemporaryDirectory() as folder:
            loop = way(begin(options, precision, Path(folder)))
            mined, found = loop.speed_of_mining()
            tuples = tuples or found  # all ways train on the same
            trained = loop.speed_of_training(tuples, options.steps)
        first = first or (trained, mined)
        ratios = f"{trained / first[0]:.2f} | {mined:.1f} | {mined / first[1]:.2f}"
        print(f"| {name} | {trained:.1f} | {ratios} |", flush=True)


def begin(options: argparse.Namespace, precision: str, folder: Path) -> Run:
    """A run before its first step."""
    size, count = options.image_size, (options.steps + 1) * options.tuples
    source = {"places": str(options.places.resolve()), "queries": count, "pool": options.pool}
    tables = {
        "model": {"start": options.model, "freeze": options.freeze},
        "photos": [source],
        "tuples": {"image_size": size, "pool_image_size": size},
        "optimiser": {"tuples": options.tuples, "precision": precision, "workers": 0},
    }
    recipe, alone = read_recipe(tables, Path()), Processes()
    assert isinstance(recipe, RetrievalRecipe)
    task = RetrievalTask(recipe, alone, lambda *_: None)
    return Run(task, RunFolder(folder, recipe, resume=False), alone)


class Solar:
    """As `solar train` goes."""

    def __init__(self, run: Run) -> None:
        assert isinstance(run.task, RetrievalTask)
        self.run, self.task = run, run.task

    def speed_of_mining(self) -> tuple[float, Tuples]:
        """Photos per second, and the tuples of an epoch."""
        drawn = self.task.draw(0)
        self.warm(drawn)
        mined = self.task.take(drawn, 0)
        return mined.photos / mined.seconds, mined.tuples

    def warm(self, drawn: Draw) -> None:
        """The first batch of a shape takes longer."""
        self.task.take(Draw(drawn.queries[:1], drawn.positives[:1], drawn.pool[:50]), 0)

    def speed_of_training(self, tuples: Tuples, steps: int) -> float:
        """Images per second, after a first step."""
        self.task.tuples = tuples
        self.take(1)
        started = time.perf_counter()
        done = self.take(steps)
        return done / (time.perf_counter() - started)

    def take(self, steps: int) -> int:
        """Go on by so many steps; returns the images that they took."""
        first, size = self.run.step, self.task.recipe.optimiser.tuples
        for _ in islice(self.run.steps(), steps):
            pass
        return self.task.tuples.photos[first * size : self.run.step * size].size


class Published(Solar):
    """One image at a time."""

    def speed_of_mining(self) -> tuple[float, Tuples]:
        """Photos per second, and the tuples of an epoch, by a full sort."""
        drawn, places = self.task.draw(0), self.task.photos.places
        started = time.perf_counter()
        pool, queries = self.describe(drawn.pool), self.describe(drawn.queries)
        ranks = np.argsort(-(pool @ queries.T), axis=0)  # (P, Q)
        rows = []
        for column, query in enumerate(drawn.queries):
            seen, negatives = {places[query]}, list[int]()
            for photo in drawn.pool[ranks[:, column]]:
                if places[photo] not in seen and len(negatives) < 5:
                    seen.add(places[photo])
                    negatives.append(photo)
            rows.append([query, drawn.positives[column], *negatives])
        seconds = time.perf_counter() - started
        return (len(pool) + len(queries)) / seconds, Tuples(np.array(rows))

    @torch.no_grad()
    def describe(self, numbers: np.ndarray) -> np.ndarray:
        """(N, D), a photo at a time."""
        model, rows = self.task.model, []
        size = self.task.recipe.tuples.pool_image_size
        for number in numbers.tolist():
            photo = prepare(open_photo(self.task.photos.path(number)), size)
            rows.append(model(normalise(photo, model.mean, model.std)[None])[0])
        return torch.stack(rows).numpy()

    def take(self, steps: int) -> int:
        """Go on by so many steps: all images forward, one at a time, the loss, all backward."""
        task, run, tuples = self.task, self.run, self.task.tuples
        size, criterion = task.recipe.optimiser.tuples, tuple_loss(task.recipe.loss)
        images, done = TupleImages(task.photos, tuples, task.recipe, 0), 0
        for _ in range(steps):
            numbers = range(run.step * size, min((run.step + 1) * size, len(tuples)))
            members = [image for number in numbers for image in images[number]]
            descriptors = torch.cat([task.model(self.input(image)) for image in members])
            losses = criterion(descriptors, tuples.labels(len(numbers)))
            task.optimizer.zero_grad()
            torch.autograd.backward(torch.stack(list(losses.values())).sum())
            task.optimizer.step()
            run.step += 1
            done += len(members)
        return done

    def input(self, image: torch.Tensor | str) -> torch.Tensor:
        """(1, 3, H, W) as the network takes it."""
        assert isinstance(image, torch.Tensor), image
        return normalised(image, self.task.model)[None]


if __name__ == "__main__":
    main()
