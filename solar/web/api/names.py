"""How photos are named to strangers: by their root's name and the path below it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

_PATH = re.compile(r"(?<![\w.])(?:[A-Za-z]:)?[/\\](?:[^\s/\\:'\"]+[/\\])+([^\s/\\:'\"]*)")
"""Any other absolute path, of which its last part is left."""


class Names:
    """The roots of an index by short names, which nothing of this machine can be told from."""

    def __init__(self, roots: Sequence[str]) -> None:
        """Name roots.

        Args:
            roots: absolute paths, in the order in which they were added.
        """
        self.roots: dict[str, str] = {}
        """Name of each root to its path."""
        for root in roots:
            base = name = PurePosixPath(root).name or "root"
            number = 2
            while name in self.roots:
                name, number = f"{base} {number}", number + 1
            self.roots[name] = root
        self._deepest = sorted(self.roots.items(), key=lambda each: -len(each[1]))

    def of(self, path: str) -> tuple[str, str]:
        """The name of a photo's root, and its path from there; of a name, "" and the name.

        Args:
            path: of the photo, as the index gives it.
        """
        for name, root in self._deepest:
            folder = root.rstrip("/") + "/"
            if path.startswith(folder):
                return name, path[len(folder) :]
        return "", PurePosixPath(path).name if Path(path).is_absolute() else path

    def without_paths(self, text: str, index: Path) -> str:
        """A text in which each root, and the index's folder, go by their names."""
        for path, name in ((str(index.absolute()), index.name), (str(index), index.name)):
            text = text.replace(path, name)
        for name, root in self._deepest:
            text = text if root == "/" else text.replace(root, name)
        return _PATH.sub(r"\1", text)
