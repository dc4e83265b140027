"""The list of resources in pages: complete, in one order, and with cursors of ours alone."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import ResourceTemplateReference

from song_mcp.journal import Journal, NewTask
from song_mcp.server.resources import PAGE_SIZE
from song_mcp.songs import Clip, Report
from tests.house import House, open_house

pytestmark = pytest.mark.one_era("a cursor is read behind the protocol")

FIXED = ["song://guide/styles", "song://guide/lyrics"]
NEW = NewTask("piapi", "udio", "song", "", "Quay", "waltz", {})


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


async def make(journal: Journal, *numbers: int) -> list[str]:
    """Write finished songs of two takes each; returns the URIs as they are listed."""
    uris: list[str] = []
    for number in numbers:
        takes = [f"clip-{number}-{take}" for take in "ab"]
        local_id = (await journal.prepare(NEW, join=False)).task.local_id
        clips = tuple(Clip(take, "completed") for take in takes)
        report = Report(f"t{number}", "completed", "completed", clips=clips)
        await journal.accept(local_id, NEW, report.task_id, report)
        uris = [f"song://clips/{take}" for take in takes] + uris
    return uris


async def page(house: House, cursor: str | None = None) -> tuple[list[str], str | None]:
    result = await house.client.list_resources(cursor=cursor)
    return [resource.uri for resource in result.resources], result.next_cursor


@pytest.mark.both_eras
async def test_an_empty_journal_lists_the_guides(house: House) -> None:
    assert await page(house) == (FIXED, None)


@pytest.mark.both_eras
async def test_pages_in_a_row_are_the_whole_list_after_the_guides(house: House) -> None:
    async with house.journal() as journal:
        uris = await make(journal, *range(PAGE_SIZE + 1))
    first, cursor = await page(house)
    second, cursor = await page(house, cursor)
    third, end = await page(house, cursor)
    assert [len(first), len(second), len(third), end] == [
        len(FIXED) + PAGE_SIZE,
        PAGE_SIZE,
        2,
        None,
    ]
    assert first + second + third == FIXED + uris


async def test_a_full_last_page_has_no_cursor(house: House) -> None:
    async with house.journal() as journal:
        uris = await make(journal, *range(PAGE_SIZE // 2))
    assert await page(house) == (FIXED + uris, None)


async def test_a_song_that_lands_meanwhile_moves_nothing_on_later_pages(house: House) -> None:
    async with house.journal() as journal:
        uris = await make(journal, *range(PAGE_SIZE))
        first, cursor = await page(house)
        landed = await make(journal, PAGE_SIZE)
    second, _ = await page(house, cursor)
    assert (first + second)[len(FIXED) :] == uris
    assert (await page(house))[0][len(FIXED) :][:2] == landed


def coded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "2",
        "not a cursor",
        "é",
        "=" * 40,
        coded([1.5, 1, 1]),
        coded([1.5, 1, 1, "1"]),
        coded([1.5, 1, 1, True]),
        coded([1.5, 1, 1, 2**70]),
        coded([float("nan"), 1, 1, 1]),
        coded({"created_at": 1}),
        base64.urlsafe_b64encode(b"[" * 100_000).decode(),
    ],
    ids=range(12),
)
async def test_a_cursor_that_is_not_ours_is_a_bad_parameter(house: House, cursor: str) -> None:
    with pytest.raises(MCPError, match="cursor") as caught:
        await house.client.list_resources(cursor=cursor)
    assert caught.value.error.code == -32602


@pytest.mark.both_eras
async def test_a_journal_that_cannot_be_read_is_told_in_our_words(tmp_path: Path) -> None:
    path = tmp_path / "home" / "journal.sqlite3"
    path.mkdir(parents=True)
    async with open_house(tmp_path) as house:
        with pytest.raises(MCPError, match="journal") as caught:
            await house.client.list_resources()
        assert str(path) in str(caught.value)
        ref = ResourceTemplateReference(uri="song://clips/{clip_id}")
        with pytest.raises(MCPError, match="journal"):
            await house.client.complete(ref, {"name": "clip_id", "value": ""})
