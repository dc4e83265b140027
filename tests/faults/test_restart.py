"""A server is killed with fifty songs under way: the next one brings all of them to their end."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from song_mcp.journal import Journal
from song_mcp.sandbox.app import build_app
from song_mcp.sandbox.serve import running
from song_mcp.sandbox.state import Rules
from song_mcp.songs import Task
from tests.faults.racing import crew, paid_posts, race, song, until
from tests.faults.scale import report, scaled
from tests.harvest import echoed
from tests.house import environment
from tests.voice import beep

SHORT = Rules(clip_seconds=0.5, balance_usd=1000.0, max_concurrent=1000)


async def test_open_songs_of_a_killed_server_reach_their_end_unpaid(tmp_path: Path) -> None:
    size = scaled(50, least=6)
    now = [datetime.now(UTC).timestamp()]
    app = build_app(1.0, rules=SHORT, clock=lambda: now[0], press=beep)
    sandbox = app.state.sandbox
    async with running(echoed(app)) as base_url, crew(2) as (first, second):
        settings = environment(tmp_path, base_url) | {"SONG_MCP_DAILY_LIMIT": "1000"}
        order = {"do": "open", "settings": settings}
        await first.do(order)
        songs = [song(number, "harbour") for number in range(size)]
        answers = await first.do({"do": "submit", "songs": songs})
        await first.kill()
        before = await tasks_in(tmp_path)
        still_open = sum(task.is_open for task in before)
        paid = paid_posts(sandbox)
        assert {answer["task_id"] for answer in answers} == {task.task_id for task in before}
        sandbox.requests.clear()
        now[0] += 60.0  # the songs end while no server is there
        await race([second], [order])
        await until(lambda: all_kept(tmp_path, size))
        after = await tasks_in(tmp_path)
    looks = Counter(item.path.split("/")[1] for item in sandbox.requests)
    assert Counter(task.status for task in after) == {"completed": size}
    assert {task.task_id for task in after} == {item.task_id for item in sandbox.accepted}
    assert still_open == size
    assert paid == len(sandbox.accepted) == size
    assert paid_posts(sandbox) == 0
    saved = sum(clip.is_saved for task in after for clip in task.clips)
    assert saved == 2 * size
    report(
        f"restart: {still_open} of {size} songs open at the kill, {size} completed, {saved} clips "
        f"saved; afterwards 0 paid POSTs, requests {dict(looks)}"
    )


async def all_kept(folder: Path, size: int) -> bool:
    found = await tasks_in(folder)
    return len(found) == size and all(
        not task.is_open and task.has_nothing_to_save for task in found
    )


async def tasks_in(folder: Path) -> tuple[Task, ...]:
    journal = Journal(folder / "home" / "journal.sqlite3", lambda: datetime.now(UTC))
    page = await journal.search("", 10_000)
    await journal.close()
    return page.tasks
