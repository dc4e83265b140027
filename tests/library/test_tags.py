"""What a saved clip is called: its file name, and the tags that players show."""

import re
import subprocess
import sys
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mutagen import flac, id3, mp4

from song_mcp.library import formats
from song_mcp.library import tags as tagging
from song_mcp.songs import Clip, Task
from tests import recordings

TASK = Task("l1", "piapi", "udio", "song", "completed", datetime(2026, 11, 22, tzinfo=UTC))
CLIP = Clip("c1", "completed", title="Harbour Lights", lyrics="Öl und Salz\n海の歌")
RESERVED = {"CON", "PRN", "AUX", "NUL"} | {
    f"{port}{n}" for port in ("COM", "LPT") for n in range(10)
}
HONEST = {
    "Latin": "Mañana på Ærø",
    "Vietnamese": "Tiếng hát giữa rừng",
    "Greek": "Το φως της αυγής",
    "Cyrillic": "Песня о море",
    "Armenian": "Լույսի երգը",
    "Hebrew": "שִׁיר הַשַּׁחַר",
    "Arabic": "أُغنِيَةُ البَحر",
    "Devanagari": "क्षितिज की ओर",
    "Bengali": "ভোরের আলো",
    "Gurmukhi": "ਚੰਨ ਦੀ ਰਾਤ",
    "Gujarati": "દરિયાનું ગીત",
    "Tamil": "கடல் பாடல்",
    "Telugu": "సముద్ర గీతం",
    "Kannada": "ಕಡಲ ಹಾಡು",
    "Malayalam": "കടലിന്റെ പാട്ട്",
    "Sinhala": "මුහුදේ ගීතය",
    "Thai": "เพลงแห่งทะเล",
    "Lao": "ເພງທະເລ",
    "Tibetan": "རྒྱ མཚོའི གླུ",
    "Myanmar": "ပင်လယ် သီချင်း",
    "Khmer": "ចម្រៀង សមុទ្រ",
    "Georgian": "ზღვის სიმღერა",
    "Ethiopic": "የባሕር ዘፈን",
    "Hangul": "바다의 노래",
    "Kana": "うみのうた",
    "Han": "海边的歌",
    "Cherokee": "ᎠᎹ ᏗᎧᏃᎩᏍᏗ",
    "Mongolian": "ᠳᠠᠯᠠᠢ ᠶᠢᠨ ᠳᠠᠭᠤᠤ",
}
HOSTILE_PARTS = st.one_of(
    st.sampled_from("/\\.-: \t\r\n\0*?\"<>|~$%&'`"),
    st.sampled_from(
        ["..", "--", "$HOME", "%2e%2e%2f", "CON", "nul", "COM1", "lpt9", "C:", "file://"]
    ),
    st.sampled_from("\u202e\u200f\u2066\u200b\u200d\ufeff\u2028\ud800\udfff\ufdd0\U000e0041\x1b"),
    st.sampled_from("\ufe0f\u0301\u20dd\u115f\u3164\u0f0b\u17b4\u2126\u212b𝔞ﬃé한"),
    st.sampled_from(
        ["e\u0301", "\u1112\u1161", "\u0338" * 40, "1\ufe0f\u20e3", "x" * 70, "ṩ" * 50]
    ),
    st.sampled_from(
        ["🎵", "👨\u200d👩\u200d👧", "🇩🇰", "שלום", "مرحبا", "क्षि", "\x1b[31m", "\u2067אב\u2069"]
    ),
    st.text(max_size=8),
)
HOSTILE_TITLES = st.lists(HOSTILE_PARTS, max_size=30).map("".join)


def names(title: str, clip_id: str = "c1", task: Task = TASK) -> list[str]:
    clip = replace(CLIP, title=title, clip_id=clip_id)
    return list(tagging.file_names(task, clip, ".mp3"))


# Names -------------------------------------------------------------------------------------


