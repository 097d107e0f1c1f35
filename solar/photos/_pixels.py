"""Pixels of any kind as 8-bit RGB."""

from __future__ import annotations

import math
from typing import cast

from PIL import Image, ImageCms

from solar.errors import PhotoError


def rgb(photo: Image.Image) -> Image.Image:
    """An image of mode RGB, the same if it is one; alpha is composited on white.

    Raises:
        PhotoError: there is no right way to turn its mode to RGB.
    """
    if photo.mode == "LAB":
        return _of_lab(photo)
    if photo.mode.startswith(("I", "F")):
        return _eight_bits(photo).convert("RGB")
    if photo.mode == "La":
        photo = photo.convert("LA")
    if photo.mode not in ("LA", "PA", "RGBA", "RGBa") and "transparency" not in photo.info:
        return photo if photo.mode == "RGB" else photo.convert("RGB")
    alpha = photo if photo.mode == "RGBA" else photo.convert("RGBA")
    white = Image.new("RGB", photo.size, "white")
    white.paste(alpha, mask=alpha)
    return white


def _of_lab(photo: Image.Image) -> Image.Image:
    """What Pillow does not convert by itself."""
    try:
        lab, srgb = (ImageCms.createProfile(name) for name in ("LAB", "sRGB"))
        to_rgb = ImageCms.buildTransform(lab, srgb, "LAB", "RGB")
        turned = ImageCms.applyTransform(photo, to_rgb)
    except (ImportError, ImageCms.PyCMSError) as error:  # a Pillow without its colour library
        raise PhotoError("pixels of mode LAB are not supported: save it as RGB") from error
    return cast("Image.Image", turned)


def significant_bits(greatest: int, most: int = 16) -> int:
    """Bits of the values that were measured: sensors of 10, 12 and 14 bits fill shorts of 16."""
    return min([bits for bits in (10, 12, 14) if greatest < 1 << bits] + [most])


def _eight_bits(photo: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits as mode L."""
    short = photo.mode.startswith("I;16")
    photo = photo.convert("I") if short else photo
    low, high = cast("tuple[float, float]", photo.getextrema())
    if short:
        bits = significant_bits(int(high))
        return photo.point(lambda value: value * 2.0 ** (8 - bits)).convert("L")
    if not math.isfinite(high - low):
        raise PhotoError("its pixels are not finite numbers: save it as 16-bit PNG")
    scale = 255 / (high - low or 1)
    return photo.convert("F").point(lambda value: value * scale - low * scale).convert("L")
