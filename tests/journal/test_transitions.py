"""A task's status changes as `TRANSITIONS` allows, whatever is written, and not otherwise."""

import ast
import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from song_mcp.journal import Journal, NewTask, Orphaned
from song_mcp.journal.transitions import REPORTED, TRANSITIONS, Event
from song_mcp.journal.writes import move
from song_mcp.songs import Clip, Report, ServiceStatus, Status, Task
from tests.memory_services import spare_the_disk

SOURCE = Path(__file__).parents[2] / "src" / "song_mcp"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
WIRE = {"path": "/make", "body": {"prompt": "waltz"}, "deadline_s": 60.0}
NEW = NewTask(
    "piapi", "udio", "song", "print-1", "Quay", "waltz", {"lyrics": "Lamps"}, WIRE, owner="me",
)  # fmt: skip
ORPHANED = Orphaned("Nobody submits it.", "Not sent.", "It is free.")
CLIP = Clip("c1", "completed", audio_url="https://x/a.mp3")
STATED: tuple[ServiceStatus, ...] = get_args(ServiceStatus)
"""What a service can say of a task."""
ENDS: tuple[Status, ...] = ("completed", "failed", "rejected")

Write = Callable[[Journal, Task], Awaitable[object]]


@pytest.fixture
async def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Journal]:
    spare_the_disk(monkeypatch)
    opened = Journal(tmp_path / "journal.sqlite3", lambda: NOON)
    yield opened
    await opened.close()


# How a task comes to be in a status --------------------------------------------------------


def told(status: ServiceStatus, task_id: str = "t1") -> Report:
    return Report(task_id, status, f"theirs: {status}", clips=(CLIP,), charged="yes", cost_usd=0.05)


async def task_in(journal: Journal, status: Status) -> Task:
    """Return a new task that events have moved to `status`."""
    task = (await journal.prepare(NEW, join=False)).task
    if status in REPORTED:
        task = (await journal.accept(task.local_id, NEW, "t1", None)).task
    for each in STATED:
        if each == status:
            task = (await journal.record(task.local_id, told(each))).task
    if status == "rejected":
        task = await journal.reject(task.local_id, NEW, "No credits.")
    if status in {"in_doubt", "abandoned"}:
        task = await journal.doubt(task.local_id, NEW, "No answer.")
    if status == "abandoned":
        task = await journal.abandon(task.local_id, "Closed.")
    assert task.status == status
    return task


# What is written of it ---------------------------------------------------------------------


@dataclass(frozen=True)
class Written:
    """A write through the journal: which event it is, where it leads, and how it is made."""

    name: str
    event: Event
    target: Status
    write: Write


async def accept(journal: Journal, task: Task) -> None:
    await journal.accept(task.local_id, NEW, "t1", None)


async def reject(journal: Journal, task: Task) -> None:
    await journal.reject(task.local_id, NEW, "Refused.")


async def doubt(journal: Journal, task: Task) -> None:
    await journal.doubt(task.local_id, NEW, "Lost.")


async def orphan(journal: Journal, task: Task) -> None:
    await journal.begin(task.local_id, NEW.owner, None)
    await journal.orphan([task.local_id], ORPHANED)


async def drop(journal: Journal, task: Task) -> None:
    await journal.orphan([task.local_id], ORPHANED)


async def abandon(journal: Journal, task: Task) -> None:
    await journal.abandon(task.local_id, "Closed by the user.")


async def submit_again(journal: Journal, task: Task) -> None:
    await journal.submit_again(task.local_id, "", "me", None)


def record(status: ServiceStatus) -> Write:
    async def write(journal: Journal, task: Task) -> None:
        await journal.record(task.local_id, told(status))

    return write


async def lose(journal: Journal, task: Task) -> None:
    """Have the service say that it does not know the task, two hours after it first said so."""
    await journal.record_unknown(task.local_id, "Unknown.")
    with closing(sqlite3.connect(journal.path)) as db, db:
        db.execute("UPDATE tasks SET unknown_from_s = unknown_from_s - 7200")
    await journal.record_unknown(task.local_id, "Unknown.")


async def find(journal: Journal, task: Task) -> None:
    await journal.found(task.local_id, told("pending", "t2"))


def merge(status: ServiceStatus) -> Write:
    async def write(journal: Journal, task: Task) -> None:
        found = await journal.adopt("piapi", "", told(status, "t2"))
        await journal.merge(task, found.task)

    return write


WRITES = [
    Written("accept", "accept", "pending", accept),
    Written("reject", "reject", "rejected", reject),
    Written("doubt", "doubt", "in_doubt", doubt),
    Written("orphan", "doubt", "in_doubt", orphan),
    Written("drop", "drop", "rejected", drop),
    Written("abandon", "abandon", "abandoned", abandon),
    Written("submit_again", "abandon", "abandoned", submit_again),
    Written("find", "find", "pending", find),
    *(Written(f"record {each}", "report", each, record(each)) for each in STATED),
    Written("record_unknown", "lose", "failed", lose),
    *(Written(f"merge {each}", "merge", each, merge(each)) for each in STATED),
]


