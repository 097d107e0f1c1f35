"""Photos into an index, made if it is not there: all that `solar index` does, in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from solar.errors import UsageError
from solar.extraction.shards import open_shards
from solar.features import DEFAULT
from solar.index._candidates import Ready
from solar.index._given import see
from solar.index.index import Index
from solar.index.results import AddReport
from solar.index.vectors import Server
from solar.index.vectors.choice import chosen, cost
from solar.typing import AnyPath, Progress

if TYPE_CHECKING:
    from solar.index._models import Model


@dataclass(frozen=True)
class Indexed:
    """What was done to an index.

    Attributes:
        index: its folder.
        photos: how many can be found now.
        dropped: how many were taken out because their files are gone.
        copies: paths of photos that are the same byte for byte, group by group.
        report: what became of each photo.
        relocated: (old folder, new folder, photos) of each that was said to have moved.
        engine: what ran the network, in words; None if no photo had to be described.
        kind: of vectors.
        cost: of that kind, in words, where it was chosen now.
    """

    index: Path
    photos: int
    dropped: int
    copies: list[list[str]]
    report: AddReport
    relocated: list[tuple[str, str, int]]
    engine: str | None
    kind: str
    cost: str | None

    @property
    def useless(self) -> bool:
        """Whether there were photos, and none of them could be used."""
        report = self.report
        used = report.added or report.changed or report.unchanged
        return not used and bool(report.failed or report.still_failed)

    def to_json(self) -> dict[str, object]:
        """As `solar index --json` prints it."""
        whole = asdict(self)
        report = whole.pop("report")
        return {**whole, "index": str(self.index), **report}


def index_photos(
    to: AnyPath,
    photos: Sequence[AnyPath] = (),
    *,
    model: Model | None = None,
    image_size: int | None = None,
    scales: Sequence[float] | None = None,
    kind: str | None = None,
    server: Server | None = None,
    local: str | None = "default",
    exclude: Sequence[str] = (),
    check_content: bool = False,
    retry_failed: bool = False,
    moved: Sequence[tuple[str, str]] = (),
    prune: bool = False,
    prune_missing_root: bool = False,
    ready: Ready | None = None,
    engine: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    progress: Progress | None = None,
) -> Indexed:
    """Add photos to an index, or change it as the options say.

    Args:
        to: the index; made if it is not there.
        photos: photos and folders; may be left out where an option changes an index.
        model: of a new index, `solar-r18` if it is None; of another, without photos, describes all
            of them anew.
        image_size: as for `Index.create`.
        scales: as for `Index.create`.
        kind: as for `Index.create`, to which an index of another is converted; None for that of
            the index, or what `solar.index.vectors.choice` says of so many photos.
        server: for kind `milvus`; None for the one where the index is, or what the environment
            says. Descriptors move to another.
        local: features to keep; see `Index.keep_features`. `default` is `rootsift` in a new index,
            and what it keeps in another; None is none.
        exclude: see `Index.add`.
        check_content: see `Index.add`.
        retry_failed: see `Index.add`.
        moved: (old folder, new folder) of photos; see `Index.move`.
        prune: take out photos whose files are gone.
        prune_missing_root: also those of folders that are missing, empty or more than half gone.
        ready: see `Index.add`.
        engine: that runs the model; see `solar.open_extractor`.
        device: where networks run.
        precision: of their arithmetic.
        progress: called with the number of photos dealt with, and of all.

    Raises:
        UsageError: nothing is to be done, a path does not exist, or the settings are others than
            the index's.
        CheckpointError: a model cannot be loaded.
        IndexFolderError: the index is damaged, or cannot be written.
    """
    to, given, seen = Path(to), list(photos), None
    exists = to.is_file() or (to.is_dir() and any(to.iterdir()))
    keep = local if local != "default" else None
    if not given and not (exists and (model or keep or moved or kind)):
        raise UsageError("PHOTOS: say which, or an option that changes an index that is there")
    anew = model if exists and not given else None
    if exists:
        settings = (None, None, None) if anew else (model, image_size, scales)
        index = Index.open(to, *settings, engine=engine, device=device, precision=precision)
        if local is None and index.info().features:
            raise UsageError("keeps keypoints: leave --no-local out, or make another index", to)
        if kind is not None or server is not None:
            index.convert(kind or index.kind, progress, server=server)
    else:
        for path in map(Path, given):
            if not path.exists() and not path.is_symlink():
                raise UsageError("no such file or folder", path)
        seen = see(given, exclude)
        kind = kind or chosen(len(seen))
        index = Index.create(
            to,
            model or "solar-r18",
            image_size,
            scales,
            local=DEFAULT if local == "default" else local,
            kind=kind,
            server=server,
            engine=engine,
            device=device,
            precision=precision,
        )
    relocated = [(old, new, index.move(old, new)) for old, new in moved]
    report = AddReport()
    if anew:
        report = index.renew(anew, progress, image_size, scales)
    if exists and keep is not None:
        index.keep_features(keep)
        given = given or [photo.path for photo in index.photos()]
    if given or not (anew or kind):
        report = index._add_seen(
            lambda: see(given, exclude) if seen is None else seen,
            progress,
            retry_failed=retry_failed,
            check_content=check_content,
            ready=ready,
        )
    dropped = drop_gone(index, report, prune, prune_missing_root)
    kept = None if kind is None else _cost(index)
    copies, ran = index.copies(), index.engine
    return Indexed(to, len(index), dropped, copies, report, relocated, ran, index.kind, kept)


def drop_gone(index: Index, report: AddReport, prune: bool, missing_roots: bool) -> int:
    """Take out photos whose files are gone, if that is wanted; returns how many.

    Args:
        index: that reported.
        report: of `Index.add`.
        prune: whether those are taken out whose files are gone from a folder that is there.
        missing_roots: also those of folders that are missing, empty or more than half gone.
    """
    gone = report.vanished if prune or missing_roots else []
    gone = [*gone, *report.unreachable] if missing_roots else gone
    return index.remove(gone) if gone else 0


def index_shards(
    to: AnyPath,
    shards: AnyPath,
    *,
    model: Model | None = None,
    kind: str | None = None,
    local: str | None = None,
    engine: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    progress: Progress | None = None,
) -> Indexed:
    """Put what many machines described together into an index; see `Index.add_shards`.

    Args:
        to: the index; made if it is not there, with the settings of the shards.
        shards: the folder or address where they are.
        model: that described the photos; None for the one that the shards name.
        kind: as for `index_photos`.
        local: features that a new index keeps of photos that are added to it later; None for none.
        engine: that runs the model for queries; see `solar.open_extractor`.
        device: where networks run.
        precision: of their arithmetic.
        progress: called with the number of photos dealt with, and of all.

    Raises:
        UsageError: the index, or the model, is another than that of the shards.
        CheckpointError: the model cannot be loaded.
        SolarError: shards are missing or damaged.
        IndexFolderError: the index is damaged, or cannot be written.
    """
    to, made = Path(to), open_shards(shards)
    if to.is_file() or (to.is_dir() and any(to.iterdir())):
        index = Index.open(to, model, engine=engine, device=device, precision=precision)
        if kind is not None:
            index.convert(kind, progress)
    else:
        kind = kind or chosen(made.photos)
        index = Index.create(
            to,
            model or made.extraction.model,
            made.extraction.image_size,
            made.extraction.scales,
            local=local,
            kind=kind,
            engine=engine,
            device=device,
            precision=precision,
        )
    report = index.add_shards(shards, progress)
    kept = None if kind is None else _cost(index)
    return Indexed(to, len(index), 0, index.copies(), report, [], None, index.kind, kept)


def _cost(index: Index) -> str:
    dimensions = index.extraction.dimensions
    return cost(index.kind, dimensions, len(index), index.keypoint_bytes())
