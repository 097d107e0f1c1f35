"""Options that several commands share, and what they open."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from solar.cli.console import ready
from solar.cli.console import scales as parse_scales
from solar.errors import UsageError

if TYPE_CHECKING:
    from solar.extraction import Extractor

MODEL, DEVICE = "SOLAR_MODEL", "SOLAR_DEVICE"
"""Variables of the environment: what --model and --device are where they are not given."""

ANY_MODEL = "Named model, timm:NAME, hf:OWNER/NAME, model folder or .pth file"
"""Help: what a model is named by."""

Model = Annotated[
    str,
    typer.Option(
        envvar=MODEL,
        show_envvar=False,
        help=f"{ANY_MODEL}; SOLAR_MODEL sets another default.",
    ),
]
ImageSize = Annotated[
    int | None,
    typer.Option(min=32, help="Longest side of photos as they are looked at. [the model's]"),
]
Scales = Annotated[
    str | None, typer.Option(help="Sizes to look at: 1,1.4142,0.7071. [the model's]")
]
Whiten = Annotated[
    Path | None, typer.Option(help="A whitening applied after the model (.npz). [none]")
]
FromModule = Annotated[
    str | None,
    typer.Option(
        "--extractor",
        metavar="MODULE:NAME",
        help="Instead of a model: an extractor that a Python module makes with solar.extractor, as "
        "package.module:function. [none]",
    ),
]
Descriptors = Annotated[
    Path | None,
    typer.Option(
        help="Instead of a model: descriptors made before, in an .npz or .h5 of paths and rows or "
        "a file of `solar describe`; the photos are not described. [none]"
    ),
]
Device = Annotated[
    str,
    typer.Option(
        envvar=DEVICE,
        show_envvar=False,
        help="cpu, cuda, cuda:1, mps; auto is a graphics processor if there is one. SOLAR_DEVICE "
        "sets another default.",
    ),
]
Engine = Annotated[
    str,
    typer.Option(
        help="openvino or onnx, which need no torch; torch; auto takes torch if it finds a "
        "graphics processor, else the first of these that is installed."
    ),
]
Precision = Annotated[
    str,
    typer.Option(
        help="float32, bfloat16 or float16; auto is bfloat16 where the processor has it. "
        "Descriptors agree to a cosine of 0.9999."
    ),
]
Decoding = Annotated[
    str,
    typer.Option(
        help="draft decodes no more of a large JPEG than is looked at, upright all of it; both "
        "turn photos by their EXIF orientation. stored leaves them, as published protocols do, "
        "whose boxes count stored pixels."
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        help="Leave out files and folders of this name, as 'export' or 'small-*'; with a slash, of "
        "this path below PHOTOS. Hidden ones, bins and the thumbnails of storage systems are left "
        "out anyway, unless they are given as PHOTOS. [none]"
    ),
]
IndexModel = Annotated[
    str | None,
    typer.Option("--model", help="Where the index's model lies now. [as it was made]"),
]
Sweep = Annotated[
    float | None,
    typer.Option(
        min=1,
        metavar="SECONDS",
        help="With --watch: look at all photos at least so often, for changes that the system does "
        "not tell. [600; 30 on network drives, or without the extra web]",
    ),
]
Where = Annotated[
    str | None,
    typer.Option(
        metavar="FILTER",
        help="Only photos of which this is true: \"taken >= 2020-06 and folder ~ 'paris' and gps "
        'within 5km of 48.85,2.29". taken, width, height, bytes with = != < <= > >=; folder, '
        "name, path, camera with ~ (contains) !~ = != and text in quotes; has taken, zone, gps, "
        "camera; and, or, not, brackets. [all]",
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Replace what is there: a file, or descriptors made otherwise."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def usual_model() -> str | None:
    """What SOLAR_MODEL names; None where it names nothing."""
    return os.environ.get(MODEL) or None


def with_options(options: type, **defaults: object) -> Callable[[Callable[..., None]], Any]:
    """Give a command the fields of a dataclass as options; it takes one as `options`.

    Args:
        options: the dataclass, each field annotated as an option is.
        defaults: of some fields, instead of the dataclass's own.
    """
    shared = [
        option.replace(default=defaults.get(option.name, option.default))
        for option in inspect.signature(options, eval_str=True).parameters.values()
    ]

    def decorated(command: Callable[..., None]) -> Any:
        own = inspect.signature(command, eval_str=True).parameters
        mine = [each for each in own.values() if each.name != "options"]

        def called(**values: object) -> None:
            given = options(**{option.name: values.pop(option.name) for option in shared})
            command(**values, options=given)

        called.__name__, called.__doc__ = command.__name__, command.__doc__
        called.__signature__ = inspect.Signature([*mine, *shared])  # type: ignore[attr-defined]
        called.__annotations__.clear()
        return called

    return decorated


def foreign(extractor: str | None, descriptors: Path | None, model: str | None) -> Extractor | None:
    """What --extractor or --descriptors name, if --model names nothing; None without either."""
    if extractor is not None and descriptors is not None:
        raise UsageError("--extractor and --descriptors exclude each other: leave one out")
    if model is not None and (extractor is not None or descriptors is not None):
        instead = "--extractor" if descriptors is None else "--descriptors"
        raise UsageError(f"--model and {instead} exclude each other: leave one out")
    if descriptors is not None:
        from solar.extraction.given import open_descriptors

        return open_descriptors(descriptors)
    if extractor is None:
        return None
    from solar.extraction.own import by_address

    return by_address(extractor)


def extractor_of(
    model: str,
    device: str,
    precision: str,
    image_size: int | None,
    scales: str | None,
    whiten: Path | None = None,
    *,
    engine: str = "auto",
    decoding: str = "draft",
    instead: Extractor | None = None,
) -> Extractor:
    """What the options of a command describe photos with.

    Raises:
        UsageError: options of a model where something else takes its place; see also
            `solar.open_extractor`.
    """
    from solar.extraction import open_extractor
    from solar.extraction.own import FunctionExtractor
    from solar.models.whitening import Whitening

    if instead is not None:
        if (image_size, scales, whiten) != (None, None, None):
            raise UsageError("--image-size, --scales and --whiten go with a model: leave them out")
        return instead.decoded(decoding) if isinstance(instead, FunctionExtractor) else instead
    if model.endswith(".npz"):
        return _aggregated(Path(model), device, precision, image_size, scales, whiten, decoding)
    return open_extractor(
        ready(model),
        engine=engine,
        device=device,
        precision=precision,
        image_size=image_size,
        scales=parse_scales(scales),
        decoding=decoding,
        whitening=None if whiten is None else Whitening.load(whiten),
    )


def _aggregated(
    vocabulary: Path,
    device: str,
    precision: str,
    image_size: int | None,
    scales: str | None,
    whiten: Path | None,
    decoding: str,
) -> Extractor:
    """Descriptors of local features, by a vocabulary that has settings of its own."""
    from solar.aggregation import open_aggregated
    from solar.models.whitening import Whitening

    if image_size is not None or scales is not None:
        raise UsageError(f"{vocabulary}: a vocabulary has its own --image-size, and no --scales")
    return open_aggregated(
        vocabulary,
        device=device,
        precision=precision,
        decoding=decoding,
        whitening=None if whiten is None else Whitening.load(whiten),
    )
