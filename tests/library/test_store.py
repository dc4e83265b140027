"""The library: whole files under safe names, saved once; a failed save leaves nothing."""

import asyncio
import errno
import os
import resource
import stat
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO

import anyio
import httpx
import pytest
from mutagen.mp3 import MP3

from song_mcp.clock import Clock
from song_mcp.downloads import download
from song_mcp.errors import LibraryError, NotYetError
from song_mcp.library import formats, tags
from song_mcp.library.atomic import AtomicFile
from song_mcp.library.names import file_names, key_of
from song_mcp.library.store import Library, Saved
from song_mcp.songs import Clip, Task
from tests import recordings
from tests.faults.crafted_files import png
from tests.held_open import as_on_windows
from tests.limits import HANGS_S
from tests.manual_clock import ManualClock

AUDIO = "https://cdn.example/The%2520Untitled.mp3"
COVER = "https://images.example/c1"
TASK = Task("l1", "piapi", "udio", "song", "completed", datetime(2026, 11, 22, tzinfo=UTC))
CLIP = Clip("c1", "completed", title="Harbour Lights", audio_url=AUDIO)
CAP = 64 * 2**20
COVERED = replace(CLIP, image_url=COVER)
SONG = recordings.mp3(2)
KEY = key_of(TASK, CLIP)
NAME = f"Harbour Lights {KEY[:8]}.mp3"
LONGER = f"Harbour Lights {KEY[:16]}.mp3"
PAGE = b"<!DOCTYPE html><title>Expired</title>"


class Hurried(Clock):
    """Pauses take no time; whatever is waited for has as long as it says."""

    async def sleep(self, seconds: float) -> None:
        await anyio.lowlevel.checkpoint()


class Web:
    """Downloads: the bytes of each URL, in chunks. Errors are raised half-way."""

    def __init__(self, pages: dict[str, bytes], error: Exception | None = None) -> None:
        self.pages = pages
        self.error = error
        self.asked: list[str] = []

    async def __call__(self, url: str, sink: Callable[[bytes], None], *, cap_bytes: int) -> None:
        self.asked.append(url)
        if url not in self.pages:
            raise LibraryError("There is nothing behind the link.")
        content = self.pages[url]
        for start in range(0, len(content), 1000):
            await anyio.lowlevel.checkpoint()
            chunk = content[start : start + 1000]
            if start + len(chunk) > cap_bytes:
                raise LibraryError("There is more behind the link than is allowed.")
            sink(chunk)
            if self.error:
                raise self.error


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "Music" / "song-mcp"


def library(folder: Path, content: bytes = SONG, cover: bytes | None = None) -> Library:
    covers = {} if cover is None else {COVER: cover}
    return Library(folder, Web({AUDIO: content, **covers}), cap_bytes=CAP, clock=Hurried())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def refusal(library: Library, clip: Clip = CLIP) -> str:
    with pytest.raises(LibraryError) as caught:
        await library.save(TASK, clip)
    return str(caught.value)


# Saving ------------------------------------------------------------------------------------


async def test_a_saved_clip_is_a_tagged_file_with_the_songs_name(folder: Path) -> None:
    saved = await library(folder).save(TASK, CLIP)
    assert saved == Saved(folder / NAME, None, "audio/mpeg", saved.duration_s)
    assert saved.duration_s == pytest.approx(2, abs=0.1)
    assert saved.file.read_bytes().endswith(SONG)
    assert str(MP3(saved.file)["TIT2"]) == "Harbour Lights"  # type: ignore[no-untyped-call]
    assert names(folder) == [NAME]


@pytest.mark.parametrize(
    ("content", "extension", "mime_type"),
    [
        (recordings.wav(), ".wav", "audio/wav"),
        (recordings.flac(), ".flac", "audio/flac"),
        (recordings.opus(), ".opus", "audio/ogg"),
        (recordings.vorbis(), ".ogg", "audio/ogg"),
        (recordings.m4a(), ".m4a", "audio/mp4"),
        (recordings.ogg_flac(), ".oga", "audio/ogg"),
        (recordings.aac(), ".aac", "audio/aac"),
        (recordings.aiff(), ".aiff", "audio/aiff"),
        (recordings.webm(), ".webm", "audio/webm"),
        (recordings.webm(doc_type=b"matroska"), ".mka", "audio/matroska"),
    ],
)
async def test_the_bytes_decide_extension_and_type(
    folder: Path, content: bytes, extension: str, mime_type: str
) -> None:
    saved = await library(folder, content).save(TASK, CLIP)
    assert (saved.file.suffix, saved.mime_type) == (extension, mime_type)
    assert saved.duration_s == pytest.approx(1, abs=0.1)


