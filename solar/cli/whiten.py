"""solar whiten: learn whitening, apply it to descriptors, fold it into a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from solar.cli.console import err, out, progress, ready
from solar.cli.console import scales as parse_scales
from solar.cli.options import (
    ANY_MODEL,
    Device,
    Engine,
    ImageSize,
    Model,
    Overwrite,
    Precision,
    Scales,
    usual_model,
)
from solar.extraction.descriptors import SUFFIXES, is_descriptors_file
from solar.files import claim_output
from solar.files.arrays import holds

app = typer.Typer(
    help="Learn whitening, apply it to descriptors, fold it into a model.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_NPZ = (".npz",)

WhiteningFile = Annotated[Path, typer.Argument(help="A whitening made by `solar whiten fit`.")]
Dimensions = Annotated[int | None, typer.Option(min=1, help="Keep the first of them. [all]")]


def register(parent: typer.Typer) -> None:
    """Add the group and its commands."""
    app.command("fit", epilog="Example: solar whiten fit photos/ --to w.npz --dimensions 128")(fit)
    app.command("apply", epilog="Example: solar whiten apply w.npz d.npz --to whitened.npz")(apply)
    app.command("fold", epilog="Example: solar whiten fold w.npz --to my-model --dimensions 128")(
        fold
    )
    parent.add_typer(app, name="whiten")


def fit(
    source: Annotated[
        Path, typer.Argument(help="Photos, or a file made by `solar describe`.", metavar="PHOTOS")
    ],
    to: Annotated[Path, typer.Option(help="The .npz file to write.")],
    model: Annotated[
        str | None,
        typer.Option(help=f"{ANY_MODEL}. [SOLAR_MODEL, solar-r18]"),
    ] = None,
    learned: Annotated[
        bool,
        typer.Option(
            "--learned",
            help="Learn from matching pairs: PHOTOS is a folder of places or a list of labels.",
        ),
    ] = False,
    published: Annotated[
        bool,
        typer.Option(
            "--published",
            help="With --learned: all pairs and no shrinkage, as Radenović's code learns it.",
        ),
    ] = False,
    photos: Annotated[
        Path | None,
        typer.Option(help="With --learned: folder of the photos. [the list's own, or its ims/]"),
    ] = None,
    dimensions: Dimensions = None,
    image_size: ImageSize = None,
    scales: Scales = None,
    power: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="PCA divides each axis by its standard deviation to this power: 0.5 magnifies "
            "weak directions less, which keeps more dimensions useful. [1]",
        ),
    ] = None,
    engine: Engine = "auto",
    device: Device = "auto",
    precision: Precision = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Learn whitening: PCA from any photos, or, better, from pairs of photos of one place.

    The model's own whitening layer, if it has one, is left out: `fold` puts this one in its place.
    PCA wants several times as many photos as dimensions.
    """
    from solar.whitening.learn import fit as learn

    claim_output(to, inputs=[source], suffixes=_NPZ, overwrite=overwrite, made_by=_is_whitening)
    if model is None and not is_descriptors_file(source):
        model = usual_model()
    if model is not None:
        ready(model)
    with progress("describing") as show:
        found = learn(
            source,
            model=model,
            learned=learned,
            published=published,
            photos=photos,
            dimensions=dimensions,
            image_size=image_size,
            scales=parse_scales(scales),
            power=power,
            engine=engine,
            device=device,
            precision=precision,
            progress=show,
        )
    found.whitening.save(to)
    for reason in found.failed:
        err.print(f"skipped {reason}")
    kept, width = found.whitening.projection.shape
    if kept < width and dimensions is None:
        err.print(f"{found.photos} photos differ in {kept} directions only: more give more")
    if learned and found.photos < width:
        few = f"learned from {found.photos} photos, fewer than the {width} dimensions"
        err.print(f"warning: {few}: measure it before you use it, or give more photos")
    pairs = f", {found.pairs} pairs" if found.pairs else ""
    line = f"{to}: {width}-D to {kept}-D, learned from {found.photos} photos{pairs}"
    out.print(line)


def apply(
    whitening: WhiteningFile,
    descriptors: Annotated[Path, typer.Argument(help="A file made by `solar describe`.")],
    to: Annotated[Path, typer.Option(help="The file to write: .npz, .h5, .parquet.")],
    dimensions: Dimensions = None,
    overwrite: Overwrite = False,
) -> None:
    """Whiten a file of descriptors into another."""
    from solar.models.whitening import Whitening
    from solar.whitening.use import apply_to_file

    inputs = [whitening, descriptors]
    claim_output(
        to, inputs=inputs, suffixes=SUFFIXES, overwrite=overwrite, made_by=is_descriptors_file
    )
    rows = apply_to_file(Whitening.load(whitening), descriptors, to, dimensions).descriptors
    out.print(f"{to}: {len(rows)} descriptors, {rows.shape[1]}-D")


def fold(
    whitening: WhiteningFile,
    to: Annotated[Path, typer.Option(help="The new model folder.")],
    model: Model = "solar-r18",
    dimensions: Dimensions = None,
) -> None:
    """Make a model whose linear layer is the whitening, in place of any it has.

    The layer whitens each scale's descriptor before they are averaged; `apply` whitens the average.
    """
    from solar.models.checkpoints import load, save
    from solar.models.whitening import Whitening
    from solar.whitening.use import fold as folded

    made = folded(load(ready(model)), Whitening.load(whitening), to.name, dimensions)
    save(made, to)
    out.print(f"{to}: {made.config.backbone}, {made.dimensions}-D")


def _is_whitening(path: Path) -> bool:
    return holds(path, "mean", "projection", "settings")
