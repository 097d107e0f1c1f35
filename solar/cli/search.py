"""solar search: the photos of the same place, best first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from solar.cli.console import err, out, print_json, progress, table
from solar.cli.options import AsJson, Device, Engine, Overwrite, Precision
from solar.errors import UsageError
from solar.files import claim_output

if TYPE_CHECKING:
    from solar.extraction import Failed
    from solar.index import Index, Search


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("search", epilog="Example: solar search my.index query.jpg --html result.html")(
        search
    )


def search(
    index: Annotated[Path, typer.Argument(help="An index made by `solar index`.")],
    queries: Annotated[
        list[Path],
        typer.Argument(help="Photos to search with, or folders of them.", metavar="QUERY..."),
    ],
    box: Annotated[
        str | None,
        typer.Option(
            help="Search with a part: x1,y1,x2,y2 in pixels, or in percent as 10%,20%,50%,60%. "
            "[the whole photo]"
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
            help="How the first hits are put in order again. geometric: the first 100 by keypoints "
            "that agree with the query's (needs `solar index --local`); expansion: search again "
            "with the first hits; a,b: one after the other; none: by score; default: geometric "
            "where the index keeps keypoints."
        ),
    ] = "default",
    model: Annotated[
        str | None, typer.Option(help="Where the index's model lies now. [as it was made]")
    ] = None,
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

    The score says how alike: 1 is the same picture, 0 nothing in common.
    """
    from solar.index import Index, search_each
    from solar.photos import look_for_photos

    if html is not None:
        claim_output(html, inputs=queries, suffixes=(".html", ".htm"), overwrite=overwrite)
    opened = Index.open(index, model, engine=engine, device=device, precision=precision)
    photos: list[Path] = []
    for each in queries:
        if each.is_dir():
            found_there = look_for_photos([each])
            photos += found_there.photos
            for line in found_there.notes():
                err.print(line)
        else:
            photos.append(each)
    if not photos:
        raise UsageError("holds no photo to search with", queries[0])
    _warn(opened, index)
    found: list[dict[str, object]] = []
    failed: list[str] = []
    with progress("searching") if as_json and len(photos) > 1 else nullcontext():
        answers = search_each(opened, photos, top, box, rerank, distinct=distinct)
        answered = _told(answers, found, failed, many=len(photos) > 1, as_json=as_json)
        if html is None:
            deque(answered, maxlen=0)
        else:
            from solar.web import write_page

            write_page(html, answered, title=f"Solar: {queries[0].name}")
    if as_json:
        what = {"searches": found, "failed": failed} if len(photos) > 1 else found[0]
        print_json({**what, "engine": opened.engine})
    elif html is not None:
        out.print(f"page: {html}")
    if not found:
        raise typer.Exit(1)


def _warn(opened: Index, index: Path) -> None:
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
        if part := answer.clipped:
            kept = ",".join(f"{edge:g}" for edge in part)
            err.print(f"note: the box reaches beyond {answer.name}: {kept} is searched for")
        if not as_json:
            if many:
                out.print(f"{answer.name}:")
            _print(answer)
        yield answer


def _print(search: Search) -> None:
    """The hits as a table, without those that have nothing in common with the query."""
    from solar.rerank import CHANCE

    hits = [hit for hit in search.hits if hit.score > 0]
    trusted = [hit.inliers is not None and hit.inliers > CHANCE for hit in hits]
    gone = [hit.gone for hit in hits]
    heads = ["", "score", *["inliers"] * any(trusted), *["file"] * any(gone), "photo"]
    rows = []
    for rank, hit in enumerate(hits):
        inliers = [str(hit.inliers) if trusted[rank] else "–"] * any(trusted)
        file = ["gone" if gone[rank] else ""] * any(gone)
        rows.append([str(rank + 1), f"{hit.score:.4f}", *inliers, *file, hit.path])
    if rows:
        table(rows, heads)
    if any(trusted):
        err.print(
            f"inliers: keypoints that agree with the query's; photos with more than {CHANCE} come "
            "first, by these, then the others by score"
        )
    if any(gone):
        err.print("gone: the file is no longer there; `solar index` of its folder finds it again")
    if len(hits) < len(search.hits):
        left = len(search.hits) - len(hits)
        err.print(f"{left:,} more not shown: they have nothing in common with it (score 0 or less)")
    if search.hits and not search.alike:
        err.print("nothing in the index looks alike: unrelated photos reach such scores too")
