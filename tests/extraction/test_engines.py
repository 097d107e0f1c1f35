"""Engines without torch describe as torch does, and nothing of them reaches the network."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import torch

import solar
from benchmarks.graph_memory import peak
from solar.errors import CheckpointError, MissingPackage, SolarError, UsageError
from solar.extraction import collect, open_extractor
from solar.extraction.engines import choose, openvino
from solar.extraction.export import export
from solar.features.patch_descriptor import of_network, open_patch_descriptor
from solar.models.checkpoints import save
from solar.models.config import CONTRASTS, GlobalConfig, LocalConfig
from solar.models.global_descriptor import GlobalDescriptor
from solar.models.local_descriptor import LocalDescriptor
from solar.models.registry import BUNDLED
from solar.photos import find_photos
from tests.scenes import album
from tests.shared import shared

ENGINES = ("openvino", "onnx")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Of four shapes."""
    folder = tmp_path_factory.mktemp("photos")
    album(folder, 6)
    found = sorted(folder.iterdir())
    for number, size in enumerate(((97, 64), (200, 131), (64, 64))):
        with solar.open_photo(found[number]) as photo:
            photo.resize(size).save(found[number])
    return found


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_agrees_with_torch(engine: str, photos: list[Path]) -> None:
    made = {name: open_extractor("solar-r18", engine=name) for name in ("torch", engine)}
    assert made["torch"].extraction == made[engine].extraction
    theirs, ours = (collect(extractor, photos).descriptors for extractor in made.values())
    assert (theirs * ours).sum(1).min() >= 0.99999
    assert np.allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)


@pytest.mark.slow
def test_engines_agree_with_torch_on_real_photos(tmp_path: Path) -> None:
    with ZipFile(shared("data/landmarks-val.zip")) as file:
        names = [name for name in sorted(file.namelist()) if not name.endswith("/")]
        file.extractall(tmp_path, names[::2][:100])
    paths = find_photos(tmp_path)
    assert len(paths) == 100
    theirs, *ours = (
        collect(
            open_extractor("solar-r18", engine=engine, precision="float32", image_size=320), paths
        ).descriptors
        for engine in ("torch", *ENGINES)
    )
    for rows in ours:
        assert (rows * theirs).sum(1).min() >= 0.99999


@pytest.mark.parametrize("engine", ENGINES)
def test_what_a_model_pools_is_had_without_torch(engine: str, photos: list[Path]) -> None:
    theirs = open_extractor(solar.load("solar-r18"), pooled=True, scales=(1.0,))
    ours = open_extractor("solar-r18", engine=engine, pooled=True, scales=(1.0,))
    assert ours.extraction.differences(theirs.extraction) == []
    assert ours.extraction.fingerprint != open_extractor("solar-r18").extraction.fingerprint
    rows = [collect(extractor, photos).descriptors for extractor in (ours, theirs)]
    assert (rows[0] * rows[1]).sum(1).min() >= 0.99999
    plain = collect(open_extractor("solar-r18", engine=engine, scales=(1.0,)), photos).descriptors
    assert (rows[0] * plain).sum(1).max() < 0.9  # not what the whitening layer makes of it


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_the_memory_of_attention_is_linear_in_positions(engine: str) -> None:
    assert peak("solar-r18", engine, 4096) < 4  # GB; one map of all positions would be 17


