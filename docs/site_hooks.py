"""What the site has beside docs/: commands, files that pages link to, its search from a disk."""

from __future__ import annotations

import ast
import posixpath
import re
from importlib import import_module
from pathlib import Path
from typing import Any

from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
SHOWN = (
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"),
    *("recipes/solar-r18/README.md", "recipes/solar-local/README.md"),
)
"""Pages of the repository that the site has, whether something links to them or not."""

_LINK = re.compile(r"(?<=\]\()([^)\s#]+)(?=[)#])")
_FENCE = re.compile(r"^(```.*?^```)", re.M | re.S)
_REFERENCE = re.compile(r"^::: (solar[\w.]*)$", re.M)


def on_files(files: Files, config: Any) -> Files:
    """Add the commands, and all that is linked to and lies outside docs/."""
    files.append(File.generated(config, "commands.md", content=commands()))
    waiting = [DOCS / file.src_uri for file in files.documentation_pages() if file.abs_src_path]
    waiting += [ROOT / name for name in SHOWN if (ROOT / name).exists()]
    known: set[Path] = set()
    while waiting:
        page = waiting.pop()
        if page in known:
            continue
        known.add(page)
        if not page.is_relative_to(DOCS):
            files.append(File.generated(config, _uri(page), abs_src_path=str(page)))
        if page.suffix == ".md":
            text = _FENCE.sub("", page.read_text("utf-8"))
            found = [_target(page, link) for link in _LINK.findall(text)]
            waiting += [each for each in found if each and not each.is_relative_to(DOCS)]
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links at where the site has what they mean; let the search show guides before rooms."""
    uri = page.file.src_uri
    if uri.startswith(("rooms/", "repository/")):
        page.meta["search"] = {"boost": 0.001}  # as much as takes their titles' 1,000 back
    origin = ROOT / uri.removeprefix("repository/") if uri.startswith("repository/") else DOCS / uri

    def moved(link: re.Match[str]) -> str:
        target = _target(origin, link[0])
        return posixpath.relpath(_uri(target), posixpath.dirname(uri)) if target else link[0]

    parts = _FENCE.split(markdown)
    parts[::2] = [_LINK.sub(moved, text) for text in parts[::2]]
    markdown = "".join(parts)
    return _REFERENCE.sub(_reference, markdown) if uri.startswith("rooms/") else markdown


@event_priority(-100)  # after the search has written its index
def on_post_build(config: Any) -> None:
    """Write the search's index as a script, which a page that was opened from a disk may load."""
    index = Path(config.site_dir) / "search" / "search_index.json"
    index.with_suffix(".js").write_text(f"var __index = {index.read_text('utf-8')}", "utf-8")


def _target(page: Path, link: str) -> Path | None:
    """The file that a link of a page means; None of what is not in the repository."""
    if "://" in link or link.startswith(("mailto:", "/")):
        return None
    target = (page.parent / link).resolve()
    if target.is_dir():
        pages = sorted(target.glob("*.md"), key=lambda each: (each.name != "README.md", each.name))
        target = pages[0] if pages else target
    return target if target.is_file() and target.is_relative_to(ROOT) else None


def _uri(file: Path) -> str:
    if file.is_relative_to(DOCS):
        return file.relative_to(DOCS).as_posix()
    return f"repository/{file.relative_to(ROOT).as_posix()}"


def _reference(directive: re.Match[str]) -> str:
    """The reference of a module, without what the page of the public API has."""
    import solar

    module = import_module(directive[1])
    names = getattr(module, "__all__", None) or _defined(str(module.__file__))
    public = [name for name in names if getattr(module, name, 0) is getattr(solar, name, None)]
    links = ", ".join(f"[`{name}`](../api.md#solar.{name})" for name in public)
    lines = [f"### `{directive[1]}`", "", str(module.__doc__).split("\n\n")[0], ""]
    lines += [f"In the public API: {links}.", ""] if links else []
    for name in names:
        if name not in public:
            lines += [f"::: {directive[1]}.{name}", "    options:", "      heading_level: 4", ""]
    return "\n".join(lines)


def _defined(file: str) -> list[str]:
    """Names that a module defines for others: functions, classes, constants with a docstring."""
    body = ast.parse(Path(file).read_text("utf-8")).body
    names = []
    for statement, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            names.append(statement.name)
        elif isinstance(after, ast.Expr) and isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            names += [target.id for target in targets if isinstance(target, ast.Name)]
    return [name for name in names if not name.startswith("_")]


def commands() -> str:
    """A page of what every command says with --help."""
    import typer

    from solar.cli import COMMANDS, app

    top = typer.main.get_command(app)
    lines = ["# Commands", "", "What each says with `--help`.", "", *_help(top, "solar", None)]
    with top.make_context("solar", ["models"]) as context:
        for name in COMMANDS:
            found: Any = top.get_command(context, name)  # type: ignore[attr-defined]
            command = found.loaded()
            lines += [f"## {name}", "", *_help(command, name, context)]
            for part, child in getattr(command, "commands", {}).items():
                with command.make_context(name, [part], parent=context) as inner:
                    lines += [f"### {name} {part}", "", *_help(child, part, inner)]
    return "\n".join(lines)


def _help(command: Any, name: str, parent: Any) -> list[str]:
    width = {"max_content_width": 96, "terminal_width": 96}
    settings = {**command.context_settings, **width}
    context = command.context_class(command, info_name=name, parent=parent, **settings)
    return ["```text", command.get_help(context), "```", ""]
