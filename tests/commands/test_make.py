"""`song-mcp make`, `get`, `settle` and `confirm`: songs and money without an assistant."""

import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from errno import ENOSPC
from pathlib import Path

import anyio
import pytest

from song_mcp.commands import confirm, get, make, settle
from song_mcp.commands.desk import Desk, screen
from song_mcp.errors import InvalidRequestError, SongError
from tests.commands.desks import Broken, desk_at, options, said
from tests.house import House, open_house
from tests.limits import HANGS_S
from tests.waiting import a_moment

WISH = "trams at noon, cheerful"


async def made(house: House, *arguments: str, desk: Desk | None = None) -> tuple[int, str]:
    """Make a song; returns the exit status and what was printed."""
    desk = desk or desk_at(house)
    with anyio.fail_after(HANGS_S):
        status = await make.work(desk, options("make", *arguments))
    return status, "\n".join(said(desk))


def paid(house: House) -> int:
    return len(house.sandbox.accepted)


async def until(happened: Callable[[], bool]) -> None:
    with anyio.fail_after(HANGS_S):
        while not happened():
            await a_moment()


# Paying -------------------------------------------------------------------------------------


async def test_a_song_is_made_saved_and_told_in_the_tools_words(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        status, printed = await made(house, WISH, "--title", "Trams", "--yes")
        assert status == 0
        assert printed.startswith("song ")
        assert ": completed, udio at PiAPI, cost $0.05." in printed
        assert "get_task" not in printed
        song = (await house.ok("list_songs"))["tasks"][0]
        assert all(clip["file"] in printed for clip in song["clips"])
        assert paid(house) == 1


async def test_without_a_service_nobody_is_asked_to_pay(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        desk = desk_at(house, typed="y\n", PIAPI_API_KEY="", GPTGE_API_KEY="")
        with pytest.raises(SongError, match="PIAPI_API_KEY"):
            await made(house, WISH, desk=desk)
        assert "Pay?" not in "".join(said(desk))
        assert paid(house) == 0


async def test_it_says_what_a_song_costs_and_pays_only_after_a_yes(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        desk = desk_at(house, typed="n\n")
        status, printed = await made(house, WISH, desk=desk)
        assert status == 1
        assert "1 submission to PiAPI with the model udio. It costs about $0.05. Pay? [y/N]" in (
            " ".join(printed.split())
        )
        assert printed.endswith("Nothing was sent or paid.\n")
        assert paid(house) == 0
        assert (await made(house, WISH, desk=desk_at(house, typed="y\n")))[0] == 0
        assert paid(house) == 1


async def test_where_nobody_can_answer_nothing_is_paid_without_yes(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        status, printed = await made(house, WISH)
        assert status == 2
        assert "Nothing was sent or paid: add --yes" in " ".join(printed.split())
        assert paid(house) == 0


async def test_it_says_whose_keys_pay_if_they_are_not_the_terminals(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        desk = desk_at(house, typed="n\n")
        desk.whose = "The keys and folders are those of Cursor."
        assert "those of Cursor. Pay? [y/N]" in " ".join(
            (await made(house, WISH, desk=desk))[1].split()
        )
    assert paid(house) == 0


async def test_a_wish_that_cannot_be_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        desk = desk_at(house, typed="y\n")
        with pytest.raises(InvalidRequestError, match="Nothing was sent or paid"):
            await made(house, WISH, "--seed", str(2**40), desk=desk)
        assert said(desk) == ("", "")
        assert paid(house) == 0


async def test_what_makes_a_song_is_what_the_tool_sends(tmp_path: Path) -> None:
    wish = {"description": WISH, "lyrics": "La la", "title": "Trams", "seed": 7}
    async with open_house(tmp_path) as house:
        house.hold()
        begun = await house.ok("generate_song", **wish, wait_seconds=0)
        arguments = [WISH, "--lyrics", "La la", "--title", "Trams", "--seed", "7"]
        desk = desk_at(house)
        status, _ = await made(
            house, *arguments, "--yes", "--json", "--wait-seconds", "0", desk=desk
        )
        shown = json.loads(said(desk)[0])
        assert (status, shown["task_id"], paid(house)) == (0, begun["task_id"], 1)
        assert "--another-take" in shown["note"]
        assert shown["next_step"] == f"Being made: song-mcp get {shown['task_id']} waits for it."


async def test_two_at_the_same_time_pay_once(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(made, house, WISH, "--yes")
        await until(lambda: paid(house) > 0)
    assert paid(house) == 1


async def test_the_daily_limit_holds(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        desk = desk_at(house, SONG_MCP_DAILY_LIMIT="1")
        assert (await made(house, WISH, "--yes", desk=desk))[0] == 0
        with pytest.raises(SongError, match="limit"):
            await made(house, "a slow waltz on a harp", "--yes", desk=desk)
    assert paid(house) == 1


async def test_wrong_settings_pay_nothing(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        desk = desk_at(house, SONG_MCP_WAIT_SECONDS="long")
        with pytest.raises(SongError, match="to correct"):
            await made(house, WISH, "--yes", desk=desk)
    assert paid(house) == 0


async def test_a_refusal_is_told_and_is_an_error(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        status, printed = await made(house, f"{WISH} [[insufficient-credits]]", "--yes")
        assert status == 1
        assert "ot charged" in printed
    assert paid(house) == 0


# What was told ------------------------------------------------------------------------------


async def test_a_song_that_was_shown_is_delivered_so_the_same_wish_pays_again(
    tmp_path: Path,
) -> None:
    async with open_house(tmp_path) as house:
        for times in (1, 2):
            assert (await made(house, WISH, "--yes"))[0] == 0
            assert paid(house) == times


@pytest.mark.parametrize("error", [BrokenPipeError(), OSError(ENOSPC, "No space left on device")])
async def test_a_song_that_could_not_be_shown_is_joined_by_the_same_wish(
    tmp_path: Path, error: OSError
) -> None:
    async with open_house(tmp_path) as house:
        with pytest.raises(type(error)):
            await made(house, WISH, "--yes", desk=desk_at(house, out=Broken(error)))
        status, printed = await made(house, "cheerful trams at noon", "--yes")
        assert (status, paid(house)) == (0, 1)
        assert "cost nothing" in printed


async def test_a_process_without_streams_shows_its_song_to_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_house(tmp_path) as house:
        desk = desk_at(house)
        with monkeypatch.context() as without:
            without.setattr(sys, "stdout", None)
            without.setattr(sys, "stderr", None)
            desk.screen = screen()
        with desk.screen.out, desk.screen.err, pytest.raises(OSError, match="not writable"):
            await make.work(desk, options("make", WISH, "--yes"))
        status, printed = await made(house, WISH, "--yes")
        assert (status, paid(house)) == (0, 1)
        assert "cost nothing" in " ".join(printed.split())


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Take Ctrl-C even if this process was started with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
async def test_ctrl_c_leaves_the_song_being_made_and_says_how_to_get_it(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        house.hold()
        desk = desk_at(house)
        status = await stopped(house, lambda: made(house, WISH, "--yes", desk=desk))
        assert status == 128 + signal.SIGINT
        printed, complaints = said(desk)
        song = (await house.ok("list_songs"))["tasks"][0]
        assert printed == ""
        assert f"song-mcp get {song['task_id']}" in " ".join(complaints.split())
        house.end_all()
        again, _ = await made(house, WISH, "--yes")
        assert (again, paid(house)) == (0, 1)


async def stopped(house: House, work: Callable[[], Awaitable[tuple[int, str]]]) -> int:
    """Interrupt some work as soon as the journal has an accepted song; returns its exit status."""
    statuses = []

    async def run() -> None:
        statuses.append((await work())[0])

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await until(lambda: paid(house) > 0)
        with anyio.fail_after(HANGS_S):
            while await _is_being_sent(house):
                await a_moment()
        os.kill(os.getpid(), signal.SIGINT)
    return statuses[0]


async def _is_being_sent(house: House) -> bool:
    tasks = (await house.ok("list_songs"))["tasks"]
    return not tasks or tasks[0]["status"] == "submitting"


# Getting and settling -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["last", "", "Trams"])
async def test_a_song_is_got_by_any_name_when_it_is_there(tmp_path: Path, name: str) -> None:
    async with open_house(tmp_path) as house:
        house.hold()
        desk = desk_at(house)
        await made(house, WISH, "--title", "Trams", "--yes", "--wait-seconds", "0", desk=desk)
        song = (await house.ok("list_songs"))["tasks"][0]
        house.end_all()
        if name == "Trams":  # a title names a clip, which is there now
            await house.ok("get_task", task_id=song["task_id"])
        desk = desk_at(house)
        typed = [name or song["task_id"][:8]]
        with anyio.fail_after(HANGS_S):
            status = await get.work(desk, options("get", *typed, "--json"))
        shown = json.loads(said(desk)[0])
        assert (status, shown["task_id"], shown["status"]) == (0, song["task_id"], "completed")
    assert paid(house) == 1


@pytest.mark.parametrize("names", ["id", "short id", "file"])
async def test_of_two_deleted_files_only_the_one_that_is_named_is_got_again(
    tmp_path: Path, names: str
) -> None:
    async with open_house(tmp_path) as house:
        song = await house.song(description=WISH)
        first, second = (Path(clip["file"]) for clip in song["clips"])
        first.unlink()
        second.unlink()
        clip = song["clips"][1]["clip_id"]
        typed = {"id": clip, "short id": clip[:8], "file": second.name}[names]
        with anyio.fail_after(HANGS_S):
            await get.work(desk_at(house), options("get", typed, "--again"))
        assert (first.exists(), second.exists()) == (False, True)
    assert paid(house) == 1


async def test_a_doubt_is_told_with_what_to_do_and_settled_as_the_person_says(
    tmp_path: Path,
) -> None:
    async with open_house(tmp_path) as house:
        status, printed = await made(house, f"{WISH} [[html-502:accepted]]", "--yes")
        assert status == 1
        doubt = (await house.ok("list_songs"))["tasks"][0]
        assert doubt["status"] == "in_doubt"
        assert f"song-mcp settle {doubt['task_id']} check" in " ".join(printed.split())
        before = paid(house)
        desk = desk_at(house)
        assert await settle.work(desk, options("settle", "last", "check")) == 0
        desk = desk_at(house, typed="n\n")
        again = options("settle", doubt["task_id"], "submit-again")
        assert await settle.work(desk, again) == 1
        assert "may have been charged too" in " ".join(said(desk)[1].split())
        assert paid(house) == before
        desk = desk_at(house)
        assert await settle.work(desk, options("settle", doubt["task_id"], "abandon")) == 0
        assert "Closed by you" in said(desk)[0]
        assert paid(house) == before


async def test_only_a_damaged_journal_can_be_confirmed(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        with pytest.raises(InvalidRequestError, match="No damaged journal"):
            await confirm.work(desk_at(house), options("confirm", "other"))
