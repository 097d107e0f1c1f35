"""Photos: found, decoded from hostile bytes, prepared for networks, augmented."""

from solar.photos._budget import MAX_MEMORY
from solar.photos._sniff import decoder_came
from solar.photos.decode import MAX_ASPECT, MIN_SIDE, decode_photo, size_and_turn_of, size_of
from solar.photos.find import EXCLUDED, SUFFIXES, Found, find_photos, look_for_photos
from solar.photos.photo import (
    AsStored,
    DecodedPhoto,
    Photo,
    decode,
    decode_each,
    name_of,
    open_photo,
    read_photo,
)
from solar.photos.prepare import Box, normalise, parse_box, prepare, require_sizes

__all__ = [
    "EXCLUDED",
    "MAX_ASPECT",
    "MAX_MEMORY",
    "MIN_SIDE",
    "SUFFIXES",
    "AsStored",
    "Box",
    "DecodedPhoto",
    "Found",
    "Photo",
    "decode",
    "decode_each",
    "decode_photo",
    "decoder_came",
    "find_photos",
    "look_for_photos",
    "name_of",
    "normalise",
    "open_photo",
    "parse_box",
    "prepare",
    "read_photo",
    "require_sizes",
    "size_and_turn_of",
    "size_of",
]