async def test_making_a_library_touches_nothing_and_the_first_clip_makes_the_folder(
    folder: Path,
) -> None:
    catalog = library(folder)
    assert not folder.parent.exists()
    saved = await catalog.save(TASK, CLIP)
    assert stat.S_IMODE(folder.stat().st_mode) & 0o022 == 0
    assert stat.S_IMODE(saved.file.stat().st_mode) & 0o600 == 0o600


async def test_audio_that_cannot_be_tagged_is_saved_as_it_came(folder: Path) -> None:
    content = recordings.m4a().replace(b"mdhd", b"mdhx")
    saved = await library(folder, content).save(TASK, CLIP)
    assert saved.file.read_bytes() == content
    assert saved.duration_s is None


async def test_a_folder_that_is_a_symlink_of_the_user_is_used(folder: Path, tmp_path: Path) -> None:
    real = tmp_path / "elsewhere"
    real.mkdir()
    folder.parent.mkdir()
    folder.symlink_to(real, target_is_directory=True)
    saved = await library(folder).save(TASK, CLIP)
    assert saved.file == folder / NAME
    assert names(real) == [NAME]


async def test_what_is_in_front_of_the_audio_is_not_saved(folder: Path) -> None:
    audio = recordings.aac()
    saved = await library(folder, bytes(417) + audio).save(TASK, CLIP)
    assert saved.file.read_bytes() == audio
    assert saved.duration_s == pytest.approx(1, abs=0.1)


# What its host may have in a moment --------------------------------------------------------


class Host:
    """Downloads that end in turn as told; the last end repeats. Remembers when it was asked."""

    def __init__(self, clock: Clock, *ends: bytes | Exception) -> None:
        self._clock = clock
        self._ends = ends
        self.asked_s: list[float] = []

    async def __call__(self, url: str, sink: Callable[[bytes], None], *, cap_bytes: int) -> None:
        end = self._ends[min(len(self.asked_s), len(self._ends) - 1)]
        self.asked_s.append(self._clock.monotonic())
        await anyio.lowlevel.checkpoint()
        if isinstance(end, Exception):
            sink(b"half of it")
            raise end
        sink(end)


LATER = NotYetError("The audio's host said HTTP 403.")


async def tried(folder: Path, *ends: bytes | Exception) -> tuple[Host, Saved | str]:
    """Save a clip whose host ends in turn as told; returns what came of it."""
    clock = ManualClock()
    host = Host(clock, *ends)
    library = Library(folder, host, cap_bytes=CAP, clock=clock)
    try:
        return host, await clock.result(library.save(TASK, CLIP))
    except LibraryError as error:
        return host, str(error)


@pytest.mark.parametrize(
    "first",
    [
        LATER,
        NotYetError("The connection to the audio's host failed or broke."),
        b"",
        PAGE,
        b'{"status": "processing"}',
        b"Not ready.",
        recordings.wav()[:500],
    ],
    ids=["refused", "broke", "nothing", "page", "JSON", "text", "cut off"],
)
async def test_what_its_host_has_two_seconds_later_is_saved(
    folder: Path, first: bytes | Exception
) -> None:
    host, saved = await tried(folder, first, SONG)
    assert isinstance(saved, Saved), saved
    assert saved.file.read_bytes().endswith(SONG)
    assert host.asked_s == pytest.approx([0, 2], abs=0.1)
    assert names(folder) == [NAME]


async def test_a_save_tries_for_twenty_seconds_and_no_longer(folder: Path) -> None:
    host, said = await tried(folder, LATER)
    assert host.asked_s == pytest.approx([0, 2, 5, 10, 18], abs=0.1)
    assert said == "The audio's host said HTTP 403. It was tried 5 times."
    assert names(folder) == []


