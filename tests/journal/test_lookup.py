"""What a name can mean in the journal: ids, short ids, titles, `last`; and how long tasks take."""

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from song_mcp.journal import Journal, NewTask, claims, lookup
from song_mcp.journal.schema import MIGRATIONS
from song_mcp.journal.values import Meaning
from song_mcp.library.names import digest
from song_mcp.songs import Clip, ClipStatus, Report, ServiceStatus, Task
from song_mcp.text import clean
from tests.journal.test_store import NEW, NOON, Wall

FIRST = "5b1f0c52-0000-4000-8000-0000000000a1"
SECOND = "6c1f0c52-0000-4000-8000-0000000000a2"
TWIN = "5b1f0c99-0000-4000-8000-0000000000a3"


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
async def journal(tmp_path: Path, wall: Wall) -> AsyncIterator[Journal]:
    opened = Journal(tmp_path / "journal.sqlite3", wall)
    yield opened
    await opened.close()


async def made(
    journal: Journal,
    *clip_ids: str,
    title: str = "",
    service_title: str = "",
    status: ClipStatus = "completed",
) -> str:
    """Write a completed task with these clips; returns its id at the service."""
    new = NewTask("piapi", "udio", "song", "", title, "waltz", {})
    prepared = await journal.prepare(new, join=False)
    task_id = f"task-of-{clip_ids[0]}"
    clips = tuple(Clip(key, status, service_title=service_title) for key in clip_ids)
    report = Report(task_id, "completed", "completed", clips=clips)
    await journal.accept(prepared.task.local_id, new, task_id, report)
    return task_id


async def meaning(journal: Journal, name: str) -> Meaning:
    return await journal.meaning(name)


async def meant(journal: Journal, name: str) -> list[str]:
    return [clip.clip_id for _, clip in (await meaning(journal, name)).clips]


@pytest.mark.parametrize("name", [FIRST, FIRST.upper(), FIRST[:6], FIRST[:12], "5B1F0C"])
async def test_an_id_or_its_beginning_means_its_clip(journal: Journal, name: str) -> None:
    await made(journal, FIRST, SECOND)
    assert await meant(journal, name) == [FIRST]


async def test_fewer_than_six_characters_of_an_id_mean_nothing(journal: Journal) -> None:
    await made(journal, FIRST)
    assert await meant(journal, FIRST[:5]) == []


async def test_a_beginning_that_two_ids_share_means_both_newest_first(
    journal: Journal, wall: Wall
) -> None:
    await made(journal, FIRST)
    wall.now += timedelta(minutes=1)
    await made(journal, TWIN)
    assert await meant(journal, "5b1f0c") == [TWIN, FIRST]
    assert await meant(journal, "5b1f0c5") == [FIRST]


async def test_what_stands_in_the_files_name_means_its_clip(journal: Journal) -> None:
    await made(journal, FIRST, SECOND, title="Quay at Dusk")
    short = digest("piapi", SECOND)[:8]
    for name in (
        short,
        short.upper(),
        digest("piapi", SECOND)[:16],
        f"Quay at Dusk {short}",
        f"Quay at Dusk {short}.mp3",
        f"/home/ada/Music/song-mcp/Quay at Dusk {short}.mp3",
        f"C:\\Music\\Quay at Dusk {short}.flac",
    ):
        assert await meant(journal, name) == [SECOND], name
    assert await meant(journal, short[:7]) == []


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Quay at Dusk", "quay AT dusk"),
        ("Straße", "STRASSE"),
        ("Caf\u00e9", "cafe\u0301"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("夜の港", "夜の港"),
        ("Night", "\u202eNight\u200b"),
        ("♥ ♥", " ♥ ♥ "),
    ],
)
async def test_a_title_means_its_clip_whatever_its_case_and_spelling(
    journal: Journal, title: str, name: str
) -> None:
    await made(journal, FIRST, title=title)
    await made(journal, SECOND, title=f"{title} II")
    assert await meant(journal, clean(name, lines=False)) == [FIRST]


async def test_a_part_of_a_title_means_nothing(journal: Journal) -> None:
    await made(journal, FIRST, title="Quay at Dusk")
    assert await meant(journal, "Quay") == []


async def test_the_users_title_goes_before_the_services(journal: Journal) -> None:
    await made(journal, FIRST, title="Quay", service_title="Lamps")
    assert await meant(journal, "lamps") == [FIRST]
    await made(journal, SECOND, title="Lamps")
    assert await meant(journal, "lamps") == [SECOND]


