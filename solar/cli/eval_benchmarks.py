"""solar eval: published benchmarks of retrieval, each from a folder as its authors give it out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from solar.cli.console import err
from solar.cli.evaluate import At, Cut, Measuring, evaluate_set, show_report, told_by
from solar.cli.options import AsJson, Overwrite, with_options

Root = Annotated[Path, typer.Argument(help="Folder of the data set, as its authors give it out.")]


def register(group: typer.Typer) -> None:
    """Add the commands."""
    for name, command, rest in (
        ("holidays", holidays, "data/holidays"),
        ("ukbench", ukbench, "data/ukbench"),
        ("products", products, "data/Stanford_Online_Products"),
        ("instre", instre, "data/instre"),
        ("gldv2", gldv2, "data/gldv2 --usage public"),
        ("vpr", vpr, "data/pitts30k/images/test --metres 25"),
        ("ilias", ilias, "data/ilias/features/siglip"),
    ):
        group.command(name, epilog=f"Example: solar eval {name} {rest}")(command)


@with_options(Measuring, decoding="draft")
def holidays(root: Root, *, options: Measuring) -> None:
    """INRIA Holidays: mAP of 500 queries; photos turned upright by their EXIF orientation."""
    from solar.datasets.benchmarks import open_holidays

    evaluate_set(open_holidays(root), options)


@with_options(Measuring, decoding="draft")
def ukbench(root: Root, *, options: Measuring) -> None:
    """UKBench: N-S, how many of an object's four photos are among the first four."""
    from solar.datasets.benchmarks import open_ukbench

    evaluate_set(open_ukbench(root), options)


@with_options(Measuring, decoding="draft")
def products(root: Root, *, options: Measuring) -> None:
    """Stanford Online Products, its test part: recall at 1, 10, 100 and 1,000."""
    from solar.datasets.benchmarks import open_products

    evaluate_set(open_products(root), options)


@with_options(Measuring)
def instre(
    root: Root,
    crop: Annotated[bool, typer.Option(help="Crop queries to their boxes.")] = True,
    *,
    options: Measuring,
) -> None:
    """INSTRE by the protocol of Iscen et al.: mAP of 1,250 queries (extra rerank)."""
    from solar.datasets.benchmarks import open_instre

    evaluate_set(open_instre(root), options, crop=crop)


@with_options(Measuring, decoding="draft")
def gldv2(
    root: Root,
    usage: Annotated[str, typer.Option(help="Of the queries: private or public.")] = "private",
    *,
    options: Measuring,
) -> None:
    """Google Landmarks v2, retrieval: mAP@100."""
    from solar.datasets.benchmarks import open_gldv2

    evaluate_set(open_gldv2(root, usage), options)


@with_options(Measuring, decoding="draft")
def vpr(
    root: Root,
    metres: Annotated[float, typer.Option(help="Within which a photo is right.")] = 25.0,
    database: Annotated[str, typer.Option(help="Folder of the database, below it.")] = "database",
    queries: Annotated[str, typer.Option(help="Folder of the queries.")] = "queries",
    *,
    options: Measuring,
) -> None:
    """Visual place recognition: recall at 1, 5, 10 and 20 of photos taken within metres.

    Positions stand in names, @UTM_east@UTM_north@.jpg, or in database.csv and queries.csv beside
    the folders, by the columns path, below the folder, and easting,northing or latitude,longitude.
    """
    from solar.datasets.benchmarks import open_vpr

    evaluate_set(open_vpr(root, metres, database=database, queries=queries), options)


def ilias(
    features: Annotated[
        Path, typer.Argument(help="Folder of features_queries.hdf5 and its like (extra h5).")
    ],
    to: Annotated[
        Path | None, typer.Option(help="Folder of report.json and report.md. [none]")
    ] = None,
    at: At = None,
    map_at: Cut = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """ILIAS from descriptors: mAP@1k beside all distractors that are there."""
    from solar.evaluation.retrieval.ilias import DISTRACTORS, search_ilias
    from solar.evaluation.retrieval.run import score
    from solar.files.settings import claim_folder

    found = search_ilias(features)
    if not found.protocol["distractors"]:
        err.print(f"{features}: no {DISTRACTORS}: measured among the positives alone")
    report = score(replace(found, truth=told_by(found.truth, at, map_at)))
    if to is not None:
        claim_folder(to, dict(found.protocol), ["report.*"], overwrite=overwrite)
        report.write(to)
    show_report(report, to and to / "report.md", as_json=as_json)
