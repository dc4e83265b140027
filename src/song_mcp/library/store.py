"""The library: every finished clip as an audio file in one folder, which is the user's.

Invariant: a file with a final name is whole, was recognised as audio by its bytes, and is never
overwritten; what is not finished has a hidden name and disappears with the attempt. The names
are ours alone: nothing of a URL or a header gets into them.

A file says itself which clip it holds: a digest of the clip's id stands in its tags, and the
digest's beginning in its name. So saving a clip again finds its file without any index, also
when two servers save it at the same time. Where a name is taken by something else, it grows by
more of the digest. Formats that are not tagged are told apart by their bytes.
"""

import os
import stat
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from io import SEEK_END, BytesIO
from pathlib import Path
from typing import BinaryIO, Protocol

from anyio import CancelScope
from anyio.to_thread import run_sync

from song_mcp.errors import LibraryError, SongError
from song_mcp.library import formats
from song_mcp.library.atomic import AtomicFile, content_of, explained, pinned
from song_mcp.library.names import file_names, is_named_for, key_of
from song_mcp.library.tags import Tags, clip_key, measured_s, tagged
from song_mcp.songs import Clip, Task

COVER_CAP_BYTES = 5 * 2**20
PLAIN = os.O_NOFOLLOW | os.O_NONBLOCK


class Download(Protocol):
    """Fetches what is behind a URL; what it returns is not looked at."""

    def __call__(
        self, url: str, sink: Callable[[bytes], None], /, *, cap_bytes: int
    ) -> Awaitable[object]:
        """Feed the bytes at `url` to `sink`.

        Raises LibraryError, before `sink` had more than `cap_bytes`, and what `sink` raises.
        """
        ...


@dataclass(frozen=True)
class Part:
    """Some bytes of a clip's file, how many it has in all, and what it holds."""

    content: bytes
    total_bytes: int
    mime_type: str


@dataclass(frozen=True)
class Saved:
    """A clip in the library: its file, the cover beside it, and what the file holds.

    `duration_s` is measured in seconds, None where that was not possible.
    """

    file: Path
    cover: Path | None
    mime_type: str
    duration_s: float | None