@pytest.mark.parametrize(
    ("asked_to_wait_s", "next_s"), [(8.0, 8), (0.0, 1), (0.4, 1), (1.5, 1.5), (20.0, 20)]
)
async def test_the_pause_that_a_host_asks_for_is_kept(
    folder: Path, asked_to_wait_s: float, next_s: float
) -> None:
    host, saved = await tried(folder, NotYetError("Busy.", asked_to_wait_s), SONG)
    assert isinstance(saved, Saved), saved
    assert host.asked_s == pytest.approx([0, next_s], abs=0.1)


async def test_a_host_that_asks_for_a_longer_pause_is_left_for_later(folder: Path) -> None:
    host, said = await tried(folder, NotYetError("It asks to wait 60 s.", 60.0), SONG)
    assert (said, len(host.asked_s)) == ("It asks to wait 60 s. It was tried once.", 1)


@pytest.mark.parametrize(
    "content",
    [b"#EXTM3U\n", recordings.PNG, recordings.m4a(handler=b"vide"), LibraryError("Too large.")],
    ids=["list", "picture", "video", "refused"],
)
async def test_what_will_not_become_audio_is_not_tried_again(
    folder: Path, content: bytes | Exception
) -> None:
    host, said = await tried(folder, content, SONG)
    assert isinstance(said, str)
    assert len(host.asked_s) == 1


async def test_a_song_waits_for_its_picture_for_twenty_seconds_and_no_longer(folder: Path) -> None:
    clock = ManualClock()

    async def fetch(url: str, sink: Callable[[bytes], None], **_: int) -> None:
        sink(SONG if url == AUDIO else recordings.PNG)
        if url == COVER:
            await anyio.sleep_forever()

    catalog = Library(folder, fetch, cap_bytes=CAP, clock=clock)
    saved = await clock.result(catalog.save(TASK, COVERED))
    assert (saved.cover, clock.monotonic()) == (None, 20)
    assert names(folder) == [NAME]


