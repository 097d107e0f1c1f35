"""solar search: the photos of the same place, best first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from solar.cli.console import err, out, print_json, progress, table
from solar.cli.options import (
    AsJson,
    Device,
    Engine,
    FromModule,
    IndexModel,
    Overwrite,
    Precision,
    Where,
    foreign,
)
from solar.errors import UsageError
from solar.files import claim_output

if TYPE_CHECKING:
    from solar.extraction import Failed
    from solar.index import Index, Search
    from solar.photos import Photo


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("search", epilog="Example: solar search my.index query.jpg --html result.html")(
        search
    )


def search(
    index: Annotated[
        str,
        typer.Argument(
            help="An index made by `solar index`: a folder, or an address that it was copied to, "
            "as https://host/my.index or s3://bucket/my.index."
        ),
    ],
    queries: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Photos to search with, or folders of them; each has its own answer, unless "
            "--together. [those of --id and --like]",
            metavar="QUERY",
        ),
    ] = None,
    together: Annotated[
        bool,
        typer.Option(
            "--together", help="All QUERYs show one place: one answer, found with all of them."
        ),
    ] = False,
    ids: Annotated[
        list[int] | None,
        typer.Option(
            "--id",
            metavar="NUMBER",
            help="Search with the photo of this number in the index (`solar list`). [none]",
        ),
    ] = None,
    like: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="Search with a photo by its path in the index; its file is not read. [none]",
        ),
    ] = None,
    unlike: Annotated[
        list[Path] | None,
        typer.Option(
            "--not",
            metavar="PHOTO",
            help="Not like this photo: what is more like it than like QUERY is not shown. [none]",
        ),
    ] = None,
    box: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BOX",
            help="Search with a part: x1,y1,x2,y2 in pixels, or in percent as 10%,20%,50%,60%. "
            "Once: of each QUERY; once for each: of the first, the second and so on, where all is "
            "a whole photo. [the whole photo]",
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many photos to show.")] = 10,
    distinct: Annotated[
        bool,
        typer.Option(
            "--distinct",
            help="Show one of photos that are the same byte for byte, and not the query itself.",
        ),
    ] = False,
    rerank: Annotated[
        str,
        typer.Option(
            help="How the first hits are put in order again, one way after the other with commas "
            "between. geometric: by score and by keypoints that agree with the query's; support: "
            "probable hits vouch for those that look like them; expansion: search again, with the "
            "verified hits too; diffusion, superglobal, k-reciprocal: by what the first hits have "
            "in common with one another; none: by score; default: geometric, unless the index was "
            "made with --no-local, then support."
        ),
    ] = "default",
    where: Where = None,
    min_probability: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Leave out what is less probable to show the same place, be it everything: 0.5. "
            "Needs a calibrated model. [show all]",
        ),
    ] = None,
    model: IndexModel = None,
    extractor: FromModule = None,
    engine: Engine = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
    as_json: AsJson = False,
    html: Annotated[
        Path | None, typer.Option(help="Write a page with thumbnails: .html. [none]")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Find photos of the place that a photo shows, the most alike first.

    The score says how alike: 1 is the same picture, 0 nothing in common; the probability, of a
    calibrated model, how likely a photo shows the query's place.
    """
    from solar.index import Index, search_each

    given = queries or []
    if html is not None:
        claim_output(html, inputs=given, suffixes=(".html", ".htm"), overwrite=overwrite)
    made = foreign(extractor, None, model) or model
    opened = Index.open(index, made, engine=engine, device=device, precision=precision)
    photos = _photos(given, [*(ids or []), *(opened.id_of(path) for path in like or [])])
    parts = [None if part.strip() == "all" else part for part in box or []]
    _warn(opened, index)
    found: list[dict[str, object]] = []
    failed: list[str] = []
    with progress("searching") if as_json and len(photos) > 1 else nullcontext():
        answers = search_each(
            opened,
            photos,
            top,
            parts if len(parts) > 1 else next(iter(parts), None),
            rerank,
            distinct=distinct,
            where=where,
            not_=unlike or [],
            together=together,
            min_probability=min_probability,
        )
        answered = _told(answers, found, failed, many=len(photos) > 1, as_json=as_json)
        if html is None:
            deque(answered, maxlen=0)
        else:
            from solar.web import write_page

            first = Path(photos[0]).name if isinstance(photos[0], Path) else Path(index).name
            write_page(html, answered, title=f"Solar: {first}")
    if as_json:
        separate = len(photos) > 1 and not together
        what = {"searches": found, "failed": failed} if separate else dict(*found)
        also = {"failed": failed} if failed else {}
        print_json({**what, **also, "engine": opened.engine})
    elif html is not None:
        out.print(f"page: {html}")
    if not found:
        raise typer.Exit(1)


