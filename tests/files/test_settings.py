"""A folder with its settings: never mixed, never half emptied, never someone else's."""

from __future__ import annotations

from pathlib import Path

import pytest

from solar.errors import SolarError, UsageError
from solar.files import claim_folder, read_settings

SETTINGS = {"descriptor": "raw", "size": 32, "scales": (1.0, 0.5)}
CONTENTS = ("*.npy", "parts")


def filled(folder: Path) -> Path:
    claim_folder(folder, SETTINGS, CONTENTS)
    (folder / "x.npy").write_bytes(b"1")
    (folder / "parts").mkdir()
    (folder / "parts" / "y").write_bytes(b"2")
    (folder / "notes.txt").write_text("mine")
    return folder


def test_a_folder_is_made_and_joined(tmp_path: Path) -> None:
    folder = filled(tmp_path / "new" / "folder")
    claim_folder(folder, dict(reversed(SETTINGS.items())), CONTENTS, overwrite=True)
    assert (folder / "x.npy").exists() and (folder / "parts" / "y").exists()
    assert read_settings(folder) == {**SETTINGS, "scales": [1.0, 0.5]}


def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    folder = filled(tmp_path)
    with pytest.raises(UsageError, match=r"size 32, not 64: .*another folder, or say --overwrite"):
        claim_folder(folder, {**SETTINGS, "size": 64}, CONTENTS)
    with pytest.raises(UsageError, match=r"with new None, not 1; size 32, not None; scales"):
        claim_folder(folder, {"descriptor": "raw", "new": 1}, CONTENTS)
    with pytest.raises(UsageError, match="descriptor raw, not xxxxxxxxxxxx…"):
        claim_folder(folder, {**SETTINGS, "descriptor": "x" * 64}, CONTENTS)
    claim_folder(folder, {**SETTINGS, "size": 64}, CONTENTS, uncompared=["size"])
    assert read_settings(folder)["size"] == 32


def test_overwriting_removes_what_the_settings_made_and_nothing_else(tmp_path: Path) -> None:
    folder = filled(tmp_path)
    claim_folder(folder, {"descriptor": "other"}, CONTENTS, overwrite=True)
    assert sorted(path.name for path in folder.iterdir()) == ["notes.txt", "settings.json"]
    assert read_settings(folder) == {"descriptor": "other"}


def test_a_folder_of_someone_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(b"precious")
    for overwrite in (False, True):
        with pytest.raises(UsageError, match="holds something else: choose an empty folder"):
            claim_folder(tmp_path, SETTINGS, CONTENTS, overwrite=overwrite)
    assert (tmp_path / "x.npy").read_bytes() == b"precious"


def test_a_folder_half_emptied_is_never_taken_for_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(path: Path, missing_ok: bool = False) -> None:
        raise KeyboardInterrupt

    folder, other = filled(tmp_path), {"descriptor": "other"}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "unlink", interrupted)
        claim_folder(folder, other, CONTENTS, overwrite=True)
    for settings in (SETTINGS, other):
        with pytest.raises(UsageError, match="being emptied"):
            claim_folder(folder, settings, CONTENTS)
    claim_folder(folder, other, CONTENTS, overwrite=True)
    assert not (folder / "x.npy").exists()


def test_what_is_no_folder_or_no_settings_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SolarError, match=r"file: cannot be made .*: choose another folder"):
        claim_folder(tmp_path / "file", SETTINGS, CONTENTS)
    with pytest.raises(SolarError, match=r"settings\.json: no such file"):
        read_settings(tmp_path)
    for text in ("{", "[]", "3"):
        (tmp_path / "settings.json").write_text(text)
        with pytest.raises(SolarError, match=r"(not JSON|holds no settings).*: choose another"):
            claim_folder(tmp_path, SETTINGS, CONTENTS)
