"""What lies in the inbox, and what becomes of it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import anyio
import pytest

from song_mcp.inbox import Inbox
from song_mcp.journal import Journal, NewTask
from song_mcp.songs import Clip, Report, Task
from song_mcp.studio.intake import Intake
from song_mcp.studio.saver import Saver
from tests.manual_clock import ManualClock
from tests.memory_services import spare_the_disk


class Tries:
    """Stands in for the saver: tells when a clip was tried."""

    def __init__(self) -> None:
        self.tried = anyio.Event()


@dataclass
class Room:
    """A journal and an inbox, and who looks after both."""

    journal: Journal
    inbox: Inbox
    intake: Intake
    clock: ManualClock
    saver: Tries

    async def row(self, *, is_free: bool = False) -> str:
        wire = {"is_free": is_free}
        new = NewTask("minimax", "minimax-3", "song", "p", "", "", {}, wire, owner="us")
        local_id = (await self.journal.prepare(new, join=False)).task.local_id
        assert await self.journal.begin(local_id, "us", None)
        return local_id

    async def made(self) -> Task:
        """A task whose song lies in the inbox and is not saved yet."""
        local_id = await self.row()
        new = NewTask("minimax", "minimax-3", "song", "p", "", "", {}, {}, owner="us")
        clip = Clip("t-1", "completed", audio_url=self.put(local_id))
        report = Report("t-1", "completed", "success", clips=(clip,), charged="yes")
        return (await self.journal.accept(local_id, new, "t-1", report)).task

    def put(self, local_id: str) -> str:
        incoming = self.inbox.receive(local_id)
        incoming.write(b"audio")
        return incoming.keep()

    def put_part(self, local_id: str) -> None:
        self.inbox.folder.mkdir(exist_ok=True)
        (self.inbox.folder / f"{local_id}.part").write_bytes(b"au")

    async def doubt(self) -> str:
        """Return the id of a task that is in doubt."""
        local_id = await self.row()
        new = NewTask("minimax", "minimax-3", "song", "p", "", "", {}, {}, owner="us")
        await self.journal.doubt(local_id, new, "It broke off.")
        return local_id

    async def find(self, local_id: str) -> Task:
        task = await self.journal.find(local_id)
        assert task is not None
        return task


@pytest.fixture
async def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Room]:
    spare_the_disk(monkeypatch)
    clock = ManualClock()
    journal = Journal(tmp_path / "j.sqlite3", clock.now)
    inbox = Inbox(tmp_path / "inbox", cap_bytes=100)
    tries = Tries()
    intake = Intake(journal, inbox, clock, cast("Saver", tries))
    yield Room(journal, inbox, intake, clock, tries)
    await journal.close()


async def test_a_song_stays_until_it_is_saved(room: Room, tmp_path: Path) -> None:
    task = await room.made()
    await room.intake.clear()
    assert room.inbox.link(task.local_id)
    failed = replace(task.clips[0], save_error="The disk is full.")
    await room.journal.save_clip(task.local_id, failed)
    await room.intake.clear()
    assert room.inbox.link(task.local_id), "it is tried again later"
    saved = replace(task.clips[0], file=tmp_path / "song.mp3", mime_type="audio/mpeg")
    await room.journal.save_clip(task.local_id, saved)
    await room.intake.clear()
    assert room.inbox.names() == []


async def test_what_is_being_received_stays(room: Room) -> None:
    part, whole = await room.row(), await room.row()
    room.put_part(part)
    room.put(whole)
    await room.intake.clear()
    assert room.inbox.names() == sorted([part, whole])
    assert (await room.find(whole)).status == "submitting"


async def test_a_part_of_a_song_that_is_in_doubt_is_removed(room: Room) -> None:
    local_id = await room.row()
    room.put_part(local_id)
    new = NewTask("minimax", "minimax-3", "song", "p", "", "", {}, {}, owner="us")
    await room.journal.doubt(local_id, new, "It broke off.")
    await room.intake.clear()
    assert room.inbox.names() == []
    assert (await room.find(local_id)).status == "in_doubt"


async def test_a_part_of_a_task_whose_clip_has_no_link_is_removed(room: Room) -> None:
    local_id = await room.row()
    room.put_part(local_id)
    new = NewTask("minimax", "minimax-3", "song", "p", "", "", {}, {}, owner="us")
    report = Report("t-1", "processing", "busy", clips=(Clip("t-1", "processing"),))
    await room.journal.accept(local_id, new, "t-1", report)
    await room.intake.clear()
    assert room.inbox.names() == []


@pytest.mark.parametrize("is_abandoned", [False, True])
async def test_a_whole_song_settles_its_doubt(room: Room, *, is_abandoned: bool) -> None:
    local_id = await room.row()
    link = room.put(local_id)
    new = NewTask("minimax", "minimax-3", "song", "p", "", "", {}, {}, owner="us")
    await room.journal.doubt(local_id, new, "It could not be written.")
    if is_abandoned:
        await room.journal.abandon(local_id, "Closed.")
    await room.intake.clear()
    task = await room.find(local_id)
    assert (task.status, task.charged, task.provider_status) == ("completed", "yes", "success")
    assert [(clip.audio_url, clip.status) for clip in task.clips] == [(link, "completed")]
    assert room.inbox.link(local_id)
    await room.intake.clear()
    assert room.inbox.link(local_id), "it is not saved yet"


async def test_a_song_of_another_journal_is_left_alone(room: Room) -> None:
    room.put("local-of-another-journal")
    await room.intake.clear()
    assert room.inbox.names() == ["local-of-another-journal"]


async def test_each_file_is_looked_at(room: Room) -> None:
    room.put("local-0")  # the first by its name, and of another journal
    whole = [await room.doubt() for _ in range(2)]
    for local_id in whole:
        room.put(local_id)
    part = await room.doubt()
    room.put_part(part)
    await room.intake.clear()
    assert [(await room.find(local_id)).status for local_id in whole] == ["completed"] * 2
    assert room.inbox.names() == sorted(["local-0", *whole])


async def test_it_looks_at_once_each_minute_and_whenever_a_clip_was_tried(room: Room) -> None:
    async def are_left(seconds: float) -> bool:
        await room.clock.run(seconds)
        return room.inbox.names() != []

    room.put_part(await room.doubt())
    async with anyio.create_task_group() as group:
        group.start_soon(room.intake.run)
        assert not await are_left(0.0)
        room.put_part(await room.doubt())
        assert await are_left(59.0)
        assert not await are_left(1.0)
        room.put_part(await room.doubt())
        assert await are_left(0.0)
        room.saver.tried.set()
        room.saver.tried = anyio.Event()
        assert not await are_left(0.0)
        group.cancel_scope.cancel()
