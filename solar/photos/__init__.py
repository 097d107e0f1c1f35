"""Photos: found, decoded from hostile bytes, prepared for networks, augmented."""

from solar.photos.decode import MAX_ASPECT, MAX_MEMORY, MIN_SIDE, decode_photo, printable
from solar.photos.find import SUFFIXES, find_photos
from solar.photos.photo import (
    DecodedPhoto,
    Photo,
    decode,
    decode_each,
    name_of,
    open_photo,
    read_photo,
)
from solar.photos.prepare import Box, normalise, prepare, require_sizes

__all__ = [
    "MAX_ASPECT",
    "MAX_MEMORY",
    "MIN_SIDE",
    "SUFFIXES",
    "Box",
    "DecodedPhoto",
    "Photo",
    "decode",
    "decode_each",
    "decode_photo",
    "find_photos",
    "name_of",
    "normalise",
    "open_photo",
    "prepare",
    "printable",
    "read_photo",
    "require_sizes",
]
