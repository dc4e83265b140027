from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from song_mcp.text import clean, plain, plain_link, quoted

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)
ODD_TEXT = st.text(
    'ab ب\u200c\u200d\u202e\u0000\u001b[31m]\ud800\ufe0f\u115f👩💻\n\r\u2028"', max_size=30
)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("plain words", "plain words"),
        ("a\ud800b", "ab"),
        ("pay\u202eload", "payload"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("bell\x07\x00", "bell"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;window title\x07shown", "shown"),
        ("tag\U000e0041\U000e0042", "tag"),
        ("non\ufdd0char\uffff\U0001fffe", "nonchar"),
        ("blank\u3164filler\u17b4", "blankfiller"),
        ("one\r\ntwo\u2028three\x85four", "one\ntwo\nthree\nfour"),
        ("  outside  ", "outside"),
        ("\tinside\tkept", "inside\tkept"),
    ],
)
def test_what_hides_reorders_or_breaks_is_taken_out(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@pytest.mark.parametrize(
    "text",
    [
        "می\u200cخواهم",
        "क्\u200dष",
        "👩\u200d💻",
        "🏳\ufe0f\u200d🌈",
        "❤\ufe0f",
        "🙂\u200d↔\ufe0f",
        "\u0600١٢",
        "naïve café",
        "当前分组上游负载已饱和",
    ],
)
def test_scripts_and_emoji_keep_what_they_need(text: str) -> None:
    assert clean(text) == text


def test_what_can_be_typed_in_english_stays_as_it_is() -> None:
    typed = " ".join(map(chr, range(0x21, 0x7F)))
    assert clean(typed) == typed
    assert clean(f" {typed} ", lines=False) == typed
    assert clean(typed, limit=9) == '! " # $…'


@pytest.mark.parametrize("joiner", ["\u200c", "\u200d"])
def test_a_joiner_between_letters_that_need_none_is_taken_out(joiner: str) -> None:
    assert clean(f"ig{joiner}nore {joiner}this{joiner}") == "ignore this"


def test_a_run_of_variation_selectors_is_cut_to_one() -> None:
    assert clean("❤\ufe0f\ufe00\ufe0e\ufe05!") == "❤\ufe0f!"


def test_on_one_line_every_break_and_tab_is_a_single_space() -> None:
    assert clean("one\r\n\r\ntwo\t three\u2029four", lines=False) == "one two three four"


@pytest.mark.parametrize("space", ["\u3000", "\u00a0", "\u202f"])
def test_the_spaces_of_a_script_stay_between_words_alone(space: str) -> None:
    assert clean(f"{space}夜{space}明け{space} {space}", lines=False) == f"夜{space}明け"


def test_a_chain_of_joiners_and_selectors_hides_nothing() -> None:
    assert clean("❤\ufe0f\u200d\ufe0e\u200d\ufe0f!") == "❤\ufe0f!"


def test_a_cut_leaves_no_joiner_at_the_end() -> None:
    assert clean("می\u200cخواهم", limit=4) == "می…"


@pytest.mark.parametrize(
    ("text", "harmless"),
    [
        ("![p](https://x.example/p.png)", "! [p] (https://x.example/p.png)"),
        ("[a][b] [b]: https://x.example", "[a] [b] [b] : https://x.example"),
        ("<img src=x> <https://x.example>", "< img src=x> < https://x.example>"),
        ("[Verse] I <3 you!", "[Verse] I <3 you!"),
    ],
)
def test_markdown_makes_no_link_or_picture_of_a_text(text: str, harmless: str) -> None:
    assert plain(text) == harmless


@pytest.mark.parametrize(
    ("link", "harmless"),
    [
        ("https://x.example/[a]:%20b", "https://x.example/%5Ba%5D:%20b"),
        ("https://x.example/!(a)[b](c)", "https://x.example/!%28a%29%5Bb%5D%28c%29"),
        (
            "https://x.example/<b>'\"`|\\^{a b}",
            "https://x.example/%3Cb%3E%27%22%60%7C%5C%5E%7Ba%20b%7D",
        ),
        ("https://[a]:b/", "https://%5Ba%5D:b/"),
        ("https://<img>/é\n", "https://%3Cimg%3E/%C3%A9%0A"),
    ],
)
def test_a_link_ends_where_it_seems_to_and_makes_no_other(link: str, harmless: str) -> None:
    assert plain_link(link) == harmless


@pytest.mark.parametrize(
    "link",
    [
        "",
        "https://x.example:443/a_b-c.mp3?Policy=a~b&Expires=1&sig=a%2Bb%3D%5B1%5D+c,d;e@f#1*2$3!",
        "HTTP://127.0.0.1:8000/a.mp3",
        "https://[2606:2800:21f::1]:443/a.mp3",
        "https://[2606:2800:21f::1]",
    ],
)
def test_a_link_that_needs_no_quoting_stays_as_it_is(link: str) -> None:
    assert plain_link(link) == link


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_a_shown_link_is_the_same_address(rest: str) -> None:
    shown = plain_link(f"https://x.example/{rest}")
    assert plain_link(shown) == shown == shown.strip()
    assert unquote(shown) == unquote(f"https://x.example/{rest}")
    assert not set("[]()<>{}'\"`|\\^ \n") & set(shown)


def test_a_text_that_is_too_long_ends_with_an_ellipsis_inside_the_limit() -> None:
    assert clean("word " * 10, limit=11) == "word word…"
    assert clean("exactly", limit=7) == "exactly"


def test_a_quotation_ends_where_it_seems_to() -> None:
    assert quoted('it said "no"\nand more') == "\"it said 'no' and more\""


def test_a_quotation_has_at_most_its_limit_between_the_quotes() -> None:
    assert quoted("x" * 500, limit=20) == '"' + "x" * 19 + '…"'


@given(ANY_TEXT)
def test_cleaned_text_can_be_encoded_and_fits(text: str) -> None:
    cleaned = clean(text, limit=20)
    assert len(cleaned.encode()) >= len(cleaned)
    assert len(cleaned) <= 20


@given(st.one_of(ANY_TEXT, ODD_TEXT), st.booleans())
def test_cleaning_twice_changes_nothing_more(text: str, lines: bool) -> None:  # noqa: FBT001
    once = clean(text, lines=lines)
    assert clean(once, lines=lines) == once


@given(ANY_TEXT)
def test_a_line_has_no_line_breaks(text: str) -> None:
    assert len(clean(text, lines=False).splitlines()) <= 1
