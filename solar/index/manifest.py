"""The manifest: the one small file that says what an index folder holds at its last commit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from solar.errors import IndexFolderError
from solar.index.datafile import MANIFEST_NAME
from solar.index.signed import parse, read_file, refuse_damaged, sign, write_file

FORMAT = "solar-index"
VERSION = 1


@dataclass(frozen=True)
class Settings:
    """How all descriptors of an index are made; those made otherwise are refused.

    Attributes:
        model: bundled name or absolute path that `solar.load` takes.
        fingerprint: SHA-256 of the model's weights and architecture, hexadecimal.
        dimensions: D of its descriptors.
        image_size: limit of a photo's longest side, in pixels.
        scales: at which descriptors are averaged.
    """

    model: str
    fingerprint: str
    dimensions: int
    image_size: int
    scales: tuple[float, ...]


@dataclass(frozen=True)
class Manifest:
    """The state of an index folder at one commit.

    The data files only grow, so a commit is these lengths: what lies beyond them is unfinished.

    Attributes:
        settings: how the descriptors are made.
        generation: number in the data files' names; `compact` starts the next one.
        records: committed length of the records file, in records.
        rows: committed length of the descriptors file, in descriptors.
        text_bytes: committed length of the file of paths and reasons.
        next_id: the id that the next new photo gets.
    """

    settings: Settings
    generation: int = 1
    records: int = 0
    rows: int = 0
    text_bytes: int = 0
    next_id: int = 0

    def to_bytes(self) -> bytes:
        """The manifest file: JSON that ends with a checksum of all that comes before."""
        content: dict[str, object] = {
            "format": FORMAT,
            "version": VERSION,
            "model": {
                "name": self.settings.model,
                "fingerprint": self.settings.fingerprint,
                "dimensions": self.settings.dimensions,
            },
            "extraction": {
                "image_size": self.settings.image_size,
                "scales": list(self.settings.scales),
            },
            "files": {
                "generation": self.generation,
                "records": self.records,
                "rows": self.rows,
                "text_bytes": self.text_bytes,
            },
            "next_id": self.next_id,
        }
        return sign(content)

    @classmethod
    def from_bytes(cls, raw: bytes, file: Path) -> Manifest:
        """Parse and check a manifest that anyone may have written.

        Args:
            raw: its bytes.
            file: where they come from, for messages.

        Raises:
            IndexFolderError: it is not one, is damaged, or was written by a newer Solar.
        """
        fields = parse(raw, file, FORMAT, VERSION, "the manifest of a Solar index")
        model, extraction, files = map(fields.inner, ("model", "extraction", "files"))
        manifest = cls(
            settings=Settings(
                model=model.text("name"),
                fingerprint=model.fingerprint("fingerprint"),
                dimensions=model.integer("dimensions", 1, 1 << 16),
                image_size=extraction.integer("image_size", 1, 1 << 20),
                scales=extraction.scales("scales"),
            ),
            generation=files.integer("generation", 1),
            records=files.integer("records"),
            rows=files.integer("rows"),
            text_bytes=files.integer("text_bytes"),
            next_id=fields.integer("next_id"),
        )
        refuse_damaged(manifest.to_bytes(), raw, file)
        return manifest

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """The manifest of the last commit.

        Raises:
            IndexFolderError: there is none, or it cannot be used.
        """
        file = folder / MANIFEST_NAME
        try:
            raw = read_file(file)
        except FileNotFoundError as error:
            raise IndexFolderError(
                f"there is no index in {folder}: make one with Index.create or `solar index`"
            ) from error
        return cls.from_bytes(raw, file)

    def write(self, folder: Path) -> None:
        """Commit: put this manifest in the place of the last one, at once and on disk.

        Raises:
            OSError: it could not be written; the last one is untouched.
        """
        write_file(folder / MANIFEST_NAME, self.to_bytes())
