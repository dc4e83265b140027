"""`song-mcp songs` and `song-mcp spending`: what the journal has, without an assistant."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from song_mcp.commands import songs, spending
from song_mcp.journal import Submitted
from song_mcp.studio.bills import bills, total
from tests.commands.desks import Broken, Paper, desk_at, options, said
from tests.house import House, open_house


async def listed(house: House, *arguments: str) -> str:
    desk = desk_at(house)
    assert await songs.work(desk, options("songs", *arguments)) == 0
    printed, complaints = said(desk)
    assert complaints == ""
    return printed


async def test_songs_are_listed_as_the_tool_lists_them(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        one = await house.song(description="trams at noon", title="東京の電車")
        two = await house.song(description="a waltz", title="Snow")
        shown = await listed(house)
        lines = shown.splitlines()
        assert [line.split()[0] for line in lines[1:3]] == [two["task_id"][:8], one["task_id"][:8]]
        assert "東京の電車" in lines[2]
        assert lines[3] == "1 to 2 of 2, newest first."
        assert json.loads(await listed(house, "--json")) == await house.ok("list_songs")
        assert json.loads(await listed(house, "--json", "trams")) == await house.ok(
            "list_songs", query="trams"
        )
        assert "No song has these words." in await listed(house, "polka")
        further = await listed(house, "--limit", "1", "--skip", "1")
        assert one["task_id"][:8] in further
        assert two["task_id"][:8] not in further
        first = await listed(house, "--limit", "1")
        assert first.splitlines()[-1] == "Further ones: --skip 1"


async def test_lists_ask_no_service_and_write_nothing(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        house.hold()
        song = await house.ok("generate_song", description="trams", wait_seconds=0)
    journal = tmp_path / "home" / "journal.sqlite3"
    before = journal.read_bytes()
    desk = desk_at(house)
    await songs.work(desk, options("songs"))
    await spending.work(desk, options("spending"))
    printed, _ = said(desk)
    assert song["task_id"][:8] in printed
    assert journal.read_bytes() == before


async def test_a_list_that_cannot_be_printed_raises_what_happened(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        desk = desk_at(house, out=Broken(BrokenPipeError()))
        with pytest.raises(BrokenPipeError):
            await songs.work(desk, options("songs"))


async def test_lists_fit_eighty_columns_in_every_code_page(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await house.song(description="trams", title="東京の夜明け、電車の歌、とても長い題名の歌")
        for encoding in ("ascii", "cp437", "utf-8"):
            desk = desk_at(house, out=Paper(encoding=encoding))
            await songs.work(desk, options("songs"))
            assert max(map(len, said(desk)[0].splitlines())) <= 80


# Spending -----------------------------------------------------------------------------------


NOVEMBER = datetime(2026, 11, 20, 12, tzinfo=UTC)
OCTOBER = datetime(2026, 10, 20, 12, tzinfo=UTC)


def sent(status: str = "completed", charged: str = "yes", **known: Any) -> Submitted:  # noqa: ANN401
    values = {"at": NOVEMBER, "service": "piapi", "model": "udio", **known}
    return Submitted(status=status, charged=charged, **values)  # type: ignore[arg-type]


def test_each_submission_is_counted_as_what_is_known_of_it() -> None:
    every = [
        sent(cost_usd=0.05),
        sent(cost_usd=0.0, at=OCTOBER),
        sent(model="suno-v6", service="gptge", cost_units=3.5),
        sent("processing", "unknown", cost_usd=0.05),
        sent("failed", "no", cost_usd=0.0),
        sent("failed", "unknown"),
        sent("in_doubt", "unknown"),
        sent("abandoned", "unknown"),
        sent(charged="no", is_free=True),
        sent(cost_usd=9.0, is_foreign=True),
    ]
    found = bills(every)
    assert [(bill.month, bill.model) for bill in found] == [
        ("2026-11", "suno-v6"),
        ("2026-11", "udio"),
        ("2026-10", "udio"),
    ]
    suno, udio, _ = found
    assert (suno.unpriced, suno.units, suno.usd) == (1, 3.5, 0.0)
    assert (udio.submissions, udio.priced, udio.usd, udio.foreign) == (7, 1, 0.05, 1)
    assert (udio.unknown, udio.doubtful, udio.uncharged, udio.free) == (2, 2, 1, 1)
    whole = total(found)
    kinds = ("priced", "unpriced", "unknown", "doubtful", "uncharged", "free")
    assert whole.submissions == sum(getattr(whole, kind) for kind in kinds) == 9


async def test_spending_claims_no_price_that_nobody_told(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await house.song(description="trams")
        await house.song(description="trams", model="suno-v6")
        desk = desk_at(house)
        month = f"{house.clock.now().astimezone():%Y-%m}"
        assert await spending.work(desk, options("spending", "--month", month)) == 0
        shown = said(desk)[0].splitlines()
        assert " ".join(shown[0].split()) == ("month service model sent known cost no price told")
        assert [line.split() for line in shown[1:3]] == [
            [month, "gpt.ge", "suno-v6", "1", "-", "1"],
            [month, "PiAPI", "udio", "1", "$0.05", "-"],
        ]
        assert shown[4] == "The known cost is not all: the rest only the services' bills show."
        desk = desk_at(house)
        await spending.work(desk, options("spending", "--json"))
        assert json.loads(said(desk)[0])["total"]["known_cost_usd"] == 0.05
        desk = desk_at(house)
        await spending.work(desk, options("spending", "--month", "1999-01"))
        assert said(desk)[0] == "Nothing was submitted from here.\n"


@pytest.mark.parametrize("month", ["2026-13", "november", "2026-1", ""])
def test_a_month_is_a_year_and_a_month(month: str) -> None:
    with pytest.raises(SystemExit):
        options("spending", "--month", month)
