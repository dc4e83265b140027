"""The tags that players show, and how long a file plays."""

import sys
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutagen import flac, id3, mp4

from song_mcp.library import formats
from song_mcp.library import tags as tagging
from song_mcp.songs import Clip, Task
from tests import children, recordings

TASK = Task("l1", "piapi", "udio", "song", "completed", datetime(2026, 11, 22, tzinfo=UTC))
CLIP = Clip("c1", "completed", title="Harbour Lights", lyrics="Öl und Salz\n海の歌")
FILES = {
    formats.MP3: recordings.mp3(),
    formats.FLAC: recordings.flac(),
    formats.M4A: recordings.m4a(),
}
TAGGED = pytest.mark.parametrize("kind", FILES, ids=lambda kind: kind.extension)


def read_tags(content: bytes, kind: formats.Format) -> list[Any]:
    """Title, artist, album, lyrics, comment, cover as mutagen reads them back."""
    file = BytesIO(content)
    if kind == formats.MP3:
        frames: Any = id3.ID3(file)  # type: ignore[no-untyped-call] # mutagen has no types
        keys = ["TIT2", "TPE1", "TALB", "USLT::XXX", "COMM::XXX"]
        return [*(str(frames[key]) for key in keys), frames["APIC:"].data]
    if kind == formats.FLAC:
        comments: Any = flac.FLAC(file)  # type: ignore[no-untyped-call] # mutagen has no types
        keys = ["TITLE", "ARTIST", "ALBUM", "LYRICS", "COMMENT"]
        return [*(comments[key][0] for key in keys), comments.pictures[0].data]
    atoms: Any = mp4.MP4(file)  # type: ignore[no-untyped-call] # mutagen has no types
    keys = ["\xa9nam", "\xa9ART", "\xa9alb", "\xa9lyr", "\xa9cmt", "covr"]
    return [atoms[key][0] for key in keys]


@TAGGED
@pytest.mark.parametrize("cover", [recordings.PNG, recordings.JPEG], ids=["png", "jpeg"])
def test_tags_and_cover_are_read_back_as_written(kind: formats.Format, cover: bytes) -> None:
    tags = tagging.Tags("Quay", "udio", "song-mcp", "Öl\n海の歌", "slow waltz", "k" * 52, cover)
    content = tagging.tagged(FILES[kind], kind, tags)
    assert content is not None
    expected = ["Quay", "udio", "song-mcp", "Öl\n海の歌", "slow waltz", cover]
    assert read_tags(content, kind) == expected
    assert tagging.clip_key(BytesIO(content), kind) == "k" * 52


@TAGGED
def test_tagging_again_replaces_the_tags_and_keeps_the_sound(kind: formats.Format) -> None:
    tags = tagging.Tags("Old", "udio", "a", "x", "y", "k", recordings.PNG)
    once = tagging.tagged(FILES[kind], kind, tags)
    assert once is not None
    again = tagging.tagged(once, kind, replace(tags, title="New", cover=recordings.JPEG))
    assert again is not None
    assert read_tags(again, kind)[0] == "New"
    assert read_tags(again, kind)[-1] == recordings.JPEG
    assert again.endswith(FILES[kind][-100:])


@TAGGED
def test_without_lyrics_comment_or_a_known_cover_those_tags_are_left_out(
    kind: formats.Format,
) -> None:
    tags = tagging.Tags("Quay", "udio", "song-mcp", "", "", "k", recordings.WEBP)
    content = tagging.tagged(FILES[kind], kind, tags)
    assert content is not None
    assert tagging.clip_key(BytesIO(content), kind) == "k"
    assert recordings.WEBP not in content


def test_what_an_mp3_brought_in_its_id3_tag_is_left_behind() -> None:
    theirs = id3.ID3()  # type: ignore[no-untyped-call] # mutagen has no types
    file = BytesIO(FILES[formats.MP3])
    theirs.save(file, padding=lambda info: 5000)
    tags = tagging.Tags("Quay", "udio", "song-mcp", "", "", "k")
    content = tagging.tagged(file.getvalue(), formats.MP3, tags)
    assert content == tagging.tagged(FILES[formats.MP3], formats.MP3, tags)


