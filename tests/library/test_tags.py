"""The tags that players show, and how long a file plays."""

import struct
import sys
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutagen import aiff, flac, id3, mp4

from song_mcp.library import formats
from song_mcp.library import tags as tagging
from song_mcp.library.keys import MP4_KEY, clip_key
from song_mcp.library.lengths import measured_s
from song_mcp.rights import rights_in
from song_mcp.songs import Clip, Task
from tests import children, recordings
from tests.faults import crafted_files
from tests.recordings import box

TASK = Task("l1", "piapi", "udio", "song", "completed", datetime(2026, 11, 22, tzinfo=UTC))
CLIP = Clip("c1", "completed", title="Harbour Lights", lyrics="Öl und Salz\n海の歌")
FILES = {
    formats.MP3: recordings.mp3(),
    formats.FLAC: recordings.flac(),
    formats.M4A: recordings.m4a(),
    formats.AIFF: recordings.aiff(),
}
ORIGIN = [
    "service: PiAPI",
    "model: udio",
    "date: 2026-11-22",
    f"rights: {rights_in('piapi', 'udio').line}",
]
"""What the comment says of where `CLIP` is from."""
TAGGED = pytest.mark.parametrize("kind", FILES, ids=lambda kind: kind.extension)


def read_tags(content: bytes, kind: formats.Format) -> list[Any]:
    """Title, artist, album, lyrics, comment, date, cover as mutagen reads them back."""
    file = BytesIO(content)
    if kind == formats.MP3:
        frames: Any = id3.ID3(file)  # type: ignore[no-untyped-call] # mutagen has no types
        keys = ["TIT2", "TPE1", "TALB", "USLT::XXX", "COMM::XXX", "TDRC"]
        return [*(str(frames[key]) for key in keys), frames["APIC:"].data]
    if kind == formats.AIFF:
        chunk: Any = aiff.AIFF(file).tags  # type: ignore[no-untyped-call] # mutagen has no types
        keys = ["TIT2", "TPE1", "TALB", "USLT::XXX", "COMM::XXX", "TDRC"]
        return [*(str(chunk[key]) for key in keys), chunk["APIC:"].data]
    if kind == formats.FLAC:
        comments: Any = flac.FLAC(file)  # type: ignore[no-untyped-call] # mutagen has no types
        keys = ["TITLE", "ARTIST", "ALBUM", "LYRICS", "COMMENT", "DATE"]
        return [*(comments[key][0] for key in keys), comments.pictures[0].data]
    atoms: Any = mp4.MP4(file)  # type: ignore[no-untyped-call] # mutagen has no types
    keys = ["\xa9nam", "\xa9ART", "\xa9alb", "\xa9lyr", "\xa9cmt", "\xa9day", "covr"]
    return [atoms[key][0] for key in keys]


@TAGGED
@pytest.mark.parametrize("cover", [recordings.PNG, recordings.JPEG], ids=["png", "jpeg"])
def test_tags_and_cover_are_read_back_as_written(kind: formats.Format, cover: bytes) -> None:
    tags = tagging.Tags(
        "Quay", "udio", "song-mcp", "Öl\n海の歌", "slow waltz", "k" * 52, cover, "2026-11-22"
    )
    content = tagging.tagged(FILES[kind], kind, tags)
    assert content is not None
    expected = ["Quay", "udio", "song-mcp", "Öl\n海の歌", "slow waltz", "2026-11-22", cover]
    assert read_tags(content, kind) == expected
    assert clip_key(BytesIO(content), kind) == "k" * 52


@TAGGED
def test_a_file_says_what_made_it_of_which_words_when_and_what_is_known_of_its_rights(
    kind: formats.Format,
) -> None:
    task = replace(TASK, description="slow waltz", request={"seed": 7})
    tags = tagging.Tags.of(task, CLIP, recordings.PNG)
    content = tagging.tagged(FILES[kind], kind, tags)
    assert content is not None
    *_, comment, day, _ = read_tags(content, kind)
    assert comment.splitlines() == ["slow waltz", "seed: 7", *ORIGIN]
    assert day == "2026-11-22"


