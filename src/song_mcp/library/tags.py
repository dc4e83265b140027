"""The tags inside a file, which are written here.

Tagging makes new bytes and never changes the old ones, so audio that cannot be tagged is saved as
it was sent. Tags that a file arrives with are dropped unread (`bare`): nothing limits how many they
are, or what they unpack to. Ogg and WAV files are not tagged.

Mutagen is imported when the first clip is tagged: every chat starts the server, but few save.
It has no types, so it is reached through `mutagen`.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from types import ModuleType
from typing import Any

from song_mcp.errors import LibraryError
from song_mcp.library import formats, pictures
from song_mcp.library.bare import bare
from song_mcp.library.formats import Format
from song_mcp.library.keys import MP4_KEY, OWNER, VORBIS_KEY
from song_mcp.library.names import key_of
from song_mcp.rights import rights_in
from song_mcp.songs import RANDOM_SEED, SERVICES, TITLE_LIMIT, Clip, Task
from song_mcp.text import clean

UNKNOWN_LANGUAGE = "XXX"
"""ID3's word for an unknown language: songs are in any, and no service says which."""
FRONT_COVER, UTF_8 = 3, 3
SAID_ELSEWHERE = {"model", "title", "description", "lyrics", "timed_lyrics"}
"""The fields of a request that the comment does not list as such."""
REQUEST_LIMIT = 18_000
"""The most characters of a request in the comment: where the song is from always fits."""


@dataclass(frozen=True)
class Tags:
    """What is written into a file: texts ("" for none), `clip_key` and the cover.

    `date` is the day on which the song was made, as `2026-11-25`. `clip_key` tells which clip the
    file holds (ASCII, at most 64 characters). A `cover` that is neither PNG nor JPEG is not
    written: few players show other formats.
    """

    title: str
    artist: str
    album: str
    lyrics: str
    comment: str
    clip_key: str
    cover: bytes = b""
    date: str = ""

    @classmethod
    def of(cls, task: Task, clip: Clip, cover: bytes = b"") -> "Tags":
        """Return the tags of a clip: its texts, and as the comment the request and its origin."""
        lyrics = task.words(clip) or str(task.request.get("lyrics") or "")
        return cls(
            title=clean(clip.title or task.title, limit=TITLE_LIMIT, lines=False),
            artist=clean(task.model, lines=False),
            album=OWNER,
            lyrics=clean(lyrics),
            comment=f"{_asked(task)}\n{_origin(task, clip)}".strip(),
            clip_key=key_of(task, clip),
            cover=cover,
            date=_day(task),
        )

    @property
    def picture(self) -> tuple[bytes, Format] | None:
        """The cover and its format, None if players do not show it."""
        kind = pictures.picture_format(self.cover)
        return None if kind is None or kind == pictures.WEBP else (self.cover, kind)


def tagged(content: bytes, kind: Format, tags: Tags) -> bytes | None:
    """Return `content` with `tags`, or None if such files are not tagged or tagging failed."""
    write = {
        formats.MP3: _tag_mp3,
        formats.FLAC: _tag_flac,
        formats.M4A: _tag_m4a,
        formats.AIFF: _tag_aiff,
    }.get(kind)
    if write is None:
        return None
    try:
        file = write(BytesIO(bare(content, kind)), tags)
        return file.getvalue() if formats.recognise(file) == kind else None
    except unreadable():
        return None


def _asked(task: Task) -> str:
    """Return the request as lines of text: the description, then what else was asked for."""
    others = {name: value for name, value in task.request.items() if name not in SAID_ELSEWHERE}
    if others.get("seed") == RANDOM_SEED:
        del others["seed"]
    if isinstance(source := others.get("source"), Mapping):
        others["source"] = source.get("clip_id")
    lines = [f"{name}: {value}" for name, value in others.items()]
    return clean("\n".join([task.description, *lines]), limit=REQUEST_LIMIT)


