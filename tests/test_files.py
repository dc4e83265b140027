"""Steps on files that a system may refuse for a moment."""

import errno
import os
from pathlib import Path

import pytest

from song_mcp import files, folders, system
from tests.held_open import as_on_windows, refuse_open


def test_a_step_is_tried_again_until_the_file_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_open(monkeypatch)
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("song")
    held = old.open()
    monkeypatch.setattr("time.sleep", lambda _: held.close())
    files.patiently(old.replace, new)
    assert new.read_text() == "song"


def test_a_step_that_is_refused_for_good_fails_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_open(monkeypatch)
    assert sum((0.02, 0.05, 0.1, 0.2, 0.4)) < 1
    old = tmp_path / "old"
    old.write_text("song")
    with old.open():
        with pytest.raises(PermissionError):
            files.patiently(old.replace, tmp_path / "new")
        files.remove(old)
        assert old.exists()
    files.remove(old)
    files.remove(old)
    assert not old.exists()


def test_a_refusal_counts_at_once_where_open_files_can_be_moved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries = []

    def refused() -> None:
        tries.append(1)
        raise PermissionError(errno.EACCES, "not yours")

    monkeypatch.setattr(system, "MOVES_OPEN", True)
    with pytest.raises(PermissionError):
        files.patiently(refused)
    assert tries == [1]


@pytest.mark.parametrize("is_windows", [False, True])
def test_only_regular_files_are_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_windows: bool
) -> None:
    if is_windows:
        as_on_windows(monkeypatch)
    (tmp_path / "song").write_text("song")
    (tmp_path / "link").symlink_to(tmp_path / "song")
    for other in (tmp_path, tmp_path / "link", tmp_path / "gone"):
        with pytest.raises(OSError, match=r"\[Errno"):
            files.open_plain(other)
    os.close(files.open_plain(tmp_path / "song"))


def test_a_disk_that_has_more_to_do_than_fsync_is_asked_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As macOS asks for; a network drive refuses it, and then `fsync` has to do."""
    asked: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda _: asked.append("fsync"))
    monkeypatch.setattr(system, "_full_sync", lambda _: asked.append("full"))
    with (tmp_path / "song").open("wb") as file:
        system.to_disk(file.fileno())
        assert asked == ["full"]

        def refused(_: int) -> None:
            raise OSError(errno.ENOTSUP, "Operation not supported")

        monkeypatch.setattr(system, "_full_sync", refused)
        system.to_disk(file.fileno())
    assert asked == ["full", "fsync"]


def test_a_folder_needs_no_owner_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "HAS_OWNERS", False)
    monkeypatch.setattr(system, "user_id", lambda: None)
    folders.own(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