def test_a_long_request_leaves_room_for_where_the_song_is_from() -> None:
    tags = tagging.Tags.of(replace(TASK, description="la " * 20_000), CLIP)
    assert tags.comment.splitlines()[-len(ORIGIN) :] == ORIGIN
    assert len(tags.comment) <= 20_000


def test_the_model_that_the_service_says_made_a_clip_is_told_beside_the_one_asked_for() -> None:
    tags = tagging.Tags.of(TASK, replace(CLIP, made_with="chirp-hawk\nrights: all"))
    assert "made_with: chirp-hawk rights: all" in tags.comment.splitlines()


@TAGGED
def test_tagging_again_replaces_the_tags_and_keeps_the_sound(kind: formats.Format) -> None:
    tags = tagging.Tags("Old", "udio", "a", "x", "y", "k", recordings.PNG, "2026-11-22")
    once = tagging.tagged(FILES[kind], kind, tags)
    assert once is not None
    again = tagging.tagged(once, kind, replace(tags, title="New", cover=recordings.JPEG))
    assert again is not None
    assert read_tags(again, kind)[0] == "New"
    assert read_tags(again, kind)[-1] == recordings.JPEG
    assert FILES[kind][-100:] in again
    assert len(again) < len(FILES[kind]) + 3000


@TAGGED
def test_without_lyrics_comment_or_a_known_cover_those_tags_are_left_out(
    kind: formats.Format,
) -> None:
    tags = tagging.Tags("Quay", "udio", "song-mcp", "", "", "k", recordings.WEBP)
    content = tagging.tagged(FILES[kind], kind, tags)
    assert content is not None
    assert clip_key(BytesIO(content), kind) == "k"
    assert recordings.WEBP not in content


def test_what_a_flac_file_brought_is_left_behind() -> None:
    tags = tagging.Tags("Quay", "udio", "song-mcp", "", "", "k")
    comments = crafted_files.block(4, crafted_files.comments(b"A=1", 5))
    theirs = crafted_files.flac(comments, crafted_files.flac_picture(9))
    assert tagging.tagged(theirs, formats.FLAC, tags) == tagging.tagged(
        crafted_files.flac(), formats.FLAC, tags
    )


def test_what_an_m4a_file_brought_becomes_free_space_and_the_sound_keeps_its_place() -> None:
    theirs = box(b"\xa9wrt", box(b"data", bytes(8), b"somebody"))
    places = struct.pack(">III", 0, 1, 0)
    track = crafted_files.table_in_track(b"stco", places)
    content = crafted_files.m4a(crafted_files.ilst(theirs), track=track) + b"\0\0\0\x09free!"
    sound = content.index(b"mdat") + 4
    content = content.replace(b"stco" + places, b"stco" + struct.pack(">III", 0, 1, sound))
    tags = tagging.Tags("Quay", "udio", "song-mcp", "", "", "k", recordings.PNG)
    tagged = tagging.tagged(content, formats.M4A, tags)
    assert tagged is not None
    (place,) = struct.unpack(">I", tagged[tagged.index(b"stco") + 12 :][:4])
    assert place == tagged.index(b"mdat") + 4 > sound
    atoms: Any = mp4.MP4(BytesIO(tagged))  # type: ignore[no-untyped-call] # mutagen has no types
    assert set(atoms) == {"\xa9nam", "\xa9ART", "\xa9alb", "covr", MP4_KEY}


