"""Files made to hurt: one line each, at once, and next to no memory."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solar.errors import CheckpointError, SolarError, UsageError
from solar.files import cut, parse_json, printable, read_bytes, read_json, read_toml, shown
from solar.files.arrays import read_arrays

READ = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (600 << 20, 600 << 20))
from solar.errors import SolarError
from solar.files import read_json, read_toml
from solar.files.arrays import read_arrays
from solar.files.pickles import load_plain
doors = {"json": read_json, "toml": read_toml, "npz": read_arrays, "pkl": load_plain}
for path in sys.argv[1:]:
    before, said = resource.getrusage(resource.RUSAGE_SELF).ru_utime, None
    try:
        doors[path.rpartition(".")[2]](path)
    except (SolarError, ValueError) as error:
        said = str(error)
    print(json.dumps([said, resource.getrusage(resource.RUSAGE_SELF).ru_utime - before]))
"""


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(20 << 30)


def bomb(path: Path) -> None:
    np.savez_compressed(path, a=np.zeros(300 << 20, np.uint8))


CASES: dict[str, tuple[str, str | bytes | Callable[[Path], object], str]] = {
    "a key of dots": ("toml", ".".join("a" * 20_000) + " = 1\n", "a key of more than 16 parts"),
    "a header of dots": ("toml", "[" + ".".join("a" * 20_000) + "]", "a key of more than 16"),
    "spaced dots": ("toml", " . ".join("a" * 9000) + " = 1", "a key of more than 16 parts"),
    "dots in a table": ("toml", "x = {" + ".".join("a" * 9000) + " = 1}", "a key of more than"),
    "quoted parts": ("toml", '."b"'.join("a" * 9000) + " = 1", "a key of more than 16 parts"),
    "brackets": ("toml", "a = " + "[" * 30_000 + "]" * 30_000, "more than 32 brackets"),
    "tables": ("toml", "a = " + "{b = " * 9000 + "1" + "}" * 9000, "more than 32 brackets"),
    "a long TOML": ("toml", "a = 1\n" * 20_000, "larger than 64 KB"),
    "a long number": ("toml", "a = " + "1" * 60_000, "not TOML"),
    "deep JSON": ("json", "[" * 10**6, "more than 32 brackets"),
    "deep objects": ("json", '{"a":' * 10**5 + "1" + "}" * 10**5, "more than 32 brackets"),
    "many lists": ("json", "[" + "[]," * 2_000_001 + "0]", "more than 2000000 lists"),
    "infinity": ("json", '{"scales": [1e999]}', "1e999 is out of range"),
    "not a number": ("json", '{"std": [NaN]}', "NaN is no number"),
    "a huge number": ("json", "[" + "9" * 10**6 + "]", "9999… is out of range"),
    "20 GB of JSON": ("json", sparse, "20 GB, larger than 16 MB"),
    "a pipe": ("json", os.mkfifo, "not a regular file"),
    "a pipe of arrays": ("npz", os.mkfifo, "not a regular file"),
    "a pickled pipe": ("pkl", os.mkfifo, "not a regular file"),
    "a folder": ("toml", Path.mkdir, "not a regular file"),
    "a device": ("toml", lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
    "an archive that swells": ("npz", bomb, "1 arrays of 314572928 bytes in "),
}


Told = tuple[Path, list[tuple[str, float]]]


def path_of(folder: Path, name: str) -> Path:
    return folder / f"{list(CASES).index(name)}.{CASES[name][0]}"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """The folder of the files, and what a process of 600 MB said of each in which time."""
    folder = tmp_path_factory.mktemp("hurtful")
    for name, (_, content, _) in CASES.items():
        path = path_of(folder, name)
        if callable(content):
            content(path)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
    paths = [str(path_of(folder, name)) for name in CASES]
    done = subprocess.run(
        [sys.executable, "-c", READ, *paths], capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    yield folder, [json.loads(line) for line in done.stdout.splitlines()]
    shutil.rmtree(folder)


@pytest.mark.parametrize("name", CASES)
def test_what_is_made_to_hurt_is_one_line_and_costs_little(name: str, told: Told) -> None:
    folder, outcomes = told
    said, used = outcomes[list(CASES).index(name)]
    path = path_of(folder, name)
    assert CASES[name][2] in said
    assert "\n" not in said and len(said) < len(str(path)) + 200
    assert used < 10


@pytest.mark.parametrize("error", [SolarError, UsageError, CheckpointError])
def test_doors_raise_what_they_are_asked_to(tmp_path: Path, error: type[SolarError]) -> None:
    with pytest.raises(error, match=r"gone\.json: no such file"):
        read_json(tmp_path / "gone.json", error=error)
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(error, match=r"a\.json: not JSON \(.*\): fetch it again$"):
        read_json(tmp_path / "a.json", error=error, way_out="fetch it again")
    with pytest.raises(error, match=r"a\.json: 1 bytes, larger than 0 bytes"):
        read_bytes(tmp_path / "a.json", 0, error)
    (tmp_path / "a.toml").write_bytes(b"a = '\xff'")
    with pytest.raises(error, match=r"a\.toml: not a text in UTF-8"):
        read_toml(tmp_path / "a.toml", error)


def test_brackets_and_dots_inside_texts_count_for_nothing(tmp_path: Path) -> None:
    texts = ["[" * 99, '"' + "{" * 99, "\\" + "." * 99, "a." * 99]
    assert parse_json(json.dumps(texts)) == texts
    path = tmp_path / "a.toml"
    plain = "[" * 99 + "." * 99
    path.write_text(
        f'a = "{plain}\\"{plain}" # {plain}\nb = \'{plain}\'\nc = """{plain}"\n{plain}"""\n'
        f"d = '''{plain}''{plain}'''\n[e.f]\ng.h = [1.5, 2.5]\n\"{plain}\" = 2024-01-01T00:00:00.5Z"
    )
    assert read_toml(path)["e"]["f"]["g"] == {"h": [1.5, 2.5]}


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)  # fmt: skip


@settings(deadline=None)
@given(values)
def test_json_comes_back_as_it_was(value: object) -> None:
    assert parse_json(json.dumps(value)) == value
    assert parse_json(json.dumps(value, ensure_ascii=False)) == value


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200) | st.text("[]{}\",:.'=#ab\n\\0", max_size=60).map(str.encode))
def test_any_bytes_are_values_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(data)
    for door in (read_json, read_toml):
        try:
            door(path)
        except SolarError as error:
            assert str(error).isprintable() and len(str(error)) < len(str(path)) + 200


@given(st.text())
def test_names_are_printable_and_told_apart(name: str) -> None:
    assert printable(name).isprintable()
    assert printable(name) == name or not name.isprintable()
    assert shown(name).isprintable() and len(shown(name)) <= 60
    assert cut(name).isprintable() and len(cut(name)) <= 60


def test_broken_names_are_written_out() -> None:
    assert printable("caf\udce9\x1b[31m\n\u202egpj.exe") == r"caf\udce9\x1b[31m\n\u202egpj.exe"
    assert printable(Path("å/🏰.png")) == "å/🏰.png"
    with pytest.raises(UsageError, match=r"no\\nfile: no such file"):
        read_arrays("no\nfile")
