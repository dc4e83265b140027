"""Saving clips into the folder, and reading them back.

Each file says which clip it holds: its tags have the clip's key, and its name ends with the
beginning of that key. So a clip that is saved again is found without an index, even if another
server is saving it at the same time. If something else has the name, the next name has more of
the key. Files of formats that are not tagged are told apart by their bytes.
"""

import errno
import os
import stat
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from io import SEEK_END, BytesIO
from itertools import count
from pathlib import Path
from typing import Protocol

from anyio import CancelScope, CapacityLimiter, move_on_after
from anyio.to_thread import run_sync

from song_mcp import lrc, system
from song_mcp.clock import Clock
from song_mcp.errors import LibraryError, NotYetError, SongError
from song_mcp.library import formats, pictures
from song_mcp.library.atomic import AtomicFile, content_of, explained, pinned
from song_mcp.library.joining import Piece, joined
from song_mcp.library.keys import clip_key
from song_mcp.library.lengths import measured_s
from song_mcp.library.mending import mended
from song_mcp.library.names import file_names, is_named_for, key_of, units_of
from song_mcp.library.tags import Tags, tagged
from song_mcp.library.whereabouts import Pair, Seen, Whereabouts, digest_of
from song_mcp.library.whereabouts import opened as _opened
from song_mcp.songs import TITLE_LIMIT, Clip, Task
from song_mcp.text import clean

COVER_CAP_BYTES = 5 * 2**20
COVER_S = 20.0
"""How long, in seconds, a song waits for its picture."""
PAUSES_S = (2.0, 3.0, 5.0, 8.0)
"""The pauses between the tries of one save, in seconds, unless the host asks for others."""
SHORTEST_PAUSE_S = 1.0
FILES_AT_ONCE = 2
"""How many files are checked, mended or tagged at the same time: each is in memory, with copies."""
LOOK_S = 8.0
"""How long, in seconds, a look at the folder is waited for: a network drive may be silent."""
RETRIES_S = 20.0
"""How long after the first try of a save another may begin, in seconds."""
NextLink = Callable[[float], Awaitable[str]]
"""Returns the link to try next, after so many seconds at most."""
Extent = tuple[Clip, float | None]
"""A clip, and up to how many seconds of it, None for all."""


class Download(Protocol):
    """Fetches what is behind a URL. What it returns is not used."""

    def __call__(
        self, url: str, sink: Callable[[bytes], None], /, *, cap_bytes: int
    ) -> Awaitable[object]:
        """Pass the bytes behind `url` to `sink`, at most `cap_bytes` of them.

        Raises LibraryError if there are more, or if fetching fails; and whatever `sink` raises.
        """
        ...


@dataclass(frozen=True)
class Part:
    """Some bytes of a clip's file, how many bytes the file has, and its MIME type."""

    content: bytes
    total_bytes: int
    mime_type: str


@dataclass(frozen=True)
class Saved:
    """A clip in the library: its file, the cover beside it, and the MIME type of its bytes.

    `duration_s` is measured in seconds, and None if that was not possible. `digest` stands for the
    bytes of a file that has no tags.
    """

    file: Path
    cover: Path | None
    mime_type: str
    duration_s: float | None
    digest: str = ""


