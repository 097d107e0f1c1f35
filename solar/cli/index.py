"""solar index: photos into an index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from solar.cli.console import Plain, err, keeping, out, print_json, progress, ready
from solar.cli.console import scales as parse_scales
from solar.cli.options import (
    ANY_MODEL,
    AsJson,
    Descriptors,
    Device,
    Engine,
    Exclude,
    FromModule,
    ImageSize,
    Precision,
    Scales,
    Sweep,
    foreign,
    usual_model,
)
from solar.errors import UsageError
from solar.files import numbered, shown
from solar.files.stores import is_address

if TYPE_CHECKING:
    from solar.index import AddReport, Indexed
    from solar.index.vectors import Server

SHOWN = 10


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("index", epilog="Example: solar index ~/Pictures --to my.index")(index)


def index(
    to: Annotated[str, typer.Option(help="The index: a folder, made if it is not there.")],
    photos: Annotated[
        list[Path] | None,
        typer.Argument(help="Photos and folders of photos. [none, if an option changes the index]"),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help=f"{ANY_MODEL}; without PHOTOS, another one describes "
            "all photos anew. [of a new index SOLAR_MODEL, solar-r18]"
        ),
    ] = None,
    extractor: FromModule = None,
    descriptors: Descriptors = None,
    image_size: ImageSize = None,
    scales: Scales = None,
    kind: Annotated[
        str | None,
        typer.Option(
            help="How descriptors of D numbers are kept: exact takes 6 x D bytes a photo, float16 "
            "2 x D and sq8 D, and they order what they find by the rounded numbers. An index of "
            "another kind is converted, without its photos; what was rounded off does not come "
            "back. rabitq, ivf-rabitq and ivf-pq look at few of many photos, see `solar tune`; "
            "milvus keeps them on a server, see --milvus-uri. "
            "[exact below 200,000 photos, else rabitq]"
        ),
    ] = None,
    milvus_uri: Annotated[
        str | None,
        typer.Option(
            help="Where kind milvus keeps descriptors: http://host:19530, https:// for TLS, or a "
            "file.db of Milvus Lite. Name and password, name:password, are read from "
            "SOLAR_MILVUS_TOKEN and kept nowhere. [SOLAR_MILVUS_URI]"
        ),
    ] = None,
    milvus_collection: Annotated[
        str | None,
        typer.Option(help="What names of collections begin with. [SOLAR_MILVUS_COLLECTION, solar]"),
    ] = None,
    local: Annotated[
        str | None,
        typer.Option(
            help="What describes the keypoints that are kept beside each photo, by which `solar "
            "search` verifies what it finds: rootsift, solar-local, or a local model's folder or "
            ".pth file; an index that keeps none gets them. [rootsift]"
        ),
    ] = None,
    no_local: Annotated[
        bool,
        typer.Option("--no-local", help="Keep no keypoints: searches then verify nothing."),
    ] = False,
    exclude: Exclude = None,
    from_shards: Annotated[
        str | None,
        typer.Option(
            help="Instead of PHOTOS: the folder or address where machines put what they described "
            "together, see `solar describe --worker`. No photo is read. [none]"
        ),
    ] = None,
    check: Annotated[
        str,
        typer.Option(
            help="How changes are noticed. times: by size and times of files; content: by "
            "reading all of them, which finds changes that keep both."
        ),
    ] = "times",
    moved: Annotated[
        list[str] | None,
        typer.Option(help="OLD=NEW: a folder lies elsewhere now. [none]"),
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Drop photos whose files are gone.")
    ] = False,
    prune_missing_root: Annotated[
        bool,
        typer.Option(
            "--prune-missing-root",
            help="Also drop those of folders that are missing, empty or more than half gone.",
        ),
    ] = False,
    retry: Annotated[
        bool, typer.Option("--retry", help="Also try again what was skipped before.")
    ] = False,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Then go on: add photos as they come, until Ctrl-C."),
    ] = False,
    sweep: Sweep = None,
    engine: Engine = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
    as_json: AsJson = False,
) -> None:
    """Put photos into an index, where `solar search` finds them; only new and changed ones.

    An interrupted run goes on where it stopped. A photo that was renamed or moved keeps its place.
    """
    from solar.cli.watching import watch_photos
    from solar.index import Index, index_photos, index_shards
    from solar.index.watching import Settled

    if check not in ("times", "content"):
        raise UsageError(f"--check {shown(check)}: use times or content")
    if no_local and local is not None:
        raise UsageError("--local and --no-local exclude each other: leave one out")
    if watch and (as_json or from_shards or not photos):
        raise UsageError("--watch: takes PHOTOS, and neither --json nor --from-shards")
    if is_address(to):
        raise UsageError(f"{to}: an index is written in a folder, and then copied there")
    instead = foreign(extractor, descriptors, model)
    new = not (from_shards or any(Path(to).glob("catalogue-*.db")))
    if instead is None and model is None and new:
        model = usual_model()  # an index that is there keeps its own
    if instead is None and (model is not None or not (Path(to).exists() or from_shards)):
        ready(model or "solar-r18")
    what = f"{to} keeps what was described: the same command goes on with the rest"
    if from_shards is not None:
        if photos or image_size or scales or exclude or moved or prune or prune_missing_root:
            raise UsageError("--from-shards: takes photos and settings from there: no others")
        with keeping(what), progress("indexing") as show:
            done = index_shards(
                to,
                from_shards,
                model=model,
                kind=kind,
                local=local,
                engine=engine,
                device=device,
                precision=precision,
                progress=show,
            )
        _told(done, as_json)
        return
    settled = Settled() if watch else None
    with keeping(what), progress("indexing") as show:
        done = index_photos(
            to,
            photos or (),
            model=instead or model,
            image_size=image_size,
            scales=parse_scales(scales),
            kind=kind,
            server=_server(milvus_uri, milvus_collection),
            local=None if no_local else local or "default",
            exclude=exclude or (),
            check_content=check == "content",
            retry_failed=retry,
            moved=[_moved(pair) for pair in moved or ()],
            prune=prune,
            prune_missing_root=prune_missing_root,
            ready=settled,
            engine=engine,
            device=device,
            precision=precision,
            progress=show,
        )
    if settled is None:
        _told(done, as_json)
        return
    _print(done)
    _print_missing(done.report, done.index)
    with keeping(what):
        watch_photos(
            Index.open(to, instead, engine=engine, device=device, precision=precision),
            photos or (),
            settled,
            exclude=exclude or (),
            prune=prune,
            prune_missing_root=prune_missing_root,
            sweep=sweep,
        )


def _told(done: Indexed, as_json: bool) -> None:
    if as_json:
        print_json(done.to_json())
    else:
        _print(done)
        _print_missing(done.report, done.index)
    if done.useless:
        raise typer.Exit(1)


def _server(uri: str | None, collection: str | None) -> Server | None:
    from solar.index.vectors import Server

    return Server.named(uri, collection) if uri or collection else None


def _moved(pair: str) -> tuple[str, str]:
    old, found, new = pair.partition("=")
    if not (old and found and new):
        raise UsageError(f"--moved {shown(pair)}: expected OLD=NEW")
    return old, new


def _print(done: Indexed) -> None:
    from solar.index.vectors.choice import MANY

    report, to = done.report, done.index
    for old, new, count in done.relocated:
        err.print(f"{numbered(count, 'photo')} of {old} {_are(count)} in {new} now")
    counts = [
        f"{len(paths):,} {word}"
        for word in ("added", "changed", "unchanged")
        if (paths := getattr(report, word))
    ]
    counted = ", ".join(counts) or ("" if done.cost else "none found")
    out.print(f"{to}: {numbered(done.photos, 'photo')}" + (f" ({counted})" if counted else ""))
    if done.cost is not None:
        out.print(f"  {done.cost}")
    elif done.kind == "exact" and done.photos >= MANY:
        out.print(f"  all photos are compared: `solar index --to {to} --kind rabitq` is faster")
    for root in report.roots:
        out.print(f"  new folder: {root}")
    _some([f"moved: {old} is {new} now" for old, new in report.moved], "moved", out)
    if done.dropped:
        out.print(f"  {done.dropped:,} dropped, their files are gone")
    elif report.vanished:
        count = len(report.vanished)
        whose = "its folder" if count == 1 else "their folders"
        gone = f"{numbered(count, 'photo')} {_are(count)} gone from {whose}"
        out.print(f"  {gone}; --prune drops them from the index")
    if report.unreachable and not done.dropped:
        count = len(report.unreachable)
        out.print(
            f"  {numbered(count, 'photo')} {_are(count)} out of reach: the folder is missing, "
            "empty or more than half gone; --prune-missing-root drops them, --moved OLD=NEW finds "
            "them"
        )
    if count := sum(len(group) - 1 for group in done.copies):
        new = f" ({len(report.duplicates):,} new)" if report.duplicates else ""
        are = "is a copy of another" if count == 1 else "are copies of others"
        line = f"{numbered(count, 'photo')} {are}, byte for byte{new}"
        out.print(f"  {line}; which, says: solar info {to}")


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _print_missing(report: AddReport, to: Path) -> None:
    """What is not in the index, or not with all that belongs to it, and why."""
    for line in report.left_out:
        err.print(f"  {line}")
    _some([f"skipped {reason}" for _, reason in report.failed], "skipped", err)
    without = [f"no keypoints: {reason}" for _, reason in report.without_features]
    _some(without, "without keypoints", err)
    if report.still_failed:
        line = f"{len(report.still_failed):,} skipped before; why, says: solar info {to}"
        err.print(f"  {line}; --retry tries them again")


def _some(lines: Sequence[str], what: str, console: Plain) -> None:
    """The first lines of many, and how many there are."""
    for line in lines[:SHOWN]:
        console.print(f"  {line}")
    if len(lines) > SHOWN:
        console.print(f"  … {len(lines):,} {what} in all; all of them: --json")
