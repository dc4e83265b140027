"""What a terminal shows: columns, code pages, and nothing that controls it."""

import pytest

from song_mcp.commands.screen import Screen, cut, padded, table, width, wrapped
from tests.commands.desks import Broken, Paper

TITLES = ["Trams at Noon", "東京の夜明け、電車の歌", "노래", "Élan", "cafe\u0301 🎵"]


@pytest.mark.parametrize("title", TITLES)
def test_columns_line_up_behind_titles_of_every_script(title: str) -> None:
    lines = table(("id", "title", "end"), [("1", title, "|"), ("2", "plain", "|")], 80, wide=1)
    ends = {width(line.rstrip("|")) for line in lines[1:]}
    assert len(ends) == 1


def test_a_table_fits_its_columns_and_says_what_is_cut() -> None:
    rows = [("1", title * 9, "end") for title in TITLES]
    lines = table(("id", "title", "end"), rows, 40, wide=1)
    assert max(map(width, lines)) <= 40
    assert all("…" in line and line.endswith("end") for line in lines[1:])


@pytest.mark.parametrize("columns", range(1, 12))
def test_what_is_cut_or_padded_has_the_columns_that_it_should(columns: int) -> None:
    for title in TITLES:
        assert width(cut(title, columns)) <= max(columns, 1)
        assert width(padded(cut(title, columns), columns)) == columns


def test_lines_break_between_words_and_never_inside_a_path() -> None:
    path = "  /home/ada/Music/a song with a very long name and blanks 12345678.mp3"
    lines = list(wrapped(f"{'word ' * 20}\n{path}", 40))
    assert max(map(width, lines[:-1])) <= 40
    assert lines[-1] == path


@pytest.mark.parametrize("encoding", ["ascii", "cp437", "cp1252", "shift_jis", "utf-8"])
def test_every_code_page_shows_what_it_can(encoding: str) -> None:
    out = Paper(encoding=encoding)
    Screen(out, Paper(encoding=encoding)).show("Noon 東京 … end")
    assert out.getvalue().startswith("Noon ")
    assert out.getvalue().endswith(" end\n")
    assert ("東京" in out.getvalue()) == (encoding in {"shift_jis", "utf-8"})


def test_nothing_that_is_shown_controls_the_terminal() -> None:
    out = Paper()
    Screen(out, Paper()).show("a\x1b[31mb\x07c\rd\x9be")
    assert out.getvalue() == "a?[31mb?c?d?e\n"


def test_what_cannot_be_said_beside_a_result_is_no_error() -> None:
    Screen(Paper(), Broken(BrokenPipeError())).say("Nobody reads this.")


@pytest.mark.parametrize(
    ("typed", "is_yes"), [("y\n", True), ("YES\n", True), ("\n", False), ("", False), ("n", False)]
)
def test_only_a_yes_is_one(typed: str, is_yes: bool) -> None:  # noqa: FBT001 - what is expected
    screen = Screen(Paper(), Paper(), Paper(typed, is_live=True))
    assert screen.can_ask
    assert screen.ask("Pay?") is is_yes
    assert not Screen(Paper(), Paper(), Paper("y\n")).can_ask