async def test_many_songs_at_once_take_the_memory_of_two(folder: Path) -> None:
    content = recordings.wav(20)
    catalog = library(folder, content)
    tracemalloc.start()
    try:
        async with anyio.create_task_group() as group:
            for number in range(12):
                group.start_soon(catalog.save, TASK, replace(CLIP, clip_id=f"c{number}"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(names(folder)) == 12
    assert peak < 6 * len(content)


# Once, and never over another --------------------------------------------------------------


async def test_a_clip_saved_twice_is_one_file_downloaded_once(folder: Path) -> None:
    web = Web({AUDIO: SONG})
    first = await Library(folder, web, cap_bytes=CAP).save(TASK, CLIP)
    assert await Library(folder, web, cap_bytes=CAP).save(TASK, CLIP) == first
    assert web.asked == [AUDIO]


async def test_a_clip_whose_title_changed_is_still_the_same_file(folder: Path) -> None:
    first = await library(folder).save(TASK, CLIP)
    renamed = replace(CLIP, title="Quay", audio_url="")
    assert await library(folder).save(TASK, renamed) == first


async def test_a_clip_that_knows_its_file_keeps_it_wherever_it_is(
    folder: Path, tmp_path: Path
) -> None:
    first = await library(folder).save(TASK, CLIP)
    moved = first.file.rename(tmp_path / "mine.mp3")
    again = await library(folder).save(TASK, replace(CLIP, file=moved))
    assert again == replace(first, file=moved)
    assert names(folder) == []


async def test_a_clip_whose_file_is_gone_is_saved_anew(folder: Path) -> None:
    first = await library(folder).save(TASK, CLIP)
    first.file.unlink()
    assert await library(folder).save(TASK, replace(CLIP, file=first.file)) == first


async def test_an_untagged_clip_saved_twice_is_one_file(folder: Path) -> None:
    catalog = library(folder, recordings.wav())
    assert await catalog.save(TASK, CLIP) == await catalog.save(TASK, CLIP)
    assert len(names(folder)) == 1


async def test_two_clips_with_one_title_are_two_files(folder: Path) -> None:
    catalog = library(folder)
    first = await catalog.save(TASK, CLIP)
    second = await catalog.save(TASK, replace(CLIP, clip_id="c2"))
    assert first.file != second.file
    assert len(names(folder)) == 2


async def test_another_clip_of_the_same_name_and_short_id_is_not_overwritten(folder: Path) -> None:
    other = tags.Tags("Theirs", "udio", "song-mcp", "", "", KEY[:8] + "x" * 44)
    theirs = tags.tagged(recordings.mp3(1, 880), formats.MP3, other) or b""
    folder.mkdir(parents=True)
    (folder / NAME).write_bytes(theirs)
    first = await library(folder).save(TASK, CLIP)
    assert first.file.name == LONGER
    assert (folder / NAME).read_bytes() == theirs
    assert await library(folder).save(TASK, CLIP) == first


@pytest.mark.parametrize("content", [b"", b"my notes", recordings.mp3(1, 880)])
async def test_a_foreign_file_of_the_same_name_is_not_overwritten(
    folder: Path, content: bytes
) -> None:
    folder.mkdir(parents=True)
    (folder / NAME).write_bytes(content)
    saved = await library(folder).save(TASK, CLIP)
    assert saved.file.name == LONGER
    assert (folder / NAME).read_bytes() == content


async def test_a_symlink_planted_at_the_name_is_neither_followed_nor_replaced(
    folder: Path, tmp_path: Path
) -> None:
    victim = tmp_path / "victim.mp3"
    victim.write_bytes(SONG)
    folder.mkdir(parents=True)
    (folder / NAME).symlink_to(victim)
    (folder / LONGER).symlink_to(tmp_path / "nowhere")
    saved = await library(folder).save(TASK, CLIP)
    assert len(saved.file.stem) > len(LONGER)
    assert victim.read_bytes() == SONG
    assert not (tmp_path / "nowhere").exists()
    assert (folder / NAME).is_symlink()


@pytest.mark.parametrize("swapped", ["song-mcp", "Music"])
async def test_a_symlink_swapped_in_during_the_download_leads_nothing_astray(
    folder: Path, tmp_path: Path, swapped: str
) -> None:
    """The song goes into the folder of its hidden file; the later cover is not saved."""
    victim, aside = tmp_path / "victim", tmp_path / "aside"
    (victim / "song-mcp").mkdir(parents=True)
    path = folder if swapped == folder.name else folder.parent

    async def fetch(url: str, sink: Callable[[bytes], None], **_: int) -> None:
        sink(SONG if url == AUDIO else recordings.PNG)
        if url == AUDIO:
            path.rename(aside)
            path.symlink_to(victim)

    await Library(folder, fetch, cap_bytes=CAP).save(TASK, COVERED)
    assert [each for each in victim.rglob("*") if each.is_file()] == []
    assert [each.name for each in aside.rglob("*.*")] == [NAME]


async def test_a_hidden_file_that_was_exchanged_gets_no_final_name(
    folder: Path, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"not yours")

    async def fetch(url: str, sink: Callable[[bytes], None], **_: int) -> None:
        sink(SONG)
        (hidden,) = folder.iterdir()
        hidden.unlink()
        hidden.symlink_to(victim)

    assert "replaced" in await refusal(Library(folder, fetch, cap_bytes=CAP))
    assert names(folder) == []
    assert victim.read_bytes() == b"not yours"


async def test_folders_and_pipes_at_the_name_are_left_alone(folder: Path) -> None:
    (folder / NAME).mkdir(parents=True)
    os.mkfifo(folder / LONGER)
    with anyio.fail_after(HANGS_S):
        saved = await library(folder).save(TASK, CLIP)
    assert stat.S_ISREG(saved.file.stat().st_mode)


async def test_a_clip_for_which_every_name_is_taken_is_refused(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in file_names(TASK, CLIP, ".mp3"):
        (folder / name).write_bytes(b"taken")
    before = names(folder)
    assert "Every name" in await refusal(library(folder))
    assert names(folder) == before


async def test_racing_saves_of_one_clip_leave_one_file(folder: Path) -> None:
    shelves = [library(folder, cover=recordings.PNG) for _ in range(8)]
    saved: list[Saved] = []

    async def save(catalog: Library) -> None:
        saved.append(await catalog.save(TASK, COVERED))

    async with anyio.create_task_group() as group:
        for catalog in shelves:
            group.start_soon(save, catalog)
    assert {one.file for one in saved} == {folder / NAME}
    assert names(folder) == sorted([NAME, NAME.replace(".mp3", ".png")])


async def test_racing_saves_of_different_clips_lose_none(folder: Path) -> None:
    clips = [replace(CLIP, clip_id=f"c{number}") for number in range(8)]
    async with anyio.create_task_group() as group:
        for clip in clips:
            group.start_soon(library(folder).save, TASK, clip)
    assert len(names(folder)) == 8


@pytest.mark.parametrize("is_taken", [False, True])
async def test_a_file_system_without_hard_links_gets_whole_files_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, is_taken: bool
) -> None:
    """The system's call is replaced, as not every machine has such a file system."""

    def no_links(*args: object, **options: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    if is_taken:
        folder.mkdir(parents=True)
        (folder / NAME).write_bytes(b"taken")
    saved = await library(folder, cover=recordings.PNG).save(TASK, COVERED)
    assert saved.file.name == (LONGER if is_taken else NAME)
    assert saved.file.read_bytes().endswith(SONG)
    assert len(names(folder)) == 2 + is_taken
    assert await library(folder).save(TASK, CLIP) == saved


async def test_a_name_that_was_reserved_in_vain_is_given_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **options: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "link", broken)
    monkeypatch.setattr(os, "replace", broken)
    assert "cannot be used" in await refusal(library(folder))
    assert names(folder) == []


# Where files cannot be named relative to an open folder -------------------------------------


@pytest.fixture
def _windows(monkeypatch: pytest.MonkeyPatch) -> None:
    as_on_windows(monkeypatch)


@pytest.mark.usefixtures("_windows")
async def test_whole_files_are_saved_by_their_paths_too(folder: Path) -> None:
    saved = await library(folder, cover=recordings.PNG).save(TASK, COVERED)
    assert saved.file == folder / NAME
    assert names(folder) == sorted([NAME, NAME.replace(".mp3", ".png")])
    assert await library(folder).save(TASK, CLIP) == saved
    assert (await library(folder).read(replace(CLIP, file=saved.file))).endswith(SONG)


@pytest.mark.usefixtures("_windows")
async def test_by_paths_no_foreign_file_is_overwritten_either(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    folder.mkdir(parents=True)
    (folder / NAME).symlink_to(tmp_path / "nowhere")
    (folder / LONGER).write_bytes(b"mine")
    monkeypatch.setattr(os, "link", no_links)
    saved = await library(folder).save(TASK, CLIP)
    assert len(saved.file.name) > len(LONGER)
    assert (folder / LONGER).read_bytes() == b"mine"
    assert not (tmp_path / "nowhere").exists()
    assert len(names(folder)) == 3


@pytest.mark.usefixtures("_windows")
async def test_a_new_file_that_another_program_looks_into_is_placed_and_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[BinaryIO] = []

    async def fetch(url: str, sink: Callable[[bytes], None], **_: int) -> None:
        sink(SONG)
        (hidden,) = folder.iterdir()
        held.append(hidden.open("rb"))

    monkeypatch.setattr("time.sleep", lambda _: held[0].close())
    saved = await Library(folder, fetch, cap_bytes=CAP).save(TASK, CLIP)
    assert saved.file.read_bytes().endswith(SONG)
    assert names(folder) == [NAME]


@pytest.mark.usefixtures("_windows")
async def test_a_song_that_a_player_plays_is_found_and_read(folder: Path) -> None:
    saved = await library(folder).save(TASK, CLIP)
    with saved.file.open("rb"):
        assert await library(folder).save(TASK, CLIP) == saved
        assert await library(folder).read(replace(CLIP, file=saved.file))
    assert names(folder) == [NAME]


@pytest.mark.usefixtures("_windows")
@pytest.mark.parametrize("is_link", [False, True])
async def test_by_paths_what_is_no_folder_is_explained_too(
    folder: Path, tmp_path: Path, *, is_link: bool
) -> None:
    catalog = library(folder)
    folder.parent.mkdir()
    if is_link:
        folder.symlink_to(tmp_path, target_is_directory=True)
    else:
        folder.write_bytes(b"not a folder")
    assert "is no folder" in await refusal(catalog)


@pytest.mark.usefixtures("_windows")
async def test_by_paths_partial_files_of_killed_processes_go_after_a_day_too(folder: Path) -> None:
    folder.mkdir(parents=True)
    old = folder / ".partial-old"
    old.write_bytes(b"half")
    os.utime(old, (1_000_000, 1_000_000))
    await library(folder).save(TASK, CLIP)
    assert names(folder) == [NAME]


@pytest.mark.usefixtures("_windows")
@pytest.mark.parametrize("room", [40, 31])
async def test_in_a_long_folder_the_title_is_cut_and_the_song_with_all_beside_it_fits(
    tmp_path: Path, room: int
) -> None:
    folder = tmp_path / ("x" * (259 - room - len(str(tmp_path)) - 1))
    saved = await library(folder, cover=recordings.PNG).save(TASK, COVERED)
    assert saved.file.stem.endswith(KEY[:8])
    assert saved.cover is not None
    assert all(len(str(path)) <= 259 for path in folder.iterdir())
    assert await library(folder).save(TASK, CLIP) == saved


@pytest.mark.usefixtures("_windows")
async def test_a_folder_that_leaves_no_room_for_a_name_is_explained(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * (250 - len(str(tmp_path)) - 1))
    assert "has too long a path" in await refusal(library(folder))


async def test_a_name_that_this_system_finds_too_long_is_explained(tmp_path: Path) -> None:
    assert "has too long a path" in await refusal(library(tmp_path / ("x" * 300)))


# Failing -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (PAGE, "web page"),
        (b'{"detail": "gone"}', "message of the host"),
        (b"", "empty"),
        (recordings.wav()[:5000], "cut off"),
        (recordings.m4a(codec=b"enca"), "encrypted"),
    ],
)
async def test_what_is_no_audio_is_refused_whatever_its_type_says(
    folder: Path, content: bytes, said: str
) -> None:
    text = await refusal(library(folder, content))
    assert said in text
    assert "The clip keeps its link" in text
    assert names(folder) == []


async def test_a_download_over_the_cap_is_refused(folder: Path) -> None:
    """With the real download, which enforces the cap."""
    answers = httpx.MockTransport(lambda _: httpx.Response(200, content=SONG))
    fetch = partial(download, deadline_s=60, transport=answers)
    catalog = Library(folder, fetch, cap_bytes=len(SONG) - 1)
    assert f"more than the {len(SONG) - 1} bytes" in await refusal(catalog)
    assert names(folder) == []
    catalog = Library(folder, fetch, cap_bytes=len(SONG))
    assert (await catalog.save(TASK, CLIP)).file.name == NAME


@pytest.mark.parametrize("error", [LibraryError("It broke."), ZeroDivisionError("a bug")])
async def test_a_download_that_breaks_leaves_nothing(folder: Path, error: Exception) -> None:
    with pytest.raises(type(error), match=str(error)):
        await Library(folder, Web({AUDIO: SONG}, error), cap_bytes=CAP).save(TASK, CLIP)
    assert names(folder) == []


async def test_a_clip_without_a_link_is_not_looked_for(folder: Path) -> None:
    web = Web({})
    assert "no link" in await refusal(
        Library(folder, web, cap_bytes=CAP), replace(CLIP, audio_url="")
    )
    assert web.asked == []
    assert not folder.exists()


class Slow:
    """A download that stops half-way and waits for ever."""

    def __init__(self) -> None:
        self.is_waiting = anyio.Event()

    async def __call__(self, url: str, sink: Callable[[bytes], None], **_: int) -> None:
        sink(SONG[:1000])
        self.is_waiting.set()
        await anyio.sleep_forever()


async def test_a_download_under_way_has_a_hidden_name_and_cancelling_removes_it(
    folder: Path,
) -> None:
    slow = Slow()
    with anyio.fail_after(HANGS_S):
        async with anyio.create_task_group() as group:
            group.start_soon(Library(folder, slow, cap_bytes=CAP).save, TASK, CLIP)
            await slow.is_waiting.wait()
            (hidden,) = names(folder)
            group.cancel_scope.cancel()
    assert hidden.startswith(".partial-")
    assert names(folder) == []


async def test_a_task_cancelled_by_the_event_loop_itself_leaves_nothing(folder: Path) -> None:
    slow = Slow()
    with anyio.fail_after(HANGS_S):
        task = asyncio.ensure_future(Library(folder, slow, cap_bytes=CAP).save(TASK, CLIP))
        await slow.is_waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert names(folder) == []


async def test_cancelling_at_any_moment_leaves_a_whole_file_or_nothing(folder: Path) -> None:
    """Every way of cancelling, after each number of steps of the event loop that a save takes."""
    for steps in range(0, 400, 8):
        for way in (cancel_scope, cancel_task, cancel_task_twice):
            await way(library(folder, recordings.mp3(0.5)), steps)
            left = names(folder) if folder.exists() else []
            assert left in ([], [NAME])
            if left:
                assert (await library(folder).save(TASK, CLIP)).duration_s == pytest.approx(
                    0.5, abs=0.1
                )
                (folder / NAME).unlink()


async def cancel_scope(catalog: Library, steps: int) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(catalog.save, TASK, CLIP)
        for _ in range(steps):
            await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()


async def cancel_task(catalog: Library, steps: int) -> None:
    task = asyncio.ensure_future(catalog.save(TASK, CLIP))
    for _ in range(steps):
        await anyio.lowlevel.checkpoint()
    task.cancel()
    await asyncio.wait([task])


async def cancel_task_twice(catalog: Library, steps: int) -> None:
    task = asyncio.ensure_future(catalog.save(TASK, CLIP))
    for _ in range(steps):
        await anyio.lowlevel.checkpoint()
    task.cancel()
    await anyio.lowlevel.checkpoint()
    task.cancel()
    await asyncio.wait([task])


def test_a_step_that_comes_after_its_file_was_discarded_does_nothing(folder: Path) -> None:
    """Such a step is left in its thread if the event loop itself cancelled the save."""
    file = AtomicFile(folder)
    file.discard()
    file.open()
    assert not folder.exists()
    with pytest.raises(LibraryError, match="cancelled"):
        file.write(SONG)


async def test_partial_files_of_killed_processes_go_after_a_day(folder: Path) -> None:
    folder.mkdir(parents=True)
    old, new, mine = folder / ".partial-old", folder / ".partial-new", folder / "old notes"
    for path in (old, new, mine):
        path.write_bytes(b"half")
    for path in (old, mine):
        os.utime(path, (1_000_000, 1_000_000))
    await library(folder).save(TASK, CLIP)
    assert names(folder) == sorted([new.name, mine.name, NAME])


# Folders that cannot be used ---------------------------------------------------------------


async def test_a_file_in_the_place_of_the_folder_is_explained(folder: Path) -> None:
    folder.parent.mkdir()
    folder.write_bytes(b"not a folder")
    text = await refusal(library(folder))
    assert "is no folder. Choose another; get_task then saves the clip." in text
    assert "The clip keeps its link" in text
    assert folder.read_bytes() == b"not a folder"


async def test_a_folder_below_a_file_is_explained(folder: Path) -> None:
    folder.parent.write_bytes(b"not a folder")
    assert "is no folder" in await refusal(library(folder))


async def test_a_dangling_symlink_as_the_folder_is_explained(folder: Path, tmp_path: Path) -> None:
    folder.parent.mkdir()
    folder.symlink_to(tmp_path / "nowhere")
    assert "is no folder" in await refusal(library(folder))


async def test_a_folder_that_may_not_be_written_is_explained(folder: Path) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o500)
    if os.access(folder, os.W_OK):
        pytest.skip("who runs this may write anywhere")
    assert "cannot be written" in await refusal(library(folder))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
