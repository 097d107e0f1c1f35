"""Pictures that commands write: PNG, JPEG or PDF, whole or not at all, marked as Solar's."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from solar.errors import UsageError
from solar.files.atomic import write_atomically
from solar.files.outputs import MARK
from solar.files.text import printable

PICTURES = (".png", ".jpg", ".jpeg", ".pdf")
"""The suffixes that decide the format; a PDF holds one page."""


def save_picture(picture: Image.Image, path: Path) -> None:
    """Write a picture in the format that its name asks for.

    Raises:
        UsageError: the name ends in none of `PICTURES`.
        SolarError: the file cannot be written.
    """
    if path.suffix.lower() not in PICTURES:
        raise UsageError(f"{printable(path)}: the name must end in {' or '.join(PICTURES)}")
    mark = PngInfo()
    mark.add_text("Software", MARK.decode())
    with write_atomically(path) as file:
        if path.suffix.lower() == ".png":
            picture.save(file, "PNG", pnginfo=mark)
        elif path.suffix.lower() == ".pdf":
            picture.save(file, "PDF", resolution=150, quality=95)
            file.write(b"\n%" + MARK + b"\n")  # a comment at the end
        else:
            picture.save(file, "JPEG", quality=90, comment=MARK)
