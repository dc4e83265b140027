import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from song_mcp import lrc

SONG = """[Verse 1]
Trams at noon, and the wheels sing along
Ring, ring

[Chorus]
Ring, ring
"""
WORDS = st.text(st.sampled_from("ab é歌. [x]:1\n\r\u2028"), max_size=200)
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=200) | WORDS
HOSTILE = st.text(st.sampled_from("[]:.<>0123\n aé\ufeff\u0661"), max_size=300)
LENGTHS = st.floats(0, 600)


def test_plain_lyrics_are_spread_over_the_length_in_their_order() -> None:
    assert lrc.spread(SONG, 60) == (
        "[00:05.00]Trams at noon, and the wheels sing along\n"
        "[00:29.00]Ring, ring\n"
        "[00:46.00]Ring, ring"
    )


def test_a_section_is_a_pause_and_no_line() -> None:
    spread = lrc.lines(lrc.spread("ring\nring\n[Chorus]\nring", 60))
    first, second, third = (at for at, _ in spread)
    assert third - second > second - first


def test_lyrics_behind_a_section_on_the_same_line_are_sung() -> None:
    assert lrc.spread("[Verse] [soft] Trams at noon (ring) [ooh]", 95).endswith(
        "]Trams at noon (ring) [ooh]"
    )


@pytest.mark.parametrize("lyrics", ["", "[inst]", "[Verse]\n\n[[Chorus]]", "\n \n"])
def test_where_nothing_is_sung_there_are_no_lines(lyrics: str) -> None:
    assert lrc.spread(lyrics, 60) == ""


def test_characters_that_are_syllables_take_longer_than_letters() -> None:
    _, (latin, _) = lrc.lines(lrc.spread("tram noon\nring", 60))
    _, (chinese, _) = lrc.lines(lrc.spread("中午的电车叮叮当\nring", 60))
    assert chinese > latin


def test_stamps_that_do_not_reach_over_the_whole_are_not_used_when_lines_are_spread() -> None:
    assert lrc.spread("[00:01.00]one\n[00:02.00]two", 60) == lrc.spread("one\ntwo", 60)


@given(ANY_TEXT | HOSTILE, LENGTHS)
def test_every_stamp_is_within_the_song_and_none_is_before_the_last(
    lyrics: str, seconds: float
) -> None:
    times = [at for at, _ in lrc.lines(lrc.spread(lyrics, seconds))]
    assert times == sorted(times)
    assert all(0 <= at <= seconds for at in times)


@given(WORDS, LENGTHS)
def test_what_was_spread_is_timed_and_has_the_same_words(lyrics: str, seconds: float) -> None:
    timed = lrc.spread(lyrics, seconds)
    words = [text for _, text in lrc.lines(timed)]
    assert len(words) == len(timed.splitlines())
    assert lrc.is_timed(timed) == bool(words)
    assert all(text and "[x]" not in text[:3] for text in words)
    assert lrc.plain(timed) == "\n".join(words)
    again = lrc.spread(lrc.plain(timed), seconds)
    assert [text for _, text in lrc.lines(again)] == words


@given(ANY_TEXT | HOSTILE)
def test_no_text_makes_the_reader_fail(text: str) -> None:
    read = lrc.lines(text)
    assert len(read) <= lrc.MOST_LINES
    assert [at for at, _ in read] == sorted(at for at, _ in read)
    assert all("\n" not in words for _, words in read)
    assert isinstance(lrc.plain(text), str)
    assert bool(read) or not lrc.is_timed(text)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("[00:10.00] Trams at noon", [(10.0, "Trams at noon")]),
        ("[0:10]a\r\n[01:02.5]b", [(10.0, "a"), (62.5, "b")]),
        ("[00:01.250]thousandths", [(1.25, "thousandths")]),
        ("[00:01:25]colon", [(1.25, "colon")]),
        ("[00:09.00][00:03.00]twice\n[00:06.00]once", [(3, "twice"), (6, "once"), (9, "twice")]),
        ("\ufeff[ar:Somebody]\n[offset:+500]\n[00:01.00]a", [(1.0, "a")]),
        ("[00:01.00]<00:01.00>word <00:02.00>by word", [(1.0, "word by word")]),
        ("[00:01.00]a\nno stamp\n[00:02.00]", [(1.0, "a"), (2.0, "")]),
        ("[Verse]\nTrams at noon", []),
        ("[٠٠:٠١]other digits", []),
        ("[00:75.00]no such second\n[100:00.00]no such minute", []),
    ],
)
def test_timed_lines_are_read_as_people_write_them(
    text: str, read: list[tuple[float, str]]
) -> None:
    assert list(lrc.lines(text)) == read