class Library:
    """Saves clips to `folder` and reads them back; at most `cap_bytes` are fetched for a clip.

    The folder is made when the first clip is saved. Its real path is found once, here: a symlink
    that is put into that path later is not followed when a file is written. `clock` measures the
    pauses between tries to fetch a clip.
    """

    def __init__(
        self,
        folder: Path,
        download: Download,
        *,
        cap_bytes: int,
        clock: Clock | None = None,
        unusable: str = "",
    ) -> None:
        """Take the parts; if `unusable` says why, nothing is saved in the folder."""
        self._unusable = unusable
        self.folder = folder
        self._pinned = pinned(folder)
        self._download = download
        self._cap_bytes = cap_bytes
        self._clock = clock or Clock()
        self._at_work = CapacityLimiter(FILES_AT_ONCE)
        self._whereabouts = Whereabouts(folder)

    async def check(self) -> None:
        """Raise StorageError if nothing can ever be saved, as the path leads to no folder.

        What is missing may be made, and a permission or room may come back: that is no reason.
        """
        await run_sync(self._check_path)

    def _check_path(self) -> None:
        with explained(self.folder), suppress(FileNotFoundError, PermissionError):
            if not stat.S_ISDIR(self.folder.stat().st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))

    async def save(self, task: Task, clip: Clip, next_link: NextLink | None = None) -> Saved:
        """Return the clip's file; it is downloaded if the library does not have it yet.

        What its host may have in a moment is tried again, for some 20 s, from the same link or from
        what `next_link` returns. Timed lyrics are put beside it, unless something has the name.
        Raises LibraryError if it is not saved; then the library has no file of the clip.
        """
        self._check_usable()
        known = await run_sync(self._known, task, clip)
        if known:
            return known
        if not clip.audio_url:
            msg = f"Clip {clip.public_id} has no link to its audio yet; get_task asks for one."
            raise LibraryError(msg)
        file = AtomicFile(self._pinned)
        try:
            await run_sync(file.open)
            await self._fetch_audio(clip.audio_url, file, next_link)
            cover = await self._fetch_cover(clip)
            async with self._at_work:
                return await run_sync(self._place_all, file, task, clip, cover)
        finally:
            try:
                with CancelScope(shield=True):
                    await run_sync(file.discard)
            finally:
                file.discard()  # does nothing, unless the event loop cancelled even that

    async def join(self, task: Task, whole: Clip, parts: Sequence[Extent]) -> Saved:
        """Return the file of a `whole`, which is joined of its parts' files if there is none yet.

        `whole` is like a clip that the `task` made, with an id of its own. Nothing is fetched.
        Raises LibraryError, which says why, if the parts cannot be joined.
        """
        self._check_usable()
        async with self._at_work:
            return await run_sync(self._joined, task, whole, parts)

    def _check_usable(self) -> None:
        if self._unusable:
            raise LibraryError(f"Nothing is saved before this is corrected: {self._unusable}.")

    async def look(
        self, pairs: Sequence[Pair], volume: str | None, keys: Collection[str] = ()
    ) -> Seen | None:
        """Return where the files of clips are now, as `Whereabouts.look` says, and write nothing.

        Returns None if the folder's drive does not answer for some seconds.
        """
        with move_on_after(LOOK_S):
            look = partial(self._whereabouts.look, pairs, volume, keys)
            return await run_sync(look, abandon_on_cancel=True)
        return None

    async def read(self, clip: Clip) -> bytes:
        """Return the bytes of the clip's file.

        Raises LibraryError if the clip has no file, or the file is gone or is no longer audio.
        """
        return (await run_sync(self._read, clip, 0, None)).content

    async def part(self, clip: Clip, offset: int, size: int) -> Part:
        """Return up to `size` bytes of the clip's file from `offset` on.

        Raises LibraryError as `read` does, and if the file ends before `offset`.
        """
        return await run_sync(self._read, clip, offset, size)

    async def cover(self, clip: Clip) -> tuple[bytes, str] | None:
        """Return the bytes and MIME type of the picture beside the clip's file, or None."""
        return await run_sync(_picture, clip.cover) if clip.cover else None

    def timed_lyrics(self, task: Task, clip: Clip) -> str:
        """Return a clip's timed lyrics as the content of an LRC file, "" if it has none."""
        timed = clean(task.timed_lyrics(clip))
        title = clean(clip.title or task.title, limit=TITLE_LIMIT, lines=False)
        return lrc.document(timed, title=title, length_s=clip.duration_s) if timed else ""

    def _known(self, task: Task, clip: Clip) -> Saved | None:
        """Return the clip as it was saved before, with its timed lyrics beside it, or None."""
        saved = self._find(task, clip)
        if saved:
            self._place_lyrics(task, clip, saved)
        return saved

    def _find(self, task: Task, clip: Clip, *, is_whole: bool = False) -> Saved | None:
        """Return the clip as it was saved before, or None.

        It is looked for by its name, and everywhere if it was saved before or is joined: then it
        may have been renamed.
        """
        if clip.file and (saved := _saved(clip.file)):
            return saved
        key = key_of(task, clip)
        with explained(self.folder), suppress(FileNotFoundError):
            paths = [path for path in self.folder.iterdir() if is_named_for(path, key)]
            found = next((_saved(path) for path in paths if _holds(path, key, b"")), None)
            if found or not (clip.gone_at or is_whole):
                return found
            path = self._whereabouts.find(key)
            return _saved(path) if path else None
        return None

    async def _fetch_audio(self, url: str, file: AtomicFile, next_link: NextLink | None) -> None:
        """Fetch audio and check it, again and again while it may come within the time of a save."""
        began, paused_s = self._clock.monotonic(), 0.0
        for tries in count(1):
            try:
                return await self._fetch_once(url, file)
            except NotYetError as error:
                pause_s = _pause_s(error, tries)
                spent_s = max(paused_s, self._clock.monotonic() - began)
                if spent_s + pause_s > RETRIES_S:
                    raise _given_up(error, tries) from None
            if next_link is None:
                await self._clock.sleep(pause_s)
            else:
                url = await next_link(pause_s)
            paused_s += pause_s
            await run_sync(file.rewrite, b"")
        return None

    async def _fetch_once(self, url: str, file: AtomicFile) -> None:
        await self._download(url, file.write, cap_bytes=self._cap_bytes)
        async with self._at_work:
            await run_sync(_check, file)

    def _joined(self, task: Task, whole: Clip, parts: Sequence[Extent]) -> Saved:
        known = self._find(task, whole, is_whole=True)
        if known:
            return known
        content = joined(list(self._pieces(parts)))
        covers = (_picture(clip.cover) for clip, _ in parts if clip.cover)
        cover, _ = next(filter(None, covers), (b"", ""))
        file = AtomicFile(self._pinned)
        try:
            file.open()
            file.write(content)
            return self._place(file, task, whole, cover)
        finally:
            file.discard()

    def _pieces(self, parts: Sequence[Extent]) -> Iterator[Piece]:
        """Yield the parts with the bytes of their files, if those are not too many together."""
        left = self._cap_bytes
        for clip, until_s in parts:
            content = self._read(clip, 0, left + 1).content
            left -= len(content)
            if left < 0:
                most = f"{self._cap_bytes} bytes (SONG_MCP_CLIP_BYTES)"
                raise LibraryError(f"The parts have more than {most} together, so they stay apart.")
            name = clip.file.name if clip.file else ""
            yield Piece(f"{name!r} (clip {clip.public_id})", content, until_s)

    async def _fetch_cover(self, clip: Clip) -> bytes:
        """Return the picture's bytes, none if there is no picture or it cannot be fetched."""
        if not clip.image_url:
            return b""
        picture = _Picture(partial(self._download, clip.image_url, cap_bytes=COVER_CAP_BYTES))
        is_there = await self._clock.wait(picture, COVER_S)
        return bytes(picture.content) if is_there else b""

    def _place_all(self, file: AtomicFile, task: Task, clip: Clip, cover: bytes) -> Saved:
        saved = self._place(file, task, clip, cover)
        self._place_lyrics(task, clip, saved)
        return saved

    def _place(self, file: AtomicFile, task: Task, clip: Clip, cover: bytes) -> Saved:
        """Tag the downloaded audio, and place it and its cover under their final names."""
        audio = file.content()
        kind = formats.recognise(BytesIO(audio))
        content = tagged(audio, kind, Tags.of(task, clip, cover)) or audio
        try:
            file.rewrite(content)
        except LibraryError:  # no room for the tags, but there was for the audio
            content = audio
            file.rewrite(content)
        is_same = partial(_holds, key=key_of(task, clip), content=content)
        path = self.folder / file.place(self._names(task, clip, kind.extension), is_same).name
        self._place_cover(path, cover)
        saved = _saved(path) or Saved(path, None, kind.mime_type, None)
        return replace(saved, digest="" if content is not audio else digest_of(content))

    def _names(self, task: Task, clip: Clip, extension: str) -> Iterator[str]:
        """Yield the names of a clip's file whose paths are not too long for this system."""
        if system.LONGEST_PATH is None:
            return file_names(task, clip, extension)
        folder = max(units_of(str(each)) for each in (self.folder, self._pinned))
        return file_names(task, clip, extension, longest=system.LONGEST_PATH - folder - 1)

    def _place_cover(self, song: Path, cover: bytes) -> None:
        kind = pictures.picture_format(cover)
        if kind is not None:
            self._place_beside(song, kind.extension, cover)

    def _place_lyrics(self, task: Task, clip: Clip, saved: Saved) -> None:
        length_s = saved.duration_s or clip.duration_s
        if text := self.timed_lyrics(task, replace(clip, duration_s=length_s)):
            self._place_beside(saved.file, lrc.EXTENSION, text.encode())

    def _place_beside(self, song: Path, extension: str, content: bytes) -> None:
        """Put a file of the song's name beside it; what has the name, or fails, is left alone."""
        file = AtomicFile(self._pinned)
        with suppress(LibraryError):
            try:
                file.open()
                file.write(content)
                file.place([song.stem + extension], lambda _: False)
            finally:
                file.discard()

    def _read(self, clip: Clip, offset: int, size: int | None) -> Part:
        if clip.file is None:
            msg = f"Clip {clip.public_id} is not in the library. {clip.save_error}".rstrip()
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
            msg = f"The file of clip {clip.public_id} has {total} bytes: nothing is at {offset}."
            raise LibraryError(f"{msg} Give an offset of 0 to {total - 1}.")
        return Part(content, total, kind.mime_type)


