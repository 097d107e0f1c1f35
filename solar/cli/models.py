"""solar models and solar convert: which models there are, and their formats."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from solar.cli.console import out, print_json, ready, table
from solar.cli.options import ANY_MODEL
from solar.errors import UsageError
from solar.files import claim_output

if TYPE_CHECKING:
    from solar.models.checkpoints import AnyDescriptor
    from solar.models.global_descriptor import GlobalDescriptor


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("models", epilog="Example: solar models --json")(models)
    app.command("convert", epilog="Example: solar convert published.pth my-model/")(convert)
    app.command("export", epilog="Example: solar export my-model/ --to my-model-onnx/")(export)


def models(
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Also what each is made of, and from which photos.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List the named models: what each describes, its licence, whether it is on this machine."""
    from solar.models.registry import MODELS

    if as_json:
        known = [{**asdict(m), "path": str(m.path), "here": m.path.exists()} for m in MODELS]
        print_json({"models": known})
        return
    heads = ("name", "describes", "numbers", "here", "licence", "what", "trained on")
    what = {"global": "photos", "local": "keypoints"}
    rows = [
        (m.name, what[m.kind], str(m.dimensions), "yes" if m.path.exists() else "no", m.licence,
         m.description, m.training_data)
        for m in MODELS
    ]  # fmt: skip
    shown = len(heads) if verbose else 5  # which are narrow enough for any terminal
    table([row[:shown] for row in rows], heads[:shown])


def convert(
    source: Annotated[str, typer.Argument(help=f"{ANY_MODEL}.")],
    target: Annotated[
        Path, typer.Argument(help="A new folder, or a file that ends in .pth, or .npz (whitening).")
    ],
    single_scale: Annotated[
        bool, typer.Option("--single-scale", help="The whitening for descriptors of one scale.")
    ] = False,
    pooling: Annotated[
        str | None,
        typer.Option(
            help="Pool in another way, without the whitening layer: gem, gem-channel, mac, spoc, "
            "rmac, crow, netvlad-64 (or another number of clusters). [the model's own]"
        ),
    ] = None,
    photos: Annotated[
        Path | None, typer.Option(help="Photos that give NetVLAD its clusters. [random ones]")
    ] = None,
) -> None:
    """Turn a published .pth file into a folder of safetensors and JSON, or back.

    To a .pth file that SOLAR's code opens, or Radenović's if the network has no attention. To an
    .npz file: the whitening that a published file comes with, for `--whiten`. With --pooling, a
    model to compare with or to train: learn its whitening with `solar whiten fit`.
    """
    from solar.models.checkpoints import load_any, load_whitening, save

    if photos is not None and pooling is None:
        raise UsageError("--photos goes with --pooling")

    if target.suffix == ".npz":
        if pooling is not None:
            raise UsageError(f"{target}: a whitening has no --pooling: name a folder")
        claim_output(target, inputs=[Path(source)], suffixes=(".npz",))
        whitening = load_whitening(Path(source), multi_scale=not single_scale)
        whitening.save(target)
        kept, width = whitening.projection.shape
        out.print(f"{target}: whitening, {width}-D to {kept}-D")
        return
    model: AnyDescriptor
    if pooling is not None:
        model = _repooled(ready(source), pooling, photos, target.stem)
    else:
        model = load_any(ready(source))
    save(model, target)
    out.print(f"{target}: {model.summary}")


def _repooled(source: str, pooling: str, photos: Path | None, name: str) -> GlobalDescriptor:
    from solar.models.checkpoints import load
    from solar.models.repool import with_pooling
    from solar.photos import find_photos

    found = [] if photos is None else find_photos(photos)
    return with_pooling(load(source), pooling, found, name=name)


def export(
    model: Annotated[str, typer.Argument(help=f"{ANY_MODEL}.")],
    to: Annotated[Path, typer.Option(help="The new folder; it can be used as --model.")],
    form: Annotated[Literal["onnx"], typer.Option("--format", help="Of the graph.")] = "onnx",
    precision: Annotated[
        str,
        typer.Option(
            help="Of the stored weights: float32, or float16 for half the bytes; int8 computes "
            "with 8 bits: faster, a little less exact, compared only with its own."
        ),
    ] = "float32",
    calibration: Annotated[
        Path | None, typer.Option(help="For int8: photos like those to be described. [none]")
    ] = None,
) -> None:
    """Write a folder whose model.onnx runs without torch: photos in, descriptors out.

    `model.onnx` takes photos, uint8 (B, H, W, 3), and scale, float32 (1,); it gives descriptors,
    float32 (B, D). Keep model.safetensors beside it: it holds the numbers.
    """
    from solar.extraction.export import export as export_model
    from solar.photos import find_photos

    photos = [] if calibration is None else find_photos(calibration)
    folder = export_model(ready(model), to, precision=precision, calibration=photos)
    size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    out.print(f"{folder}: {form.upper()}, {precision}, {size:.0f} MB; use it with --model {folder}")
