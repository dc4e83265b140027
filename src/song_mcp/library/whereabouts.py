"""Where the files of clips are: the folder is the person's, who renames, moves and deletes them.

A file is known by the clip's key in its tags, whatever its name is. A file without a key is known
by the beginning of the key as a word of its name, or by its bytes. A file at the path that is known
counts, unless it is another clip's; only if it is missing is the folder searched. Symlinks are not
followed. Nothing is written here.
"""

import os
import stat
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import BinaryIO, Literal

from song_mcp import files
from song_mcp.errors import LibraryError
from song_mcp.library import formats, pictures
from song_mcp.library.keys import clip_key
from song_mcp.library.names import AUDIO_EXTENSIONS, ID_LENGTHS, key_of
from song_mcp.songs import Clip, Task, lyrics_beside

DEEPEST = 8
"""How many folders deep is searched."""
MOST_FILES = 20_000
"""How many audio files are known by their keys at most."""
MOST_ENTRIES = 200_000
"""How many entries of folders are read at most for one search."""
SEARCHED_FOR_S = 3.0
"""For how many seconds one search reads keys; the next one goes on where it ended."""
MOST_READ = 20
"""How many files of one length are read to find one by its bytes."""

Pair = tuple[Task, Clip]
At = Literal["here", "other", "missing", "unknown"]
Sign = tuple[int, int, int]
"""Length, time of the last change and number of a file: as long as they stay, so does the key."""


@dataclass(frozen=True)
class Seen:
    """What a look at the files of clips shows: the clips as they are, in the same order.

    `volume` is where the folder's volume is mounted if one of the files is in the folder, else "".
    `is_strange` tells that a file has a key that may be another clip's: who looks once more with
    all keys that are known learns which clip it is.
    """

    clips: tuple[Clip, ...]
    volume: str = ""
    is_strange: bool = False


@dataclass(frozen=True)
class _File:
    sign: Sign
    key: str


@dataclass(frozen=True)
class _Known:
    """What one look knows beside the files; `is_searched` tells that a search came to an end."""

    keys: Collection[str]
    volume: str | None
    is_searched: bool


class Whereabouts:
    """Knows where files below `folder` are; several threads may ask."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()
        self._files: dict[Path, _File] = {}
        self._by_key: dict[str, list[Path]] = {}
        self._by_word: dict[str, list[Path]] = {}
        self._checked: dict[Path, tuple[Sign, str]] = {}

    def look(self, pairs: Sequence[Pair], volume: str | None, keys: Collection[str] = ()) -> Seen:
        """Return where the files of clips are, each of which has one or had one.

        `volume` is where the folder was when a song was last seen in it, None if that is not known.
        `keys` are those of all clips that are known, for a look that goes after a strange file.
        """
        with self._lock:
            states = [self._state(task, clip) for task, clip in pairs]
            lost = [
                bool(clip.file) and state in {"missing", "other"}
                for (_, clip), state in zip(pairs, states, strict=True)
            ]
            known = _Known(keys, volume, is_searched=not any(lost) or self._search())
            clips = [
                self._found(task, clip, state, known)
                for (task, clip), state in zip(pairs, states, strict=True)
            ]
        is_strange = not keys and "other" in states
        is_seen = any(each.file and not each.is_away and self._is_ours(each.file) for each in clips)
        return Seen(tuple(clips), _volume(self._folder) if is_seen else "", is_strange)

    def find(self, key: str) -> Path | None:
        """Return a file that has this key, wherever it is below the folder, or None."""
        with self._lock:
            self._search()
            return self._best(key, None)

    # One clip ----------------------------------------------------------------------------

    def _state(self, task: Task, clip: Clip) -> At:
        path, key = clip.file or clip.gone_file, key_of(task, clip)
        if path is None or not path.is_absolute():  # a path of another system
            return "missing"
        try:
            return self._state_at(path, key)
        except (FileNotFoundError, NotADirectoryError):
            return "missing"
        except LibraryError:  # the person's own, whatever it is now; reading it says so
            return "here"
        except (OSError, ValueError):
            return "unknown"

    def _state_at(self, path: Path, key: str) -> At:
        info = path.lstat()
        if not stat.S_ISREG(info.st_mode):
            return "missing"
        if self._checked.get(path) == (_sign(info), key):
            return "here"
        with opened(path) as file:
            found = clip_key(file, formats.recognise(file))
        if found not in {"", key}:
            return "other"
        if len(self._checked) >= MOST_FILES:
            self._checked.clear()
        self._checked[path] = (_sign(info), key)
        return "here"

    def _found(self, task: Task, clip: Clip, state: At, known: "_Known") -> Clip:
        """Return the clip as it is in the folder, after a search if its file was missing."""
        was = clip.file or clip.gone_file
        if was is None or state == "unknown":
            return clip
        path = was if state == "here" else self._best(key_of(task, clip), clip)
        if path is not None:
            now = replace(clip, file=path, gone_file=None)
            return _beside(task, now, was, is_back=clip.is_gone)
        is_ours_still = state == "other" and self._key_at(was) not in known.keys  # its id was new
        if clip.is_gone or is_ours_still or not known.is_searched:
            return clip
        if state == "missing" and self._is_away(was, known.volume):
            return replace(clip, is_away=True)
        return replace(clip, file=None, gone_file=was, cover=None, lyrics_file=None)

    def _key_at(self, path: Path) -> str:
        with suppress(OSError, LibraryError), opened(path) as file:
            return clip_key(file, formats.recognise(file))
        return ""

    def _is_away(self, was: Path, volume: str | None) -> bool:
        """Tell whether the folder is not there in which the file was, so that nobody knows.

        A drive that is not connected may leave an empty folder: then the volume is another one.
        """
        is_ours = self._is_ours(was)
        home = self._folder if is_ours else was.parent
        try:
            if not was.is_absolute() or not stat.S_ISDIR(home.stat().st_mode):
                return True
            is_empty = not any(home.iterdir())
        except OSError:
            return True
        if is_ours and volume is not None:
            return volume != _volume(home)
        return is_empty

    def _is_ours(self, path: Path) -> bool:
        return path.is_relative_to(self._folder)

    # The whole folder --------------------------------------------------------------------

    def _search(self) -> bool:
        """Read which files there are and their keys; return whether that came to an end.

        Only keys of files that are new or changed are read.
        """
        until_s = time.monotonic() + SEARCHED_FOR_S
        known, self._files = self._files, {}
        is_whole = True
        for path, info in _audio_below(self._folder):
            if len(self._files) >= MOST_FILES:
                break
            before = known.get(path)
            if before is not None and before.sign == _sign(info):
                self._files[path] = before
            elif time.monotonic() < until_s:
                self._files[path] = _File(_sign(info), self._key_at(path))
            else:
                is_whole = False
        self._arrange()
        return is_whole

    def _arrange(self) -> None:
        """Note which files have which key, and for those without one the words of their names."""
        self._by_key, self._by_word = {}, {}
        for path, file in self._files.items():
            if file.key:
                self._by_key.setdefault(file.key, []).append(path)
            else:
                for word in _words(path):
                    self._by_word.setdefault(word[: ID_LENGTHS[0]], []).append(path)

    def _best(self, key: str, clip: Clip | None) -> Path | None:
        """Return the file of a clip, of several the one that is called as before, else the nearest.

        Without `clip` only its key tells which it is.
        """
        found = self._by_key.get(key, [])
        if clip is not None and not found:
            named = self._by_word.get(key[: ID_LENGTHS[0]], [])
            found = [path for path in named if any(map(key.startswith, _words(path)))]
        if clip is not None and not found and clip.digest:
            found = self._with_bytes(clip.digest)
        was = (clip.file or clip.gone_file) if clip else None
        order = sorted(found, key=lambda path: (len(path.parts), str(path)))
        same = (path for path in order if was is not None and path.name == was.name)
        return next(same, next(iter(order), None))

    def _with_bytes(self, digest: str) -> list[Path]:
        length = int(digest.partition(" ")[0])
        alike = [
            path for path, file in self._files.items() if file.sign[0] == length and not file.key
        ]
        return [path for path in alike[:MOST_READ] if _digest_at(path) == digest]


def digest_of(content: bytes) -> str:
    """Return what stands for the bytes of a file: its length and a hash."""
    return f"{len(content)} {sha256(content).hexdigest()}"


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file for reading; raises OSError for anything else, a symlink too."""
    with os.fdopen(files.patiently(files.open_plain, path), "rb") as file:
        yield file


