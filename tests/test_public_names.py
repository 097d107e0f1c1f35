"""The public names and their signatures: frozen, all there, and free to import."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import solar

FROZEN = Path(__file__).with_name("public_names.txt")
# What outside code may rely on beside the names of the package itself.
FUNCTIONS = (
    "solar.evaluation.revisited.evaluate",
    "solar.training.losses.contrastive_loss",
    "solar.training.losses.sos_loss",
    "solar.training.losses.triplet_loss",
)
METHODS = {
    "Client": None,
    "GlobalDescriptor": ("attention_map", "describe", "forward", "multi_scale", "push_to_hub"),
    "Index": None,  # all of them
    "Whitening": ("apply", "learned", "pca"),
}


def public() -> Iterator[str]:
    """One line for each name: what it is called with."""
    for name in solar.__all__:
        found = getattr(solar, name)
        try:
            yield f"solar.{name}{inspect.signature(found)}"
        except (TypeError, ValueError):  # a union, an error
            yield f"solar.{name}"
        members = [m for m in dir(found) if not m.startswith("_")] if name in METHODS else []
        for member in sorted(METHODS.get(name) or members):
            value = getattr(found, member)
            signature = inspect.signature(value) if callable(value) else ""
            yield f"solar.{name}.{member}{signature}"
    for path in FUNCTIONS:
        module, name = path.rsplit(".", 1)
        yield f"{path}{inspect.signature(getattr(import_module(module), name))}"


def test_the_public_names_and_their_signatures_are_these() -> None:
    """A change here is one that outside code sees; python -m tests.test_public_names writes it."""
    assert list(public()) == FROZEN.read_text(encoding="utf-8").splitlines()
    assert set(solar.__all__) <= set(dir(solar))
    assert not hasattr(solar, "no_such_name")


def test_rooms_come_with_the_package() -> None:
    program = "import solar; print(solar.evaluation.__name__, solar.training.__name__)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "solar.evaluation solar.training", done.stderr


def test_importing_the_package_imports_nothing_heavy() -> None:
    program = "import sys, solar; print([m for m in ('torch', 'numpy', 'PIL') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


if __name__ == "__main__":
    FROZEN.write_text("\n".join(public()) + "\n", encoding="utf-8")
