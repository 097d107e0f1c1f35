"""The path of a graphics processor, on one that is made up: every tensor there, none computed.

What torch calls fake tensors have a device, a type and a shape, and no numbers; operators refuse
tensors of two devices as they do on a real one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from solar.extraction import collect
from solar.extraction.engines.torch import BATCH_PIXELS, TorchExtractor
from solar.models.config import GlobalConfig
from solar.models.global_descriptor import GlobalDescriptor
from tests.scenes import scene


class Watched(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes of every operator where its result is, and in which type."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: dict[str, set[tuple[str, torch.dtype]]] = defaultdict(set)

    def __torch_dispatch__(
        self, operator: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        found = operator(*args, **(kwargs or {}))
        if isinstance(found, torch.Tensor):
            name = operator.overloadpacket.__name__
            self.seen[name].add((found.device.type, found.dtype))
        return found


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    """A machine with a graphics processor that computes in bfloat16."""
    monkeypatch.setattr("torch.cuda.amp.common.amp_definitely_not_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    monkeypatch.setattr(
        GlobalDescriptor, "_finite", lambda _, found, __: np.ones(found.shape, np.float32)
    )
    monkeypatch.setattr(TorchExtractor, "_network", lambda _: ("0" * 64, 16))
    with FakeTensorMode(allow_non_fake_inputs=True), Watched() as watching:
        yield watching


def on_gpu(network: GlobalDescriptor) -> GlobalDescriptor:
    for module in network.modules():
        for name, weight in module.named_parameters(recurse=False):
            moved = torch.empty(weight.shape, dtype=weight.dtype, device="cuda")
            module.register_parameter(name, torch.nn.Parameter(moved))
        for name, values in module.named_buffers(recurse=False):
            moved = torch.empty(values.shape, dtype=values.dtype, device="cuda")
            module.register_buffer(name, moved)
    return network.eval()


@pytest.mark.parametrize("pooling", ["gem", "rmac"])
def test_photos_are_described_on_the_gpu_in_bfloat16(
    pooling: str, tmp_path: Path, watched: Watched
) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(5)]
    for number, path in enumerate(paths):
        scene(number, ((64, 48), (48, 96))[number % 2]).save(path)
    config = GlobalConfig("resnet18", ("conv4_x",), pooling, whitening=16, image_size=96)
    extractor = TorchExtractor(on_gpu(GlobalDescriptor(config)))
    assert extractor.batch_pixels == BATCH_PIXELS["cuda"] and "cuda" in extractor.engine
    watched.seen.clear()
    found = collect(extractor, paths)
    assert found.failures == () and found.descriptors.shape == (5, 16)
    seen = watched.seen
    assert seen["conv2d"] == {("cuda", torch.bfloat16)}
    assert seen["scaled_dot_product_attention"] == {("cuda", torch.bfloat16)}
    assert seen["linear"] == {("cuda", torch.float32)}  # whitening
    assert {device for results in seen.values() for device, _ in results} <= {"cuda", "cpu"}
    on_cpu = {name for name, results in seen.items() if any(d == "cpu" for d, _ in results)}
    assert not on_cpu - {"detach", "lift_fresh", "from_numpy", "_to_copy", "zeros"}, on_cpu
