"""Takes: several submissions in one call, each paid once, whatever happens in between."""

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from mcp.types import CallToolResult

from tests import solo
from tests.eras import MODERN
from tests.holder import Holder, begin, end_of
from tests.house import House, open_house, text
from tests.limits import HANGS_S
from tests.solo import LOST, REFUSED, Shop
from tests.waiting import a_moment

pytestmark = pytest.mark.both_eras
Json = dict[str, Any]


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Shop:
    return solo.rows(monkeypatch)


@pytest.fixture
async def house(tmp_path: Path, shop: Shop) -> AsyncIterator[House]:
    assert shop.posts == []
    async with open_house(tmp_path) as opened:
        yield opened


async def takes(house: House, takes: int = 3, **arguments: Any) -> Json:  # noqa: ANN401 - JSON
    given: Json = {"description": "waltz", "model": "solo", "wait_seconds": 0} | arguments
    return await house.ok("generate_song", takes=takes, **given)


def ids(result: Json) -> list[str]:
    return [result["task_id"], *(take["task_id"] for take in result.get("other_takes", []))]


async def cut_off(house: House, shop: Shop, posts: int, **arguments: Any) -> None:  # noqa: ANN401 - JSON
    """Ask for takes, and cancel the call when the service has so many of them."""
    given = {"description": "waltz", "model": "solo", "wait_seconds": 55} | arguments
    async with anyio.create_task_group() as group:
        group.start_soon(partial(house.call, "generate_song", **given))
        while len(shop.posts) < posts:
            await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()


async def test_three_takes_are_three_submissions_and_told_as_three_payments(
    house: House, shop: Shop
) -> None:
    result = await takes(house, duration_seconds=60)
    assert sorted(post.take for post in shop.posts) == [1, 2, 3]
    assert [post.body for post in shop.posts] == 3 * [shop.posts[0].body]
    assert len(set(ids(result))) == 3
    assert (
        "3 takes, which are 3 submissions, each paid for by itself if it is accepted ($0.03 each)"
        in result["note"]
    )
    assert all(task_id in result["next_step"] for task_id in ids(result)[1:])
    assert {take["charged"] for take in result["other_takes"]} == {"yes"}


async def test_the_same_call_again_joins_each_take_and_pays_none(house: House, shop: Shop) -> None:
    first = await takes(house)
    again = await takes(house)
    assert ids(again) == ids(first)
    assert (
        "3 takes, which are of an earlier call like this one; this call cost nothing"
        in again["note"]
    )
    assert len(shop.posts) == 3


async def test_more_takes_of_what_was_begun_pay_for_the_missing_ones_alone(
    house: House, shop: Shop
) -> None:
    one = await house.ok("generate_song", description="waltz", model="solo", wait_seconds=0)
    three = await takes(house)
    assert ids(three)[0] == one["task_id"]
    assert "2 submissions of this call" in three["note"]
    assert "1 of an earlier call like this one, for which nothing was paid again" in three["note"]
    assert len(shop.posts) == 3


@pytest.mark.parametrize("posts", [1, 2, 3])
@pytest.mark.parametrize("another_take", [False, True])
async def test_a_call_that_was_cut_off_between_takes_and_repeated_pays_each_once(
    house: House,
    shop: Shop,
    posts: int,
    another_take: bool,  # noqa: FBT001 - a parameter
) -> None:
    await cut_off(house, shop, posts, takes=3, another_take=another_take)
    again = await takes(house, another_take=another_take)
    assert len(set(ids(again))) == 3
    assert sorted(post.take for post in shop.posts) == [1, 2, 3]


async def test_other_takes_that_were_told_are_paid_again_if_asked_for(
    house: House, shop: Shop
) -> None:
    first = await takes(house, takes=2)
    second = await takes(house, takes=2, another_take=True)
    third = await takes(house, takes=2, another_take=True)
    assert len({*ids(first), *ids(second), *ids(third)}) == len(shop.posts) == 6


async def test_a_limit_reached_half_way_tells_which_were_begun(tmp_path: Path, shop: Shop) -> None:
    async with open_house(tmp_path, settings={"SONG_MCP_DAILY_LIMIT": "2"}) as house:
        result = await takes(house)
        assert len(shop.posts) == len(ids(result)) == 2
        assert "2 takes, which are 2 submissions" in result["note"]
        assert "Take 3 of 3 was not begun: 2 paid submissions" in result["note"]
        assert "For take 3 nothing was sent or paid" in result["note"]
        assert "Nothing was sent or paid" not in result["note"]
        again = await takes(house)
        assert ids(again) == ids(result)
        assert len(shop.posts) == 2


