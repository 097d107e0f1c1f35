"""The manifest of features: what their folder holds at its last commit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from solar.errors import IndexFolderError
from solar.features.extraction import FeatureExtraction
from solar.index.datafile import MANIFEST_NAME
from solar.index.signed import parse, read_file, refuse_damaged, sign, write_file

FORMAT = "solar-features"
VERSION = 1


@dataclass(frozen=True)
class LocalManifest:
    """The state of a folder of features at one commit; see `solar.index.manifest`.

    Attributes:
        extraction: how the features are made.
        generation: number in the data files' names; compaction starts the next one.
        records: committed length of the records file, in records.
        keypoints: committed length of the keypoints file, in keypoints.
    """

    extraction: FeatureExtraction
    generation: int = 1
    records: int = 0
    keypoints: int = 0

    def to_bytes(self) -> bytes:
        """The manifest file."""
        content: dict[str, object] = {
            "format": FORMAT,
            "version": VERSION,
            "descriptor": {
                "name": self.extraction.descriptor,
                "fingerprint": self.extraction.fingerprint,
                "dimensions": self.extraction.dimensions,
                "binary": int(self.extraction.binary),
            },
            "extraction": {
                "image_size": self.extraction.image_size,
                "keypoints": self.extraction.keypoints,
                "detector": self.extraction.detector,
            },
            "files": {
                "generation": self.generation,
                "records": self.records,
                "keypoints": self.keypoints,
            },
        }
        return sign(content)

    @classmethod
    def from_bytes(cls, raw: bytes, file: Path) -> LocalManifest:
        """Parse and check a manifest that anyone may have written.

        Args:
            raw: its bytes.
            file: where they come from, for messages.

        Raises:
            IndexFolderError: it is not one, is damaged, or was written by a newer Solar.
        """
        fields = parse(raw, file, FORMAT, VERSION, "the manifest of features")
        descriptor, extraction, files = map(fields.inner, ("descriptor", "extraction", "files"))
        manifest = cls(
            extraction=FeatureExtraction(
                descriptor=descriptor.text("name"),
                fingerprint=descriptor.fingerprint("fingerprint"),
                dimensions=descriptor.integer("dimensions", 1, 1 << 12),
                keypoints=extraction.integer("keypoints", 1, 1 << 20),
                image_size=extraction.integer("image_size", 1, 1 << 16),
                binary=bool(descriptor.integer("binary", 0, 1)),
                detector=extraction.text("detector"),
            ),
            generation=files.integer("generation", 1),
            records=files.integer("records"),
            keypoints=files.integer("keypoints"),
        )
        refuse_damaged(manifest.to_bytes(), raw, file)
        return manifest

    @classmethod
    def read(cls, folder: Path) -> LocalManifest:
        """The manifest of the last commit.

        Raises:
            IndexFolderError: there is none, or it cannot be used.
        """
        file = folder / MANIFEST_NAME
        try:
            raw = read_file(file)
        except FileNotFoundError as error:
            raise IndexFolderError(f"{file} is missing: there are no features") from error
        return cls.from_bytes(raw, file)

    def write(self, folder: Path) -> None:
        """Commit: put this manifest in the place of the last one, at once and on disk.

        Raises:
            OSError: it could not be written; the last one is untouched.
        """
        write_file(folder / MANIFEST_NAME, self.to_bytes())
