"""Retrieval: mine tuples, step through them, validate (Ng et al., section 4.1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from solar.datasets import open_folder
from solar.errors import PhotoError, SolarError, UsageError
from solar.evaluation.retrieval import rank, score_rankings
from solar.extraction import collect
from solar.extraction.engines.torch import TorchExtractor
from solar.models.config import Provenance
from solar.models.device import choose_precision
from solar.models.global_descriptor import GlobalDescriptor
from solar.models.pooling import exponents
from solar.models.registry import bring, is_named
from solar.models.repool import PHOTOS
from solar.photos import open_photo
from solar.photos.overlay import attention_overlay
from solar.training.pixels import normalised
from solar.training.retrieval.epoch import Mined, mine
from solar.training.retrieval.gradients import backward, tuple_loss
from solar.training.retrieval.recipe import RetrievalRecipe, ValidationSettings
from solar.training.retrieval.sampling import Draw
from solar.training.retrieval.start import build_optimizer, starting_model
from solar.training.retrieval.tuples import Batch, TrainingPhotos, TupleImages, Tuples, pack, unpack
from solar.training.run.processes import Processes
from solar.training.run.task import Line, Picture, Progress, State, Task
from solar.typing import Progress as Counted

SIDE = 224  # pixels of an image in the picture of tuples
TUPLES = 8  # of an epoch, in that picture
ATTENDED = 2  # queries of an epoch with attention maps


class RetrievalTask(Task):
    """A global network from tuples of photos.

    Args:
        recipe: everything that the result depends on.
        processes: this process among all.
        progress: told how far mining and validation are.

    Raises:
        UsageError: the photos, or what training starts from, do not allow it.
    """

    def __init__(self, recipe: RetrievalRecipe, processes: Processes, progress: Progress) -> None:
        self.recipe, self.processes, self.progress = recipe, processes, progress
        self.photos = TrainingPhotos(recipe)
        start = recipe.model.start
        if processes.first and is_named(start):
            bring(start, lambda done, total: progress(f"fetching {start}", done, total or 0))
        processes.wait()  # the others find it on the disk
        sample = range(0, len(self.photos), -(-len(self.photos) // PHOTOS))
        paths = [self.photos.path(number) for number in sample]
        self.model = starting_model(recipe, paths, processes.device)
        processes.copy(self.model)  # equal clusters, whatever each machine's rounding
        self.modules = self.model.to(memory_format=torch.channels_last)
        self.optimizer = build_optimizer(self.model, recipe.optimiser)
        self.epochs, self.max_steps = recipe.optimiser.epochs, recipe.optimiser.max_steps
        self.best_by = "map" if recipe.validation else None
        self.criterion = tuple_loss(recipe.loss)
        self.epoch, self.tuples = 0, Tuples(np.zeros((0, 2), np.int64))

    def begin(self) -> Line:
        """Count the photos; measure where the network stands before its first step."""
        line = {"photos": len(self.photos), "alone": self.photos.alone}
        return {**line, "places": len(np.unique(self.photos.places)), **self._validated()}

    def open_epoch(self, epoch: int) -> Line:
        """Draw queries, positives and a pool; mine."""
        mined = self.take(self.draw(epoch), epoch)
        line = {"event": "mined", "tuples": len(mined.tuples), "pool": mined.pool}
        line |= {"photos": mined.photos, "seconds": mined.seconds}
        return {**line, "unreadable": list(mined.unreadable)}

    def draw(self, epoch: int) -> Draw:
        """Queries, positives and pool of an epoch, the same whenever it is drawn."""
        return self.photos.draw(np.random.default_rng((self.recipe.optimiser.seed, epoch)))

    def take(self, drawn: Draw, epoch: int) -> Mined:
        """Train on what is drawn: find its negatives with the network as it is."""
        mined = mine(self.model, self.photos, drawn, self.recipe, self.processes, self.progress)
        self.epoch, self.tuples = epoch, mined.tuples
        return mined

    def epoch_state(self) -> State:
        """The tuples, and the epoch that their images depend on."""
        return {"tuples": torch.from_numpy(self.tuples.photos), "epoch": self.epoch}

    def restore_epoch(self, state: State) -> None:
        """Take tuples that were mined before."""
        self.tuples, self.epoch = Tuples(state["tuples"].numpy()), state["epoch"]

    def steps(self, epoch: int) -> int:
        """As many as the tuples of the open epoch need."""
        return -(-len(self.tuples) // self.recipe.optimiser.tuples)

    def batches(self, epoch: int, first: int) -> Iterator[tuple[list[Tensor], Tensor]]:
        """This process's images of each step, and the labels of all processes' images."""
        settings, count = self.recipe.optimiser, len(self.tuples)
        starts = range(first * settings.tuples, count, settings.tuples)
        rows = [range(start, min(start + settings.tuples, count)) for start in starts]
        loader: Iterable[Batch] = DataLoader(
            self._images(),
            batch_sampler=[list(step[self.processes.share(len(step))]) for step in rows],
            num_workers=settings.workers,
            collate_fn=pack,
        )
        for step, batch in zip(rows, loader, strict=True):
            if isinstance(batch, str):
                raise SolarError(f"{batch}: it was there for mining; put it back, then --resume")
            yield unpack(*batch), self.tuples.labels(len(step))

    def rate(self, epoch: int, step: int) -> float:
        """That of the epoch."""
        return self.recipe.optimiser.rate(epoch)

    def backward(self, batch: tuple[list[Tensor], Tensor]) -> dict[str, float]:
        """First-order and second-order loss of a step's tuples."""
        images, labels = batch
        settings = self.recipe.optimiser
        return backward(
            self.model,
            [normalised(image, self.model) for image in images],
            self.criterion,
            labels,
            chunk=settings.chunk,
            precision=choose_precision(settings.precision, self.processes.device),
            processes=self.processes,
        )

    def figures(self) -> Line:
        """The pooling's p; the mean where each channel has one; None where there is none."""
        values = [p.detach().mean().item() for p in exponents(self.model.pool)]
        return {"p": values[0] if values else None}

    def close_epoch(self, epoch: int, last: bool) -> Line:
        """Validate after the last epoch, and as often as the recipe says."""
        settings = self.recipe.validation
        return self._validated() if settings and (last or not (epoch + 1) % settings.every) else {}

    def samples(self) -> Iterator[Picture]:
        """The first tuples of the epoch."""
        yield "tuples", sheet(self._images())

    def views(self) -> Iterator[Picture]:
        """Where the middle of some queries attends."""
        return attention_overlays(self.model, self._images())

    def result(self) -> GlobalDescriptor:
        """The network, with what it was trained on."""
        photos = ", ".join(s.places or s.folder or "" for s in self.recipe.photos)
        trained_on = f"{photos}; from {self.recipe.model.start}"
        self.model.provenance = Provenance(trained_on, "solar train")
        return self.model

    def _images(self) -> TupleImages:
        return TupleImages(self.photos, self.tuples, self.recipe, self.epoch)

    def _validated(self) -> dict[str, float]:
        """The validation's mAP, if the recipe has one."""
        settings, base = self.recipe.validation, self.recipe.base
        if settings is None:
            return {}

        def progress(done: int, total: int) -> None:
            self.progress("validation", done, total)

        return {"map": validate(self.model, settings, base, progress)}


