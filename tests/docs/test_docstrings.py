"""Docstrings name the arguments that there are, in their order; forwards say shapes."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_NAMED = re.compile(r"^    (\*{0,2}\w+)(?: \([^)]*\))?:(?: |$)")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources() -> list[Path]:
    return sorted((ROOT / "solar").rglob("*.py"))


def documented(tree: ast.Module) -> Iterator[tuple[str, ast.AST, str]]:
    """Every public function, method and class with a docstring: its name, itself, that."""
    waiting: list[tuple[str, ast.AST]] = [("", node) for node in tree.body]
    while waiting:
        prefix, node = waiting.pop()
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if node.name.startswith("_") and node.name != "__init__":
            continue
        text = ast.get_docstring(node)
        if text:
            yield prefix + node.name, node, text
        if isinstance(node, ast.ClassDef):
            waiting += [(f"{prefix}{node.name}.", child) for child in node.body]


def named(text: str, section: str) -> list[str] | None:
    """The names that a section of a docstring explains; None without it."""
    lines = text.splitlines()
    starts = [i for i, line in enumerate(lines) if line.strip() == f"{section}:" == line]
    if not starts:
        return None
    names = []
    for line in lines[starts[0] + 1 :]:
        if line and not line.startswith(" "):
            break
        if found := _NAMED.match(line):
            names.append(found[1])
    return names


def parameters(node: Function, *, method: bool) -> list[str]:
    """The names of a function's parameters, as a docstring writes them."""
    given = node.args
    names = [each.arg for each in (*given.posonlyargs, *given.args)]
    static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in node.decorator_list)
    if method and not static:
        names = names[1:]
    names += [f"*{given.vararg.arg}"] if given.vararg else []
    names += [each.arg for each in given.kwonlyargs]
    return names + ([f"**{given.kwarg.arg}"] if given.kwarg else [])


def fields(node: ast.ClassDef) -> list[str]:
    """The public fields of a dataclass, without what belongs to the class."""
    return [
        each.target.id
        for each in node.body
        if isinstance(each, ast.AnnAssign)
        and isinstance(each.target, ast.Name)
        and not each.target.id.startswith("_")
        and "ClassVar" not in ast.unparse(each.annotation)
    ]


def is_dataclass(node: ast.ClassDef) -> bool:
    return any("dataclass" in ast.unparse(each) for each in node.decorator_list)


def faults(source: str) -> list[str]:
    """What docstrings of a file say otherwise than its signatures."""
    found = []
    for name, node, text in documented(ast.parse(source)):
        said, holder = named(text, "Args"), node
        if isinstance(node, ast.ClassDef):
            made = [each for each in node.body if getattr(each, "name", "") == "__init__"]
            if is_dataclass(node) and (told := named(text, "Attributes")) is not None:
                wanted = fields(node)
                if [each for each in told if each in wanted] != wanted:
                    found.append(f"{name}: Attributes {told}, fields {wanted}")
            if said is None or not made:
                continue
            holder = made[0]
        if said is not None and isinstance(holder, ast.FunctionDef | ast.AsyncFunctionDef):
            wanted = parameters(holder, method="." in name or holder is not node)
            if [each.lstrip("*") for each in said] != [each.lstrip("*") for each in wanted]:
                found.append(f"{name}: Args {said}, parameters {wanted}")
    return found


def by_file(look: Callable[[str], list[str]]) -> dict[str, list[str]]:
    """What is wrong, by file."""
    found = {str(file.relative_to(ROOT)): look(file.read_text("utf-8")) for file in sources()}
    assert len(found) > 300
    return {file: wrong for file, wrong in found.items() if wrong}


def test_docstrings_name_the_arguments_that_there_are() -> None:
    assert not by_file(faults)


_SHAPE = re.compile(r"\((?:[A-Za-z]\w*'?|\d+|\.\.\.)(?: [*/] \w+)?(?:, ?[^()]*)?\)")
"""As (B, C, H, W), (share, ...) or (...)."""


def shapeless(source: str) -> list[str]:
    """Every `forward` that does not say what goes in and what comes out, or on the way."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name == "forward":
            text = ast.get_docstring(node) or ""
            said = 2 if text.startswith("See `") else len(_SHAPE.findall(text))
            body = "\n".join(source.splitlines()[node.body[0].lineno : node.end_lineno])
            beside = len(re.findall(rf"#.*{_SHAPE.pattern}", body))
            steps = sum(isinstance(each, ast.Assign | ast.AnnAssign) for each in node.body)
            if said < 2 or (steps > 2 and not beside):
                found.append(f"line {node.lineno}: {said} shapes in words, {beside} beside tensors")
    return found


def test_forwards_say_shapes() -> None:
    assert not by_file(shapeless)


WRONG = '''
def move(photo, to, *, copy=False):
    """Move.

    Args:
        photo: one.
        copy: or keep.
        to: where.
    """

def fine(photo):
    """Fine.

    Args:
        photo: one.
    """

@dataclass
class Value:
    """A value.

    Attributes:
        one: first.
    """

    one: int
    two: int

class Net:
    def forward(self, x):
        """Go."""
        return x
'''


def test_what_is_wrong_is_found() -> None:
    assert [fault.split(":")[0] for fault in faults(WRONG)] == ["Value", "move"]
    assert len(shapeless(WRONG)) == 1
