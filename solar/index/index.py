"""The index: a folder that remembers photos and finds those that show the same place."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from solar.errors import UsageError
from solar.features import DEFAULT, FeatureExtractor
from solar.files.stores import is_address, local_path
from solar.index._changing import Changer
from solar.index._entries import Commit
from solar.index._folder import make_folder, refuse_occupied
from solar.index._models import Models, absolute_model
from solar.index._snapshot import Snapshot
from solar.index.vectors import Server, kind_named
from solar.typing import AnyPath

if TYPE_CHECKING:
    from solar.index._models import Model


class Index(Changer):
    """A folder of descriptors. `Index.create` makes one, `Index.open` opens one.

    An opened index stays at the commit that it was opened at, or that it last wrote itself, until
    `refresh`. Any number of processes and threads may read, also while one writes; `add`, `remove`
    and all others that change an index wait for another writer.
    """

    @classmethod
    def create(
        cls,
        folder: AnyPath,
        model: Model = "solar-r18",
        image_size: int | None = None,
        scales: Sequence[float] | None = None,
        *,
        local: AnyPath | FeatureExtractor | None = DEFAULT,
        kind: str = "exact",
        server: Server | None = None,
        engine: str = "auto",
        device: str = "auto",
        precision: str = "auto",
    ) -> Index:
        """Make an empty index.

        Args:
            folder: to make; may exist if it is empty.
            model: what `solar.load` takes, a loaded network, or an extractor.
            image_size: limit of a photo's longest side, in pixels; None for the model's own.
            scales: at which descriptors are averaged; None for the model's own.
            local: features to keep of each photo, by which searches verify what they find; see
                `keep_features`. None for none.
            kind: how descriptors are kept, see `solar.index.vectors.KINDS`: `exact`, as float32
                with a float16 copy, six bytes a number; `float16`, two bytes, and `sq8`, one, by
                which scores and order are those of rounded numbers.
            server: for kind `milvus`; None for what the environment says.
            engine: that runs the network; see `solar.open_extractor`.
            device: where it runs.
            precision: of its arithmetic.

        Raises:
            IndexFolderError: the folder holds something, or cannot be written.
            UsageError: the settings are out of range, or there is no such kind.
            CheckpointError: the model cannot be loaded.
        """
        if is_address(folder):
            raise UsageError("an index is made in a folder, and then copied there", folder)
        path = local_path(folder).absolute()
        refuse_occupied(path)
        server = kind_named(kind).server(server)
        models = Models(path, absolute_model(model), None, device, precision, engine)
        extractor = models.load(absolute_model(model), image_size, scales)
        models.features = None if local is None else models.load_features(local)
        made = None if models.features is None else models.features.extraction
        make_folder(path, Commit(extractor.extraction, made, kind=kind), server)
        models.use(extractor, extractor.extraction)
        return cls(Snapshot.open(path), models)

    @classmethod
    def open(
        cls,
        folder: AnyPath,
        model: Model | None = None,
        image_size: int | None = None,
        scales: Sequence[float] | None = None,
        *,
        engine: str = "auto",
        device: str = "auto",
        precision: str = "auto",
    ) -> Index:
        """Open the last commit of an index. The model is loaded once a photo must be described.

        Args:
            folder: of the index; or an address that it was copied to, as https://host/my.index or
                s3://bucket/my.index: then it is read there, by ranges of bytes, and not written.
            model: what `solar.load` takes, a loaded network, or an extractor; None for the one
                that the index names.
            image_size: None, or what the index was made with.
            scales: None, or what the index was made with.
            engine: that runs the network; see `solar.open_extractor`.
            device: where it runs.
            precision: of its arithmetic.

        Raises:
            IndexFolderError: there is no index, or it is damaged.
            UsageError: it was made with another model or other settings.
            CheckpointError: the model given cannot be loaded.
        """
        snapshot = Snapshot.open(
            os.fspath(folder) if is_address(folder) else local_path(folder).absolute()
        )
        made = snapshot.commit.extraction
        asked = replace(
            made,
            image_size=made.image_size if image_size is None else image_size,
            scales=made.scales if scales is None else tuple(map(float, scales)),
        )
        made.require_same(asked, snapshot.place, "leave the options out, or make another index")
        named = None if model is None else absolute_model(model)
        models = Models(snapshot.folder, named, None, device, precision, engine)
        if named is not None and named != made.model:
            models.extractor(made)  # To refuse another now, not after an hour of reading photos.
        return cls(snapshot, models)

    def __enter__(self) -> Index:
        """The index itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by its folder: unpickled, it is opened again, at the commit of that moment."""
        m = self._models
        opening = partial(type(self).open, engine=m.engine, device=m.device, precision=m.precision)
        return opening, (self.place, m.model)

    @property
    def engine(self) -> str | None:
        """What runs the network, in words; None as long as no photo had to be described."""
        return self._models.ran
