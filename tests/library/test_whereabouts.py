"""The folder is the person's: what was renamed, moved, edited or deleted in it is told right."""

import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import pytest
from mutagen.id3 import ID3
from mutagen.mp3 import MP3

from song_mcp.library import whereabouts
from song_mcp.library.formats import Format
from song_mcp.library.keys import clip_key
from song_mcp.library.names import key_of
from song_mcp.library.store import Library
from song_mcp.library.whereabouts import Seen, Whereabouts, digest_of
from song_mcp.songs import Clip, Task
from tests import recordings
from tests.library.test_store import AUDIO, CAP, Hurried, Web

TASK = Task("l1", "piapi", "udio", "song", "completed", datetime(2026, 11, 22, tzinfo=UTC))
CLIP = Clip("c1", "completed", title="Harbour", audio_url=AUDIO)
OTHER = replace(CLIP, clip_id="c2", title="Quay")
SONG = recordings.mp3(2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "songs"


async def kept(folder: Path, clip: Clip = CLIP, content: bytes = SONG, cover: bytes = b"") -> Clip:
    """Save a clip; returns it with its file."""
    picture = "https://images.example/1"
    web = Web({AUDIO: content, **({picture: cover} if cover else {})})
    library = Library(folder, web, cap_bytes=CAP, clock=Hurried())
    saved = await library.save(TASK, replace(clip, image_url=picture if cover else ""))
    return replace(clip, file=saved.file, cover=saved.cover, digest=saved.digest)


def look(folder: Path, *clips: Clip, volume: str | None = None, keys: tuple[str, ...] = ()) -> Seen:
    return Whereabouts(folder).look([(TASK, clip) for clip in clips], volume, keys)


def now(folder: Path, clip: Clip, volume: str | None = None) -> Clip:
    return look(folder, clip, volume=volume).clips[0]


def moved(clip: Clip, to: Path) -> Path:
    assert clip.file is not None
    to.parent.mkdir(parents=True, exist_ok=True)
    return clip.file.rename(to)


def deleted(clip: Clip) -> Path:
    assert clip.file is not None
    clip.file.unlink()
    return clip.file


async def test_a_file_where_it_was_is_there_and_nothing_is_searched(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = await kept(folder)
    monkeypatch.setattr(whereabouts, "_audio_below", None)
    seen = look(folder, clip)
    assert seen.clips == (clip,)
    assert seen.volume
    assert not seen.is_strange


@pytest.mark.parametrize("name", ["My song.mp3", "deep/er/Harbour.MP3", "Waltzes/a.mp3"])
@pytest.mark.parametrize("content", [SONG, recordings.aiff(), recordings.flac(), recordings.m4a()])
async def test_a_renamed_or_moved_file_is_followed(folder: Path, name: str, content: bytes) -> None:
    clip = await kept(folder, content=content)
    assert clip.file is not None
    to = moved(clip, (folder / name).with_suffix(clip.file.suffix))
    assert now(folder, clip).file == to


@pytest.mark.parametrize("content", [recordings.wav(), recordings.vorbis(), recordings.webm()])
async def test_a_file_without_tags_is_followed_by_its_short_id_or_its_bytes(
    folder: Path, content: bytes
) -> None:
    clip = await kept(folder, content=content)
    assert clip.file is not None
    assert clip.digest == digest_of(content)
    suffix = clip.file.suffix
    named = moved(clip, folder / f"01 - {key_of(TASK, clip)[:8]} loud{suffix}")
    assert now(folder, replace(clip, digest="")).file == named
    nameless = named.rename(folder / f"Track 1{suffix}")
    assert now(folder, clip).file == nameless
    assert now(folder, replace(clip, digest="")).gone_file == clip.file


async def test_a_deleted_file_is_gone_and_one_that_is_put_back_is_there(folder: Path) -> None:
    await kept(folder, OTHER)
    clip = await kept(folder)
    was = deleted(clip)
    gone = now(folder, clip)
    assert (gone.file, gone.gone_file, gone.cover, gone.is_away) == (None, was, None, False)
    was.write_bytes(SONG)
    assert now(folder, gone).file == was


async def test_a_song_that_is_alone_in_its_folder_is_gone_if_the_volume_is_the_same(
    folder: Path,
) -> None:
    clip = await kept(folder)
    volume = look(folder, clip).volume
    deleted(clip)
    assert now(folder, clip, volume).is_gone


async def test_a_folder_that_is_not_there_is_no_deletion(folder: Path) -> None:
    clip = await kept(folder)
    folder.rename(folder.with_name("elsewhere"))
    for volume in (None, "/"):
        away = now(folder, clip, volume)
        assert (away.file, away.is_away, away.is_gone) == (clip.file, True, False)


async def test_the_empty_folder_of_a_drive_that_is_not_connected_is_no_deletion(
    folder: Path,
) -> None:
    clip = await kept(folder)
    volume = look(folder, clip).volume
    assert clip.file is not None
    clip.file.rename(folder.with_name("elsewhere.mp3"))
    assert now(folder, clip).is_away, "nobody knows on which volume it was"
    (folder / "desktop.ini").touch()
    assert now(folder, clip, "/media/stick").is_away
    assert now(folder, clip, volume).is_gone


@pytest.mark.parametrize("path", ["C:\\Users\\ann\\Music\\Harbour.mp3", "/home/ann/none/a.mp3"])
async def test_a_path_of_another_machine_is_no_deletion_and_its_file_is_found_here(
    folder: Path, path: str
) -> None:
    clip = await kept(folder)
    theirs = replace(clip, file=Path(path))
    assert now(folder, theirs).file == clip.file
    deleted(clip)
    away = now(folder, theirs)
    assert (away.is_away, away.is_gone, away.file) == (True, False, Path(path))


async def test_files_that_changed_names_are_followed_by_their_keys(folder: Path) -> None:
    one, two = await kept(folder), await kept(folder, OTHER)
    assert one.file is not None
    assert two.file is not None
    between = one.file.rename(folder / "between.mp3")
    two.file.rename(one.file)
    between.rename(two.file)
    seen = look(folder, one, two)
    assert [clip.file for clip in seen.clips] == [two.file, one.file]


async def test_a_file_that_another_song_replaced_is_gone(folder: Path) -> None:
    one, two = await kept(folder), await kept(folder, OTHER)
    assert one.file is not None
    moved(two, one.file)
    first = look(folder, one, two)
    assert first.is_strange
    seen = look(folder, one, two, keys=(key_of(TASK, one), key_of(TASK, two)))
    assert [clip.file for clip in seen.clips] == [None, one.file]
    assert seen.clips[0].is_gone


async def test_a_file_with_the_key_of_an_earlier_id_is_still_the_clips(folder: Path) -> None:
    clip = await kept(folder)
    renamed = replace(clip, clip_id="another id")
    seen = look(folder, renamed, keys=(key_of(TASK, renamed),))
    assert seen.clips[0].file == clip.file


async def test_of_copies_the_one_at_the_old_path_counts_then_the_one_called_so(
    folder: Path,
) -> None:
    clip = await kept(folder)
    assert clip.file is not None
    (folder / "copies").mkdir()
    copy = Path(shutil.copy(clip.file, folder / "copies"))
    near = Path(shutil.copy(clip.file, folder / "A copy.mp3"))
    assert now(folder, clip).file == clip.file
    deleted(clip)
    assert now(folder, clip).file == copy
    copy.unlink()
    assert now(folder, clip).file == near


async def test_an_edited_file_is_followed(folder: Path) -> None:
    """A tagger writes ID3 2.3; an editor changes length and sound."""
    clip = await kept(folder)
    assert clip.file is not None
    tags = ID3(clip.file)  # type: ignore[no-untyped-call]
    tags.update_to_v23()  # type: ignore[no-untyped-call]
    tags.save(clip.file, v2_version=3)
    clip.file.write_bytes(clip.file.read_bytes()[: -len(SONG) // 2])
    to = moved(clip, folder / "Edited.mp3")
    assert now(folder, clip).file == to


async def test_a_file_whose_tags_were_removed_counts_where_it_is(folder: Path) -> None:
    clip = await kept(folder)
    MP3(clip.file).delete()  # type: ignore[no-untyped-call]
    assert now(folder, clip).file == clip.file


async def test_a_file_that_is_no_audio_any_more_is_left_alone(folder: Path) -> None:
    clip = await kept(folder)
    assert clip.file is not None
    clip.file.write_text("the diary of somebody")
    assert now(folder, clip) == clip


async def test_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    await kept(folder, OTHER)
    clip = await kept(folder)
    outside = tmp_path / "outside"
    moved(clip, outside / "Harbour.mp3")
    (folder / "link").symlink_to(outside)
    (folder / "Harbour.mp3").symlink_to(outside / "Harbour.mp3")
    assert now(folder, clip).is_gone


async def test_what_is_searched_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await kept(folder, OTHER)
    clip = await kept(folder)
    deep = folder.joinpath(*"abcdefghijk") / "Harbour.mp3"
    moved(clip, deep)
    assert now(folder, clip).is_gone
    monkeypatch.setattr(whereabouts, "DEEPEST", 20)
    assert now(folder, clip).file == deep
    monkeypatch.setattr(whereabouts, "MOST_ENTRIES", 3)
    assert now(folder, clip).is_gone


async def test_a_search_that_takes_too_long_deletes_nothing_and_goes_on_later(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await kept(folder, OTHER)
    clip = await kept(folder)
    deleted(clip)
    places = Whereabouts(folder)
    monkeypatch.setattr(whereabouts, "SEARCHED_FOR_S", -1.0)
    assert places.look([(TASK, clip)], None).clips == (clip,)
    monkeypatch.undo()
    assert places.look([(TASK, clip)], None).clips[0].is_gone


async def test_keys_are_read_once_for_many_looks(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [await kept(folder, replace(OTHER, clip_id=f"o{number}")) for number in range(5)]
    places, opened = Whereabouts(folder), []

    def read(file: BinaryIO, kind: Format) -> str:
        opened.append(file.name)
        return clip_key(file, kind)

    monkeypatch.setattr(whereabouts, "clip_key", read)
    for clip in [await kept(folder), *others]:
        deleted(clip)
        places.look([(TASK, clip)], None)
    assert len(opened) <= 5


@pytest.mark.parametrize(
    ("song", "cover", "expected"),
    [
        ("My song.mp3", None, "Harbour KEY.png"),  # left where it was
        ("My song.mp3", "My song.png", "My song.png"),  # renamed too
        ("new/Any.mp3", "new/Harbour KEY.png", "new/Harbour KEY.png"),  # taken along
        (None, "hidden/Harbour KEY.png", None),
    ],
)
async def test_a_cover_goes_with_its_song(
    folder: Path, song: str | None, cover: str | None, expected: str | None
) -> None:
    clip = await kept(folder, cover=recordings.PNG)
    short = key_of(TASK, clip)[:8]
    assert clip.cover is not None
    if song:
        moved(clip, folder / song)
    if cover:
        to = folder / cover.replace("KEY", short)
        to.parent.mkdir(exist_ok=True)
        clip.cover.rename(to)
    found = now(folder, clip).cover
    assert found == (folder / expected.replace("KEY", short) if expected else None)


async def test_a_file_that_cannot_be_asked_about_stays_as_it_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a network drive whose server does not answer."""
    clip = await kept(folder)

    def broken(_: Path) -> os.stat_result:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "lstat", broken)
    assert now(folder, clip) == clip


async def test_a_joined_song_that_was_renamed_is_found_again(folder: Path) -> None:
    one, two = await kept(folder), await kept(folder, OTHER)
    library = Library(folder, Web({}), cap_bytes=CAP)
    whole = Clip("c2\0whole", "completed", title="Harbour (whole)")
    parts = [(one, 1.0), (two, None)]
    joined = await library.join(TASK, whole, parts)
    to = joined.file.rename(folder / "All of it.mp3")
    assert (await library.join(TASK, whole, parts)).file == to
