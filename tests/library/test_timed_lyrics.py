"""Timed lyrics beside the file of a clip, for programs that show the line that is sung."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from mutagen.id3 import ID3

from song_mcp.errors import LibraryError
from song_mcp.library.names import key_of
from song_mcp.library.store import Library
from song_mcp.songs import Clip, Task
from tests import recordings

TIMED = "[00:01.00]Trams at noon\n[00:01.50] Ring, ring"
TASK = Task(
    "l1",
    "piapi",
    "diffrhythm",
    "song",
    "completed",
    datetime(2026, 11, 22, tzinfo=UTC),
    request={"lyrics": "Trams at noon\nRing, ring"},
)
CLIP = Clip(
    "c1", "completed", title="Trams [live]", audio_url="https://cdn.example/1.mp3", lyrics=TIMED
)
STEM = f"Trams live {key_of(TASK, CLIP)[:8]}"
WRITTEN = "[ti:Trams (live)]\n[length:00:02]\n[00:01.00]Trams at noon\n[00:01.50]Ring, ring\n"


async def fetched(url: str, sink: Callable[[bytes], None], *, cap_bytes: int) -> None:
    """The same song behind every link."""
    assert url
    assert cap_bytes
    sink(recordings.mp3(2))


def library(folder: Path, fetch: Any = fetched) -> Library:  # noqa: ANN401 - a function
    return Library(folder, fetch, cap_bytes=2**20)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_timed_lyrics_are_a_file_beside_the_song_with_its_title_and_length(
    tmp_path: Path,
) -> None:
    saved = await library(tmp_path).save(TASK, CLIP)
    assert saved.file == tmp_path / f"{STEM}.mp3"
    assert names(tmp_path) == [f"{STEM}.lrc", f"{STEM}.mp3"]
    assert (tmp_path / f"{STEM}.lrc").read_text(encoding="utf-8") == WRITTEN


async def test_the_tag_for_lyrics_has_no_times(tmp_path: Path) -> None:
    saved = await library(tmp_path).save(TASK, CLIP)
    words = ID3(saved.file)["USLT::XXX"].text  # type: ignore[no-untyped-call] # no types
    assert words == "Trams at noon\nRing, ring"


@pytest.mark.parametrize(
    "request_", [{"lyrics": TIMED}, {"lyrics": "Trams at noon\nRing, ring", "timed_lyrics": TIMED}]
)
async def test_what_was_sent_is_taken_where_the_service_tells_no_times(
    tmp_path: Path, request_: dict[str, str]
) -> None:
    saved = await library(tmp_path).save(replace(TASK, request=request_), replace(CLIP, lyrics=""))
    assert "[00:" not in str(ID3(saved.file)["COMM::XXX"])  # type: ignore[no-untyped-call] # no types
    assert (tmp_path / f"{STEM}.lrc").read_text(encoding="utf-8") == WRITTEN


@pytest.mark.parametrize(
    ("task", "clip"),
    [
        (TASK, replace(CLIP, lyrics="Trams at noon")),
        (TASK, replace(CLIP, lyrics="")),
        (replace(TASK, model="another model"), CLIP),
        (replace(TASK, model="udio"), CLIP),
        (replace(TASK, service="gptge", model="suno-v6"), CLIP),
    ],
    ids=["plain", "none", "unknown model", "udio", "suno"],
)
async def test_other_lyrics_make_no_file(tmp_path: Path, task: Task, clip: Clip) -> None:
    saved = await library(tmp_path).save(task, clip)
    assert names(tmp_path) == [saved.file.name]


async def test_a_file_of_that_name_is_the_users_and_stays(tmp_path: Path) -> None:
    mine = tmp_path / f"{STEM}.lrc"
    mine.write_text("mine", encoding="utf-8")
    saved = await library(tmp_path).save(TASK, CLIP)
    assert mine.read_text(encoding="utf-8") == "mine"
    assert names(tmp_path) == [f"{STEM}.lrc", saved.file.name]


async def test_a_link_of_that_name_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "library"
    folder.mkdir()
    (folder / f"{STEM}.lrc").symlink_to(tmp_path / "nowhere")
    await library(folder).save(TASK, CLIP)
    assert not (tmp_path / "nowhere").exists()
    assert (folder / f"{STEM}.lrc").is_symlink()


async def test_a_song_that_was_saved_without_them_gets_them_when_it_is_saved_again(
    tmp_path: Path,
) -> None:
    """As if the process was killed between the two files."""
    first = await library(tmp_path).save(TASK, replace(CLIP, lyrics=""))

    async def nothing(*_: object, **__: object) -> None:
        raise LibraryError("Nothing is fetched twice.")

    again = await library(tmp_path, nothing).save(TASK, CLIP)
    assert again.file == first.file
    assert (tmp_path / f"{STEM}.lrc").read_text(encoding="utf-8") == WRITTEN


async def test_two_shelves_that_save_the_same_clip_leave_one_file_of_each(tmp_path: Path) -> None:
    for _ in range(2):
        await library(tmp_path).save(TASK, CLIP)
    assert names(tmp_path) == [f"{STEM}.lrc", f"{STEM}.mp3"]


async def test_a_title_without_letters_and_hostile_words_stay_in_their_lines(
    tmp_path: Path,
) -> None:
    words = "[00:01.00]a\u2028[00:02.00]b\x85[00:02.50]c\n[00:03.00]/a\n[ti:x]\n[00:00.50]\x1b[31m"
    clip = replace(CLIP, title="]\n[00:00.00]", lyrics=words)
    saved = await library(tmp_path).save(TASK, clip)
    written = saved.file.with_suffix(".lrc").read_text(encoding="utf-8").splitlines()
    assert written[0] == "[ti:) (00:00.00)]"
    assert "\x1b" not in "".join(written)
    assert sum(line.startswith("[ti:") for line in written) == 1
    assert saved.file.parent == tmp_path
