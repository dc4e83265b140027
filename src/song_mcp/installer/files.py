"""Clients' files on the disk: read whole, replaced in one step, never half-written."""

import os
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from song_mcp import folders, system
from song_mcp.files import patiently, remove

COPY = ".before-song-mcp"
"""What the name of the copy of a changed file ends with."""
LARGEST = 64 * 2**20
"""No client's file is larger; what is, is something else."""


class RefusedError(Exception):
    """A file stays as it is; the text says why and what to do, without what stands in it."""


def read(file: Path) -> str:
    """Return the text of a file with its line ends; raises RefusedError if it cannot be read."""
    try:
        if not file.is_file():  # a pipe would wait for ever
            raise RefusedError("it is not a file, or its link leads nowhere")
        with file.open("rb") as opened:
            data = opened.read(LARGEST + 1)
    except OSError as error:
        raise RefusedError(f"it cannot be read ({error.strerror})") from None
    if len(data) > LARGEST:
        raise RefusedError("it is too large to be a file of settings")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise RefusedError("it is not UTF-8 text: save it as UTF-8") from None


def write(file: Path, text: str, before: str | None, *, keeps_copy: bool = True) -> Path | None:
    """Replace a file in one step and return the copy of what it was, None if there is none.

    A symlink stays, and what it leads to is replaced. Owner and mode stay; a new file is for the
    user alone. Raises RefusedError, with the file as it was, if that cannot be done, or if the file
    is no longer what it was `before`.
    """
    try:
        target = file.resolve()
        if before is None:
            _refuse_if_changed(file, before)
            target.parent.mkdir(parents=True, exist_ok=True)
            _replace(target, text, None)
            return None
        return _replaced(file, target, text, before, keeps_copy=keeps_copy)
    except PermissionError as error:
        raise RefusedError(
            f"it cannot be replaced ({error.strerror}): close the client, see that you may write "
            "to its folder, and try again"
        ) from None
    except (OSError, RuntimeError) as error:  # a circle of symlinks is a RuntimeError before 3.13
        said = error.strerror if isinstance(error, OSError) else "its link leads in a circle"
        raise RefusedError(f"it cannot be written ({said})") from None


def copied(file: Path, before: str) -> Path:
    """Keep a copy of a file that somebody else will change; raises RefusedError as `write` does."""
    target = file.resolve()
    try:
        return _copied(target, before.encode(), target.stat())
    except OSError as error:
        raise RefusedError(f"no copy of it can be kept ({error.strerror})") from None


def _replaced(file: Path, target: Path, text: str, before: str, *, keeps_copy: bool) -> Path | None:
    there = target.stat()
    if not there.st_mode & stat.S_IWUSR or not os.access(target, os.W_OK):
        raise RefusedError(
            "it is read-only: allow writing to it and try again, or put the entry into what it is "
            "made from"
        )
    _refuse_if_changed(file, before)
    copy = _copied(target, before.encode(), there) if keeps_copy else None
    _replace(target, text, there)
    return copy


def _refuse_if_changed(file: Path, before: str | None) -> None:
    now = read(file) if file.exists() else None
    if now != before:
        raise RefusedError("it was changed meanwhile: try again")


def _copied(target: Path, data: bytes, like: os.stat_result) -> Path:
    """Keep a copy beside a file, under a name of its own; one that is there already is enough."""
    for number in range(1, 1000):
        copy = target.with_name(f"{target.name}{COPY}{f'-{number}' if number > 1 else ''}")
        try:
            with copy.open("rb") as opened:
                if opened.read(len(data) + 1) == data:
                    return copy
        except FileNotFoundError:
            with open(
                copy, "xb", opener=lambda path, flags: os.open(path, flags | system.BINARY, 0o600)
            ) as opened:
                opened.write(data)
            _adopt(copy, like)
            return copy
    raise RefusedError("there are a thousand copies of it beside it: delete some")


def _replace(target: Path, text: str, like: os.stat_result | None) -> None:
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    made = Path(name)
    try:
        with open(descriptor, "wb") as opened:  # noqa: PTH123 - a descriptor
            opened.write(text.encode())
            opened.flush()
            os.fsync(opened.fileno())
        if like is not None:
            _adopt(made, like)
        patiently(made.replace, target)
    except BaseException:
        remove(made)
        raise
    folders.sync(target.parent)


def _adopt(file: Path, like: os.stat_result) -> None:
    """Give a new file the mode and, where that is possible, the owner of another."""
    give: Callable[..., None] | None = getattr(os, "chown", None)
    if give is not None:
        with suppress(OSError):  # only root may give files away
            give(file, like.st_uid, like.st_gid)
    file.chmod(stat.S_IMODE(like.st_mode))