@pytest.mark.parametrize("kind", [formats.WAV, formats.OPUS, formats.VORBIS])
def test_wav_and_ogg_stay_untagged(kind: formats.Format) -> None:
    tags = tagging.Tags("Quay", "udio", "song-mcp", "", "", "k")
    assert tagging.tagged(recordings.wav(0.1), kind, tags) is None
    assert tagging.clip_key(BytesIO(recordings.wav(0.1)), kind) == ""


@TAGGED
def test_audio_that_cannot_be_tagged_gives_no_new_bytes(kind: formats.Format) -> None:
    tags = tagging.Tags("Quay", "udio", "song-mcp", "", "", "k")
    assert tagging.tagged(b"nothing of the kind" * 40, kind, tags) is None
    assert tagging.clip_key(BytesIO(b"nothing of the kind" * 40), kind) == ""


@given(st.data())
def test_damaged_audio_brings_neither_tagging_nor_measuring_down(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(list(FILES)))
    content = bytearray(FILES[kind])
    for _ in range(data.draw(st.integers(1, 12))):
        content[data.draw(st.integers(0, min(len(content), 700) - 1))] = data.draw(
            st.integers(0, 255)
        )
    tags = tagging.Tags("Quay", "udio", "song-mcp", "la", "waltz", "k", recordings.PNG)
    tagged = tagging.tagged(bytes(content), kind, tags)
    assert tagged is None or formats.recognise(BytesIO(tagged)) == kind
    tagging.measured_s(BytesIO(content), kind)
    tagging.clip_key(BytesIO(content), kind)


def test_the_tags_of_a_clip_hold_its_words_and_the_request() -> None:
    request = {
        "model": "udio",
        "description": "slow waltz",
        "lyrics": "Lamps",
        "negative_tags": "drums",
        "seed": -1,
        "source": {"clip_id": "c0", "task_id": "t0"},
        "continue_at_s": 0.0,
    }
    task = replace(TASK, title="Quay", description="slow waltz", request=request)
    tags = tagging.Tags.of(task, replace(CLIP, title="", lyrics=""), recordings.PNG)
    assert (tags.title, tags.artist, tags.album) == ("Quay", "udio", "song-mcp")
    assert tags.lyrics == "Lamps"
    assert tags.comment.splitlines() == [
        "slow waltz",
        "negative_tags: drums",
        "source: c0",
        "continue_at_s: 0.0",
    ]
    assert tags.cover == recordings.PNG


def test_the_tags_of_a_clip_made_elsewhere_need_no_request() -> None:
    tags = tagging.Tags.of(TASK, CLIP)
    assert (tags.title, tags.lyrics, tags.comment) == ("Harbour Lights", CLIP.lyrics, "")
    assert tagging.Tags.of(replace(TASK, request={"source": "c0", "seed": 7}), CLIP).comment == (
        "source: c0\nseed: 7"
    )


# Durations ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (recordings.mp3(2.5), formats.MP3),
        (recordings.wav(2.5), formats.WAV),
        (recordings.flac(2.5), formats.FLAC),
        (recordings.opus(2.5), formats.OPUS),
        (recordings.vorbis(2.5), formats.VORBIS),
        (recordings.m4a(2.5), formats.M4A),
    ],
    ids=["mp3", "wav", "flac", "opus", "vorbis", "m4a"],
)
def test_the_duration_is_measured_within_a_tenth_of_a_second(
    content: bytes, kind: formats.Format
) -> None:
    assert tagging.measured_s(BytesIO(content), kind) == pytest.approx(2.5, abs=0.1)


def test_a_streamed_wav_is_as_long_as_its_bytes_play() -> None:
    content = bytearray(recordings.wav(2))
    content[40:44] = b"\xff\xff\xff\xff"
    assert tagging.measured_s(BytesIO(content), formats.WAV) == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("kind", formats.AUDIO, ids=lambda kind: kind.extension)
def test_what_cannot_be_measured_has_no_duration(kind: formats.Format) -> None:
    assert tagging.measured_s(BytesIO(b"nothing of the kind" * 40), kind) is None


def test_audio_of_no_length_has_no_duration() -> None:
    assert tagging.measured_s(BytesIO(recordings.flac(0)), formats.FLAC) is None


def test_mutagen_is_not_imported_before_it_is_needed() -> None:
    code = "import sys, song_mcp.library; sys.exit('mutagen' in sys.modules)"
    children.run([sys.executable, "-c", code])
