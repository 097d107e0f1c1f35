"""Where the published data sets come from, and getting them onto this disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase

from solar.datasets._unpack import unpack
from solar.datasets.ground_truth import GroundTruth, read
from solar.datasets.photos import locate
from solar.errors import SolarError, UsageError
from solar.files.downloads import download


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
        lists: of photos and labels; the first of a set to measure with is its ground truth.
        archives: of photos, each in one or more parts.
        measured: it is a set to measure with, whose ground truth says which photos it has.
        folder: that the photos go to.
        layout: see `unpack`; so `scale`.
        scale: see there.
    """

    lists: Sequence[Source]
    archives: Sequence[Sequence[Source]]
    measured: bool = True
    folder: str = "jpg"
    layout: str = "flat"
    scale: int = 1

    @property
    def unchecked(self) -> list[str]:
        """Names of the files that no checksum is published for."""
        sources = [*self.lists, *(part for parts in self.archives for part in parts)]
        return [source.name for source in sources if source.sha256 is None]


_VGG = ("https://www.robots.ox.ac.uk/~vgg/data/", "https://thor.robots.ox.ac.uk/")
_CMP = ("http://cmp.felk.cvut.cz/", "https://cmp.felk.cvut.cz/")


def _archive(path: str, size: int | None = None) -> Sequence[Source]:
    return [Source(path.rpartition("/")[2], [host + path for host in _VGG], size=size)]


def _of_cmp(path: str, hosts: Sequence[str] = _CMP) -> Source:
    return Source(path.rpartition("/")[2], [host + path for host in hosts])


def _boxed(name: str, key: str) -> Source:
    return Source(name, [f"https://imperialcollegelondon.box.com/shared/static/{key}"])


def _measured(
    name: str, folder: str, archives: Sequence[Sequence[Source]], sha256: str | None = None
) -> Dataset:
    paths = (
        f"{folder}/{name}/gnd_{name}.pkl",
        f"cnnimageretrieval/data/test/{name}/gnd_{name}.pkl",
    )
    addresses = dict.fromkeys(host + path for path in paths for host in _CMP)
    return Dataset([Source(f"gnd_{name}.pkl", list(addresses), sha256)], archives)


_OXFORD = [_archive("oxbuildings/oxbuild_images-v1.tgz", 1_938_238_004)]
_PARIS = [_archive("parisbuildings/paris_1-v1.tgz"), _archive("parisbuildings/paris_2-v1.tgz")]
_NEW, _OLD = "revisitop/data/datasets", "cnnimageretrieval/data/test"
_TRAIN = "cnnimageretrieval/data/train"
_PTAK = ("http://ptak.felk.cvut.cz/", "https://ptak.felk.cvut.cz/")
# Google Landmarks 2018 as SOLAR's authors keep it, in 22 parts of one archive.
_GL18 = """
    lbk9qwtn438a0edm5g52fv0az4o8s6ml arnssx7f80vq6lhsufxrwl7xhxixpasj
    p2zlm5gobfsk85qu2evyv0q2wnu4vr4v 38uo0hgxl7dmnxizzfm0t828sba1dznv
    s1ig9xfs95vvix1zvf2t9f76cydlhntq 0x3idlrbbkl3j15g16tm9tt8qjybl2r2
    1barrmdjeh9552zhqh1zm2kvoike9a7f dt9v439bmb2ckl12zulgjznqaeboujdb
    358t3dcewmosuw7qz4oal59xjifzzq40 jgqm8mxjjcjx68fpjgdafzdybdt56m52
    0uatr2u794xz513o2uofrpl24rh7gml8 0j7bfq8f8ijalptl0dwt0nsozbslfmqf
    mt04r82bl42du5sl03qkn0ms27w59qn4 dyg8txwd2recydersmpyu8y7n6fqszi3
    mopb621p8lnud9m1foq98xkuqwg3a6z5 tpyuaj26un74nv5xl3qhljrjyph73af5
    8qjbotgdzj1jrt7i79yv9ubag91wn6aj et02ppjjm41eebutpnv2gzdaz7iadatq
    zu44mz608syhb9uy9thnkibeof72dg3p myq5vlpyqu927ffpikn1vqw059oy38k8
    z7cz70tj8akf2pn8otbtcggq6k75oktr qwsairfpb25fg4vtmecykfq5qahb9j3v
"""