@pytest.mark.parametrize(
    "content",
    [
        crafted_files.m4a(crafted_files.EMPTY * 10_000),
        crafted_files.m4a() + crafted_files.EMPTY * 10_000,
        crafted_files.m4a(track=crafted_files.table_in_track(b"stsz", bytes(2**20))),
        crafted_files.LIARS["M4A with boxes in boxes"](),
        crafted_files.m4a(b"\0\0\0\7free"),
        crafted_files.m4a(b"\0\0\0\x0ffree"),
        crafted_files.m4a() + struct.pack(">I4sQ", 1, b"moof", 16),
        crafted_files.LIARS["M4A with a film of 0 bytes"](),
    ],
    ids=["boxes", "top", "tables", "deep", "short", "long", "wide", "endless"],
)
def test_an_m4a_file_that_is_too_much_for_a_tagger_is_not_tagged(content: bytes) -> None:
    assert formats.recognise(BytesIO(content)) == formats.M4A
    tags = tagging.Tags("Quay", "udio", "song-mcp", "", "", "k")
    assert tagging.tagged(content, formats.M4A, tags) is None


@pytest.mark.parametrize(("flags", "is_tagged"), [(0x39, False), (0x02_00_38, True)])
def test_sound_in_fragments_keeps_its_place_or_is_not_tagged(flags: int, is_tagged: bool) -> None:  # noqa: FBT001 - a case
    head = struct.pack(">IIQ", flags, 1, 800)
    fragment = box(b"moof", box(b"traf", box(b"tfhd", head)))
    content = crafted_files.m4a() + (fragment + crafted_files.MDAT) * 2
    tags = tagging.Tags("Quay", "udio", "song-mcp", "", "", "k")
    tagged = tagging.tagged(content, formats.M4A, tags)
    assert (tagged is not None) == is_tagged


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
    assert clip_key(BytesIO(recordings.wav(0.1)), kind) == ""


@TAGGED
def test_audio_that_cannot_be_tagged_gives_no_new_bytes(kind: formats.Format) -> None:
    tags = tagging.Tags("Quay", "udio", "song-mcp", "", "", "k")
    assert tagging.tagged(b"nothing of the kind" * 40, kind, tags) is None
    assert clip_key(BytesIO(b"nothing of the kind" * 40), kind) == ""


@TAGGED
@pytest.mark.parametrize("key", ["", "k" * 64])
def test_a_key_is_read_back_among_long_words_and_a_large_cover(
    kind: formats.Format, key: str
) -> None:
    words, cover = "la " * 20_000, recordings.PNG + bytes(2**20)
    tags = tagging.Tags("Quay", "udio", "song-mcp", words, words, key, cover)
    content = tagging.tagged(FILES[kind], kind, tags)
    assert content is not None
    assert clip_key(BytesIO(content), kind) == key


@TAGGED
def test_a_key_that_is_not_ours_is_none(kind: formats.Format) -> None:
    tags = tagging.Tags("Quay", "udio", "song-mcp", "", "", "k" * 52)
    content = tagging.tagged(FILES[kind], kind, tags)
    assert content is not None
    for ours, other in ((b"song-mcp", b"song-mcq"), (b"SONG_MCP", b"SONG_MCQ"), (b"kk", b"k\xff")):
        spoiled = content.replace(ours, other)
        is_marked = ours == b"SONG_MCP" if kind == formats.FLAC else ours == b"song-mcp"
        expected = "" if is_marked or ours == b"kk" else "k" * 52
        assert clip_key(BytesIO(spoiled), kind) == expected
    for size in range(0, len(content), 50):
        assert ("k" * 52).startswith(clip_key(BytesIO(content[:size]), kind))


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
    measured_s(BytesIO(content), kind)
    clip_key(BytesIO(content), kind)


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
        *ORIGIN,
    ]
    assert tags.cover == recordings.PNG


def test_the_tags_of_a_clip_made_elsewhere_need_no_request() -> None:
    tags = tagging.Tags.of(TASK, CLIP)
    assert (tags.title, tags.lyrics) == ("Harbour Lights", CLIP.lyrics)
    assert tags.comment.splitlines() == ORIGIN
    asked = tagging.Tags.of(replace(TASK, request={"source": "c0", "seed": 7}), CLIP)
    assert asked.comment.splitlines() == ["source: c0", "seed: 7", *ORIGIN]


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
    assert measured_s(BytesIO(content), kind) == pytest.approx(2.5, abs=0.1)


