"""The simplest possible backbone that is no ResNet: three stages of other names."""

from torch import nn

from solar.models.backbones.backbone import Backbone, Stage

CHANNELS = (8, 12, 16)


def tiny(name: str) -> Backbone:
    """Stages `stem`, `middle` and `head`, each half as large as the one before."""
    before, stages = 3, {}
    for number, stage in enumerate(("stem", "middle", "head")):
        after = CHANNELS[number]
        layer = nn.Conv2d(before, after, 3, stride=2, padding=1)
        stages[Stage(stage, after, 2 ** (number + 1))] = nn.Sequential(layer, nn.ReLU())
        before = after
    return Backbone(stages, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2), multiple=4)