def _origin(task: Task, clip: Clip) -> str:
    """Return lines that say which service and model made a clip, when, and what that means."""
    model = task.made_by.name if task.made_by else task.model
    facts = {
        "service": SERVICES[task.service].label,
        "model": clean(model, lines=False),
        "made_with": clean(clip.made_with, limit=100, lines=False),
        "date": _day(task),
        "rights": rights_in(task.service, model).line,
    }
    return "\n".join(f"{name}: {fact}" for name, fact in facts.items() if fact)


def _day(task: Task) -> str:
    return task.created_at.date().isoformat()


def mutagen(module: str) -> ModuleType:
    """Return a module of mutagen, which is imported now."""
    return import_module(f"mutagen.{module}")


def unreadable() -> tuple[type[Exception], ...]:
    """Return what mutagen raises for broken files: its own errors, and those it does not catch."""
    from mutagen import MutagenError

    return (
        MutagenError,
        *(ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError),
        *(LibraryError, OSError, RuntimeError, TypeError, ValueError, struct.error),
    )


# MP3 ---------------------------------------------------------------------------------------


def _tag_mp3(file: BytesIO, tags: Tags) -> BytesIO:
    written = mutagen("id3").ID3()
    _fill(written, tags)
    written.save(file)
    return file


def _tag_aiff(file: BytesIO, tags: Tags) -> BytesIO:
    """Put the same tag that an MP3 has into a chunk of its own, behind the sound."""
    written = mutagen("aiff").AIFF(file)
    written.add_tags()
    _fill(written.tags, tags)
    file.seek(0)
    written.save(file)
    return file


def _fill(written: Any, tags: Tags) -> None:  # noqa: ANN401 - a tag of mutagen, which has no types
    """Put our tags into one of ID3."""
    id3 = mutagen("id3")
    for name, text in _texts(tags, "TIT2", "TPE1", "TALB", "USLT", "COMM", "TDRC").items():
        more = {"lang": UNKNOWN_LANGUAGE, "desc": ""} if name in {"USLT", "COMM"} else {}
        written.add(getattr(id3, name)(encoding=UTF_8, text=text, **more))
    written.add(id3.UFID(owner=OWNER, data=tags.clip_key.encode()))
    if tags.picture:
        data, kind = tags.picture
        picture = id3.APIC(encoding=UTF_8, mime=kind.mime_type, type=FRONT_COVER, data=data)
        written.add(picture)


# FLAC --------------------------------------------------------------------------------------


def _tag_flac(file: BytesIO, tags: Tags) -> BytesIO:
    flac = mutagen("flac")
    written = flac.FLAC(file)
    texts = _texts(tags, "TITLE", "ARTIST", "ALBUM", "LYRICS", "COMMENT", "DATE")
    for name, text in {**texts, VORBIS_KEY: tags.clip_key}.items():
        written[name] = [text]
    if tags.picture:
        picture = flac.Picture()
        picture.data, picture.mime = tags.picture[0], tags.picture[1].mime_type
        picture.type = FRONT_COVER
        written.add_picture(picture)
    file.seek(0)
    written.save(file)
    return file


# M4A ---------------------------------------------------------------------------------------


def _tag_m4a(file: BytesIO, tags: Tags) -> BytesIO:
    mp4 = mutagen("mp4")
    written = mp4.MP4(file)
    texts = _texts(tags, "\xa9nam", "\xa9ART", "\xa9alb", "\xa9lyr", "\xa9cmt", "\xa9day")
    for name, text in texts.items():
        written[name] = [text]
    written[MP4_KEY] = [mp4.MP4FreeForm(tags.clip_key.encode())]
    if tags.picture:
        cover = mp4.MP4Cover
        kind = cover.FORMAT_PNG if tags.picture[1] == pictures.PNG else cover.FORMAT_JPEG
        written["covr"] = [cover(tags.picture[0], imageformat=kind)]
    written.save(file)
    return file


def _texts(tags: Tags, *names: str) -> dict[str, str]:
    """Return the texts that are not empty, by `names` for title, artist, album and so on."""
    texts = (tags.title, tags.artist, tags.album, tags.lyrics, tags.comment, tags.date)
    return {name: text for name, text in zip(names, texts, strict=True) if text}
