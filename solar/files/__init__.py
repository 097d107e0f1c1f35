"""Files: read with suspicion and within limits, written whole or not at all."""

from solar.files.atomic import sha256, sync_folder, write_atomically
from solar.files.outputs import claim_output
from solar.files.reading import (
    MEGABYTE,
    parse_json,
    read_bytes,
    read_json,
    read_text,
    read_toml,
    require_file,
)
from solar.files.settings import SETTINGS, claim_folder, read_settings
from solar.files.text import cut, numbered, printable, shown

__all__ = [
    "MEGABYTE",
    "SETTINGS",
    "claim_folder",
    "claim_output",
    "cut",
    "numbered",
    "parse_json",
    "printable",
    "read_bytes",
    "read_json",
    "read_settings",
    "read_text",
    "read_toml",
    "require_file",
    "sha256",
    "shown",
    "sync_folder",
    "write_atomically",
]