async def test_a_finished_clip_goes_before_one_that_failed(journal: Journal) -> None:
    await made(journal, FIRST, title="Quay", status="failed")
    assert await meant(journal, "Quay") == [FIRST]
    await made(journal, SECOND, title="Quay")
    assert await meant(journal, "Quay") == [SECOND]


async def test_of_many_clips_with_one_title_the_newest_five_are_given(
    journal: Journal, wall: Wall
) -> None:
    for number in range(7):
        await made(journal, f"clip-{number}", title="Quay")
        wall.now += timedelta(minutes=1)
    found = await meaning(journal, "Quay")
    assert found.total == 7
    assert [clip.clip_id for _, clip in found.clips] == [f"clip-{n}" for n in (6, 5, 4, 3, 2)]


async def test_last_is_the_newest_songs_first_finished_take(journal: Journal, wall: Wall) -> None:
    assert (await meaning(journal, "last")).clips == ()
    await made(journal, FIRST)
    wall.now += timedelta(minutes=1)
    await made(journal, SECOND, TWIN)
    wall.now += timedelta(minutes=1)
    await made(journal, "clip-failed", status="failed")
    found = await meaning(journal, "Last")
    assert (found.is_last, found.running) == (True, None)
    assert [clip.clip_id for _, clip in found.clips] == [SECOND]


# The order -------------------------------------------------------------------------------


@pytest.mark.parametrize("off", [timedelta(hours=8), timedelta(days=365 * 74)])
async def test_last_is_the_newest_though_the_clock_was_ahead_when_others_were_made(
    journal: Journal, wall: Wall, off: timedelta
) -> None:
    wall.now += off
    await made(journal, FIRST)
    wall.now -= off
    task_id = await made(journal, SECOND)
    assert await meant(journal, "last") == [SECOND]
    [task] = await journal.named_tasks("last")
    assert task.task_id == task_id
    assert (await journal.search("", 9)).tasks[0].task_id == task_id
    assert await order(journal) == [SECOND, FIRST]


async def seen(journal: Journal, wall: Wall, clip_id: str, made_ago: timedelta) -> Task:
    """Look at a song that was made elsewhere, so long ago as its service tells."""
    report = Report(
        f"task-of-{clip_id}",
        "completed",
        "completed",
        clips=(Clip(clip_id, "completed"),),
        created_at=wall.now - made_ago,
    )
    return (await journal.adopt("piapi", "", report)).task


async def order(journal: Journal) -> list[str]:
    """Every clip in the order of the list, read page by page."""
    found, places = await journal.page(None, 1)
    ids = [clip.clip_id for _, clip in found]
    while places:
        found, places = await journal.page(places[-1], 1)
        ids += [clip.clip_id for _, clip in found]
    assert ids == list(dict.fromkeys(ids)), "none twice"
    return ids


@pytest.mark.parametrize("ahead", [timedelta(hours=8), timedelta(days=365 * 74)])
async def test_a_song_made_elsewhere_in_the_future_is_not_newer_than_the_next_one(
    journal: Journal, wall: Wall, ahead: timedelta
) -> None:
    await made(journal, FIRST)
    wall.now += timedelta(minutes=1)
    elsewhere = await seen(journal, wall, TWIN, -ahead)
    assert elsewhere.created_at == wall.now + ahead, "shown as told"
    assert await meant(journal, "last") == [TWIN], "made now, as far as can be known"
    wall.now += timedelta(minutes=1)
    await made(journal, SECOND)
    assert await meant(journal, "last") == [SECOND]
    assert await order(journal) == [SECOND, TWIN, FIRST]


async def test_songs_made_elsewhere_stand_between_ours_by_their_times(
    journal: Journal, wall: Wall
) -> None:
    await made(journal, FIRST)
    wall.now += timedelta(hours=1)
    await made(journal, SECOND)
    wall.now += timedelta(hours=1)
    for clip_id, minutes in {"b": 80, "a": 90, "c": 70, "before": 180, "after": 30}.items():
        await seen(journal, wall, clip_id, timedelta(minutes=minutes))
    assert await order(journal) == ["after", SECOND, "c", "b", "a", FIRST, "before"]
    await made(journal, TWIN)
    assert (await order(journal))[0] == TWIN


async def test_an_untold_extension_is_told_with_last_whatever_the_clock_was(
    journal: Journal, wall: Wall
) -> None:
    wall.now += timedelta(hours=8)
    await made(journal, FIRST)
    wall.now -= timedelta(hours=8)
    longer = await extended(journal, TWIN, SECOND, "", status="processing")
    assert (await meaning(journal, "last")).untold == longer


