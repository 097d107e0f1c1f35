"""Pages that need nothing but themselves: one stylesheet, thumbnails inside, no script."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from solar.files.atomic import write_atomically
from solar.typing import AnyPath


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def write_html(path: AnyPath, template: str, **values: object) -> None:
    """Write a page, atomically; replaces the file if it exists.

    Args:
        path: of the HTML file.
        template: in the folder `templates`.
        values: that it shows; text is escaped, all but `markupsafe.Markup`.
    """
    text = _templates().get_template(template).render(values)
    with write_atomically(Path(path)) as file:
        file.write(text.encode("utf-8", "replace"))  # a file name need not be UTF-8
