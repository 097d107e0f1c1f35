"""The errors that Solar raises on purpose: one line each, naming the thing and the way out."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

_NAMED = 5


class SolarError(Exception):
    """Something failed for a reason that the message explains in one line.

    The command line prints the message and exits with code 1.

    Attributes:
        reason: what a stranger may read: the message without the path of this machine.
        path: of the file or folder that it is about; None if the message names another thing.
    """

    def __init__(self, reason: str, path: str | os.PathLike[str] | None = None) -> None:
        """Say why.

        Args:
            reason: one line, with the way out.
            path: put before the reason, escaped where it could not be printed.
        """
        self.reason = reason
        self.path = None if path is None else os.fspath(path)
        super().__init__(reason if self.path is None else f"{_printable(self.path)}: {reason}")

    def __reduce__(self) -> tuple[type[SolarError], tuple[str, str | None]]:
        """Pickled whole: processes hand their errors on."""
        return type(self), (self.reason, self.path)


class UsageError(SolarError):
    """The call itself was wrong: an option, a name or a combination. Exit code 2."""


class PhotoError(SolarError):
    """A photo that cannot be used; the message names the file and the reason."""


class DecoderMissing(PhotoError):
    """A photo of a kind that nothing installed here decodes; the message says what to install."""


class CheckpointError(SolarError):
    """Weights that cannot be loaded, found, verified or written."""


class MissingPackage(SolarError, ImportError):
    """A package that an extra installs and that is not here; the message says how to install it."""


_EXTRAS = {
    **dict.fromkeys(("torch", "torchvision", "onnx", "onnxscript"), "train"),
    "scipy": "rerank",
    **dict.fromkeys(
        ("fastapi", "uvicorn", "starlette", "python_multipart", "prometheus_client", "watchfiles"),
        "web",
    ),
    "httpx": "client",
    **dict.fromkeys(("fsspec", "s3fs", "gcsfs"), "cloud"),
    "pymilvus": "milvus",
    "timm": "timm",
    "huggingface_hub": "hub",
    "h5py": "h5",
    "pyarrow": "parquet",
    "pycolmap": "sfm",
}


def how_to_install(extra: str) -> str:
    """The command that adds an extra to this installation, be it pip's, pipx's or uv's."""
    prefix, wanted = Path(sys.prefix), f'"solar-retrieval[{extra}]"'
    if (prefix / "pipx_metadata.json").exists():
        return f"pipx runpip {prefix.name} install {wanted}"
    if (prefix / "uv-receipt.toml").exists():
        return f'uv pip install --python "{sys.executable}" {wanted}'
    return f"pip install {wanted}"


def about_import(error: ImportError) -> MissingPackage | None:
    """What to install, if it is a package of an extra that was not found."""
    extra = _EXTRAS.get((error.name or "").partition(".")[0])
    if extra is None:
        return None
    return MissingPackage(f"this needs {error.name}: {how_to_install(extra)}")


def require_package(name: str) -> None:
    """Refuse, before the work begins, what another process will need; nothing is imported.

    Raises:
        MissingPackage: it is not installed; says what to install.
    """
    if find_spec(name) is None:
        raise about_import(ImportError(name, name=name)) or ImportError(name, name=name)


@contextmanager
def naming_extras() -> Iterator[None]:
    """Around imports of what an extra installs: one that fails says what to install.

    Raises:
        MissingPackage: see above.
    """
    try:
        yield
    except ImportError as error:
        raise about_import(error) or error from error


class IndexFolderError(SolarError):
    """An index folder that is missing, or cannot be read or written."""


class IndexLocked(IndexFolderError):
    """Another process or thread writes to the index: try again later, or wait longer."""


class IndexDamaged(IndexFolderError):
    """An index whose files are not as they were written."""


def _printable(path: str) -> str:
    return path if path.isprintable() else repr(path)[1:-1]


def some(names: Iterable[str]) -> str:
    """The first few, for a message, and how many more there are."""
    shown = list(names)
    more = f" and {len(shown) - _NAMED} more" if len(shown) > _NAMED else ""
    return ", ".join(shown[:_NAMED]) + more