def test_a_streamed_wav_is_as_long_as_its_bytes_play() -> None:
    content = bytearray(recordings.wav(2))
    content[40:44] = b"\xff\xff\xff\xff"
    assert measured_s(BytesIO(content), formats.WAV) == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("kind", formats.AUDIO, ids=lambda kind: kind.extension)
def test_what_cannot_be_measured_has_no_duration(kind: formats.Format) -> None:
    assert measured_s(BytesIO(b"nothing of the kind" * 40), kind) is None


def in_ogg(content: bytes, granule: int) -> bytes:
    """The same stream, with another count of samples on its last page."""
    place = content.rindex(b"OggS") + 6
    return content[:place] + struct.pack("<q", granule) + content[place + 8 :]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (crafted_files.flac(info=crafted_files.stream_info(2**36 - 1, 1)), formats.FLAC),
        (crafted_files.flac(info=crafted_files.stream_info(2**36 - 1)), formats.FLAC),
        (crafted_files.LIARS["M4A of 2^36 seconds"](), formats.M4A),
        (crafted_files.LIARS["M4A of 2^63 seconds"](), formats.M4A),
        (in_ogg(recordings.opus(), 48_000 * 2**36), formats.OPUS),
        (in_ogg(recordings.vorbis(), 44_100 * 2**36), formats.VORBIS),
        (in_ogg(recordings.vorbis(), -1), formats.VORBIS),
        (crafted_files.xing(2**24, 1000), formats.MP3),
        (crafted_files.LIARS["WAV at 1 byte a second"](), formats.WAV),
    ],
    ids=["slow", "flac", "m4a", "wide", "opus", "vorbis", "no end", "mp3", "wav"],
)
def test_a_length_that_cannot_be_is_not_believed(content: bytes, kind: formats.Format) -> None:
    assert formats.recognise(BytesIO(content)) == kind
    assert measured_s(BytesIO(content), kind) is None


@pytest.mark.parametrize(("seconds", "is_believed"), [(3600, True), (3601, False)])
def test_an_hour_is_the_longest_length_that_is_believed(seconds: int, *, is_believed: bool) -> None:
    content = recordings.flac(seconds)
    assert measured_s(BytesIO(content), formats.FLAC) == (seconds if is_believed else None)


def test_a_length_is_believed_if_the_file_has_bytes_for_it() -> None:
    content = recordings.flac(600)
    assert measured_s(BytesIO(content), formats.FLAC) == 600
    assert measured_s(BytesIO(content[:299_999]), formats.FLAC) is None


def test_the_last_page_of_the_stream_that_counts_samples_tells_the_length() -> None:
    more = recordings.ogg_page(b"no packet ends here", 9, -1)
    other = recordings.ogg_page(b"another stream", 0, 480_000).replace(b"\1\0\0\0", b"\2\0\0\0")
    content = recordings.opus(2) + more + other
    assert measured_s(BytesIO(content), formats.OPUS) == pytest.approx(2, abs=0.1)


def test_a_long_film_header_tells_the_length_too() -> None:
    content = crafted_files.LIARS["M4A of 0 steps a second"]()
    assert measured_s(BytesIO(content), formats.M4A) is None
    times = struct.pack(">IQ", 1, 1000)
    content = content.replace(struct.pack(">IQ", 0, 1000), times) + bytes(500_000)
    assert measured_s(BytesIO(content), formats.M4A) == 1000


def test_audio_of_no_length_has_no_duration() -> None:
    assert measured_s(BytesIO(recordings.flac(0)), formats.FLAC) is None


def test_mutagen_is_not_imported_before_it_is_needed() -> None:
    code = "import sys, song_mcp.library; sys.exit('mutagen' in sys.modules)"
    children.run([sys.executable, "-c", code])
