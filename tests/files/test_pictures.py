"""Pictures in the format of their name, marked, whole."""

from pathlib import Path

import pytest
from PIL import Image

from solar.errors import UsageError
from solar.files import claim_output
from solar.files.pictures import PICTURES, save_picture


@pytest.mark.parametrize(
    ("name", "kind"), [("a.png", "PNG"), ("a.JPG", "JPEG"), ("a.jpeg", "JPEG")]
)
def test_the_suffix_says_the_format(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / name
    for _ in range(2):
        claim_output(path, suffixes=PICTURES)  # its own picture may be made anew
        save_picture(Image.effect_noise((900, 900), 80).convert("RGB"), path)
    with Image.open(path) as found:
        assert found.format == kind
    assert [other.name for other in tmp_path.iterdir()] == [name]


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"picture\.gif: the name must end in \.png or \.jpg"):
        save_picture(Image.new("RGB", (9, 9)), tmp_path / "picture.gif")
    assert not list(tmp_path.iterdir())
