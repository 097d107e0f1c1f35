"""TFeat, a published patch network to compare a local network with."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional as F

from solar.models._pth import read_tensors
from solar.models._state import fill, fingerprint


class TFeat(nn.Module):
    """The shallow patch network of Balntas et al., BMVC 2016, as its authors publish it.

    Shape:
        (B, 1, 32, 32), grey of any range -> (B, 128), unit rows. The authors compare rows as the
        last tanh leaves them; at unit length they match as well, within 0.5 % of the matches.
    """

    dimensions = 128
    name = "TFeat"

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.InstanceNorm2d(1),
            nn.Conv2d(1, 32, 7),
            nn.Tanh(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 6),
            nn.Tanh(),
        )
        self.descr = nn.Sequential(nn.Linear(64 * 8 * 8, self.dimensions), nn.Tanh())

    @property
    def fingerprint(self) -> str:
        """SHA-256 over every weight: equal if and only if descriptors are."""
        return fingerprint(self, "TFeat")

    def forward(self, patches: Tensor) -> Tensor:
        """Describe patches (B, 1, 32, 32) by unit rows (B, 128)."""
        return F.normalize(self.descr(self.features(patches).flatten(1)), dim=1)


def load_tfeat(path: str | Path) -> TFeat:
    """TFeat of a published `.params` file, in evaluation mode.

    Raises:
        CheckpointError: unreadable, or not that network.
    """
    model = TFeat()
    fill(model, {str(key): value for key, value in read_tensors(path).items()}, path)
    return model.eval()