DATASETS: Mapping[str, Dataset] = {
    "roxford5k": _measured(
        "roxford5k",
        _NEW,
        _OXFORD,
        "ba7967754bd2d7d2210a5799f9c45ad5835e269a80ef9d3eba44caa35816c471",
    ),
    "rparis6k": _measured(
        "rparis6k",
        _NEW,
        _PARIS,
        "d2e729a5293dda7dda8a15c8383424a42e4964a2c4cfea2f32fa85d11d2df499",
    ),
    "oxford5k": _measured("oxford5k", _OLD, _OXFORD),
    "paris6k": _measured("paris6k", _OLD, _PARIS),
    "revisitop1m": Dataset(
        [_of_cmp("revisitop/revisitop1m/revisitop1m.txt", _PTAK)],
        [
            [_of_cmp(f"revisitop/revisitop1m/jpg/revisitop1m.{number}.tar.gz", _PTAK)]
            for number in range(1, 101)
        ],
        measured=False,
        layout="tree",
    ),
    "retrieval-SfM-120k": Dataset(
        [_of_cmp(f"{_TRAIN}/dbs/retrieval-SfM-120k{end}.pkl") for end in ("", "-whiten")],
        [[_of_cmp(f"{_TRAIN}/ims/ims.tar.gz")]],
        measured=False,
        folder="ims",
        layout="ids",
        scale=16,
    ),
    "gl18": Dataset(
        [
            _boxed("train.csv", "izj2yt4nizytt542is42wae87fg4k6sv.csv"),
            _boxed("boxes_split1.csv", "2b3vhx3unjldu27p1m31z4vwfnkvcops.csv"),
            _boxed("boxes_split2.csv", "d2ui9mjwcvwa6f17gaoca6w6sr7tjmzg.csv"),
        ],
        [
            [
                _boxed(f"GL18_TRAIN.parta{letter}", f"{key}.parta{letter}")
                for key, letter in zip(_GL18.split(), ascii_lowercase, strict=False)
            ]
        ],
        measured=False,
        scale=64,
    ),
}


def get(
    name: str,
    root: str | Path,
    *,
    datasets: Mapping[str, Dataset] = DATASETS,
    progress: Callable[[str, int, int | None], None] | None = None,
) -> GroundTruth | None:
    """Fetch what is missing of a data set: its lists and the folder of its photos.

    Files that are already there are used: lists and archives under their own names, photos of a
    set to measure with in its folder or `root`. Its archives stay until all photos are there. Each
    archive of the other sets goes once it is unpacked, and leaves `NAME.unpacked`.

    Args:
        name: of the data set.
        root: its folder, made if missing.
        datasets: where each comes from.
        progress: told a file's name, bytes done and bytes in all (None where unknown).

    Returns:
        The ground truth, every photo of which is there; None of a set without one.

    Raises:
        UsageError: no such data set.
        SolarError: a file cannot be had, says which to put where; or photos are missing still.
    """
    if name not in datasets:
        raise UsageError(f"{name}: no such data set: {', '.join(datasets)}")
    root, dataset = Path(root), datasets[name]
    root.mkdir(parents=True, exist_ok=True)
    lists = [_fetch(source, root, progress) for source in dataset.lists]
    photos = root / dataset.folder
    if not dataset.measured:
        for parts in dataset.archives:
            mark = root / f"{parts[0].name}.unpacked"
            if not mark.exists():
                fetched = [_fetch(part, root, progress) for part in parts]
                unpack(fetched, photos, dataset.layout, dataset.scale)
                mark.touch()
                for path in fetched:
                    path.unlink()
        return None
    truth = read(lists[0])
    if not _complete(truth, root):
        archives = [_fetch(part, root, progress) for parts in dataset.archives for part in parts]
        for archive in archives:
            unpack(archive, photos)
        _require_all(truth, root)
        for archive in archives:
            archive.unlink()
    return truth


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
