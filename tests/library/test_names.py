"""What a saved clip's file is called."""

import re
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from song_mcp.library.names import (
    file_names,
    file_stem,
    is_named_for,
    key_of,
    units_of,
)
from song_mcp.songs import Clip, Task

TASK = Task("l1", "piapi", "udio", "song", "completed", datetime(2026, 11, 22, tzinfo=UTC))
CLIP = Clip("c1", "completed", title="Harbour Lights")
RESERVED = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} | {
    f"{port}{n}" for port in ("COM", "LPT") for n in "0123456789\u00b9\u00b2\u00b3"
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
    return list(file_names(task, clip, ".mp3"))


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
    stem = file_stem(title)
    whole = file_stem(title[: len(title) // 2])
    assert file_stem(stem) == stem
    assert file_stem(whole) == whole


def test_a_long_title_keeps_whole_letters_to_its_end() -> None:
    letter = "ṩ\u0324"
    stem = file_stem(letter * 50)
    assert stem == unicodedata.normalize("NFC", letter) * (len(stem) // 2)
    assert 110 <= len(stem.encode()) <= 120


@pytest.mark.parametrize("script", HONEST)
def test_an_honest_title_keeps_its_letters_in_every_script(script: str) -> None:
    title = HONEST[script]
    expected = "".join(char for char in title if unicodedata.category(char)[0] in "LMNZ")
    assert file_stem(title) == unicodedata.normalize("NFC", expected)


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
    assert file_stem(title) == stem


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
    key = key_of(TASK, CLIP)
    short = key[:8]
    assert is_named_for(Path(f"Any title {short}.flac"), key)
    for name in (f"Quay {short}.jpg", f"Quay {short[:7]}.mp3", f"Quay {short}x.mp3", "Quay .mp3"):
        assert not is_named_for(Path(name), key)


def test_a_song_without_a_title_is_called_by_what_was_asked_for() -> None:
    wish = "slow waltz, upright piano, brushed drums and a clarinet"
    task = replace(TASK, description=wish)
    assert next(file_names(task, Clip("c1"), ".mp3")).startswith(
        "slow waltz upright piano brushed drums "
    )
    source = {"source": {"clip_id": "c0", "title": "Trams at Noon"}}
    cover = replace(task, kind="cover", request=source)
    assert next(file_names(cover, Clip("c1"), ".mp3")).startswith("Trams at Noon cover ")
    assert next(file_names(cover, Clip("c1", title="Ferry"), ".mp3")).startswith("Ferry ")


# Paths that may not be long ---------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(RESERVED))
@pytest.mark.parametrize("form", ["{}", "{}.mp3", "{} .txt", "{}.", "{}:", " {} ", "{}.tar.gz"])
def test_no_title_makes_a_name_that_stands_for_a_device(name: str, form: str) -> None:
    for longest in (None, 60, 20, 14):
        clip = replace(CLIP, title=form.format(name))
        for made in file_names(TASK, clip, ".mp3", longest=longest):
            stem = made.partition(".")[0].rstrip(" ").upper()
            assert stem not in RESERVED
            assert made == made.strip(" .")


@given(HOSTILE_TITLES, st.integers(0, 200))
@example("CON", 17)
@example("\U0001d51e" * 60, 100)
def test_a_name_fits_whatever_room_there_is_and_keeps_its_id(title: str, longest: int) -> None:
    clip, key = replace(CLIP, title=title), key_of(TASK, CLIP)
    made = list(file_names(TASK, clip, ".mp3", longest=longest))
    for name, length in zip(made, (8, 16, 32, 52), strict=False):
        for beside in (name, name.replace(".mp3", ".webp")):
            assert units_of(beside) <= longest
        assert name.removesuffix(".mp3").endswith(key[:length])
        assert is_named_for(Path(name), key)
    assert len(made) == sum(longest >= length + 5 for length in (8, 16, 32, 52))
    if longest == 200:
        assert made == list(file_names(TASK, clip, ".mp3"))


def test_a_title_is_cut_before_its_id_is() -> None:
    key = key_of(TASK, CLIP)
    room = len("Harbour ") + 8 + 5
    assert list(file_names(TASK, CLIP, ".mp3", longest=room)) == [
        f"Harbour {key[:8]}.mp3",
        f"{key[:16]}.mp3",
    ]


def test_titles_equal_but_for_case_or_their_marks_form_are_different_files() -> None:
    """On macOS and Windows, `a.mp3` is `A.mp3`, and `\u00e9` may be stored as two characters."""
    first, second = names("Quay", "c1")[0], names("QUAY", "C1")[0]
    assert first.casefold() != second.casefold()
    composed, apart = names("Caf\u00e9")[0], names("Cafe\u0301")[0]
    assert composed == apart
    assert is_named_for(Path(unicodedata.normalize("NFD", composed)), key_of(TASK, CLIP))
