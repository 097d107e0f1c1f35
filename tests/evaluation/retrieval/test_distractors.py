import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from solar.datasets.folder import open_folder
from solar.errors import SolarError, UsageError
from solar.evaluation.retrieval.described import DescribedSet, describe_set
from solar.evaluation.retrieval.distractors import extract_distractors, open_distractors
from solar.extraction import collect
from solar.extraction.shards import open_shards
from tests.evaluation.fakes import DIMENSIONS, cheap_extractor, paint


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Ten photos, one of them damaged."""
    made = [paint(tmp_path / "far" / f"{n}.png", n, (20 * n, 99, 200 - 20 * n)) for n in range(10)]
    made[3].write_bytes(made[3].read_bytes()[:60])
    return made


@pytest.fixture
def described(tmp_path: Path) -> DescribedSet:
    root = tmp_path / "near"
    for n, place in enumerate("aabb"):
        paint(root / place / f"{n}.png", 50 + n, (200, 20 * n, 20))
    return describe_set(cheap_extractor(), open_folder(root))


def test_shards_hold_every_photo_in_order_but_those_that_fail(
    photos: list[Path], described: DescribedSet, tmp_path: Path
) -> None:
    folder, steps = tmp_path / "shards", list[int]()
    failed = extract_distractors(
        cheap_extractor(),
        photos,
        folder,
        shard_size=4,
        progress=lambda done, total: steps.append(done),
    )
    assert steps[-1] == 10 and steps == sorted(steps)
    assert [failure.photo for failure in failed] == [str(photos[3])]
    shards = open_distractors(folder, described)
    assert [np.load(folder / shards.name(n)).shape for n in range(3)] == [(3, 48), (4, 48), (2, 48)]
    assert {block.dtype for block in shards.blocks()} == {np.dtype(np.float16)}
    good = [photo for photo in photos if photo != photos[3]]
    expected = collect(cheap_extractor(), good).descriptors.astype(np.float16)
    assert np.array_equal(shards.load(), expected)
    some = np.array([8, 0, 3, 3, 7])
    assert np.array_equal(shards.take(some), expected[some])
    assert shards.take(some[:0]).shape == (0, DIMENSIONS)
    assert [failure.photo for failure in shards.failures()] == [str(photos[3])]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["photos"] == 10
    assert manifest["extraction"]["dimensions"] == DIMENSIONS


def test_parts_on_two_machines_make_the_folder_that_one_makes(
    photos: list[Path], tmp_path: Path
) -> None:
    whole, first, second = (tmp_path / name for name in ("whole", "first", "second"))
    extract_distractors(cheap_extractor(), photos, whole, shard_size=3)
    extract_distractors(cheap_extractor(), photos, first, part=0, parts=2, shard_size=3)
    with pytest.raises(SolarError, match=r"2 of 4 shards are missing \(1, 3\): extract them"):
        list(open_shards(first).blocks())
    extract_distractors(cheap_extractor(), photos, second, part=1, parts=2, shard_size=3)
    for path in second.glob("shard-*"):
        path.rename(first / path.name)
    names = sorted(path.name for path in whole.iterdir())
    assert names == sorted(path.name for path in first.iterdir())
    assert all((whole / n).read_bytes() == (first / n).read_bytes() for n in names)


def test_what_is_there_is_not_described_again(photos: list[Path], tmp_path: Path) -> None:
    folder, seen = tmp_path / "shards", list[Any]()
    extract_distractors(cheap_extractor(), photos, folder, shard_size=4)
    (folder / "shard-00001.npy").unlink()
    extract_distractors(cheap_extractor(seen.append), photos, folder, shard_size=4)
    assert sorted(seen) == photos[4:8]


def test_killed_at_any_time_it_goes_on_where_it_was(photos: list[Path], tmp_path: Path) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    extract_distractors(cheap_extractor(), photos, whole, shard_size=1)
    script = (
        "import sys, time\nfrom pathlib import Path\n"
        "from solar.evaluation.retrieval.distractors import extract_distractors\n"
        "from tests.evaluation.fakes import cheap_extractor\n"
        "extract_distractors(cheap_extractor(lambda _: time.sleep(0.05)),"
        " [Path(p) for p in sys.argv[2:]], sys.argv[1], shard_size=1)\n"
    )
    command = [sys.executable, "-c", script, str(folder), *map(str, photos)]
    started = subprocess.Popen(command, cwd=Path(__file__).resolve().parents[3])
    until = time.monotonic() + 30
    while not (folder / "shard-00002.npy").exists() and time.monotonic() < until:
        time.sleep(0.01)
    started.send_signal(signal.SIGKILL)
    assert started.wait() == -signal.SIGKILL
    for path in folder.glob("shard-*.npy"):
        assert path.read_bytes() == (whole / path.name).read_bytes()
    assert open_shards(folder).missing()
    extract_distractors(cheap_extractor(), photos, folder, shard_size=1)
    assert np.array_equal(open_shards(folder).load(), open_shards(whole).load())


@pytest.mark.parametrize(
    ("setting", "value", "named"),
    [
        ("image_size", 512, "image_size 512, not 64"),
        ("scales", (1.0, 0.5), r"scales \(1\.0, 0\.5\), not \(1\.0,\)"),
        ("fingerprint", "1" * 64, r"model cheap \(111111111111\), not cheap \(0000"),
        ("precision", "int8", "precision int8, not full"),
        ("whitening", "abc", "whitening abc, not None"),
    ],
)
def test_distractors_of_other_settings_are_refused(
    setting: str,
    value: Any,
    named: str,
    photos: list[Path],
    described: DescribedSet,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "shards"
    extract_distractors(cheap_extractor(**{setting: value}), photos, folder)
    with pytest.raises(UsageError, match=named) as caught:
        open_distractors(folder, described)
    assert "with the settings of this evaluation" in str(caught.value)
    with pytest.raises(UsageError, match="was made with"):
        extract_distractors(cheap_extractor(), photos, folder)


def test_the_name_of_the_model_alone_does_not_matter(tmp_path: Path) -> None:
    ours = cheap_extractor().extraction
    ours.require_same(replace(ours, model="renamed"), tmp_path, "never")


def test_other_photos_or_sizes_are_refused(photos: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    extract_distractors(cheap_extractor(), photos, folder, shard_size=4)
    with pytest.raises(UsageError, match="is for photos 10, not 9"):
        extract_distractors(cheap_extractor(), photos[1:], folder, shard_size=4)
    with pytest.raises(UsageError, match="is for photos_sha256"):
        extract_distractors(cheap_extractor(), photos[::-1], folder, shard_size=4)
    with pytest.raises(UsageError, match="is for shard_size 4, not 5"):
        extract_distractors(cheap_extractor(), photos, folder, shard_size=5)
    with pytest.raises(UsageError, match="part 2 of 2: parts count from 0 to 1"):
        extract_distractors(cheap_extractor(), photos, folder, part=2, parts=2, shard_size=4)
    with pytest.raises(UsageError, match="at least one photo"):
        extract_distractors(cheap_extractor(), [], folder)


def test_a_model_that_says_other_dimensions_than_it_gives(
    photos: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(SolarError, match=r"cheap: a descriptor of shape \(48,\), not \(1,\)"):
        extract_distractors(cheap_extractor(dimensions=1), photos, tmp_path / "shards")


def test_damaged_shards_and_manifests_are_named(photos: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    extract_distractors(cheap_extractor(), photos, folder, shard_size=4)
    shard = folder / "shard-00001.npy"
    good = shard.read_bytes()
    wrong: dict[str, Any] = {
        "damaged": good[:77],
        "bytes, the manifest says": good[:300],
        "at most": np.zeros((5, DIMENSIONS), np.float16),
        "the manifest says": np.zeros((4, 9), np.float16),
        r"of shape \(4, 48\)": np.zeros((DIMENSIONS, 4), np.float16).T,
        "not a matrix of float16": np.zeros((4, DIMENSIONS)),
    }
    for message, content in wrong.items():
        if isinstance(content, bytes):
            shard.write_bytes(content)
        else:
            np.save(shard, content)
        with pytest.raises(SolarError, match=rf"shard-00001\.npy: .*{message}.*extract again"):
            list(open_shards(folder).blocks())
    whole = json.loads((folder / "manifest.json").read_text())
    older = {name: value for name, value in whole.items() if name != "form"}
    wrong = {"damaged": json.dumps({"form": whole["form"], "photos": 1, "shard_size": 1})}
    wrong |= {"not JSON": "", "another version": json.dumps(older)}
    for message, text in wrong.items():
        (folder / "manifest.json").write_text(text)
        with pytest.raises(SolarError, match=rf"manifest\.json: .*{message}"):
            open_shards(folder)
    with pytest.raises(SolarError, match=r"manifest\.json(: cannot be read|, and so no shards)"):
        open_shards(tmp_path / "nowhere")