async def test_a_full_disk_is_explained(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that is always full stands in for the disk; the system's call opens it."""
    opened = os.open

    def open_full(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if ".partial-" in str(path):
            return opened("/dev/full", os.O_RDWR)
        return opened(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", open_full)
    text = await refusal(library(folder))
    assert "no room left" in text
    assert "Free some space" in text
    assert names(folder) == []


async def test_audio_that_has_room_only_without_its_tags_is_saved_without(folder: Path) -> None:
    """The system's limit on the length of a file stands in for a disk that is nearly full."""
    cover = recordings.PNG + bytes(100_000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(SONG) + 1000, limits[1]))
    try:
        saved = await library(folder, cover=cover).save(TASK, COVERED)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert saved.file.read_bytes() == SONG
    assert saved.cover is None
    assert names(folder) == [NAME]


async def test_a_folder_that_goes_during_the_download_is_explained(folder: Path) -> None:
    async def fetch(url: str, sink: Callable[[bytes], None], **_: int) -> None:
        sink(SONG)
        (hidden,) = folder.iterdir()
        hidden.unlink()
        folder.rmdir()

    assert "is gone" in await refusal(Library(folder, fetch, cap_bytes=CAP))


# Covers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cover", "extension", "is_embedded"),
    [
        (recordings.PNG, ".png", True),
        (recordings.JPEG, ".jpg", True),
        (recordings.WEBP, ".webp", False),
    ],
)
async def test_a_cover_is_saved_beside_the_song_and_inside_it(
    folder: Path, cover: bytes, extension: str, *, is_embedded: bool
) -> None:
    saved = await library(folder, cover=cover).save(TASK, COVERED)
    assert saved.cover == saved.file.with_suffix(extension)
    assert saved.cover.read_bytes() == cover
    assert (cover in saved.file.read_bytes()) == is_embedded
    assert await library(folder).save(TASK, COVERED) == saved


@pytest.mark.parametrize(
    "cover",
    [None, b"", PAGE, b"<svg/>", recordings.PNG + bytes(5 * 2**20), png(4097, 4097)],
    ids=["missing", "empty", "page", "svg", "too large", "too many pixels"],
)
async def test_a_cover_that_fails_is_left_out(folder: Path, cover: bytes | None) -> None:
    saved = await library(folder, cover=cover).save(TASK, COVERED)
    assert saved.cover is None
    assert names(folder) == [NAME]
    assert not cover or cover not in saved.file.read_bytes()


async def test_a_cover_of_too_many_pixels_that_is_kept_already_is_not_passed_on(
    folder: Path,
) -> None:
    folder.mkdir(parents=True)
    cover = folder / "Quay.png"
    cover.write_bytes(png(20_000, 20_000))
    assert await library(folder).cover(replace(CLIP, cover=cover)) is None
    cover.write_bytes(png(4096, 4096))
    assert await library(folder).cover(replace(CLIP, cover=cover)) is not None


async def test_a_cover_replaces_no_file_and_follows_no_symlink(
    folder: Path, tmp_path: Path
) -> None:
    folder.mkdir(parents=True)
    beside = folder / NAME.replace(".mp3", ".png")
    beside.symlink_to(tmp_path / "nowhere")
    saved = await library(folder, cover=recordings.PNG).save(TASK, COVERED)
    assert saved.cover is None
    assert beside.is_symlink()
    assert not (tmp_path / "nowhere").exists()


# Reading -----------------------------------------------------------------------------------


async def test_reading_gives_the_bytes_of_the_file(folder: Path) -> None:
    catalog = library(folder)
    saved = await catalog.save(TASK, CLIP)
    assert await catalog.read(replace(CLIP, file=saved.file)) == saved.file.read_bytes()


async def test_a_clip_that_was_never_saved_says_why(folder: Path) -> None:
    with pytest.raises(LibraryError, match=r"is not in the library\. It broke\.$"):
        await library(folder).read(replace(CLIP, save_error="It broke."))


@pytest.mark.parametrize("other", [None, b"notes", Path("target"), "folder"])
async def test_a_file_that_is_gone_or_replaced_is_not_read(
    folder: Path, other: bytes | Path | str | None
) -> None:
    folder.mkdir(parents=True)
    file = folder / NAME
    if isinstance(other, bytes):
        file.write_bytes(other)
    elif isinstance(other, Path):
        (folder / other).write_bytes(SONG)
        file.symlink_to(folder / other)
    elif other:
        file.mkdir()
    with pytest.raises(LibraryError, match=f"'{NAME}' of clip c1 is gone"):
        await library(folder).read(replace(CLIP, file=file))
