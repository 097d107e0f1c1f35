"""The Hugging Face hub, where models lie: `hf:owner/name@revision` (extra `hub`).

It is told what it must be told to hand out a file, and nothing of who asks or what for.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from solar.errors import CheckpointError, SolarError, UsageError, naming_extras
from solar.files.text import cut
from solar.models.config import LocalConfig
from solar.models.document import CONFIG, GRAPH, WEIGHTS
from solar.models.registry import HF

if TYPE_CHECKING:
    from solar.models.global_descriptor import GlobalDescriptor
    from solar.models.local_descriptor import LocalDescriptor

_LICENCES = ("mit", "apache-2.0", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0")
_FILES = [CONFIG, WEIGHTS, GRAPH]  # nothing that would have to be unpickled

_CARD = """---
library_name: solar
license: {licence}
pipeline_tag: image-feature-extraction
tags: [image-retrieval, solar]
---

# {name}

{summary}. Trained on: {trained_on}.

```python
import solar

model = solar.{load}("hf:{repository}")
```
"""


def be_silent() -> None:
    """Keep the hub's package, which timm uses too, from telling its makers of each use."""
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"


def _package() -> Any:
    be_silent()
    with naming_extras():
        import huggingface_hub
        import huggingface_hub.constants as constants
    constants.HF_HUB_DISABLE_TELEMETRY = True  # if somebody imported it before
    return huggingface_hub


def snapshot(model: str, *, here: bool = False) -> Path:
    """The folder of a model of the hub, downloaded if its revision is not on this machine yet.

    Args:
        model: `hf:owner/name`, or `hf:owner/name@revision`: a branch, a tag or a commit.
        here: look on this machine only.

    Raises:
        CheckpointError: it is not here and cannot be downloaded, or is no model of Solar's.
        MissingPackage: the hub's package is not installed.
    """
    repository, _, revision = model.removeprefix(HF).partition("@")
    download = _package().snapshot_download
    try:
        folder = download(
            repository, revision=revision or None, allow_patterns=_FILES, local_files_only=here
        )
    except Exception as error:
        files = f"{CONFIG} and {WEIGHTS} of {repository}"
        reason = f"cannot be downloaded ({cut(error):.120})"
        raise CheckpointError(f"{model}: {reason}: bring {files} in a folder, use that") from error
    if not Path(folder, CONFIG).is_file():
        raise CheckpointError(f"{model}: no model of Solar's: {CONFIG} is missing in it")
    return Path(folder)


def push(
    model: GlobalDescriptor | LocalDescriptor,
    repository: str,
    *,
    private: bool,
    revision: str | None,
) -> str:
    """See `GlobalDescriptor.push_to_hub`."""
    from solar.models.checkpoints import save

    hub = _package()
    if repository.count("/") != 1:
        raise UsageError(f"{repository:.80}: expected owner/name")
    about = model.provenance
    card = _CARD.format(
        licence=about.licence.lower() if about.licence.lower() in _LICENCES else "other",
        name=model.name,
        summary=model.summary,
        trained_on=about.trained_on,
        repository=repository,
        load="load_local" if isinstance(model.config, LocalConfig) else "load",
    )
    with TemporaryDirectory() as made:
        folder = Path(made) / "model"
        save(model, folder)
        (folder / "README.md").write_text(card, "utf-8")
        try:
            api = hub.HfApi()
            api.create_repo(repository, private=private, exist_ok=True)
            api.upload_folder(
                repo_id=repository,
                folder_path=folder,
                revision=revision,
                commit_message=f"{model.name} {model.fingerprint[:12]}",
            )
        except Exception as error:
            raise SolarError(f"{repository}: cannot be uploaded ({cut(error):.200})") from error
    return f"{HF}{repository}" + (f"@{revision}" if revision else "")
