"""A training in TensorBoard: losses, p, rates, tuples as pictures, attention maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from solar.errors import PhotoError, SolarError
from solar.models.global_descriptor import GlobalDescriptor
from solar.photos import open_photo
from solar.photos.overlay import attention_overlay
from solar.training.retrieval.training import Watcher
from solar.training.retrieval.tuples import TupleImages

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.tensorboard import SummaryWriter

FOLDER = "tensorboard"
SIDE = 224  # pixels of an image in the picture of tuples
TUPLES = 8  # of an epoch, in that picture
ATTENDED = 2  # queries of an epoch with attention maps
_NO_CURVE = {"event", "epoch", "step", "of", "remaining_s"}


class BoardWatcher(Watcher):
    """Writes what `tensorboard --logdir RUN` shows; all numbers are in the log, too.

    A run that was killed writes what it repeats a second time, at the same steps.

    Args:
        folder: of the run.

    Raises:
        SolarError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            how = "install it with: pip install 'solar-retrieval[tensorboard]'"
            raise SolarError(f"--tensorboard needs TensorBoard; {how}") from error
        self._kind, self._folder = SummaryWriter, folder / FOLDER
        self._made: SummaryWriter | None = None
        self._queries: Sequence[Path] = ()

    def line(self, line: Mapping[str, Any]) -> None:
        """Numbers of a step, counted through all epochs; the validation's mAP by epoch."""
        if line["event"] == "step":
            step = line["epoch"] * line["of"] + line["step"]
            for name in line.keys() - _NO_CURVE:
                if line[name] is not None:
                    self._writer.add_scalar(f"step/{name}", line[name], step)
        elif "map" in line:
            done = line["epoch"] + 1 if line["event"] == "epoch" else 0
            self._writer.add_scalar("validation/map", line["map"], done)

    def mined(self, epoch: int, images: TupleImages) -> None:
        """The first tuples of an epoch as the network sees them, a row each."""
        rows = [images[number] for number in range(min(TUPLES, len(images)))]
        sheet = _sheet([row for row in rows if not isinstance(row, str)])
        self._writer.add_image("tuples", np.array(sheet), epoch, dataformats="HWC")
        queries = images.tuples.photos[:ATTENDED, 0].tolist()
        self._queries = [images.photos.path(query) for query in queries]

    def trained(self, epoch: int, model: GlobalDescriptor) -> None:
        """Where the middle of some queries attends after the epoch."""
        for number, path in enumerate(self._queries):
            try:
                photo = open_photo(path)
            except PhotoError:
                continue  # no reason to end a training
            middle = (photo.width / 2, photo.height / 2)
            for stage in model.config.attention:
                weights = model.attention_map(path, middle, stage)
                overlay = np.array(attention_overlay(photo, weights, middle))
                tag = f"attention/{stage}, query {number}"
                self._writer.add_image(tag, overlay, epoch, dataformats="HWC")
        self._writer.flush()

    @property
    def _writer(self) -> SummaryWriter:
        """Made when there is something to write: a run that is refused leaves no folder."""
        if self._made is None:
            self._made = self._kind(str(self._folder))
        return self._made


def _sheet(rows: Sequence[Sequence[Tensor]]) -> Image.Image:
    """Tuples of images (3, H, W) as one picture: query, positive, negatives."""
    width = max((len(row) for row in rows), default=1)
    sheet = Image.new("RGB", (width * SIDE, max(len(rows), 1) * SIDE))
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            small = Image.fromarray(image.permute(1, 2, 0).numpy())
            small.thumbnail((SIDE, SIDE))
            sheet.paste(small, (x * SIDE, y * SIDE))
    return sheet
