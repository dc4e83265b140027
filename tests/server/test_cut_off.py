"""A call that was cut off and made again in other words: one wish, one payment."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from tests import solo
from tests.eras import MODERN
from tests.holder import Holder, begin
from tests.house import House, open_house, text
from tests.limits import HANGS_S
from tests.solo import Shop
from tests.waiting import a_moment

pytestmark = pytest.mark.one_era("what was cut off is known behind the protocol")

Json = dict[str, Any]

WISH = "an upbeat synthwave song about driving through Tokyo at night, female vocals"
REWORDED = (
    "Upbeat synthwave about a night drive through Tokyo with a female vocal",
    "synthwave, upbeat, female vocals: driving in Tokyo at night, neon lights",
    "Please make a synthwave track about night driving in Tokyo (female voice, upbeat)",
)
OTHER = "an upbeat synthwave song about surfing in Hawaii at dawn, female vocals"
AS_WELL = "If the user wants a different song as well, say another_take"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        opened.hold()
        yield opened


async def cut(house: House, description: str = WISH, **arguments: Any) -> None:  # noqa: ANN401 - JSON
    """Make a call that is cancelled when its submission was accepted."""
    await house.give_up("generate_song", description=description, wait_seconds=55, **arguments)


async def song(house: House, description: str, **arguments: Any) -> Json:  # noqa: ANN401 - JSON
    return await house.ok("generate_song", description=description, wait_seconds=0, **arguments)


async def until_told(house: House, count: int = 1) -> None:
    """Wait until the journal knows of so many tasks that a client was told."""
    with anyio.fail_after(HANGS_S):
        while sum(row["told_at"] is not None for row in rows(house)) < count:
            await a_moment()


def rows(house: House) -> list[Json]:
    with closing(sqlite3.connect(house.folder / "home" / "journal.sqlite3")) as db:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute("SELECT * FROM tasks ORDER BY rowid")]


@pytest.mark.both_eras
async def test_the_reworded_call_gets_the_task_of_the_first_and_pays_nothing(
    house: House,
) -> None:
    await cut(house)
    again = await song(house, REWORDED[0])
    assert again["task_id"] == rows(house)[0]["task_id"]
    assert "this call cost nothing" in again["note"]
    assert AS_WELL in again["note"]
    assert len(house.posts()) == 1


async def test_one_wish_in_four_wordings_of_which_each_is_cut_off_is_paid_once(
    house: House,
) -> None:
    await cut(house)
    for wording in REWORDED:
        async with anyio.create_task_group() as group:
            asking = {"description": wording, "wait_seconds": 55}
            group.start_soon(partial(house.call, "generate_song", **asking))
            with anyio.move_on_after(0.2):
                await anyio.sleep_forever()
            group.cancel_scope.cancel()
    again = await song(house, REWORDED[0])
    assert again["task_id"] == rows(house)[0]["task_id"]
    assert len(house.posts()) == 1


async def test_a_different_wish_after_a_call_that_was_cut_off_is_paid(house: House) -> None:
    await cut(house)
    other = await song(house, OTHER)
    assert "note" not in other
    assert len(house.posts()) == 2


@pytest.mark.both_eras
async def test_a_call_that_was_answered_holds_back_no_wish(house: House) -> None:
    """Not even one in nearly the same words, and whatever became of the song."""
    first = await song(house, WISH)
    await until_told(house)
    second = await song(house, REWORDED[0])
    assert first["task_id"] != second["task_id"]
    house.end_all()
    assert len(house.posts()) == 2


async def test_after_a_look_that_told_of_the_task_a_near_wish_is_paid(house: House) -> None:
    await cut(house)
    await house.ok("get_task", task_id="last", wait_seconds=0)
    await until_told(house)
    await song(house, REWORDED[0])
    assert len(house.posts()) == 2


async def test_after_the_held_back_call_was_answered_the_next_near_wish_is_paid(
    house: House,
) -> None:
    await cut(house)
    await song(house, REWORDED[0])
    await until_told(house)
    await song(house, REWORDED[1])
    assert len(house.posts()) == 2


async def test_the_reworded_call_repeated_as_it_was_joins_its_task_as_any_equal_one_does(
    house: House,
) -> None:
    await cut(house)
    first = await song(house, REWORDED[0])
    await until_told(house)
    again = await song(house, REWORDED[0])
    assert again["task_id"] == first["task_id"]
    assert "An identical request" in again["note"]
    assert len(house.posts()) == 1


async def test_a_list_tells_of_no_wish(house: House) -> None:
    await cut(house)
    await house.ok("list_songs")
    await song(house, REWORDED[0])
    assert len(house.posts()) == 1


async def test_another_take_is_paid_though_a_near_call_was_cut_off(house: House) -> None:
    await cut(house)
    await song(house, REWORDED[0], another_take=True)
    assert len(house.posts()) == 2


async def test_two_near_wishes_side_by_side_hold_each_other_back_in_no_order(
    house: House,
) -> None:
    async with anyio.create_task_group() as group:
        for wording in (WISH, *REWORDED):
            asking = {"description": wording, "wait_seconds": 55}
            group.start_soon(partial(house.call, "generate_song", **asking))
        with anyio.fail_after(HANGS_S):
            while len(house.posts()) < 4:
                await a_moment()
        group.cancel_scope.cancel()
    assert len(house.posts()) == 4


@pytest.mark.parametrize(
    "other",
    [
        {"model": "suno-v5"},
        {"instrumental": True},
        {"lyrics": "[Verse]\nNeon over the Rainbow Bridge\n[Chorus]\nDrive, drive, drive"},
    ],
)
async def test_what_is_plainly_another_song_is_paid(house: House, other: Json) -> None:
    await cut(house)
    await song(house, REWORDED[0], **other)
    assert len(house.posts()) == 2


async def test_a_shorter_song_in_the_same_words_is_the_same_wish(house: House) -> None:
    """After a time-out models ask for less."""
    await cut(house, title="Neon")
    again = await song(house, WISH, title="Neon", instrumental=False, negative_tags="drums")
    assert again["task_id"] == rows(house)[0]["task_id"]
    assert len(house.posts()) == 1


async def test_two_seeds_are_two_songs(house: House) -> None:
    await cut(house, seed=3)
    await song(house, WISH, seed=4)
    assert len(house.posts()) == 2
    again = await song(house, REWORDED[0])
    assert AS_WELL in again["note"]
    assert len(house.posts()) == 2


async def test_an_end_that_no_client_has_is_the_answer_and_then_delivered(house: House) -> None:
    house.sandbox.song_seconds = 0.0
    await cut(house)
    house.end_all()
    with anyio.fail_after(HANGS_S):
        while rows(house)[0]["status"] != "completed":
            await a_moment()
    again = await song(house, REWORDED[0])
    assert (again["status"], AS_WELL in again["note"]) == ("completed", True)
    with anyio.fail_after(HANGS_S):
        while rows(house)[0]["delivered_at"] is None:
            await a_moment()
    await song(house, REWORDED[1])
    assert len(house.posts()) == 2


async def test_a_failure_that_no_client_has_is_told_once(house: House) -> None:
    failing = f"{WISH} [[fail-empty-reason]]"
    await cut(house, failing)
    house.end_all()
    with anyio.fail_after(HANGS_S):
        while rows(house)[0]["status"] != "failed":
            await a_moment()
    told = await house.call("generate_song", description=f"{REWORDED[0]} [[fail-empty-reason]]")
    assert told.structured_content is not None
    assert told.structured_content["status"] == "failed"
    assert told.structured_content["error"]
    assert AS_WELL in text(told)
    await until_told(house)
    assert len(house.posts()) == 1
    await song(house, REWORDED[1])
    assert len(house.posts()) == 2


async def test_a_refused_wish_may_be_reworded_at_once(house: House) -> None:
    await house.error("generate_song", description=f"{WISH} [[insufficient-credits]]")
    await song(house, REWORDED[0])
    assert len(house.posts()) == 1


async def test_a_doubt_whose_call_was_cut_off_is_told_and_pays_nothing(house: House) -> None:
    await cut(house, f"{WISH} [[html-502:accepted]]")
    again = await house.call("generate_song", description=REWORDED[0], wait_seconds=55)
    assert again.structured_content is not None
    assert again.structured_content["status"] == "in_doubt"
    assert len(house.posts()) == 1


# Other processes --------------------------------------------------------------------------------


async def test_another_process_knows_of_the_call_that_was_cut_off(house: House) -> None:
    await cut(house)
    async with house.another_client() as other:
        again = await song(other, REWORDED[0])
        assert again["task_id"] == rows(house)[0]["task_id"]
        await until_told(house)
        await song(other, REWORDED[1])
    assert len(house.posts()) == 2


async def test_another_process_pays_while_the_first_is_answering(house: House) -> None:
    async with house.another_client() as other, anyio.create_task_group() as group:
        asking = {"description": WISH, "wait_seconds": 55}
        group.start_soon(partial(house.call, "generate_song", **asking))
        with anyio.fail_after(HANGS_S):
            while not house.posts():
                await a_moment()
        await song(other, REWORDED[0])
        assert len(house.posts()) == 2
        group.cancel_scope.cancel()


async def test_a_process_that_ended_before_it_answered_was_cut_off(house: House) -> None:
    async with house.another_client() as first:
        await cut(first)
    async with house.another_client() as second:
        again = await song(second, REWORDED[0])
        assert AS_WELL in again["note"]
    assert len(house.posts()) == 1


async def test_what_a_process_told_before_it_ended_holds_back_nothing(house: House) -> None:
    async with house.another_client() as first:
        await song(first, WISH)
    async with house.another_client() as second:
        await song(second, REWORDED[0])
    assert len(house.posts()) == 2


# Other tools ------------------------------------------------------------------------------------


async def test_lyrics_in_nearly_the_same_words_are_written_once(house: House) -> None:
    await house.give_up("generate_lyrics", topic="the last ferry of the night", wait_seconds=55)
    again = await house.ok("generate_lyrics", topic="The night's last ferry", wait_seconds=0)
    assert "wants a different text as well, say another_take" in again["note"]
    await house.ok("generate_lyrics", topic="the first snow of the winter", wait_seconds=0)
    assert len(house.posts()) == 2


async def test_an_extension_is_that_of_the_same_clip(house: House) -> None:
    house.sandbox.song_seconds = 0.0
    made = await house.song(description="a slow harbour waltz")
    one, other = (clip["clip_id"] for clip in made["clips"])
    house.hold()
    wish = {"description": "a long quiet outro with strings", "wait_seconds": 55}
    await house.give_up("extend_song", clip_id=one, **wish)
    near = {"description": "long, quiet outro with soft strings", "wait_seconds": 0}
    again = await house.ok("extend_song", clip_id=one, **near)
    assert "wants a different extension as well" in again["note"]
    assert len(house.posts()) == 2
    await house.ok("extend_song", clip_id=other, **near)
    assert len(house.posts()) == 3


# Several takes ----------------------------------------------------------------------------------


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Shop:
    return solo.rows(monkeypatch)


async def test_takes_in_other_words_join_each_take_and_pay_for_the_missing_ones(
    tmp_path: Path, shop: Shop
) -> None:
    async with open_house(tmp_path) as house:
        asking: Json = {"description": WISH, "model": "solo", "takes": 2, "wait_seconds": 55}
        async with anyio.create_task_group() as group:
            group.start_soon(partial(house.call, "generate_song", **asking))
            while len(shop.posts) < 2:
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
        near = {"model": "solo", "takes": 3}
        again = await song(house, REWORDED[0], **near)
        assert len({again["task_id"], *(take["task_id"] for take in again["other_takes"])}) == 3
        assert [row["description"] == WISH for row in rows(house)] == [True, True, False]
        assert AS_WELL in again["note"]
    assert len(shop.posts) == 3


# Handles ----------------------------------------------------------------------------------------


@pytest.mark.only_in(MODERN)
async def test_a_handle_that_was_handed_over_holds_back_nothing(house: House) -> None:
    async with house.another_client(extensions=[Holder()]) as holder:
        first = await begin(holder.client, "generate_song", description=WISH)
        await until_told(house)
        second = await begin(holder.client, "generate_song", description=REWORDED[0])
        assert first.task_id != second.task_id
    assert len(rows(house)) == 2


@pytest.mark.only_in(MODERN)
async def test_a_client_that_takes_handles_is_given_that_of_the_call_that_was_cut_off(
    house: House,
) -> None:
    await cut(house)
    async with house.another_client(extensions=[Holder()]) as holder:
        again = await begin(holder.client, "generate_song", description=REWORDED[0])
        assert again.task_id == rows(house)[0]["local_id"]
    assert len(house.posts()) == 1