def sheet(images: TupleImages) -> NDArray[np.uint8]:
    """The first tuples, a row each: query, positive, negatives; unreadable ones are left out."""
    found = [images[number] for number in range(min(TUPLES, len(images)))]
    rows = [row for row in found if not isinstance(row, str)]
    width = max((len(row) for row in rows), default=1)
    picture = Image.new("RGB", (width * SIDE, max(len(rows), 1) * SIDE))
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            small = Image.fromarray(image.permute(1, 2, 0).numpy())
            small.thumbnail((SIDE, SIDE))
            picture.paste(small, (x * SIDE, y * SIDE))
    return np.array(picture)


def attention_overlays(model: GlobalDescriptor, images: TupleImages) -> Iterator[Picture]:
    """Where the middle of the first queries attends, after each stage with attention."""
    for number, query in enumerate(images.tuples.photos[:ATTENDED, 0].tolist()):
        path = images.photos.path(query)
        try:
            photo = open_photo(path)
        except PhotoError:
            continue  # no reason to end a training
        middle = (photo.width / 2, photo.height / 2)
        for stage in model.config.attention:
            weights = model.attention_map(path, middle, stage)
            overlay = np.array(attention_overlay(photo, weights, middle))
            yield f"attention/{stage}, query {number}", overlay


def validate(
    model: GlobalDescriptor,
    settings: ValidationSettings,
    base: Path,
    progress: Counted | None = None,
) -> float:
    """Mean average precision on a folder of places, every photo a query in turn.

    Args:
        model: the network.
        settings: the folder, and how its photos are seen.
        base: the folder that relative paths refer to.
        progress: called with photos done and in all.

    Returns:
        0 to 1.

    Raises:
        UsageError: there is nothing to measure.
        SolarError: a photo cannot be read.
    """
    try:
        photos = open_folder(base / settings.places)
    except SolarError as error:
        raise UsageError(f"[validation] places: {error}") from error
    extractor = TorchExtractor(model, image_size=settings.image_size, scales=settings.scales)
    found = collect(extractor, photos.database, progress=progress)
    if found.failures:
        raise SolarError(f"[validation] places: {found.failures[0].reason}")
    truth = photos.ground_truth
    rows = {name: row for row, name in enumerate(truth.database)}
    asked = found.descriptors[[rows[query.name] for query in truth.queries]]
    rankings = rank(asked, found.descriptors, [query.labelled for query in truth.queries])
    return next(iter(score_rankings(rankings, truth.queries).values())).map
