"""The public names: frozen, all there, and free to import."""

import subprocess
import sys

import solar

NAMES = {
    "GlobalDescriptor",
    "Index",
    "LocalDescriptor",
    "SecondOrderAttention",
    "SolarError",
    "Whitening",
    "evaluate",
    "load",
    "load_local",
    "match",
    "open_dataset",
    "open_folder",
    "open_photo",
    "save",
}


def test_the_public_names_are_these_and_each_loads() -> None:
    assert set(solar.__all__) == NAMES
    for name in NAMES:
        assert getattr(solar, name).__name__ == name
        assert name in dir(solar)
    assert not hasattr(solar, "no_such_name")


def test_importing_the_package_imports_nothing_heavy() -> None:
    program = "import sys, solar; print([m for m in ('torch', 'numpy', 'PIL') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
