"""What networks are, as plain values: checked, and there without torch."""

import subprocess
import sys
from typing import Any

import pytest

from solar.errors import UsageError
from solar.models.config import POOLINGS, GlobalConfig
from solar.models.global_descriptor import GlobalDescriptor
from solar.models.pooling import build_pooling


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"pooling": "max"}, "unknown pooling 'max': use one of gem, "),
        ({"pooling": "netvlad-0"}, "unknown pooling 'netvlad-0'"),
        ({"pooling": "netvlad-1"}, "pooling netvlad-1: use 2 to 256 clusters"),
        ({"pooling": "crow", "regional": True}, "pooling crow: is not done by regions"),
        ({"pooling": "netvlad-2", "whitening": 1025}, "to 1025 dimensions: use 1 to 1024"),
        ({"attention": ("conv4_x", "conv4_x")}, "attention conv4_x, conv4_x: name each stage once"),
        ({"image_size": 0}, "image size 0: use 1 to"),
        ({"scales": (1.0, 0.0)}, "scale 0: use"),
        ({"scales": ()}, "0 scales: use 1 to"),
        ({"mean": (0.5, 0.5, float("nan"))}, r"mean \(0.5, 0.5, nan\): use 0 to 1"),
        ({"std": (0.5, 0.0, 0.5)}, r"std \(0.5, 0.0, 0.5\): use 0.001 to 1000"),
        ({"backbone": "vgg"}, "unknown backbone 'vgg': use one of resnet18, "),
        ({"attention": ("conv6_x",)}, "attention: no stage 'conv6_x': use one of conv1, "),
        ({"whitening": 0}, "whitening to 0 dimensions: use 1 to 512"),
        ({"whitening": 513}, "whitening to 513 dimensions: use 1 to 512"),
    ],
)
def test_what_cannot_be_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        GlobalDescriptor(GlobalConfig(**{"backbone": "resnet18", **changed}))


@pytest.mark.parametrize("name", POOLINGS)
def test_every_pooling_that_has_a_name_is_there(name: str) -> None:
    build_pooling(name, 8, False)


def test_values_need_no_torch() -> None:
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "import numpy as np, solar, solar.models.registry, solar.models.config\n"
        "from solar.models.whitening import Whitening\n"
        "from solar.models import GlobalConfig, named\n"
        "GlobalConfig(), named('solar-r18').path\n"
        "x = np.random.default_rng(0).normal(size=(20, 4))\n"
        "Whitening.pca(x).apply(x), Whitening.learned(x, np.arange(5), np.arange(5, 10)).apply(x)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
