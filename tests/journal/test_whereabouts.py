"""What the journal knows of files that a person renamed, moved or deleted."""

from dataclasses import replace
from pathlib import Path

import pytest

from song_mcp.journal import Journal, NewTask, SaveClaim
from song_mcp.songs import Clip, Report
from tests.manual_clock import ManualClock

NEW = NewTask("piapi", "udio", "song", "", "Quay", "waltz", {})
CLIP = Clip("c1", "completed", audio_url="https://cdn.example/c1.mp3")
WAS, IS = Path("/music/Quay.mp3"), Path("/music/waltzes/My quay.mp3")
SAVED = replace(
    CLIP, file=WAS, cover=WAS.with_suffix(".jpg"), mime_type="audio/mpeg", digest="12 ab"
)
DELETED = replace(CLIP, file=None, gone_file=WAS)


@pytest.fixture
async def local_id(journal: Journal) -> str:
    """A task whose clip is saved."""
    task = (await journal.prepare(NEW, join=False)).task
    await journal.accept(task.local_id, NEW, "t1", Report("t1", "completed", "", clips=(CLIP,)))
    await journal.save_clip(task.local_id, SAVED)
    return task.local_id


async def clip(journal: Journal) -> Clip:
    task = await journal.find("t1")
    assert task is not None
    return task.clips[0]


async def due(journal: Journal, what: str = "asked") -> int:
    claim = SaveClaim("", "me", 5, (), "", what)  # type: ignore[arg-type]
    return len(await journal.claim_saves(claim))


async def test_a_followed_file_is_where_it_is_now(journal: Journal, local_id: str) -> None:
    moved = replace(CLIP, file=IS, cover=IS.with_suffix(".jpg"), lyrics_file=None)
    number = (await journal.changes_since(None)).number
    await journal.track([(local_id, WAS, moved)])
    found = await clip(journal)
    assert (found.file, found.cover, found.lyrics_file) == (IS, IS.with_suffix(".jpg"), None)
    assert (found.mime_type, found.digest) == ("audio/mpeg", "12 ab")
    news = await journal.changes_since(number)
    assert [(each.local_id, each.clip_ids) for each in news.changes] == [(local_id, ("c1",))]
    assert news.is_list_changed


async def test_a_deleted_file_is_not_saved_again_unasked(
    journal: Journal, local_id: str, clock: ManualClock
) -> None:
    await journal.track([(local_id, WAS, DELETED)])
    found = await clip(journal)
    assert (found.is_gone, found.gone_file, found.gone_at) == (True, WAS, clock.now())
    assert (found.file, found.cover, found.lyrics_file, found.is_saved) == (None, None, None, False)
    clock.elapsed_s += 7 * 24 * 3600.0
    assert await due(journal) == await due(journal, "planned") == await due(journal, "new") == 0
    assert await journal.next_save_s(5) is None
    task = await journal.find("t1")
    assert task is not None
    assert task.has_nothing_to_save


async def test_a_report_keeps_a_deleted_clip(journal: Journal, local_id: str) -> None:
    await journal.track([(local_id, WAS, DELETED)])
    other = Clip("c2", "completed", audio_url="https://cdn.example/c2.mp3")
    await journal.record(local_id, Report("t1", "completed", "", clips=(other,)))
    task = await journal.find("t1")
    assert task is not None
    assert {each.clip_id for each in task.clips} == {"c1", "c2"}
    assert [each.is_gone for each in task.clips if each.clip_id == "c1"] == [True]


async def test_a_deleted_file_that_somebody_asks_for_is_due_at_once(
    journal: Journal, local_id: str
) -> None:
    await journal.track([(local_id, WAS, DELETED)])
    task = await journal.get_again(local_id, ["c1"])
    assert (task.clips[0].is_gone, task.clips[0].gone_at is None) == (False, False)
    assert not task.has_nothing_to_save
    assert await due(journal, "new") == 1
    await journal.save_clip(local_id, replace(CLIP, save_error="The link has expired."))
    assert (await clip(journal)).gone_at is not None, "it is still known that it was deleted"
    await journal.save_clip(local_id, SAVED)
    found = await clip(journal)
    assert (found.file, found.gone_at) == (WAS, None)


async def test_a_file_that_is_put_back_is_there_again(journal: Journal, local_id: str) -> None:
    await journal.track([(local_id, WAS, DELETED)])
    await journal.track([(local_id, WAS, SAVED)])
    found = await clip(journal)
    assert (found.file, found.gone_at, found.is_gone) == (WAS, None, False)


async def test_only_a_deleted_file_is_got_again(journal: Journal, local_id: str) -> None:
    await journal.get_again(local_id, ["c1"])
    assert (await clip(journal)).file == WAS


async def test_what_another_process_saw_later_stays(journal: Journal, local_id: str) -> None:
    await journal.track([(local_id, WAS, replace(SAVED, file=IS))])
    await journal.track([(local_id, WAS, DELETED)])
    await journal.track([(local_id, WAS, replace(SAVED, file=Path("/elsewhere.mp3")))])
    found = await clip(journal)
    assert (found.file, found.gone_at) == (IS, None)


async def test_a_folder_has_the_volume_on_which_it_was_seen_last(journal: Journal) -> None:
    assert await journal.volume_of(Path("/music")) is None
    for volume in ("/", "/media/stick", "/media/stick"):
        await journal.seen_on(Path("/music"), volume)
    assert await journal.volume_of(Path("/music")) == "/media/stick"