async def test_last_tells_of_a_newer_song_that_is_still_being_made(
    journal: Journal, wall: Wall
) -> None:
    await made(journal, FIRST)
    wall.now += timedelta(minutes=1)
    newer = await journal.prepare(NewTask("piapi", "udio", "song", "", "", "x", {}), join=False)
    running = (await meaning(journal, "last")).running
    assert running is not None
    assert running.local_id == newer.task.local_id


async def extended(
    journal: Journal, source: str, clip_id: str, service_title: str, *, status: ServiceStatus
) -> Task:
    """Write an extension of the clip `source`, so far as `status` says."""
    new = NewTask("piapi", "udio", "extension", "", "", "x", {"source": {"clip_id": source}})
    prepared = await journal.prepare(new, join=False)
    clip_status: ClipStatus = "completed" if status == "completed" else "processing"
    clips = (Clip(clip_id, clip_status, service_title=service_title),)
    report = Report(f"task-of-{clip_id}", status, status, clips=clips)
    return (await journal.accept(prepared.task.local_id, new, report.task_id, report)).task


@pytest.mark.parametrize("status", ["processing", "completed"])
async def test_a_title_that_an_untold_extension_took_over_is_told_with_it(
    journal: Journal, status: ServiceStatus
) -> None:
    await made(journal, FIRST, title="Quay", service_title="Harbour")
    assert (await meaning(journal, "harbour")).untold is None
    longer = await extended(journal, FIRST, SECOND, "Harbour", status=status)
    assert (await meaning(journal, "harbour")).untold == longer
    assert (await meaning(journal, SECOND)).untold is None
    if status == "completed":
        await journal.deliver([longer.task_id])
        assert (await meaning(journal, "harbour")).untold is None


async def test_last_is_told_with_an_untold_extension_of_another_clip(
    journal: Journal, wall: Wall
) -> None:
    await made(journal, FIRST)
    wall.now += timedelta(minutes=1)
    longer = await extended(journal, FIRST, SECOND, "", status="processing")
    assert (await meaning(journal, "last")).untold is None
    wall.now += timedelta(minutes=1)
    await made(journal, TWIN)
    assert (await meaning(journal, "last")).untold == longer
    wall.now += timedelta(hours=1)
    await made(journal, "clip-later")
    assert (await meaning(journal, "last")).untold is None


async def test_a_tasks_id_means_the_task_and_no_clip(journal: Journal) -> None:
    task_id = await made(journal, FIRST)
    found = await meaning(journal, task_id)
    assert found.clips == ()
    assert found.task is not None
    assert found.task.task_id == task_id


async def test_a_task_is_found_by_its_ids_a_clips_id_and_as_the_last(
    journal: Journal, wall: Wall
) -> None:
    task_id = await made(journal, FIRST)
    task = await journal.find(task_id)
    assert task is not None
    for name in (task_id, task.local_id, FIRST, "LAST"):
        assert await journal.named_tasks(name) == [task]
    wall.now += timedelta(minutes=1)
    new = NewTask("gptge", "suno-v5", "lyrics", "", "", "x", {})
    newest = (await journal.prepare(new, join=False)).task
    assert await journal.named_tasks("last") == [newest]
    assert await journal.named_tasks("nobody") == []


# What is offered ---------------------------------------------------------------------------

WORDS = st.sampled_from(
    [
        "last",
        "Quay",
        "QUAY",
        "5b1f0c",
        "abcdefgh",
        ".mp3",
        "a/b",
        "夜",
        "ß",
        "SS",
        "é",
        "e\u0301",
        "",
    ]
)
TITLES = st.lists(WORDS, max_size=3).map(" ".join) | st.text(max_size=20)


def written(titles: Sequence[str]) -> sqlite3.Connection:
    """A journal in memory with a finished clip of each title, cleaned as titles are."""
    db = sqlite3.connect(":memory:")
    db.row_factory = sqlite3.Row
    for script in MIGRATIONS:
        db.executescript(script)
    for number, title in enumerate(titles):
        stamp = NOON.timestamp() + number
        new = replace(NEW, title=clean(title, lines=False))
        task = claims.written(db, new, stamp, daily_limit=None)
        update = "UPDATE tasks SET status = 'pending', task_id = ? WHERE local_id = ?"
        db.execute(update, (f"task-{number}", task.local_id))
        clip_id = f"5b1f0c{number:02}-0000-4000-8000-000000000000"
        clip = Clip(clip_id, "completed", service_title=clean(title[::-1], lines=False))
        report = Report(f"task-{number}", "completed", "completed", clips=(clip,))
        claims.record(db, task.local_id, report, stamp)
    return db


