"""A page of the journal is damaged under a running server: what the user hears and pays."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.house import House, open_house, text
from tests.limits import HANGS_S
from tests.waiting import a_moment

pytestmark = pytest.mark.one_era("money and damage are behind the protocol")

PAGE = 4096
FILLERS = 300
OPEN = "lanterns [[slow:1000]]"
FILL = """
INSERT INTO tasks (local_id, service, task_id, model, kind, status, fingerprint, title, request,
    wire, charged, created_at, ended_at, delivered_at)
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)
SELECT 'local-' || n, 'piapi', 'filler-' || n, 'udio', 'song', 'completed', 'print-' || n,
    'Quay ' || n, '{}', '{"body": "' || hex(zeroblob(200)) || '"}', 'yes', 1000000000 + n, 1, 1
FROM numbers
"""


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, settings={"SONG_MCP_DAILY_LIMIT": "2"}) as opened:
        yield opened


def journal_of(house: House) -> Path:
    return house.folder / "home" / "journal.sqlite3"


def page_of(house: House, kind: int, name: str) -> int:
    """The number, from 0, of the last page of this kind in the tree of a table or index."""
    with closing(sqlite3.connect(journal_of(house))) as db:
        found = db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,))
        todo = [int(found.fetchone()[0])]
    content, pages = journal_of(house).read_bytes(), []
    while todo:
        number = todo.pop(0)
        page = content[(number - 1) * PAGE : number * PAGE]
        if page[0] == kind:
            pages.append(number - 1)
        if page[0] in {2, 5}:
            cells = int.from_bytes(page[3:5], "big")
            places = [int.from_bytes(page[12 + 2 * k : 14 + 2 * k], "big") for k in range(cells)]
            todo += [int.from_bytes(page[place : place + 4], "big") for place in places]
            todo.append(int.from_bytes(page[8:12], "big"))
    return pages[-1]


def the_leaf_of_the_open_task(house: House) -> int:
    return page_of(house, 13, "tasks")


def the_top_of_the_tasks(house: House) -> int:
    return page_of(house, 5, "tasks")


def the_top_of_an_index(house: House) -> int:
    return page_of(house, 2, "tasks_by_request")


def the_header(house: House) -> int:
    return 0


def damage(house: House, page: int) -> None:
    """Overwrite a page; by the counter of changes, nobody trusts what it has in memory."""
    with journal_of(house).open("r+b") as file:
        for place in (24, 92):
            file.seek(place)
            file.write(b"\1\1\1\1")
        file.seek(page * PAGE)
        file.write(b"\xa5" * PAGE)


async def an_open_song(house: House) -> dict[str, Any]:
    """Begin a song, as the newest of 301 tasks."""
    with closing(sqlite3.connect(journal_of(house))) as db:
        db.execute(FILL, (FILLERS,))
        db.commit()
    return await house.ok("generate_song", description=OPEN, wait_seconds=0)


@pytest.mark.parametrize(
    "page", [the_leaf_of_the_open_task, the_top_of_the_tasks, the_top_of_an_index, the_header]
)
async def test_an_open_wish_is_never_paid_again_whichever_page_is_damaged(
    house: House, page: Callable[[House], int]
) -> None:
    await house.ok("list_songs")  # the journal is there
    song = await an_open_song(house)
    damage(house, page(house))
    error = await house.error("generate_song", description=OPEN, wait_seconds=0)
    (kept,) = journal_of(house).parent.glob("*.damaged-*")
    assert "Nothing was sent or paid" in error
    assert kept.name in error
    assert f"{FILLERS + 1} tasks" in error
    assert kept.name in await house.error("generate_lyrics", topic="lamps")
    assert len(house.posts()) == 1

    state = await house.call("check_account")
    assert state.structured_content is not None
    assert kept.name in state.structured_content["note"]
    assert f"{FILLERS + 1} tasks" in text(state)
    assert state.structured_content["submissions_24h"] == 1, "the limit counts what was saved"

    after = await house.call("check_account", confirm_journal=kept.name)
    assert not after.is_error
    assert kept.name not in text(after)
    again = await house.ok("generate_song", description=OPEN, wait_seconds=0)
    assert again["task_id"] == song["task_id"]
    assert "cost nothing" in again["note"]
    assert len(house.posts()) == 1
    looks = len(house.sandbox.requests)
    with anyio.fail_after(HANGS_S):  # the song is followed again
        while not any(song["task_id"] in look.path for look in [*house.sandbox.requests][looks:]):
            await a_moment()


async def test_every_result_says_once_that_the_journal_was_damaged(house: House) -> None:
    song = await house.song(description="x")
    with closing(sqlite3.connect(journal_of(house))) as db:
        db.execute(FILL, (FILLERS,))
        db.commit()
    damage(house, the_top_of_the_tasks(house))
    clip = song["clips"][0]["clip_id"]
    for tool, arguments in (
        ("list_songs", {}),
        ("get_task", {"task_id": song["task_id"]}),
        ("play_song", {"clip_id": clip}),
        ("check_account", {}),
    ):
        result = await house.call(tool, **arguments)
        assert not result.is_error, text(result)
        assert text(result).count("The journal was damaged") == 1, tool
        assert str(result.structured_content).count("The journal was damaged") == 1, tool


async def test_only_the_name_of_the_damaged_file_confirms(house: House) -> None:
    await house.ok("list_songs")
    damage(house, 0)
    await house.ok("list_songs")
    error = await house.error("check_account", confirm_journal="journal.sqlite3")
    assert "No damaged journal is called" in error
    assert "was damaged" in await house.error("generate_song", description="x")
    assert house.posts() == []