# Fetching ----------------------------------------------------------------------------------


class _Picture:
    """A cover to be fetched; a clock can wait for it."""

    def __init__(self, fetch: Callable[[Callable[[bytes], None]], Awaitable[object]]) -> None:
        self._fetch = fetch
        self.content = bytearray()

    async def wait(self) -> None:
        """Fetch it; what fails leaves nothing."""
        try:
            await self._fetch(self.content.extend)
        except SongError:
            self.content.clear()


def _check(file: AtomicFile) -> None:
    """Raise LibraryError unless the file is audio; leave it as players want it."""
    content = file.content()
    audio = mended(content)
    formats.recognise(BytesIO(audio))
    if audio is not content:
        file.rewrite(audio)


def _pause_s(error: NotYetError, tries: int) -> float:
    """Return how many seconds to wait after so many tries, or as many as the host asks for."""
    if error.retry_after_s is not None:
        return max(error.retry_after_s, SHORTEST_PAUSE_S)
    return PAUSES_S[min(tries, len(PAUSES_S)) - 1]


def _given_up(error: NotYetError, tries: int) -> NotYetError:
    times = "once" if tries == 1 else f"{tries} times"
    return NotYetError(f"{error} It was tried {times}.", error.retry_after_s)


# Files -------------------------------------------------------------------------------------


