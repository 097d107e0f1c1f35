"""Where the published data sets come from, and getting them onto this disk."""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from solar.datasets.ground_truth import GroundTruth, read
from solar.datasets.photos import locate
from solar.errors import SolarError, UsageError
from solar.files import cut, require_file, write_atomically
from solar.files.downloads import download
from solar.photos import SUFFIXES

# An archive of photos that unpacks to more than this is not the one that was asked for.
_MAX_UNPACKED = 16 * 2**30
_MAX_MEMBERS = 200_000
_MAX_HEADER = 1 << 20  # of a member's long name and the like, which are read at once


class _Bounded(gzip.GzipFile):
    """What an archive unpacks to, refused where it would take memory or days."""

    def read(self, size: int | None = -1) -> bytes:
        """As asked for, within limits.

        Raises:
            tarfile.ReadError: too much at once, or in all.
        """
        if size is None or not 0 <= size <= _MAX_HEADER or self.tell() > _MAX_UNPACKED:
            raise tarfile.ReadError("it unpacks to far more than it should")
        return super().read(size)


@dataclass(frozen=True)
class Source:
    """One file of a data set.

    Attributes:
        name: under which it is kept.
        addresses: tried in order.
        sha256: where known.
        size: in bytes, where known.
    """

    name: str
    addresses: Sequence[str]
    sha256: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class Dataset:
    """The files of a data set.

    Attributes:
        ground_truth: the lists and labels.
        archives: of photos, unpacked into ``jpg``.
    """

    ground_truth: Source
    archives: Sequence[Source]


_VGG = ("https://www.robots.ox.ac.uk/~vgg/data/", "https://thor.robots.ox.ac.uk/")
_CMP = ("http://cmp.felk.cvut.cz/", "https://cmp.felk.cvut.cz/")


def _archive(path: str, size: int | None = None) -> Source:
    return Source(path.rpartition("/")[2], [host + path for host in _VGG], size=size)


def _labels(name: str, folder: str, sha256: str | None = None) -> Source:
    paths = (
        f"{folder}/{name}/gnd_{name}.pkl",
        f"cnnimageretrieval/data/test/{name}/gnd_{name}.pkl",
    )
    addresses = dict.fromkeys(host + path for path in paths for host in _CMP)
    return Source(f"gnd_{name}.pkl", list(addresses), sha256=sha256)


_OXFORD = [_archive("oxbuildings/oxbuild_images-v1.tgz", 1_938_238_004)]
_PARIS = [_archive("parisbuildings/paris_1-v1.tgz"), _archive("parisbuildings/paris_2-v1.tgz")]
_NEW, _OLD = "revisitop/data/datasets", "cnnimageretrieval/data/test"

DATASETS: Mapping[str, Dataset] = {
    "roxford5k": Dataset(
        _labels(
            "roxford5k", _NEW, "ba7967754bd2d7d2210a5799f9c45ad5835e269a80ef9d3eba44caa35816c471"
        ),
        _OXFORD,
    ),
    "rparis6k": Dataset(
        _labels(
            "rparis6k", _NEW, "d2e729a5293dda7dda8a15c8383424a42e4964a2c4cfea2f32fa85d11d2df499"
        ),
        _PARIS,
    ),
    "oxford5k": Dataset(_labels("oxford5k", _OLD), _OXFORD),
    "paris6k": Dataset(_labels("paris6k", _OLD), _PARIS),
}


def get(
    name: str,
    root: str | Path,
    *,
    datasets: Mapping[str, Dataset] = DATASETS,
    progress: Callable[[str, int, int | None], None] | None = None,
) -> GroundTruth:
    """Fetch what is missing of a data set: ``root/gnd_NAME.pkl`` and ``root/jpg``.

    Files that are already there are used: ground truth and archives under their own names, photos
    in ``root/jpg`` or ``root``. Archives stay until all photos are there.

    Args:
        name: of the data set.
        root: its folder, made if missing.
        datasets: where each comes from.
        progress: told a file's name, bytes done and bytes in all (None where unknown).

    Returns:
        The ground truth; every photo it names is there.

    Raises:
        UsageError: no such data set.
        SolarError: a file cannot be had, says which to put where; or photos are missing still.
    """
    if name not in datasets:
        raise UsageError(f"{name}: no such data set: {', '.join(datasets)}")
    root, dataset = Path(root), datasets[name]
    root.mkdir(parents=True, exist_ok=True)
    truth = read(_fetch(dataset.ground_truth, root, progress))
    if not _complete(truth, root):
        archives = [_fetch(source, root, progress) for source in dataset.archives]
        for archive in archives:
            unpack(archive, root / "jpg")
        _require_all(truth, root)
        for archive in archives:
            archive.unlink()
    return truth


def unpack(archive: Path, folder: Path) -> None:
    """Unpack the photos of a gzipped tar archive into one folder, whatever theirs are inside it.

    Only regular files with the name of a photo are written, under their last name, so nothing can
    land elsewhere; a photo that is there already is left alone.

    Raises:
        SolarError: the archive is damaged, or far larger than it should be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    unpacked = 0
    try:
        require_file(archive, _MAX_UNPACKED)
        with _Bounded(archive) as unzipped, tarfile.open(fileobj=unzipped) as tar:
            for count, member in enumerate(tar):
                tar.members.clear()  # type: ignore[attr-defined] # it would keep all of them
                if count > _MAX_MEMBERS:
                    raise SolarError(f"{archive}: holds more than {_MAX_MEMBERS} files")
                name = PurePosixPath(member.name.replace("\\", "/")).name
                target = folder / name
                unpacked += member.size
                if unpacked > _MAX_UNPACKED:
                    raise SolarError(f"{archive}: unpacks to more than {_MAX_UNPACKED >> 30} GiB")
                if not member.isfile() or Path(name).suffix.lower() not in SUFFIXES:
                    continue
                content = tar.extractfile(member)
                if content is not None and not target.exists():
                    with write_atomically(target) as file:
                        shutil.copyfileobj(content, file)
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError, RecursionError) as error:
        raise SolarError(
            f"{archive}: damaged ({cut(error)}): delete it and run this command again"
        ) from error


def _fetch(
    source: Source, root: Path, progress: Callable[[str, int, int | None], None] | None
) -> Path:
    def tell(done: int, total: int | None) -> None:
        if progress:
            progress(source.name, done, total)

    return download(source.addresses, root / source.name, source.sha256, source.size, tell)


def _complete(truth: GroundTruth, root: Path) -> bool:
    try:
        _require_all(truth, root)
    except SolarError:
        return False
    return True


def _require_all(truth: GroundTruth, root: Path) -> None:
    locate([*truth.database, *(query.name for query in truth.queries)], root)
