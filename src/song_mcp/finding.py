"""Finding clips and tasks by what people call them, and how long such tasks take.

Invariant: these functions read alone, in one state of the journal, and decide nothing: a name gives
every clip that it can mean, so that whoever asked can see that it means exactly one. An id is
compared as it is, then as a short id; titles are compared cleaned and whatever their case.
"""

import json
import re
import sqlite3
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import get_args

from song_mcp import audio, rows
from song_mcp.songs import Clip, Kind, Service, Task, completed
from song_mcp.tagging import ID_LENGTHS, digest
from song_mcp.text import clean

LAST = "last"
"""The name of the newest song, whatever its title."""
MUSIC: Sequence[Kind] = ("song", "extension")
SHORTEST_ID = 6
"""The fewest characters of a clip's id that stand for it."""
SHOWN = 5
"""How many of the clips that a name can mean are given."""
RECENT = 20
"""How many tasks of a kind tell how long the next one takes; fewer than ENOUGH tell nothing."""
ENOUGH = 3

WITH_CLIP = (
    "local_id IN (SELECT local_id FROM clips WHERE clip_id = ?) "
    "ORDER BY created_at DESC, rowid DESC LIMIT 1"
)
WITH_COMPLETED_CLIP = (
    "local_id IN (SELECT local_id FROM clips WHERE status = 'completed') "
    "ORDER BY created_at DESC, rowid DESC LIMIT ?"
)
NEWEST = "kind IN (SELECT value FROM json_each(?)) ORDER BY created_at DESC, rowid DESC LIMIT 1"
ALL = -1
ENTRIES = """
SELECT clips.local_id, clips.clip_id, tasks.service, clips.title, clips.service_title,
    clips.status = 'completed' AS is_completed
FROM clips JOIN tasks ON tasks.local_id = clips.local_id
ORDER BY tasks.created_at DESC, tasks.rowid DESC, clips.position, clips.rowid
"""
TOOK = """
SELECT finished_at - created_at AS took_s FROM tasks
WHERE status = 'completed' AND kind = :kind AND service = :service AND :model IN (model, '')
    AND finished_at > created_at
ORDER BY created_at DESC, rowid DESC LIMIT :recent
"""
BASE32 = re.compile(r"[a-z2-7]+")
FOLDERS = re.compile(r".*[/\\]", re.DOTALL)
EXTENSIONS = tuple(kind.extension for kind in audio.AUDIO)

Pair = tuple[Task, Clip]


@dataclass(frozen=True)
class Entry:
    """A clip with what it can be called by."""

    local_id: str
    clip_id: str
    service: Service
    title: str
    service_title: str
    is_completed: bool

    @property
    def digest(self) -> str:
        """The digest whose beginning stands in the name of the clip's file."""
        return digest(self.service, self.clip_id)


@dataclass(frozen=True)
class Meaning:
    """What a name can mean: `total` clips, the newest five of them in `clips`, newest first.

    `task` is set, and nothing else, where the name is a task's id. For the name `last` there is
    one clip, `is_last`, and `running` is a newer song that is still being made.
    """

    clips: tuple[Pair, ...] = ()
    total: int = 0
    task: Task | None = None
    is_last: bool = False
    running: Task | None = None


# Clips -------------------------------------------------------------------------------------


def meaning(db: sqlite3.Connection, name: str) -> Meaning:
    """Give what `name` (cleaned, not empty) can mean where a clip is wanted."""
    exact = clip(db, name)
    if exact is not None:
        return Meaning((exact,), 1)
    if name.casefold() == LAST:
        return _last(db)
    row = rows.find_row(db, name, None)
    if row is not None:
        return Meaning(task=rows.to_task(db, row))
    found = called(entries(db), name)
    return Meaning(tuple(_pair(db, entry) for entry in found[:SHOWN]), len(found))


def clip(db: sqlite3.Connection, clip_id: str) -> Pair | None:
    """Give the newest task that made the clip with this id, and the clip, or None."""
    for task in rows.tasks_where(db, WITH_CLIP, (clip_id,)):
        found = task.clip(clip_id)
        return (task, found) if found else None
    return None


def completed_clips(db: sqlite3.Connection) -> Sequence[Pair]:
    """Give every completed clip with its task, newest task first, takes in their order."""
    tasks = rows.tasks_where(db, WITH_COMPLETED_CLIP, (ALL,))
    return [(task, clip) for task in tasks for clip in completed(task.clips)]