def _audio_below(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield the audio files below a folder, the nearest first; hidden ones and links are not read.

    A folder that cannot be read is passed over: nothing of the person's is known to be there.
    """
    left = MOST_ENTRIES
    folders = [folder]
    for _ in range(DEEPEST + 1):
        below: list[Path] = []
        for each in folders:
            with suppress(OSError), os.scandir(each) as entries:
                for entry in entries:
                    left -= 1
                    if left < 0:
                        return
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        below.append(each / entry.name)
                    elif Path(entry.name).suffix.lower() in AUDIO_EXTENSIONS:
                        path = each / entry.name
                        with suppress(OSError):
                            info = path.lstat()
                            if stat.S_ISREG(info.st_mode):
                                yield path, info
        folders = sorted(below)


def _sign(info: os.stat_result) -> Sign:
    return info.st_size, info.st_mtime_ns, info.st_ino


def _words(path: Path) -> list[str]:
    """Return the words of a file's name that may be the beginning of a key."""
    words = path.stem.lower().replace("_", " ").replace("-", " ").split()
    return [word for word in words if len(word) >= ID_LENGTHS[0]]


def _digest_at(path: Path) -> str:
    with suppress(OSError, MemoryError):
        return digest_of(path.read_bytes())
    return ""


def _beside(task: Task, clip: Clip, was: Path, *, is_back: bool) -> Clip:
    """Return a clip with its cover and lyrics: by the song's name, their own, or where they were.

    Who renames a song may leave them, take them along, or rename them too. `is_back` tells that the
    song was deleted, and that they are not known any more.
    """
    song = clip.file or was
    is_same = song == was and not is_back
    if is_same and (clip.cover is None or _is_file(clip.cover)):
        cover = clip.cover
    else:
        names = [song.with_suffix(kind.extension) for kind in pictures.PICTURES]
        old = [] if clip.cover is None else [song.with_name(clip.cover.name), clip.cover]
        cover = next(filter(_is_file, [*names, *old]), None)
    lyrics = None
    if task.timed_lyrics(clip):
        told = clip.lyrics_file or lyrics_beside(was)
        places = (lyrics_beside(song), song.with_name(told.name), told)
        lyrics = next(filter(_is_file, places), None)
    elif clip.lyrics_file == lyrics_beside(was):  # there are none, and none are told
        lyrics = lyrics_beside(song)
    return replace(clip, cover=cover, lyrics_file=lyrics)


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def _volume(folder: Path) -> str:
    """Return where the volume is mounted on which a folder is."""
    path = folder.resolve()
    while not os.path.ismount(path) and path != path.parent:
        path = path.parent
    return str(path)
