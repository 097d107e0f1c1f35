"""torchvision's ResNets (He et al., CVPR 2016), with the paper's names for their stages."""

from __future__ import annotations

from torch import nn
from torchvision.models import resnet as torchvision

from solar.models.backbones.backbone import Backbone, Stage

RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")


def resnet(name: str) -> Backbone:
    """A ResNet with random weights.

    The reductions are those of Ng et al., section 4.1: 4 after conv4_x and 2 after conv5_x.

    Args:
        name: one of `RESNETS`.
    """
    net = getattr(torchvision, name)(weights=None)
    widest = net.fc.in_features
    return Backbone(
        {
            Stage("conv1", 64, 2): nn.Sequential(net.conv1, net.bn1, net.relu),
            Stage("conv2_x", widest // 8, 4): nn.Sequential(net.maxpool, net.layer1),
            Stage("conv3_x", widest // 4, 8): net.layer2,
            Stage("conv4_x", widest // 2, 16): net.layer3,
            Stage("conv5_x", widest, 32, reduction=2): net.layer4,
        }
    )
