"""solar vocabulary: by what local features of photos are told, learned from other photos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from solar.cli.console import out, progress
from solar.cli.options import Device, Overwrite
from solar.files import claim_output


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("vocabulary", epilog="Example: solar vocabulary photos/ --to vlad.npz --kind vlad")(
        vocabulary
    )


def vocabulary(
    photos: Annotated[Path, typer.Argument(help="Any photos but those that are measured.")],
    to: Annotated[Path, typer.Option(help="The .npz file to write.")],
    kind: Annotated[
        Literal["vlad", "fisher", "asmk"],
        typer.Option(help="vlad and fisher give a photo one descriptor; asmk gives it words."),
    ] = "vlad",
    words: Annotated[
        int | None, typer.Option(min=1, help="Of the vocabulary. [64; of asmk 4096]")
    ] = None,
    local: Annotated[
        str, typer.Option(help="rootsift, or a local model's name, folder or .pth file.")
    ] = "rootsift",
    keypoints: Annotated[int, typer.Option(min=1, help="Of a photo at most, the strongest.")] = 500,
    image_size: Annotated[
        int, typer.Option(min=32, help="Longest side of photos as they are looked at.")
    ] = 640,
    device: Device = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Learn a vocabulary of local features, which describes photos as `--model VOCABULARY.npz`.

    VLAD and Fisher vectors are what networks are compared with; `solar eval` measures them.
    """
    from solar.aggregation import learn_vocabulary
    from solar.aggregation.vocabulary import is_vocabulary
    from solar.features.extractor import open_feature_extractor
    from solar.photos import find_photos

    claim_output(
        to, inputs=[photos], suffixes=(".npz",), overwrite=overwrite, made_by=is_vocabulary
    )
    maker = open_feature_extractor(local, device, keypoints=keypoints, image_size=image_size)
    with progress("describing") as show:
        found = learn_vocabulary(maker, find_photos(photos), kind, words, progress=show)
    found.save(to)
    what = "words" if kind == "asmk" else f"words, {found.dimensions}-D"
    out.print(f"{to}: {kind}, {found.words} {what}, learned from {found.photos} photos")
