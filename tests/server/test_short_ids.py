"""Task ids as people and models write them: in another case, shortened, as the last one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from song_mcp.journal import NewTask
from song_mcp.songs import Report
from tests.house import House, open_house

IDS = ("3f0c6d6e-1111-4222-8333-444455556666", "3f0c6d6e-9999-4222-8333-444455556666")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("tool", ["get_task", "fetch_suno_task", "play_song"])
async def test_each_tool_takes_a_task_id_in_any_case_or_shortened(house: House, tool: str) -> None:
    house.hold()
    made = await house.ok("generate_song", description="waltz", wait_seconds=0)
    task_id = made["task_id"]
    wait = {} if tool == "play_song" else {"wait_seconds": 0}
    for name in (task_id.upper(), task_id[:8], f"{task_id[:10]}…", f"song://tasks/{task_id[:8]}"):
        assert (await house.ok(tool, task_id=name, **wait))["task_id"] == task_id
    assert len(house.posts()) == 1


async def test_a_shortened_id_of_two_tasks_is_refused_with_their_ids(house: House) -> None:
    async with house.journal() as journal:
        for task_id in IDS:
            new = NewTask("piapi", "udio", "song", "", "", "waltz", {})
            prepared = await journal.prepare(new, join=False)
            await journal.accept(
                prepared.task.local_id, new, task_id, Report(task_id, "processing", "processing")
            )
    for tool in ("get_task", "fetch_suno_task", "play_song", "resolve_task"):
        check = {"action": "check"} if tool == "resolve_task" else {}
        told = await house.error(tool, task_id="3F0C6D", **check)
        assert "can mean 2 tasks: 3f0c6d6e-9999-, 3f0c6d6e-1111-." in told
        assert told.endswith("Nothing was sent or paid.")
        assert len(told) <= 160


async def test_a_doubt_is_settled_by_a_short_id_but_paid_again_only_by_the_whole(
    house: House,
) -> None:
    lost = await house.call("generate_song", description="slow waltz [[html-502:accepted]]")
    assert lost.structured_content is not None
    task_id = lost.structured_content["task_id"]
    for name in (task_id[:14], task_id.upper(), task_id.removeprefix("local-")):
        told = await house.error("resolve_task", task_id=name, action="submit_again")
        assert f"it needs the task's whole id: {task_id}." in told
        assert len(told) <= 160
    assert len(house.posts()) == 1
    checked = await house.ok("resolve_task", task_id=task_id[:14].upper(), action="check")
    assert checked["status"] == "in_doubt"
    closed = await house.ok("resolve_task", task_id=task_id[6:], action="abandon")
    assert (closed["task_id"], closed["status"]) == (task_id, "abandoned")
    assert len(house.posts()) == 1
