"""Teachers: callables from photos (B, 3, side, side) uint8 to feature maps (B, C, h, w)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from solar.errors import UsageError
from solar.training.distillation.recipe import Teacher


def teacher(name: str, threads: int) -> Teacher:
    """A teacher by name.

    Args:
        name: a .tflite file of a convolutional classifier, or a network of torchvision with
            published weights, such as `resnet50` or `mobilenet_v2`.
        threads: photos at a time, for a .tflite file.
    """
    if name.endswith(".tflite"):
        if not Path(name).is_file():
            raise UsageError(f"{name}: no such teacher")
        return LiteTeacher(name, threads)
    return torchvision_teacher(name)


class LiteTeacher:
    """The last feature map of a quantised classifier, on the CPU.

    Args:
        path: of the .tflite file; uint8 NHWC input of one photo.
        threads: interpreters that run side by side.
    """

    def __init__(self, path: str, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self.pool = ThreadPoolExecutor(threads)
        self.interpreters: SimpleQueue[Any] = SimpleQueue()
        for _ in range(threads):
            interpreter = Interpreter(path, num_threads=1, experimental_preserve_all_tensors=True)
            interpreter.allocate_tensors()
            self.interpreters.put(interpreter)
        self.input = interpreter.get_input_details()[0]
        maps = [
            d
            for d in interpreter.get_tensor_details()
            if len(d["shape"]) == 4 and d["shape"][0] == 1 and d["shape"][1] > 1 and d["name"]
        ]
        self.output = max(maps, key=lambda d: d["shape"][3])
        self.side = int(self.input["shape"][1])

    def __call__(self, photos: Tensor) -> Tensor:
        """(B, 3, side, side) uint8 -> (B, C, h, w) float32."""
        if photos.shape[-2:] != (self.side, self.side):
            raise UsageError(f"this teacher takes {self.side} px, not {tuple(photos.shape[-2:])}")
        batch = photos.permute(0, 2, 3, 1).contiguous().numpy()
        maps = np.concatenate(list(self.pool.map(self._one, batch)))
        scale, zero = self.output["quantization"]
        values: Tensor = (torch.from_numpy(maps).permute(0, 3, 1, 2).float() - zero) * scale
        return values

    def _one(self, photo: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        interpreter = self.interpreters.get()
        try:
            interpreter.set_tensor(self.input["index"], photo[None])
            interpreter.invoke()
            result: np.ndarray[Any, Any] = interpreter.get_tensor(self.output["index"])
            return result
        finally:
            self.interpreters.put(interpreter)


def torchvision_teacher(name: str) -> Teacher:
    """A pre-trained network of torchvision up to its last map; downloads its weights."""
    from torchvision.models import get_model
    from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

    network = get_model(name, weights="DEFAULT").eval().requires_grad_(False)
    head = next(n for n in get_graph_node_names(network)[1] if n in ("avgpool", "mean", "flatten"))
    nodes = get_graph_node_names(network)[1]
    body: nn.Module = create_feature_extractor(network, [nodes[nodes.index(head) - 1]])
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    body.to(device)
    mean = torch.tensor([0.485, 0.456, 0.406], device=device)[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225], device=device)[:, None, None]

    @torch.inference_mode()
    def see(photos: Tensor) -> Tensor:
        images = (photos.to(device).float() / 255 - mean) / std
        maps: Tensor = next(iter(body(images).values()))
        return maps.clamp(min=0).clone()

    return see
