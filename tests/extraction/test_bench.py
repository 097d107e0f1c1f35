"""A machine is measured in seconds, and told in words which options to type."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from solar.errors import SolarError, UsageError
from solar.extraction.bench import Case, bench, make_photos, recommend
from tests.cli.runner import solar, succeed
from tests.scenes import album


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    album(tmp_path / "photos", 3)
    return tmp_path / "photos"


def test_the_command_measures_each_case_and_advises(photos: Path, tmp_path: Path) -> None:
    words = ["bench", photos, "--engine", "openvino", "--image-size", "64", "--seconds", "0.2"]
    found = json.loads(succeed(*words, "--json", folder=tmp_path))
    case = found["cases"][0]
    assert (case["engine"], case["image_size"], case["failed"]) == ("openvino", 64, "")
    assert case["photos_per_second"] > 0 and "OpenVINO" in case["ran"]
    assert case["megabytes"] is None or 50 < case["megabytes"] < 4000
    assert found["photos"] == 3 and found["options"] == "" and "leave the options out" in str(found)
    text = succeed(*words, folder=tmp_path)
    assert "photos/s" in text and "leave the options out" in text


@pytest.mark.slow
def test_a_case_that_cannot_run_is_a_line_and_the_rest_goes_on(
    photos: Path, model_folder: Path
) -> None:
    found = bench(
        [photos], model=model_folder, engines=["openvino", "torch"], image_sizes=[64], seconds=0.1
    )
    assert "has no graph" in found.cases[0].failed and found.cases[-1].failed == ""
    assert found.options.startswith("--engine torch")
    with pytest.raises(SolarError, match=r"nothing could be measured: openvino: .*has no graph"):
        bench([photos], model=model_folder, engines=["openvino"], image_sizes=[64], seconds=0.1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--engine", "auto"], "--engine auto: use openvino or onnx or torch"),
        (["--seconds", "0"], "--seconds 0: use 0.1 to 120"),
        (["--image-size", "99999"], "image size 99999: use 1 to"),
        (["nowhere"], "nowhere"),
        (["--model", "nothing"], "nothing"),
    ],
)
def test_nonsense_is_a_wrong_call(words: Sequence[str], message: str, tmp_path: Path) -> None:
    done = solar("bench", *words, folder=tmp_path)
    assert done.returncode in (1, 2) and message in done.stderr and done.stderr.count("\n") == 1


def test_a_folder_without_photos_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no photos"):
        bench([tmp_path])


@given(st.lists(st.tuples(st.sampled_from(["torch", "onnx"]), st.floats(0.1, 100)), min_size=1))
def test_the_advice_names_the_fastest_unless_it_is_hardly_faster(
    rates: list[tuple[str, float]],
) -> None:
    cases = [Case("openvino", "float32", 448, 10.0, ran="OpenVINO")]
    cases += [Case(engine, "float32", 448, rate) for engine, rate in rates]
    cases += [Case("torch", "float32", 320, 1000.0), Case("onnx", "float32", 448, failed="no")]
    options, advice = recommend(cases)
    engine, best = max(rates, key=lambda pair: pair[1])
    assert options == (f"--engine {engine} --precision float32" if best > 10.5 else "")
    assert options in advice and "--image-size 320" in advice


def test_made_photos_are_like_a_camera_s(tmp_path: Path) -> None:
    (path,) = make_photos(tmp_path, 1)
    assert 1_000_000 < path.stat().st_size < 8_000_000
    with Image.open(path) as photo:
        assert photo.size == (4000, 3000) and photo.format == "JPEG"