def _photos(given: Sequence[Path], known: Sequence[int]) -> list[Photo | int]:
    """What to search with: photos, those in folders, and photos of the index."""
    from solar.photos import look_for_photos

    photos: list[Photo | int] = []
    for each in given:
        if each.is_dir():
            found_there = look_for_photos([each])
            photos += found_there.photos
            for line in found_there.notes():
                err.print(line)
        else:
            photos.append(each)
    photos += known
    if not photos and given:
        raise UsageError("holds no photo to search with", given[0])
    if not photos:
        raise UsageError("no photo to search with: name some, or use --id or --like")
    return photos


def _warn(opened: Index, index: str) -> None:
    if not len(opened):
        err.print(f"{index} holds no photo yet: solar index PHOTOS --to {index}")
    for path in opened.unfinished:
        err.print(
            f"note: not all of {path} is in the index: the same `solar index` goes on with the "
            "rest, or is doing so"
        )


def _told(
    answers: Iterable[Search | Failed],
    found: list[dict[str, object]],
    failed: list[str],
    *,
    many: bool,
    as_json: bool,
) -> Iterator[Search]:
    """Print answers as they come, and hand them on."""
    from solar.extraction import Failed

    for answer in answers:
        if isinstance(answer, Failed):
            if not many:
                raise answer.error
            failed.append(answer.reason)
            err.print(f"skipped {answer.reason}")
            continue
        found.append(answer.to_json() if as_json else {})
        for query in answer.queries:
            if part := query.clipped:
                kept = ",".join(f"{edge:g}" for edge in part)
                err.print(f"note: the box reaches beyond {query.name}: {kept} is searched for")
        if not as_json:
            if many:
                out.print(f"{answer.name}:")
            _print(answer)
        yield answer


def _print(search: Search) -> None:
    """The hits as a table, without those that have nothing in common with the query."""
    from solar.rerank import CHANCE

    hits = [hit for hit in search.hits if hit.score > 0]
    known = any(hit.probability is not None for hit in hits)
    trusted = [hit.inliers is not None and hit.inliers > CHANCE for hit in hits]
    gone = [hit.gone for hit in hits]
    heads = ["", *["probability"] * known, "score", *["inliers"] * any(trusted)]
    heads += [*["file"] * any(gone), "photo"]
    rows = []
    for rank, hit in enumerate(hits):
        inliers = [str(hit.inliers) if trusted[rank] else "–"] * any(trusted)
        file = ["gone" if gone[rank] else ""] * any(gone)
        probable = [f"{hit.probability or 0:.0%}"] * known
        rows.append([str(rank + 1), *probable, f"{hit.score:.4f}", *inliers, *file, hit.path])
    if rows:
        table(rows, heads)
    if any(trusted):
        order = "" if known else "; photos with more come first, by these, then others by score"
        err.print(f"inliers: keypoints that agree with the query's, above {CHANCE}{order}")
    if any(gone):
        err.print("gone: the file is no longer there; `solar index` of its folder finds it again")
    if len(hits) < len(search.hits):
        left = len(search.hits) - len(hits)
        err.print(f"{left:,} more not shown: they have nothing in common with it (score 0 or less)")
    if search.photos and not search.hits:
        err.print(search.nothing)
    elif search.hits and not search.alike:
        err.print("nothing in the index looks alike: unrelated photos reach such scores too")