async def test_takes_in_doubt_are_told_and_nothing_more_is_paid_for_them(
    house: House, shop: Shop
) -> None:
    lost = {"description": f"waltz {LOST}", "model": "solo", "takes": 2}
    result = await house.call("generate_song", **lost)
    assert result.is_error
    assert result.structured_content is not None
    told = result.structured_content
    assert [told["status"], told["other_takes"][0]["status"]] == ["in_doubt", "in_doubt"]
    assert f"settle {told['other_takes'][0]['task_id']} by resolve_task" in told["next_step"]
    again = await house.call("generate_song", **lost)
    assert ids(again.structured_content or {}) == ids(told)
    await house.ok("resolve_task", task_id=told["task_id"], action="abandon")
    said = await house.error(
        "generate_song", description=lost["description"], model="solo", another_take=True
    )
    assert f"{ids(told)[1]}, is in doubt" in said
    assert len(shop.posts) == 2


async def test_refused_takes_are_told_as_not_charged(house: House, shop: Shop) -> None:
    result = await house.call(
        "generate_song", description=f"waltz {REFUSED}", model="solo", takes=2
    )
    assert result.is_error
    assert text(result).count("rejected") == 2
    assert text(result).count("not charged") >= 2
    assert "each paid for by itself if it is accepted" in text(result)
    assert len(shop.posts) == 2


async def test_a_call_waits_for_all_of_its_takes_and_shows_their_clips(
    house: House, shop: Shop
) -> None:
    shop.is_done = True
    result = await takes(house, takes=2, wait_seconds=55)
    assert result["status"] == result["other_takes"][0]["status"] == "completed"
    (clip,) = result["other_takes"][0]["clips"]
    assert clip["clip_id"].startswith("solo-task-")
    shop.is_done = False
    anew = await takes(house, takes=2)
    assert not {*ids(anew)} & {*ids(result)}, "all were shown, so a new wish is paid anew"
    assert len(shop.posts) == 4


async def test_takes_that_ended_unseen_are_joined_by_the_repeated_call(
    house: House, shop: Shop
) -> None:
    await cut_off(house, shop, 2, takes=2)
    shop.is_done = True
    with anyio.fail_after(HANGS_S):
        while set(statuses(house)) != {"completed"}:
            await a_moment()
    again = await takes(house, takes=2)
    assert [again["status"], again["other_takes"][0]["status"]] == ["completed", "completed"]
    assert len(shop.posts) == 2


def statuses(house: House) -> list[str]:
    with closing(sqlite3.connect(house.folder / "home" / "journal.sqlite3")) as db:
        return [status for (status,) in db.execute("SELECT status FROM tasks")]


async def test_udio_makes_two_in_one_submission_and_more_are_refused(
    house: House, shop: Shop
) -> None:
    two = await house.ok("generate_song", description="x", takes=2, wait_seconds=0)
    assert "other_takes" not in two
    error = await house.error("generate_song", description="y", takes=3)
    assert "One submission of udio makes 2 takes" in error
    assert "another_take=true for 2 more. Nothing was sent or paid." in error
    assert (len(house.posts()), shop.posts) == (1, [])


async def test_a_model_that_takes_the_number_gets_it_in_one_submission(
    house: House, shop: Shop
) -> None:
    result = await takes(house, takes=4, model="own")
    (post,) = shop.posts
    assert (post.body["takes"], post.take) == (4, 1)
    assert "other_takes" not in result


@pytest.mark.only_in(MODERN)
async def test_a_handle_of_several_takes_ends_with_the_last_and_shows_all(
    house: House, shop: Shop
) -> None:
    async with house.another_client(extensions=[Holder()]) as ours:
        handle = await begin(ours.client, "generate_song", description="x", model="solo", takes=3)
        while len(shop.posts) < 3:
            await a_moment()
        shop.is_done = True
        ended = await end_of(ours.client.session, handle.task_id)
    shown = ended["result"]["structuredContent"]
    assert len(set(ids(shown))) == 3
    assert {shown["status"], *(take["status"] for take in shown["other_takes"])} == {"completed"}
    assert len(shop.posts) == 3


async def test_each_further_take_costs_few_tokens(house: House) -> None:
    """A quarter of the bytes, as in `test_contract`."""
    given: Json = {"description": "x", "model": "ace-step", "wait_seconds": 0}
    house.hold()
    one = await house.call("generate_song", **given)
    three = await house.call("generate_song", **given, takes=3)
    assert tokens(three) - tokens(one) <= 2 * 80
    assert [post["input"] for post in house.posts()] == 3 * [house.posts()[0]["input"]]
    house.end_all()
    done = await house.call("generate_song", **given | {"wait_seconds": 55}, takes=3)
    assert done.structured_content is not None
    assert len(done.structured_content["other_takes"]) == 2
    assert tokens(done) <= 600
    assert len(house.posts()) == 3


def tokens(result: CallToolResult) -> float:
    content = json.dumps(result.structured_content, ensure_ascii=False, separators=(",", ":"))
    return max(len(content.encode()), len(text(result).encode())) / 4
