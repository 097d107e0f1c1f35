"""One model on one data set of the Revisited layout, at several image sizes, 1 and 3 scales.

    python benchmarks/accuracy.py FOLDER [--model solar-r18] [--image-sizes 224,320,448]

FOLDER holds gnd_*.json or gnd_*.pkl and the photos. Descriptors are kept in the cache, and
scored again from there. An untrained network of the same kind shows what chance and structure
alone give.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from solar.datasets import open_dataset
from solar.evaluation.report import Report, percent
from solar.evaluation.retrieval import evaluate
from solar.extraction import open_extractor
from solar.models.checkpoints import load
from solar.models.config import GlobalConfig
from solar.models.global_descriptor import GlobalDescriptor

SCALES = {1: (1.0,), 3: GlobalConfig().scales}
COLUMNS = [(p, k) for p in ("easy", "medium", "hard") for k in (1, 5, 10)]


def main() -> None:
    """Read the options, evaluate, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset")
    parser.add_argument("--model", default="solar-r18")
    parser.add_argument("--image-sizes", default="224,320,448,640")
    parser.add_argument("--to", type=Path, default=Path("runs/accuracy"))
    options = parser.parse_args()
    model = load(options.model)
    torch.manual_seed(0)
    untrained = GlobalDescriptor(replace(model.config, whitening=None), name="untrained").eval()
    heads = " | ".join(f"mP@{k} {p[0].upper()}" for p, k in COLUMNS)
    print(f"| model | px | scales | mAP E | mAP M | mAP H | {heads} |")
    print("| --- |" + " ---: |" * (5 + len(COLUMNS)))
    own = model.config.image_size
    runs = [
        (untrained, own, 1),
        *((model, int(s), n) for s in options.image_sizes.split(",") for n in SCALES),
    ]
    for network, size, scales in runs:
        report = run(network, options.dataset, size, scales, options.to)
        maps = " | ".join(percent(report.results[p].map) for p in ("easy", "medium", "hard"))
        precisions = " | ".join(percent(report.results[p].mp_at[k]) for p, k in COLUMNS)
        print(f"| {network.name} | {size} | {scales} | {maps} | {precisions} |", flush=True)


def run(model: GlobalDescriptor, dataset: str, size: int, scales: int, to: Path) -> Report:
    """One setting, exported into a folder of its own."""
    extractor = open_extractor(model, image_size=size, scales=SCALES[scales], precision="float32")
    folder = to / f"{model.name}-{model.fingerprint[:8]}-{size}-{scales}"
    return evaluate(open_dataset(dataset), extractor, folder, page=False)


if __name__ == "__main__":
    main()