@given(st.lists(TITLES, min_size=1, max_size=6))
def test_every_name_that_is_offered_means_its_clip_alone(titles: list[str]) -> None:
    with closing(written(titles)) as db:
        last, *names = lookup.clip_names(db, "", 100).values
        newest_first = [entry.clip_id for entry in lookup.entries(db)]
        for clip_id, name in zip(newest_first, names, strict=True):
            found = lookup.meaning(db, clean(name, lines=False))
            assert [clip.clip_id for _, clip in found.clips] == [clip_id], name
        assert last == "last"


# How long ----------------------------------------------------------------------------------


async def took(journal: Journal, wall: Wall, seconds: float, model: str = "udio") -> None:
    new = NewTask("piapi", model, "song", "", "", "x", {})
    prepared = await journal.prepare(new, join=False)
    wall.now += timedelta(seconds=seconds)
    report = Report(f"t-{wall.now}", "completed", "completed")
    await journal.accept(prepared.task.local_id, new, report.task_id, report)


async def expected_s(journal: Journal, **changes: str) -> float | None:
    new = NewTask("piapi", "udio", "song", "", "", "x", {})
    task = (await journal.prepare(new, join=False)).task
    asked = replace(task, **changes)  # type: ignore[arg-type]  # names of its text fields
    return await journal.expected_s(asked)


async def test_the_median_of_three_tells_how_long_it_takes(journal: Journal, wall: Wall) -> None:
    for seconds in (100, 500):
        await took(journal, wall, seconds)
    assert await expected_s(journal) is None
    await took(journal, wall, 140)
    assert await expected_s(journal) == pytest.approx(140)
    await took(journal, wall, 160)
    assert await expected_s(journal) == pytest.approx(150)


async def test_another_model_of_the_service_tells_where_its_own_is_not_known(
    journal: Journal, wall: Wall
) -> None:
    for seconds in (100, 120, 140):
        await took(journal, wall, seconds)
    assert await expected_s(journal, model="udio-2") == pytest.approx(120)
    for seconds in (10, 12, 14):
        await took(journal, wall, seconds, "udio-2")
    assert await expected_s(journal, model="udio-2") == pytest.approx(12)
    assert await expected_s(journal, service="gptge") is None
    assert await expected_s(journal, kind="lyrics") is None


async def test_only_the_last_twenty_tell(journal: Journal, wall: Wall) -> None:
    for seconds in (1000,) * 20 + (100,) * 20:
        await took(journal, wall, seconds)
    assert await expected_s(journal) == pytest.approx(100)


# Tasks by less than their id ------------------------------------------------------------------


@pytest.mark.parametrize("length", [14, 20, 40])
async def test_a_tasks_id_may_be_in_any_case_or_its_beginning(
    journal: Journal, length: int
) -> None:
    task_id = await made(journal, FIRST)
    await made(journal, SECOND)
    task = await journal.find(task_id)
    assert task is not None
    for name in (task_id.upper(), task_id[:length], task_id[:length].upper()):
        assert await journal.named_tasks(name) == [task]
    for whole in (task.local_id, task.local_id.removeprefix("local-")):
        assert await journal.named_tasks(whole[:length].upper()) == [task]
    assert await journal.named_tasks(task.local_id.removeprefix("local-")[:6]) == [task]


@pytest.mark.parametrize("name", ["local-", "local-12345", "task_", "task-", "task-o", "", "LOCAL"])
async def test_less_than_six_characters_of_a_tasks_own_mean_none(
    journal: Journal, name: str
) -> None:
    new = NewTask("piapi", "udio", "song", "", "", "waltz", {})
    await journal.prepare(new, join=False)
    assert await journal.named_tasks(name) == []


async def test_a_beginning_of_two_tasks_ids_means_both_newest_first(
    journal: Journal, wall: Wall
) -> None:
    ids = []
    for clip_id in (FIRST, TWIN):
        ids.append(await made(journal, clip_id))
        wall.now += timedelta(minutes=1)
    assert [each.task_id for each in await journal.named_tasks("task-of-5b1f0c")] == ids[::-1]
    [task] = await journal.named_tasks("task-of-5b1f0c9")
    assert task.task_id == ids[1]


async def test_ids_that_differ_in_case_alone_are_told_apart_by_it(journal: Journal) -> None:
    ids = [await made(journal, clip_id) for clip_id in ("AbC123xyz", "aBc123xyz")]
    for task_id in ids:
        assert [each.task_id for each in await journal.named_tasks(task_id)] == [task_id]
    assert len(await journal.named_tasks("task-of-abc123xyz")) == 2
