"""solar attend: second-order attention over a photo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from solar.cli.console import err, numbers, out, ready
from solar.cli.options import Device, Model


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("attend", epilog="Example: solar attend photo.jpg --at 320,200 --to overlay.png")(
        attend
    )


def attend(
    photo: Annotated[Path, typer.Argument(help="A photo.")],
    at: Annotated[str, typer.Option(help="The position that attends: x,y in the photo's pixels.")],
    to: Annotated[Path, typer.Option(help="The picture to write.")],
    stage: Annotated[int, typer.Option(min=4, max=5, help="After conv4_x or conv5_x.")] = 5,
    model: Model = "solar-r18",
    device: Device = "auto",
) -> None:
    """Show to which other positions of a photo one position attends."""
    import torch

    from solar.files.atomic import write_atomically
    from solar.models.attention import relative_entropy
    from solar.models.checkpoints import load
    from solar.models.device import choose_device
    from solar.photos import decode
    from solar.photos.overlay import attention_overlay

    x, y = numbers(at, "--at", 2)
    decoded = decode(photo)
    network = load(ready(model)).to(choose_device(device))
    weights = network.attention_map(decoded, at=(x, y), stage=stage)
    if network.attention_is_identity(stage):
        err.print(f"note: {escape(network.name)} has not trained this block; its map is random")
    picture = attention_overlay(decoded.image, weights, (x, y))
    with write_atomically(to) as file:
        picture.save(file, "PNG")
    spread = relative_entropy(torch.from_numpy(weights))
    size = f"{weights.shape[1]}x{weights.shape[0]} positions"
    out.print(f"{escape(str(to))}: {size}, entropy {spread:.2f} of that of even weights")