@pytest.mark.parametrize(
    ("text", "is_timed"),
    [
        ("[00:10.00] Trams at noon\n[00:16.50] Ring, ring", True),
        ("[ti:Trams]\n[Verse]\n[00:10.00]Trams at noon", True),
        ("[00:10.00]\n", True),
        (SONG, False),
        ("Trams at noon\nThe clock says [12:30]", False),
        ("[12:30] on the clock\nTrams at noon\nRing, ring", False),
        ("[00:10.00] Trams at noon\nRing, ring", False),
        ("", False),
    ],
)
def test_timed_lyrics_are_told_from_plain_ones(text: str, is_timed: bool) -> None:  # noqa: FBT001 - a case
    assert lrc.is_timed(text) == is_timed


def test_plain_lyrics_stay_as_they_are_and_timed_ones_lose_their_stamps() -> None:
    assert lrc.plain(SONG) == SONG
    assert lrc.plain("[ti:Trams]\n[00:10.00] Trams\n[00:12.00]\n[00:16.50] Ring") == "Trams\n\nRing"


@pytest.mark.parametrize(
    "text",
    [
        *("[" * 10**6, "[]" * 10**6, "[0:1" * 10**6, "[0:1]" * 10**6, "<0:1>" * 10**6),
        "[0:1]" * 4_000 + "la " * 10_000,
    ],
)
def test_a_large_text_costs_little(text: str) -> None:
    read = lrc.lines(text)
    assert len(read) <= lrc.MOST_LINES
    assert sum(len(words) for _, words in read) <= lrc.LONGEST_TEXT
    assert len(lrc.document(text)) <= 2 * lrc.LONGEST_TEXT
    assert len(lrc.spread(text, 60)) <= lrc.LONGEST_TEXT + 20
    assert not lrc.spread(text * 0, 60)


@pytest.mark.parametrize(
    ("text", "tidied"),
    [
        ("[00:10.00] Trams\n[00:16.50]Ring", "[00:10.00] Trams\n[00:16.50]Ring"),
        ("[0:10] Trams\n[Chorus]\n[00:16.5]Ring", "[00:10.00]Trams\n[00:16.50]Ring"),
        ("[ti:x]\n[00:16.50][00:10.00]Ring", "[00:10.00]Ring\n[00:16.50]Ring"),
        ("[00:10.00]<00:10.00>Trams\n\n", "[00:10.00]Trams"),
    ],
)
def test_timed_lyrics_are_sent_in_one_exact_form(text: str, tidied: str) -> None:
    assert lrc.tidy(text) == tidied


@given(ANY_TEXT | HOSTILE)
def test_tidied_lyrics_read_as_before_and_each_line_has_one_exact_stamp(text: str) -> None:
    tidied = lrc.tidy(text)
    assert [words for _, words in lrc.lines(tidied)] == [words for _, words in lrc.lines(text)]
    assert all(re.match(r"\[\d\d:\d\d\.\d\d\]", line) for line in tidied.splitlines())


# The file -----------------------------------------------------------------------------------


def test_a_file_has_the_title_the_length_and_each_line() -> None:
    timed = "[ar:x]\n[00:16.5] Ring, ring\n[00:10.00]Trams at noon\n[Verse]"
    assert lrc.document(timed, title="Trams [live]\n", length_s=95.07) == (
        "[ti:Trams (live)]\n[length:01:35]\n[00:10.00]Trams at noon\n[00:16.50]Ring, ring\n"
    )


@given(ANY_TEXT | HOSTILE, ANY_TEXT)
def test_a_file_reads_as_the_text_that_it_was_made_of(text: str, title: str) -> None:
    written = lrc.document(text, title=title)
    hundredths = [(int(at * 100 + 1e-6), words) for at, words in lrc.lines(text)]
    again = [(round(at * 100), words) for at, words in lrc.lines(written)]
    if not any("<" in words or words.startswith("[") for _, words in hundredths):
        assert sorted(again) == sorted(hundredths)