def _saved(path: Path) -> Saved | None:
    """Return the clip in this file, or None if the file cannot be read as audio."""
    try:
        with _opened(path) as file:
            kind = formats.recognise(file)
            return Saved(path, _cover(path), kind.mime_type, measured_s(file, kind))
    except (OSError, LibraryError):
        return None


def _holds(path: Path, key: str, content: bytes) -> bool:
    """Tell whether the file has this key in its tags, or has no key and this content."""
    try:
        with _opened(path) as file:
            found = clip_key(file, formats.recognise(file))
            return found == key if found else content_of(file) == content
    except (OSError, LibraryError):
        return False


def _cover(song: Path) -> Path | None:
    """Return the path of the picture beside a song, or None."""
    for kind in pictures.PICTURES:
        path = song.with_suffix(kind.extension)
        with suppress(OSError):
            if stat.S_ISREG(path.lstat().st_mode):
                return path
    return None


def _picture(path: Path) -> tuple[bytes, str] | None:
    """Return a picture's bytes and MIME type, or None if it is gone, too large or no picture."""
    with suppress(OSError), _opened(path) as file:
        content = file.read(COVER_CAP_BYTES + 1)
        kind = pictures.picture_format(content)
        if kind is not None and len(content) <= COVER_CAP_BYTES:
            return content, kind.mime_type
    return None


def _gone(clip: Clip) -> LibraryError:
    name = clip.file.name if clip.file else ""
    return LibraryError(
        f"File {name!r} of clip {clip.public_id} is gone from the library, or is no longer audio. "
        "Put it back, or move away what is there: then get_task with get_again=true saves it again."
    )
