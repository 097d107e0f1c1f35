"""`solar match` as its user runs it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from solar.models.checkpoints import save
from solar.models.local_descriptor import LocalDescriptor
from tests.cli.runner import process, solar, succeed
from tests.matching.textures import texture


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos and a local model of random weights."""
    folder = tmp_path_factory.mktemp("home")
    texture(1).save(folder / "a.jpg", quality=95)
    texture(1).transpose(Image.Transpose.ROTATE_90).save(folder / "b.jpg", quality=95)
    texture(2).save(folder / "other.jpg", quality=95)
    Image.new("RGB", (400, 300), "white").save(folder / "wall.jpg")
    torch.manual_seed(3)
    save(LocalDescriptor(), folder / "model")
    return folder


def test_help_has_an_example(tmp_path: Path) -> None:
    text = " ".join(succeed("match", "--help", folder=tmp_path).split())
    assert "Example: solar match a.jpg b.jpg --to matches.png" in text


def test_a_sentence_and_a_picture(home: Path) -> None:
    done = process(
        *("match", "a.jpg", "b.jpg", "--descriptor", "rootsift", "--to", "m.png"), folder=home
    )
    assert done.returncode == 0, done.stderr
    sentence, picture = done.stdout.splitlines()
    assert sentence.endswith("likely the same place") and picture == "picture: m.png"
    assert Image.open(home / "m.png").width <= 1600
    sentence = succeed("match", "a.jpg", "other.jpg", "--descriptor", "rootsift", folder=home)
    assert sentence.count("\n") == 1 and "likely" not in sentence
    sentence = succeed("match", "a.jpg", "wall.jpg", "--descriptor", "rootsift", folder=home)
    assert sentence == "no keypoint in photo 2: nothing to compare\n"


def test_json_is_one_object_and_holds_everything(home: Path) -> None:
    options = ("--descriptor", "model", "--keypoints", 200, "--json")
    found = json.loads(succeed("match", "a.jpg", "b.jpg", *options, folder=home))
    assert found["photos"] == ["a.jpg", "b.jpg"]
    assert found["sizes"] == [[480, 360], [360, 480]]
    assert found["same_place"] is True and found["kind"] == "homography"
    assert found["engine"].startswith("PyTorch")
    assert found["keypoints"][0] <= 200
    assert np.shape(found["geometry"]) == (3, 3)
    agreeing = [entry for entry in found["matches"] if entry["inlier"]]
    assert len(agreeing) == found["inliers"] > found["chance"]
    for entry in agreeing:  # turned by 90 degrees against the clock
        x, y = entry["first"]
        assert np.allclose(entry["second"], (y, 479 - x), atol=4)
    none = json.loads(succeed("match", "a.jpg", "wall.jpg", *options, folder=home))
    assert none["matches"] == [] and none["geometry"] is None and none["same_place"] is False


def test_options_reach_the_matching(home: Path) -> None:
    def keys(*options: object) -> dict[str, object]:
        command = ("match", "a.jpg", "b.jpg", "--descriptor", "rootsift", "--json", *options)
        found: dict[str, object] = json.loads(succeed(*command, folder=home))
        return found

    usual = keys()
    assert keys("--fundamental")["kind"] == "fundamental"
    assert keys("--upright")["same_place"] is False
    assert keys("--image-size", 160)["keypoints"] != usual["keypoints"]
    assert keys("--detector", "orb")["keypoints"] != usual["keypoints"]
    strict, free = keys("--ratio", 0.3)["matches"], keys("--ratio", 1)["matches"]
    assert isinstance(strict, list) and isinstance(free, list)
    assert len(strict) < len(free)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("a.jpg", "none.jpg"), 1, "none.jpg: no such file"),
        (("a.jpg", "model/config.json"), 1, "config.json"),
        (("a.jpg", "b.jpg", "--descriptor", "no-such"), 2, "no-such"),
        (("a.jpg", "b.jpg", "--to", "m.bmp"), 2, "m.bmp: the name must end in .png or .jpg"),
        (("a.jpg", "b.jpg", "--to", "a.jpg"), 2, "a.jpg: is what this command reads"),
        (("a.jpg", "b.jpg", "--to", "other.jpg"), 2, "other.jpg: is there already"),
        (
            ("a.jpg", "b.jpg", "--detector", "surf"),
            2,
            "detector surf: use sift or sift-faint or orb",
        ),
        (("a.jpg", "b.jpg", "--ratio", "0"), 2, "ratio 0"),
        (("a.jpg", "b.jpg", "--keypoints", "0"), 2, "--keypoints"),
    ],
)
def test_what_cannot_be_matched_is_one_line(
    home: Path, options: tuple[str, ...], code: int, message: str
) -> None:
    given = options if "--descriptor" in options else (*options, "--descriptor", "rootsift")
    done = solar("match", *given, folder=home)
    assert done.returncode == code
    assert message in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.slow
def test_the_precision_is_an_option(home: Path) -> None:
    call = ["match", "a.jpg", "b.jpg", "--descriptor", "model", "--keypoints", 60, "--json"]
    exact, other = (
        json.loads(succeed(*call, "--precision", precision, folder=home))
        for precision in ("float32", "float16")
    )
    assert exact["same_place"] is other["same_place"] is True
    done = solar(*call, "--precision", "int3", folder=home)
    assert done.returncode == 2 and "--precision int3" in done.stderr