@settings(max_examples=500)
@given(HOSTILE_TITLES)
@example("../../etc/passwd")
@example("CON")
@example("." * 300)
@example("\u0301\u0301abc")
@example("a" + "\u0301" * 500)
@example("-" * 80 + "rf")
def test_no_title_makes_a_dangerous_file_name(title: str) -> None:
    name = names(title)[0]
    stem = name.removesuffix(".mp3")
    words, _, short_id = stem.rpartition(" ")
    assert re.fullmatch("[a-z2-7]{8}", short_id)
    assert len(words) <= 60
    assert len(words.encode()) <= 120
    assert unicodedata.is_normalized("NFC", words)
    assert words == words.strip(" -.")
    assert not re.search("  |[ -]-|- ", words)
    assert {unicodedata.category(char)[0] for char in words} <= {"L", "M", "N", "Z", "P"}
    assert set(re.findall(r"[^\w]", words)) <= {" ", "-"} | set(filter(is_mark, words))
    assert name.split(".")[0].upper() not in RESERVED
    assert name.count(".") == 1
    assert not any(is_mark(word[0]) for word in words.split())


def is_mark(char: str) -> bool:
    return unicodedata.category(char)[0] == "M"


@given(HOSTILE_TITLES)
def test_a_name_is_never_cut_between_a_letter_and_its_marks(title: str) -> None:
    stem = tagging.file_stem(title)
    whole = tagging.file_stem(title[: len(title) // 2])
    assert tagging.file_stem(stem) == stem
    assert tagging.file_stem(whole) == whole


def test_a_long_title_keeps_whole_letters_to_its_end() -> None:
    letter = "ṩ\u0324"
    stem = tagging.file_stem(letter * 50)
    assert stem == unicodedata.normalize("NFC", letter) * (len(stem) // 2)
    assert 110 <= len(stem.encode()) <= 120


@pytest.mark.parametrize("script", HONEST)
def test_an_honest_title_keeps_its_letters_in_every_script(script: str) -> None:
    title = HONEST[script]
    expected = "".join(char for char in title if unicodedata.category(char)[0] in "LMNZ")
    assert tagging.file_stem(title) == unicodedata.normalize("NFC", expected)


@pytest.mark.parametrize(
    ("title", "stem"),
    [
        ("Rock-n-Roll (Live)", "Rock-n-Roll Live"),
        ("Don't Stop", "Dont Stop"),
        ("Love\u2014Live \u2013 Again", "Love-Live Again"),
        ("  a / b \\ c  ", "a b c"),
        ("no.1 hit...", "no 1 hit"),
        ("snake_case", "snake case"),
        ("--rf", "rf"),
        ("می\u200cخواهم", "میخواهم"),
        ("🔥🔥", ""),
        ("", ""),
    ],
)
def test_signs_become_single_spaces_and_joining_dashes_stay(title: str, stem: str) -> None:
    assert tagging.file_stem(title) == stem


def test_a_clip_without_a_title_is_named_after_its_task_or_model() -> None:
    assert names("", task=replace(TASK, title="Quay"))[0].startswith("Quay ")
    assert names("🔥")[0].startswith("udio ")
    assert names("", task=replace(TASK, model="suno-v4.5"))[0].startswith("suno-v4 5 ")
    assert names("", task=replace(TASK, model="?"))[0].startswith("song ")


def test_a_name_that_is_taken_grows_by_more_of_the_same_id() -> None:
    first, *others = names("Quay")
    assert [len(name) for name in (first, *others)] == [17 + more for more in (0, 8, 24, 44)]
    assert all(name.startswith(first.removesuffix(".mp3")) for name in others)


def test_clips_of_different_ids_or_services_have_different_names() -> None:
    other = replace(TASK, service="gptge")
    assert len({names("Quay")[0], names("Quay", "c2")[0], names("Quay", task=other)[0]}) == 3


def test_only_an_audio_file_that_ends_with_the_id_is_named_for_the_clip() -> None:
    key = tagging.key_of(TASK, CLIP)
    short = key[:8]
    assert tagging.is_named_for(Path(f"Any title {short}.flac"), key)
    for name in (f"Quay {short}.jpg", f"Quay {short[:7]}.mp3", f"Quay {short}x.mp3", "Quay .mp3"):
        assert not tagging.is_named_for(Path(name), key)


# Tags --------------------------------------------------------------------------------------

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
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
