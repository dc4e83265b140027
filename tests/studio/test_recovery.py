"""Who is taken for dead, and what becomes of what they were submitting."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import anyio
import pytest

from song_mcp.errors import JournalError
from song_mcp.inbox import Inbox
from song_mcp.journal import Journal, Liveness, NewTask, Submitting
from song_mcp.songs import SERVICES
from song_mcp.studio.recovery import Recovery
from song_mcp.studio.submitter import Submitter
from tests.manual_clock import ManualClock
from tests.memory_services import spare_the_disk


class Disk(Journal):
    """A journal that tells when it was read for rows, and fails so many times at that."""

    failures = 0

    def __init__(self, path: Path, clock: ManualClock) -> None:
        super().__init__(path, clock.now)
        self._clock = clock
        self.read_at: list[float] = []

    async def submitting(self) -> Sequence[Submitting]:
        self.read_at.append(self._clock.monotonic())
        self.failures -= 1
        if self.failures >= 0:
            raise JournalError("The disk is full.")
        return await super().submitting()


@dataclass
class Sending:
    """Stands in for the submitter: the tasks that this process sends."""

    local_ids: set[str] = field(default_factory=set)

    def is_sending(self, local_id: str) -> bool:
        return local_id in self.local_ids


@dataclass
class Ward:
    """A recovery, the rows that its process sends, and another process that lives."""

    journal: Disk
    clock: ManualClock
    ours: Liveness
    other: Liveness
    submitter: Sending = field(default_factory=Sending)

    def __post_init__(self) -> None:
        self.inbox = Inbox(self.journal.path.parent / "inbox", cap_bytes=100)
        self.recovery = Recovery(
            self.journal, self.ours, self.clock, cast("Submitter", self.submitter), self.inbox
        )

    async def row(
        self, owner: str, *, is_sent: bool = True, service: str = "piapi", **wire: object
    ) -> str:
        model = SERVICES[service].models[0].name
        new = NewTask(service, model, "song", "p", "", "", {}, wire, owner=owner)
        local_id = (await self.journal.prepare(new, join=False)).task.local_id
        assert not is_sent or await self.journal.begin(local_id, owner, None)
        return local_id

    async def status(self, local_id: str) -> str:
        task = await self.journal.find(local_id)
        assert task is not None
        return task.status


@pytest.fixture
async def ward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ward]:
    spare_the_disk(monkeypatch)
    clock, folder = ManualClock(), tmp_path / "processes"
    opened = Ward(Disk(tmp_path / "j.sqlite3", clock), clock, Liveness(folder), Liveness(folder))
    opened.ours.enter()
    opened.other.enter()
    yield opened
    opened.ours.leave()
    opened.other.leave()
    await opened.journal.close()


async def test_what_a_dead_process_was_submitting_is_in_doubt(ward: Ward) -> None:
    lost, theirs = await ward.row("dead"), await ward.row(ward.other.token)
    await ward.recovery.recover()
    task = await ward.journal.find(lost)
    assert task is not None
    assert (task.status, task.charged) == ("in_doubt", "unknown")
    assert "accepted and charged" in task.error
    assert await ward.status(theirs) == "submitting"


async def test_what_a_dead_process_had_not_sent_yet_cost_nothing(ward: Ward) -> None:
    unsent, sent = await ward.row("dead", is_sent=False), await ward.row("dead")
    ward.clock.elapsed_s += 60.0
    await ward.recovery.recover()
    task = await ward.journal.find(unsent)
    assert task is not None
    assert (task.status, task.charged) == ("rejected", "no")
    assert "Nothing was sent or charged" in task.error
    assert task.finished_at == ward.clock.now()
    assert await ward.status(sent) == "in_doubt"
    assert not await ward.journal.begin(unsent, "dead", None), "who lives after all sends nothing"


async def test_what_a_dead_process_had_sent_that_costs_nothing_is_in_no_doubt(ward: Ward) -> None:
    lost = await ward.row("dead", is_free=True)
    await ward.recovery.recover()
    task = await ward.journal.find(lost)
    assert task is not None
    assert (task.status, task.charged) == ("rejected", "no")
    assert "costs nothing" in task.error


async def test_a_song_that_came_before_its_process_died_was_accepted(ward: Ward) -> None:
    paid = await ward.row("dead", service="minimax")
    free = await ward.row("dead", service="minimax", is_free=True)
    living = await ward.row(ward.other.token, service="minimax")
    for local_id in (paid, free, living):
        incoming = ward.inbox.receive(local_id)
        incoming.write(b"audio")
        assert incoming.keep()
    await ward.recovery.recover()
    for local_id, charged in ((paid, "yes"), (free, "no")):
        task = await ward.journal.find(local_id)
        assert task is not None
        assert (task.status, task.charged) == ("completed", charged)
        [clip] = task.clips
        assert clip.audio_url == f"inbox:{local_id}"
        assert task.task_id == clip.clip_id == f"minimax-{local_id.removeprefix('local-')}"
    assert await ward.status(living) == "submitting", "its process may be about to write it"


async def test_a_song_of_which_only_a_part_came_is_in_doubt_and_cannot_be_looked_up(
    ward: Ward,
) -> None:
    lost = await ward.row("dead", service="minimax")
    incoming = ward.inbox.receive(lost)
    incoming.write(b"audio")
    await ward.recovery.recover()
    incoming.discard()
    task = await ward.journal.find(lost)
    assert task is not None
    assert (task.status, task.charged) == ("in_doubt", "unknown")
    assert "nothing can be looked up" in task.error
    assert "resolve_task with check" not in task.error


async def test_what_a_version_without_owners_was_submitting_is_in_doubt(ward: Ward) -> None:
    lost = await ward.row("", is_sent=False)
    await ward.recovery.recover()
    assert await ward.status(lost) == "in_doubt"


@pytest.mark.parametrize("is_sent", [True, False])
async def test_a_living_process_keeps_its_rows_however_old(ward: Ward, *, is_sent: bool) -> None:
    theirs = await ward.row(ward.other.token, is_sent=is_sent)
    ward.clock.elapsed_s += 3600.0
    await ward.recovery.recover()
    assert await ward.status(theirs) == "submitting"


async def test_what_this_process_sends_is_left_alone_however_long_it_takes(ward: Ward) -> None:
    mine = await ward.row(ward.ours.token)
    ward.submitter.local_ids.add(mine)
    ward.clock.elapsed_s += 3600.0
    await ward.recovery.recover()
    assert await ward.status(mine) == "submitting"


async def test_a_row_of_ours_that_nobody_sends_is_in_doubt_after_half_a_minute(
    ward: Ward,
) -> None:
    mine = await ward.row(ward.ours.token)
    ward.clock.elapsed_s += 30.0
    await ward.recovery.recover()
    assert await ward.status(mine) == "submitting", "its sending may be about to begin"
    ward.clock.elapsed_s += 0.5
    await ward.recovery.recover()
    assert await ward.status(mine) == "in_doubt"


async def test_a_row_of_ours_that_was_never_sent_is_closed_after_half_a_minute(ward: Ward) -> None:
    mine = await ward.row(ward.ours.token, is_sent=False)
    ward.clock.elapsed_s += 30.0
    await ward.recovery.recover()
    assert await ward.status(mine) == "submitting", "its sending may be about to begin"
    ward.clock.elapsed_s += 0.5
    await ward.recovery.recover()
    assert await ward.status(mine) == "rejected"


async def test_a_round_that_finds_nothing_writes_nothing(ward: Ward) -> None:
    await ward.row(ward.other.token)
    written = ward.journal.written
    await ward.recovery.recover()
    assert not written.is_set()


async def test_rounds_are_made_at_once_and_every_ten_seconds_though_one_fails(
    ward: Ward,
) -> None:
    lost = await ward.row("dead")
    ward.journal.failures = 1
    async with anyio.create_task_group() as group:
        group.start_soon(ward.recovery.run)
        await ward.clock.run(0.0)
        assert await ward.status(lost) == "submitting"
        await ward.clock.run(20.0)
        group.cancel_scope.cancel()
    assert ward.journal.read_at == [0.0, 10.0, 20.0]
    assert await ward.status(lost) == "in_doubt"
