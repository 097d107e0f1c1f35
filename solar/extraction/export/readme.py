"""What an exported folder says of itself: how another program runs the graph."""

from __future__ import annotations

from solar.models.checkpoints import AnyDescriptor
from solar.models.global_descriptor import GlobalDescriptor

_PHOTOS = """# {name}

{summary}. Licence of the weights: {licence}. Trained on: {trained_on}.

`model.onnx` runs in ONNX Runtime and OpenVINO; keep `model.safetensors` beside it, which holds its
numbers. Here: `solar index PHOTOS --to my.index --model {folder}`. In any program:

```python
import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession("model.onnx")
photo = ImageOps.exif_transpose(Image.open("photo.jpg")).convert("RGB")
photo.thumbnail(({size}, {size}), Image.Resampling.LANCZOS)
photos = np.asarray(photo)[None]                                # (1, H, W, 3) uint8
total = np.zeros((1, {dimensions}), np.float32)
for scale in {scales}:
    inputs = {{"photos": photos, "scale": np.array([scale], np.float32)}}
    total += session.run(["descriptors"], inputs)[0]{to_power}
{root}descriptor = total[0] / np.linalg.norm(total)                   # ({dimensions},)
```

| | name | type | shape |
| --- | --- | --- | --- |
| takes | `photos` | uint8, RGB as decoded | (B, H, W, 3), any B, H and W |
| | `scale` | float32, a factor on H and W | (1,) |
| gives | `descriptors` | float32, unit rows | (B, {dimensions}) |

Photos of one batch have one size: do not pad them. Normalisation is in the graph: (pixel / 255 -
mean) / std with mean {mean} and std {std}. A photo's descriptor is the sum of those at its scales,
made unit length; the cosine of two descriptors is their product. The graph's metadata hold the same
facts. Inside, `attention.STAGE.f` and `.g` are what second-order attention compares.
{gpu}"""

_GPU = """
For a server with a graphics processor, from Python with `pip install "solar-retrieval[train]"`:

```python
import solar
import torch

model, free = solar.load("{folder}"), torch.export.Dim.DYNAMIC
images = torch.rand(2, 3, 224, 160, device=model.device)        # normalised, of one scale
program = torch.export.export(model, (images,), dynamic_shapes=({{0: free, 2: free, 3: free}},))
torch.export.save(program, "model.pt2")                         # of any batch and size, as above
```

There `torch.export.load("model.pt2").module()` runs without Solar. AOTInductor compiles the same
for the device of the model, where a C++ compiler is; it takes images of contiguous memory only, and
does not say so of others:

```python
torch._inductor.aoti_compile_and_package(program, package_path="compiled.pt2")
compiled = torch._inductor.aoti_load_package("compiled.pt2")   # compiled(images.contiguous())
```
"""

_PATCHES = """# {name}

{summary}. Licence of the weights: {licence}. Trained on: {trained_on}.

`model.onnx` runs in ONNX Runtime and OpenVINO; keep `model.safetensors` beside it, which holds its
numbers. Here: `solar match A.jpg B.jpg --model {folder}`. In any program:

```python
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("model.onnx")
patches = np.random.default_rng(0).uniform(0, 255, (8, 1, 32, 32)).astype(np.float32)
(descriptors,) = session.run(["descriptors"], {{"patches": patches}})         # ({dimensions},) each
```

It takes `patches`, float32 (B, 1, 32, 32), grey of any range, and gives `descriptors`, float32
(B, {dimensions}), unit rows.
"""


def readme(network: AnyDescriptor, folder: str = "THIS-FOLDER", *, torch: bool = True) -> str:
    """The text of `README.md`.

    Args:
        network: that was exported.
        folder: what the example calls it.
        torch: whether torch can load it.
    """
    facts = {
        "name": network.name,
        "summary": network.summary,
        "licence": network.provenance.licence or "unknown",
        "trained_on": network.provenance.trained_on,
        "dimensions": network.dimensions,
        "folder": folder,
    }
    if not isinstance(network, GlobalDescriptor):
        return _PATCHES.format(**facts)
    c = network.config
    p = network.pool.get_parameter("p").item() if c.power_mean and len(c.scales) > 1 else 1.0
    power = {"to_power": "", "root": ""}
    if p != 1:
        power = {"to_power": f" ** {p!r}", "root": f"total **= 1 / {p!r}\n"}
    more: dict[str, object] = {
        "size": c.image_size,
        "scales": c.scales,
        "mean": c.mean,
        "std": c.std,
    }
    regions = c.regional or c.pooling == "rmac"  # which torch's exporter counts once and for all
    more["gpu"] = _GPU.format(**facts) if torch and not regions else ""
    return _PHOTOS.format(**facts, **more, **power)