def test_every_event_and_each_of_its_targets_is_written_here() -> None:
    written = {(each.event, each.target) for each in WRITES}
    written.add(("recover", "completed"))  # only a task that was lost: see below
    assert written == {(event, to) for event in TRANSITIONS for to in TRANSITIONS[event].targets}
    assert set(TRANSITIONS) == set(get_args(Event))


@pytest.mark.parametrize("written", WRITES, ids=lambda written: written.name)
@pytest.mark.parametrize("status", get_args(Status))
async def test_a_write_moves_a_task_exactly_where_its_event_allows_that(
    journal: Journal, status: Status, written: Written
) -> None:
    task = await task_in(journal, status)
    before = row(journal, task)
    await written.write(journal, task)
    after = row(journal, task)
    if status in TRANSITIONS[written.event].sources:
        assert after["status"] == written.target
    else:
        assert after == before


def row(journal: Journal, task: Task) -> dict[str, object]:
    """Return the task's columns, without the time of the last look, which any look may write."""
    with closing(sqlite3.connect(journal.path)) as db:
        db.row_factory = sqlite3.Row
        found = db.execute("SELECT * FROM tasks WHERE local_id = ?", (task.local_id,)).fetchone()
    return {name: found[name] for name in found.keys() if name != "looked_at"}  # noqa: SIM118 - a row's


async def test_what_its_service_had_not_known_is_completed_when_the_service_says_so(
    journal: Journal,
) -> None:
    task = await task_in(journal, "pending")
    await lose(journal, task)
    assert (row(journal, task)["status"], row(journal, task)["charged"]) == ("failed", "unknown")
    await journal.record(task.local_id, told("processing"))
    assert row(journal, task)["status"] == "failed", "what has ended is never open again"
    await journal.record(task.local_id, told("completed"))
    assert row(journal, task)["status"] == "completed"


def test_what_has_ended_at_its_service_or_was_refused_is_never_moved_but_what_was_lost() -> None:
    ways = {event: each for event, each in TRANSITIONS.items() if event != "recover"}
    sources = {source for each in ways.values() for source in each.sources}
    assert sources == set(get_args(Status)) - set(ENDS)


def test_nothing_moves_back_to_be_submitted_or_out_of_abandoned_but_by_being_accepted() -> None:
    assert all("submitting" not in each.targets for each in TRANSITIONS.values())
    leaving = [event for event in TRANSITIONS if "abandoned" in TRANSITIONS[event].sources]
    assert leaving == ["accept"]


def test_a_status_that_the_event_never_leads_to_is_a_mistake_of_ours() -> None:
    with closing(sqlite3.connect(":memory:")) as db, pytest.raises(ValueError, match="leads to no"):
        move(db, "local-1", "report", "abandoned")


async def test_an_accepted_task_that_its_answer_already_ended_moves_twice(journal: Journal) -> None:
    task = await task_in(journal, "abandoned")
    accepted = await journal.accept(task.local_id, NEW, "t1", told("completed"))
    assert (accepted.task.status, accepted.task.error) == ("completed", "")
    assert accepted.ended_now


@pytest.mark.parametrize(
    ("write", "status"), [(accept, "pending"), (reject, "rejected"), (doubt, "in_doubt")]
)
async def test_what_came_of_a_task_that_a_new_journal_does_not_have_is_written_anew(
    journal: Journal, write: Write, status: Status
) -> None:
    lost = replace(await task_in(journal, "submitting"), local_id="local-lost")
    await write(journal, lost)
    assert row(journal, lost)["status"] == status


# What the source says ----------------------------------------------------------------------

UPDATE = re.compile(
    r"\bUPDATE\s+(?:OR\s+\w+\s+)?tasks\s+SET\b(?P<set>.*?)(?:\bWHERE\b|$)", re.DOTALL
)
INSERT = re.compile(r"\b(?:INSERT|REPLACE)\s+(?:OR\s+\w+\s+)?INTO\s+tasks\b.*", re.DOTALL)
SET_ANYHOW = "{}"


def statements() -> Iterator[tuple[str, str]]:
    """Yield every text of the source, with the function around it; inserted values are `{}`."""
    for path in sorted(SOURCE.rglob("*.py")):
        name = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        yield from _texts(ast.parse(path.read_text(encoding="utf-8")), name)


def _texts(node: ast.AST, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        place = f"{place}.{node.name}"
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
        yield place, "".join(map(str, parts))
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield place, node.value
    for child in ast.iter_child_nodes(node):
        yield from _texts(child, place)


def test_only_move_sets_a_status() -> None:
    found = [(place, match) for place, text in statements() for match in UPDATE.finditer(text)]
    updates = [(place, match["set"]) for place, match in found]
    assert len(updates) > 5, "the statements were not found"
    setting = [place for place, each in updates if "status" in re.split(r"\W+", each)]
    composed = [place for place, each in updates if SET_ANYHOW in each]
    assert (setting, composed) == ([], ["journal.writes.move"])


def test_a_new_row_begins_as_submitting_or_if_it_was_made_elsewhere_as_pending() -> None:
    inserts = [found[0] for _, text in statements() if (found := INSERT.search(text))]
    begun = [re.findall(r"'(\w+)'", text) for text in inserts]
    assert sorted(begun) == [["pending"], ["submitting"]]
    assert all("status" in re.split(r"\W+", text) for text in inserts)
