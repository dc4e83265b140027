"""A system that moves and deletes no open file, as Windows is: what it refuses, on Linux."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from song_mcp import files, system


def as_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `system` say what it says on Windows of files, and the system's calls refuse it too."""
    monkeypatch.setattr(system, "CAN_DIR_FD", False)
    monkeypatch.setattr(system, "NO_FOLLOW", 0)
    monkeypatch.setattr(system, "HAS_OWNERS", False)
    monkeypatch.setattr(system, "LONGEST_PATH", 259)
    refuse_open(monkeypatch)


def refuse_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let renaming, replacing and deleting a file fail while any process has it open."""
    monkeypatch.setattr(system, "MOVES_OPEN", False)
    monkeypatch.setattr(files, "PAUSES_S", (0.0,) * 3)
    for name in ("rename", "replace", "unlink"):
        monkeypatch.setattr(os, name, _refusing(getattr(os, name)))


def is_open(path: Path) -> bool:
    """Tell whether any process of this user has the file open."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return (found.st_dev, found.st_ino) in map(_identity, Path("/proc").glob("[0-9]*/fd/*"))


def _identity(link: Path) -> tuple[int, int]:
    try:
        found = link.stat()
    except OSError:  # it was closed meanwhile
        return (0, 0)
    return found.st_dev, found.st_ino


def _refusing(step: Callable[..., None]) -> Callable[..., None]:
    def refused(*paths: str | Path, **options: int | None) -> None:
        if any(is_open(Path(path)) for path in paths):
            raise PermissionError(errno.EACCES, "another process has it open", str(paths[0]))
        step(*paths, **options)

    return refused