GRAPHS = [
    GlobalConfig("resnet18", (), whitening=None),  # GeM alone: scales averaged with its p
    GlobalConfig("resnet18", ("conv4_x",), "gem-channel", whitening=64),
    GlobalConfig("resnet34", ("conv3_x",), "mac"),
    GlobalConfig("resnet50", ("conv5_x",), "spoc"),
    GlobalConfig("vgg16", (), "gem", whitening=32),
    GlobalConfig("alexnet", (), "mac"),
    GlobalConfig("alexnet", (), "crow", whitening=64),
    GlobalConfig("resnet18", ("conv4_x",), "netvlad-4", whitening=700),
    GlobalConfig("resnet18", (), "rmac"),
    GlobalConfig("resnet18", (), "gem-channel", regional=True, whitening=64),
    GlobalConfig("alexnet", (), "spoc", regional=True),
    GlobalConfig("alexnet", (), "rmac", regional=True),
    pytest.param(
        GlobalConfig("resnet152", ("conv4_x", "conv5_x"), whitening=2048),
        marks=pytest.mark.exhaustive,  # of layers that resnet50 has too, three times as many
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    "config", GRAPHS, ids=lambda c: f"{c.backbone}-{c.pooling}{'-regional' * c.regional}"
)
def test_any_network_is_exported(config: GlobalConfig, photos: list[Path], tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = GlobalDescriptor(replace(config, image_size=128)).eval()
    folder = export(network, tmp_path / "model")
    theirs = open_extractor(network, engine="torch", precision="float32")
    expected = collect(theirs, photos).descriptors
    for engine in ENGINES:
        ours = open_extractor(folder, engine=engine)
        assert ours.extraction.differences(theirs.extraction) == []
        assert (collect(ours, photos).descriptors * expected).sum(1).min() >= 0.9999


@pytest.mark.slow
@pytest.mark.parametrize("attention", [(), (3, 4, 5, 6)])
@pytest.mark.parametrize("contrast", CONTRASTS)
def test_any_patch_network_is_exported(
    attention: tuple[int, ...], contrast: str, tmp_path: Path
) -> None:
    network = LocalDescriptor(LocalConfig(attention, contrast)).eval()
    folder = export(network, tmp_path / "model")
    patches = np.random.default_rng(1).uniform(0, 255, (20, 1, 32, 32)).astype(np.float32)
    expected = of_network(network, "float32").network(patches)
    for engine in ENGINES:
        ours = open_patch_descriptor(folder, precision="float32", engine=engine)
        assert (ours.network(patches) * expected).sum(1).min() >= 0.99999


@pytest.mark.slow
def test_the_bundled_graphs_are_those_of_the_bundled_weights(tmp_path: Path) -> None:
    import onnx

    for name in ("solar-r18", "solar-local"):
        made = export(name, tmp_path / name, precision="float16")
        kept = BUNDLED / name
        weights = "model.safetensors"
        assert (made / weights).read_bytes() == (kept / weights).read_bytes()
        graphs = [
            onnx.load(folder / "model.onnx", load_external_data=False) for folder in (made, kept)
        ]
        ours, theirs = (
            {tensor.name: tensor.SerializeToString() for tensor in graph.graph.initializer}
            for graph in graphs
        )
        assert ours == theirs
        assert [n.op_type for n in graphs[0].graph.node] == [
            n.op_type for n in graphs[1].graph.node
        ]
        stored = {n.removesuffix(".stored") for n in ours if n.endswith(".stored")}
        with_numbers = json.loads(_header(kept / weights)).keys() - {"__metadata__"}
        assert stored == with_numbers  # not one number lies twice


def _header(weights: Path) -> bytes:
    with weights.open("rb") as file:
        return file.read(int.from_bytes(file.read(8), "little"))


_DESCRIBE = """
import socket, sys
def refuse(*_, **__):
    print("a socket", file=sys.stderr)
    raise SystemExit(3)
socket.socket.__init__ = socket.getaddrinfo = refuse
sys.modules["torch"] = sys.modules["torchvision"] = None
import solar
index = solar.Index.create(sys.argv[1])
index.add(sys.argv[2])
print(index.search(sys.argv[2] + "/00.png", top=1)[0].path)
assert "openvino_telemetry" not in sys.modules
"""


def test_indexing_and_searching_need_neither_torch_nor_the_network(tmp_path: Path) -> None:
    album(tmp_path / "photos", 3)
    call = [sys.executable, "-c", _DESCRIBE, "my.index", "photos"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("00.png")


def test_what_needs_torch_says_what_to_install(tmp_path: Path) -> None:
    script = "import sys; sys.modules['torch'] = None\nimport solar; solar.load('solar-r18')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert 'pip install "solar-retrieval[train]"' in done.stderr
    assert issubclass(MissingPackage, SolarError) and issubclass(MissingPackage, ImportError)


def test_what_an_engine_cannot_do_is_one_line(model_folder: Path, tmp_path: Path) -> None:
    for engine in ENGINES:
        with pytest.raises(UsageError, match=r"has no graph.*solar export"):
            open_extractor(model_folder, engine=engine)
        with pytest.raises(UsageError, match="runs on the cpu"):
            open_extractor("solar-r18", engine=engine, device="cuda")
        with pytest.raises(UsageError, match="--precision float8"):
            open_extractor("solar-r18", engine=engine, precision="float8")
        with pytest.raises(UsageError, match="a network that is loaded runs in torch"):
            open_extractor(solar.load("solar-r18"), engine=engine)


def test_another_or_a_damaged_graph_is_refused(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(BUNDLED / "solar-local", tmp_path / "model"))
    graph = folder / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=r"not the file that config\.json was written for"):
        solar.load_local(folder)


def test_torch_is_chosen_where_only_it_can(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def engine(model: object, device: str = "auto") -> str:
        return type(open_extractor(model, device=device)).__name__  # type: ignore[arg-type]

    assert engine("solar-r18") == "GraphExtractor"
    monkeypatch.setattr(openvino, "precisions", lambda: ["float32"])
    imitated = open_extractor("solar-r18", precision="bfloat16")
    assert type(imitated).__name__ == "TorchExtractor"
    assert engine(model_folder) == engine(solar.load("solar-r18")) == "TorchExtractor"
    monkeypatch.setattr(choose, "driver_here", lambda: True)
    assert engine("solar-r18") == "GraphExtractor"  # a driver, but no processor that torch sees
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.nn.Module, "to", lambda self, *_: self)
    assert engine("solar-r18") == "TorchExtractor"
    assert engine("solar-r18", "cpu") == "GraphExtractor"


def test_a_folder_that_is_there_is_not_exported_over(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="exists already"):
        export("solar-local", tmp_path)


def test_a_model_saved_without_a_graph_has_none(tmp_path: Path) -> None:
    save(solar.load_local("solar-local"), tmp_path / "model")
    assert not (tmp_path / "model" / "model.onnx").exists()


@pytest.mark.parametrize("stage", ["conv4_x", 5])
def test_attention_maps_need_no_torch(stage: str | int, photos: list[Path]) -> None:
    theirs = solar.attend(photos[1], (150, 40), stage=stage, model=solar.load("solar-r18"))
    assert theirs.engine.startswith("PyTorch")
    for engine, words in (("openvino", "OpenVINO"), ("onnx", "ONNX Runtime")):
        ours = solar.attend(photos[1], (150, 40), stage=stage, engine=engine)
        assert ours.stage == theirs.stage and ours.trained == theirs.trained
        assert ours.engine.startswith(words) and ours.to_json()["engine"] == ours.engine
        assert np.allclose(ours.weights, theirs.weights, atol=1e-5)
    for at, wrong, message in (
        ((999, 0), stage, "999,0 is outside"),
        ((0, 0), 9, "no stage '9': use one of conv1"),
        ((0, 0), "conv3_x", "no attention after conv3_x"),
    ):
        with pytest.raises(UsageError, match=message):
            solar.attend(photos[1], at, stage=wrong)


def test_patches_are_described_as_torch_describes_them() -> None:
    patches = np.random.default_rng(1).uniform(0, 255, (200, 1, 32, 32)).astype(np.float32)
    ours = open_patch_descriptor("solar-local")
    theirs = of_network(solar.load_local("solar-local"), "float32")
    assert ours.fingerprint == theirs.fingerprint
    assert (ours.network(patches) * theirs.network(patches)).sum(1).min() >= 0.99999


@pytest.mark.slow
def test_a_diverged_model_is_refused_by_its_graph_too(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = solar.load("solar-r18")
    with torch.no_grad():
        network.get_parameter("attention.conv4_x.g.1.bias").fill_(np.inf)
        network.get_parameter("whiten.bias").fill_(np.inf)
    with pytest.raises(SolarError, match="descriptors are not finite: its training diverged"):
        export(network, tmp_path / "diverged")
    assert not (tmp_path / "diverged").exists()
    monkeypatch.setattr("solar.extraction.export.write.require_agreement", lambda *_: None)
    folder = export(network, tmp_path / "diverged")
    with pytest.raises(SolarError, match="descriptors are not finite: its training diverged"):
        collect(open_extractor(folder, engine="openvino"), photos[:1])
    with pytest.raises(SolarError, match="attention weights are not finite: its training"):
        solar.attend(photos[0], (1, 1), stage="conv4_x", model=folder)
