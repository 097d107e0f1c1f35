"""The core by itself: sdist and wheel, installed into an environment of its own, without torch.

    python -m tests.core_environment FOLDER

FOLDER receives both files and the environment. The wheel is built of the sdist, so that whoever
installs either gets the same. `make check` runs it; pytest does not, since it
installs packages.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

MOST = 580_000_000
"""Bytes of site-packages, without pip and setuptools."""
FORBIDDEN = re.compile(r"(torch|torchvision|triton|nvidia|scipy)\b|.*(cuda|cudnn|cublas)", re.I)
COMMANDS = """
index places/a places/b --to my.index --local rootsift --image-size 224
info my.index
list my.index
verify my.index
search my.index places/a/0.jpg --html page.html
search my.index places/a/0.jpg --rerank none --json
match places/a/0.jpg places/a/1.jpg --to m.png
describe places --to d.npz --image-size 96 --scales 1
attend places/a/0.jpg --at 40,40 --to o.png
eval folder places --to report --image-size 96 --scales 1
whiten fit places --to fitted.npz --dimensions 4 --image-size 96 --scales 1
whiten fit d.npz --to w.npz --dimensions 4
whiten apply w.npz d.npz --to whitened.npz
models
completion bash
"""


def main() -> None:
    """Build, install, count, and run every command of the core."""
    folder = Path(sys.argv[1]).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    sdist, wheel = built(folder / "dist")
    look_into_source(sdist)
    look_into(wheel)
    python = installed(wheel, folder / "env")
    count(
        Path(said(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    )
    without_torch = "import sys\ntry: import torch\nexcept ImportError: sys.exit(7)"
    assert subprocess.run([python, "-c", without_torch]).returncode == 7, "torch can be imported"
    work = folder / "work"
    take_photos(work / "places")
    for line in COMMANDS.strip().splitlines():
        print("solar", line, flush=True)
        said(python, "-m", "solar", *line.split(), work=work)
    print("the demo, on these photos", flush=True)
    said(python, "-m", "solar.demo", "--photos", "places", "--to", "demo", work=work)


def said(python: str, *arguments: str | Path, work: Path | None = None) -> str:
    """What a program of the environment prints; it must succeed, and see nothing of this tree."""
    environment = {**os.environ, "SOLAR_CACHE": str(Path(python).parents[2] / "cache")}
    environment.pop("PYTHONPATH", None)
    work = work or Path(python).parent
    done = subprocess.run(
        [python, *map(str, arguments)], cwd=work, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout


def built(folder: Path) -> tuple[Path, Path]:
    """The sdist of this tree, and the wheel of that."""
    subprocess.run([sys.executable, "-m", "build", "--outdir", folder, "."], check=True)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


def look_into_source(sdist: Path) -> None:
    """What is needed to build, test and document is in it; what a machine made is not."""
    with tarfile.open(sdist) as file:
        names = [name.partition("/")[2] for name in file.getnames()]
    needed = "pyproject.toml README.md LICENSE CHANGELOG.md CITATION.cff mkdocs.yml Makefile"
    for name in (*needed.split(), "solar/py.typed", "docs/index.md", "tests/test_readme.py"):
        assert name in names, f"{sdist.name} lacks {name}"
    made = re.compile(r"(\.venv|site/|dist/|runs/)|.*(__pycache__|node_modules|\.pyc$|\.index/)")
    wrong = [name for name in names if made.match(name)]
    assert not wrong, f"{sdist.name} holds {wrong[:5]}"
    print(f"{sdist.name}: {sdist.stat().st_size / 1e6:.1f} MB, {len(names)} files", flush=True)


def look_into(wheel: Path) -> None:
    """Weights and graphs are in it; tests and photos are not."""
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
    for model in ("solar-r18", "solar-local"):
        for part in ("config.json", "model.safetensors", "model.onnx"):
            assert f"solar/weights/{model}/{part}" in names, f"{wheel.name} lacks {model}'s {part}"
    allowed = re.compile(r"solar/|solar_retrieval-[^/]+\.dist-info/")
    photos = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".gif")
    wrong = [name for name in names if not allowed.match(name) or name.lower().endswith(photos)]
    assert not wrong, f"{wheel.name} holds {wrong}"
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, {len(names)} files", flush=True)


def installed(wheel: Path, folder: Path) -> str:
    """The interpreter of a new environment that holds the wheel and what it needs."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = str(folder / ("Scripts" if os.name == "nt" else "bin") / "python")
    pip = [python, "-m", "pip", "install", "--compile", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, str(wheel)], check=True)
    return python


def count(packages: Path) -> None:
    """The bytes of what was installed, and that none of it is torch's, CUDA's or SciPy's."""
    sizes: Counter[str] = Counter()
    for path in packages.rglob("*"):
        name = path.relative_to(packages).parts[0]
        if path.is_file() and not path.is_symlink() and not re.match(r"_?(pip|setuptools)\b", name):
            sizes[name] += path.stat().st_size
    wrong = [name for name in sizes if FORBIDDEN.match(name)]
    assert not wrong, f"{packages} holds {wrong}"
    total = sum(sizes.values())
    largest = ", ".join(f"{name} {size / 1e6:.0f}" for name, size in sizes.most_common(5))
    print(f"installed: {total / 1e6:.0f} MB, of these {largest}", flush=True)
    assert total <= MOST, f"more than {MOST / 1e6:.0f} MB"


def take_photos(folder: Path) -> None:
    """Three photos of each of two places: parts of two pictures of noise, coarse and fine."""
    for place in "ab":
        (folder / place).mkdir(parents=True)
        chance = np.random.default_rng(ord(place))
        coarse, fine = (
            Image.fromarray(chance.integers(0, 256, (*shape, 3), np.uint8)).resize((320, 240))
            for shape in ((6, 8), (60, 80))
        )
        whole = Image.blend(coarse, fine, 0.4)
        for number in range(3):
            left = 20 * number
            whole.crop((left, left, left + 240, left + 180)).save(folder / place / f"{number}.jpg")


if __name__ == "__main__":
    main()
