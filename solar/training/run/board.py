"""A run in TensorBoard: losses, rates, validation, the pictures of its task."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from solar.errors import SolarError, how_to_install
from solar.training.run.task import Line, Picture, Watcher

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FOLDER = "tensorboard"
_NO_CURVE = {"event", "epoch", "step", "of", "done", "minutes", "minutes_left", "best_epoch"}


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
            how = f"--tensorboard needs TensorBoard: {how_to_install('tensorboard')}"
            raise SolarError(how) from error
        self._kind, self._folder = SummaryWriter, folder / FOLDER
        self._made: SummaryWriter | None = None

    def line(self, line: Line) -> None:
        """Numbers of a step, counted through all epochs; those of a validation by epoch."""
        event = line["event"]
        if event not in ("start", "step", "epoch"):
            return
        at = line["done"] if event == "step" else line.get("epoch", 0)
        group = "step" if event == "step" else "validation"
        for name in line.keys() - _NO_CURVE:
            if isinstance(line[name], float):
                self._writer.add_scalar(f"{group}/{name}", line[name], at)

    def pictures(self, epoch: int, pictures: Iterator[Picture]) -> None:
        """The pictures of an epoch, each under its name."""
        for name, picture in pictures:
            self._writer.add_image(name, picture, epoch, dataformats="HWC")
        self._writer.flush()

    @property
    def _writer(self) -> SummaryWriter:
        """Made when there is something to write: a run that is refused leaves no folder."""
        if self._made is None:
            self._made = self._kind(str(self._folder))
        return self._made