class Library:
    """Saves clips to `folder` and reads them back; files are at most `cap_bytes` long.

    Nothing is touched before the first clip is saved; the folder is made then. Where the folder
    really is, is settled here once: a symlink that comes into its path later leads nowhere.
    """

    def __init__(self, folder: Path, download: Download, *, cap_bytes: int) -> None:
        self._folder = self.folder = folder
        self._pinned = pinned(folder)
        self._download = download
        self._cap_bytes = cap_bytes

    async def save(self, task: Task, clip: Clip) -> Saved:
        """Give the clip's file, downloading it if the library does not hold it yet.

        Raises LibraryError where that did not work; then no file of the clip is there.
        """
        known = await run_sync(self._find, task, clip)
        if known:
            return known
        if not clip.audio_url:
            msg = f"Clip {clip.clip_id} has no link to its audio yet; look at the task again."
            raise LibraryError(msg)
        draft = AtomicFile(self._pinned)
        try:
            await run_sync(draft.open)
            await self._download(clip.audio_url, draft.write, cap_bytes=self._cap_bytes)
            cover = await self._fetch_cover(clip)
            return await run_sync(self._keep, draft, task, clip, cover)
        finally:
            try:
                with CancelScope(shield=True):
                    await run_sync(draft.discard)
            finally:
                draft.discard()  # nothing more to do, unless even that was cut short

    async def read(self, clip: Clip) -> bytes:
        """Give the bytes of the clip's file.

        Raises LibraryError where the clip has none, or it is gone or no audio any more.
        """
        return (await run_sync(self._read, clip, 0, None)).content

    async def part(self, clip: Clip, offset: int, size: int) -> Part:
        """Give up to `size` bytes of the clip's file from `offset` on, reading no others.

        Raises LibraryError as `read` does, and where the file ends before `offset`.
        """
        return await run_sync(self._read, clip, offset, size)

    async def cover(self, clip: Clip) -> tuple[bytes, str] | None:
        """Give the bytes and MIME type of the picture beside the clip's file, or None."""
        return await run_sync(_picture, clip.cover) if clip.cover else None

    def _find(self, task: Task, clip: Clip) -> Saved | None:
        if clip.file and (saved := _saved(clip.file)):
            return saved
        key = key_of(task, clip)
        with explained(self._folder), suppress(FileNotFoundError):
            paths = [path for path in self._folder.iterdir() if is_named_for(path, key)]
            return next((_saved(path) for path in paths if _holds(path, key, b"")), None)
        return None

    async def _fetch_cover(self, clip: Clip) -> bytes:
        """Give the picture's bytes, none where there is no picture to be had."""
        picture = bytearray()
        with suppress(SongError):
            if clip.image_url:
                await self._download(clip.image_url, picture.extend, cap_bytes=COVER_CAP_BYTES)
                return bytes(picture)
        return b""

    def _keep(self, draft: AtomicFile, task: Task, clip: Clip, cover: bytes) -> Saved:
        content = draft.content()
        kind = formats.recognise(BytesIO(content))
        kept = tagged(content, kind, Tags.of(task, clip, cover)) or content
        try:
            draft.rewrite(kept)
        except LibraryError:  # no room for the tags, but there was for the audio
            kept = content
            draft.rewrite(kept)
        is_same = partial(_holds, key=key_of(task, clip), content=kept)
        path = self._folder / draft.place(file_names(task, clip, kind.extension), is_same).name
        self._keep_cover(path, cover)
        return _saved(path) or Saved(path, None, kind.mime_type, None)

    def _keep_cover(self, song: Path, cover: bytes) -> None:
        kind = formats.picture_format(cover)
        if kind is None:
            return
        draft = AtomicFile(self._pinned)
        with suppress(LibraryError):
            try:
                draft.open()
                draft.write(cover)
                draft.place([song.stem + kind.extension], lambda _: False)
            finally:
                draft.discard()

    def _read(self, clip: Clip, offset: int, size: int | None) -> Part:
        if clip.file is None:
            msg = f"Clip {clip.clip_id} is not in the library. {clip.save_error}".rstrip()
            raise LibraryError(msg)
        try:
            with _opened(clip.file) as file:
                kind = formats.recognise(file)
                total = file.seek(0, SEEK_END)
                file.seek(offset)
                content = file.read(total if size is None else size)
        except (OSError, LibraryError) as error:
            raise _gone(clip) from error
        if offset >= total:
            msg = f"The file of clip {clip.clip_id} has {total} bytes: nothing is at {offset}."
            raise LibraryError(f"{msg} Give an offset of 0 to {total - 1}.")
        return Part(content, total, kind.mime_type)


# Files -------------------------------------------------------------------------------------


def _saved(path: Path) -> Saved | None:
    """Give what the file holds, or None where it is no audio that can be read."""
    try:
        with _opened(path) as file:
            kind = formats.recognise(file)
            return Saved(path, _cover(path), kind.mime_type, measured_s(file, kind))
    except (OSError, LibraryError):
        return None


def _holds(path: Path, key: str, content: bytes) -> bool:
    """Tell whether the file is of the clip with this key, or has this content and no key."""
    try:
        with _opened(path) as file:
            found = clip_key(file, formats.recognise(file))
            return found == key if found else content_of(file) == content
    except (OSError, LibraryError):
        return False


def _cover(song: Path) -> Path | None:
    """Give the picture beside a song."""
    for kind in formats.PICTURES:
        path = song.with_suffix(kind.extension)
        with suppress(OSError):
            if stat.S_ISREG(path.lstat().st_mode):
                return path
    return None


def _picture(path: Path) -> tuple[bytes, str] | None:
    """Give a picture's bytes and MIME type, or None where it is none, too large or gone."""
    with suppress(OSError), _opened(path) as file:
        content = file.read(COVER_CAP_BYTES + 1)
        kind = formats.picture_format(content)
        if kind is not None and len(content) <= COVER_CAP_BYTES:
            return content, kind.mime_type
    return None


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading; raises OSError for symlinks and what else is no file."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | PLAIN)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise FileNotFoundError(path)
        yield file


def _gone(clip: Clip) -> LibraryError:
    name = clip.file.name if clip.file else ""
    return LibraryError(
        f"The file {name!r} of clip {clip.clip_id} is gone from the library, or no audio any more. "
        "Put it back, or look at the task again. The clip keeps its link."
    )