def entries(db: sqlite3.Connection) -> list[Entry]:
    """Give every clip once, newest task first, takes in their order."""
    newest: dict[str, Entry] = {}
    for row in db.execute(ENTRIES):
        newest.setdefault(row["clip_id"], Entry(*row))
    return list(newest.values())


def called(clips: Sequence[Entry], name: str) -> list[Entry]:
    """Give those of `clips` that `name` can mean, by the first way in which it means any."""
    ways: tuple[Callable[[Sequence[Entry], str], list[Entry]], ...] = (
        _by_short_id,
        partial(_by_title, title_of=lambda entry: entry.title),
        partial(_by_title, title_of=lambda entry: entry.service_title),
        _by_file_name,
    )
    return next((found for way in ways if (found := way(clips, name))), [])


def folded(title: str) -> str:
    """Give a title so that two which look the same, but for their case, are equal."""
    if title.isascii():  # it was cleaned when it came in
        return title.casefold()
    text = unicodedata.normalize("NFD", clean(title, lines=False)).casefold()
    return unicodedata.normalize("NFC", text)


def _by_short_id(clips: Sequence[Entry], name: str) -> list[Entry]:
    short = name.casefold()
    begun = [entry for entry in clips if entry.clip_id.casefold().startswith(short)]
    if len(short) < SHORTEST_ID:
        begun = []
    others = [entry for entry in _by_digest(clips, short) if entry not in begun]
    return begun + others


def _by_digest(clips: Iterable[Entry], short: str) -> list[Entry]:
    if len(short) < ID_LENGTHS[0] or not BASE32.fullmatch(short):
        return []
    return [entry for entry in clips if entry.digest.startswith(short)]


def _by_title(clips: Sequence[Entry], name: str, title_of: Callable[[Entry], str]) -> list[Entry]:
    """Give the clips with this title: the finished ones, where there are any."""
    wanted = folded(name)
    found = [entry for entry in clips if folded(title_of(entry)) == wanted]
    return [entry for entry in found if entry.is_completed] or found


def _by_file_name(clips: Sequence[Entry], name: str) -> list[Entry]:
    """Give the clip whose file has this name, with or without its folder and extension."""
    stem = FOLDERS.sub("", name).casefold()
    for extension in EXTENSIONS:
        stem = stem.removesuffix(extension)
    return _by_digest(clips, stem.rpartition(" ")[2])


def _pair(db: sqlite3.Connection, entry: Entry) -> Pair:
    task = rows.to_task(db, rows.task_row(db, entry.local_id))
    return task, next(clip for clip in task.clips if clip.clip_id == entry.clip_id)


def _last(db: sqlite3.Connection) -> Meaning:
    for task in rows.tasks_where(db, WITH_COMPLETED_CLIP, (1,)):
        newest = _newest(db, MUSIC)
        running = newest if newest and newest.is_open and newest.local_id != task.local_id else None
        first = completed(task.clips)[0]
        return Meaning(((task, first),), 1, is_last=True, running=running)
    return Meaning()


# Tasks -------------------------------------------------------------------------------------


def task(db: sqlite3.Connection, name: str) -> Task | None:
    """Give the task with this id, a service's or ours, or that made this clip, or the `last`."""
    row = rows.find_row(db, name, None)
    if row is not None:
        return rows.to_task(db, row)
    if name.casefold() == LAST:
        return _newest(db, get_args(Kind))
    made = clip(db, name)
    return made[0] if made else None


def _newest(db: sqlite3.Connection, kinds: Sequence[str]) -> Task | None:
    """Give the newest task of these kinds, or None."""
    return next(iter(rows.tasks_where(db, NEWEST, (json.dumps(kinds),))), None)


def expected_s(db: sqlite3.Connection, task: Task) -> float | None:
    """Give how many seconds such a task usually takes: the median of the last ones, or None.

    That is of its kind and model, or, where too few of those are known, of its kind and service.
    """
    values = {"kind": task.kind, "service": task.service, "recent": RECENT}
    for model in (task.model, ""):
        found = db.execute(TOOK, values | {"model": model})
        took = sorted(float(row["took_s"]) for row in found)
        if len(took) >= ENOUGH:
            middle = len(took) // 2
            return (took[middle] + took[~middle]) / 2
    return None
