"""Finding clips and tasks by what people call them, and how long such tasks take.

These functions only read, inside the transaction of their caller, and decide nothing: for a name
they return every clip that it can mean, and the caller sees whether that is exactly one. A name is
compared with whole ids, then with short ids, then with titles and file names, ignoring case there.
"""

import json
import re
import sqlite3
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import get_args

from song_mcp.journal import rows
from song_mcp.journal.values import Meaning, Offer, Pair, Place
from song_mcp.library import AUDIO_EXTENSIONS, ID_LENGTHS, digest
from song_mcp.songs import (
    OWN_CLIP_ID,
    Kind,
    ServiceName,
    Task,
    completed,
    is_plain_id,
    public_clip_id,
)
from song_mcp.text import clean

FIRST_TAKE = "first_take"
"""The key in a take's request for our id of the first take of the same call."""
LAST = "last"
"""The name of the newest song, whatever its title is."""
MUSIC: Sequence[Kind] = ("song", "extension", "cover")
SHORTEST_ID = 6
"""The fewest characters of a clip's id that count as a short id."""
BEGUN = re.compile(r"^(?:local-|task_)")
"""What all task ids of ours begin with, and all of current gateways."""
TASK_IDS = "SELECT task_id, local_id FROM tasks ORDER BY place, rowid"
SHOWN = 5
"""How many of the clips that a name can mean are returned."""
LOST_FOR_S = 3600.0
"""How much older than the last song, in seconds, an extension may be that a call repeats; one that
is newer in the journal's order counts whatever the clock was."""
RECENT = 20
"""From how many tasks of a kind `expected_s` is computed; with fewer than ENOUGH there is none."""
ENOUGH = 3

WITH_CLIP = (
    "local_id IN (SELECT local_id FROM clips WHERE clip_id = ?) "
    "ORDER BY place DESC, rowid DESC LIMIT 1"
)
SOURCE = (
    "service = :service AND local_id != :local_id "
    "AND local_id IN (SELECT local_id FROM clips WHERE clip_id = :clip_id) "
    "ORDER BY task_id = :task_id DESC, place DESC, rowid DESC LIMIT 1"
)
"""The task that made the source of an extension: the one that it named, else the newest."""
WITH_COMPLETED_CLIP = (
    "local_id IN (SELECT local_id FROM clips WHERE status = 'completed') "
    "ORDER BY place DESC, rowid DESC LIMIT 1"
)
TAKES_OF = f"""
place > (SELECT place FROM tasks WHERE local_id = :first)
    AND CASE WHEN json_valid(request) THEN json_extract(request, '$.{FIRST_TAKE}') END = :first
ORDER BY place
"""  # noqa: S608 - a constant  # nosec B608
"""The other takes of the call that began a task."""
OF_KINDS = "kind IN (SELECT value FROM json_each(?)) ORDER BY place DESC, rowid DESC LIMIT 1"
UNTOLD = (
    "kind IN ('extension', 'cover') "
    "AND (status IN ('submitting', 'pending', 'processing', 'in_doubt') "
    "OR status IN ('completed', 'failed') AND ended_at IS NOT NULL AND delivered_at IS NULL)"
)
"""What was made of a clip and whose end no client was told: a call may be its repetition."""
UNTOLD_SINCE = (
    f"{UNTOLD} AND (place >= ? OR created_at > ?) "
    "AND json_extract(request, '$.source.clip_id') IS NOT ? "
    "ORDER BY place DESC, rowid DESC LIMIT 1"
)
PAGE_AFTER = """
SELECT tasks.place, tasks.rowid, clips.position, clips.rowid, clips.local_id, clips.clip_id
FROM clips JOIN tasks ON tasks.local_id = clips.local_id
WHERE clips.status = 'completed' AND (:is_first OR
    (tasks.place, tasks.rowid, -clips.position, -clips.rowid)
    < (:place, :task, -:position, -:clip))
ORDER BY tasks.place DESC, tasks.rowid DESC, clips.position, clips.rowid LIMIT :limit
"""
ENTRIES = """
SELECT clips.local_id, clips.clip_id, tasks.service, clips.title, clips.service_title,
    clips.status = 'completed' AS is_completed, clips.file
FROM clips JOIN tasks ON tasks.local_id = clips.local_id
ORDER BY tasks.place DESC, tasks.rowid DESC, clips.position, clips.rowid
"""
TASK_TITLES = """
SELECT task_id, local_id,
    title || char(10) || description || char(10) || coalesce((
        SELECT group_concat(clips.title || char(10) || clips.service_title, char(10))
        FROM clips WHERE clips.local_id = tasks.local_id
    ), '') AS titles
FROM tasks ORDER BY place DESC, rowid DESC
"""
TOOK = """
SELECT finished_at - created_at AS took_s FROM tasks
WHERE status = 'completed' AND kind = :kind AND service = :service AND :model IN (model, '')
    AND finished_at > created_at
ORDER BY place DESC, rowid DESC LIMIT :recent
"""
BASE32 = re.compile(r"[a-z2-7]+")
FOLDERS = re.compile(r".*[/\\]", re.DOTALL)


@dataclass(frozen=True)
class Entry:
    """A clip with everything that it can be called by."""

    local_id: str
    clip_id: str
    service: ServiceName
    title: str
    service_title: str
    is_completed: bool
    file: str = ""

    @cached_property
    def digest(self) -> str:
        """The digest whose beginning is in the name of the clip's file."""
        return digest(self.service, self.clip_id)

    @property
    def short_id(self) -> str:
        """The beginning of the digest, as the file's name has it."""
        return self.digest[: ID_LENGTHS[0]]


# Clips -------------------------------------------------------------------------------------


def meaning(db: sqlite3.Connection, name: str) -> Meaning:
    """Return what `name` (cleaned, not empty) can mean if a clip is wanted."""
    exact = clip(db, name)
    if exact is not None:
        return Meaning((exact,), 1)
    if name.casefold() == LAST:
        return _last(db)
    row = rows.find_row(db, name, None)
    if row is not None:
        return Meaning(task=rows.to_task(db, row))
    found = called(entries(db), name)
    pairs = tuple(_pair(db, entry.local_id, entry.clip_id) for entry in found[:SHOWN])
    untold = _untold_of(db, found[0]) if len(found) == 1 and _is_title(found[0], name) else None
    return Meaning(pairs, len(found), untold=untold)


def clip(db: sqlite3.Connection, clip_id: str) -> Pair | None:
    """Return the newest task that made the clip with this id, and the clip, or None.

    The id is the service's, or the one of ours that stands for it.
    """
    if OWN_CLIP_ID.fullmatch(clip_id):
        clip_id = _behind(db, clip_id)
    for task in rows.tasks_where(db, WITH_CLIP, (clip_id,)):
        found = task.clip(clip_id)
        return (task, found) if found else None
    return None


def lineage(db: sqlite3.Connection, clip_id: str, limit: int) -> list[Pair]:
    """Return the clip with this id, then the one that it continues, and so on, at most `limit`.

    The last one continues none, or one that is not known here or that is in the list already.
    """
    found = clip(db, clip_id)
    pairs: list[Pair] = []
    while found is not None and len(pairs) < limit:
        if any(found[1].clip_id == each.clip_id for _, each in pairs):
            break
        pairs.append(found)
        found = _source(db, found[0])
    return pairs


def _source(db: sqlite3.Connection, extension: Task) -> Pair | None:
    """Return the clip that an extension continues, or None if it is not known."""
    source = extension.source
    if source is None:
        return None
    wanted = {"service": extension.service, "local_id": extension.local_id}
    named = {"clip_id": source.clip_id, "task_id": source.task_id}
    for made in rows.tasks_where(db, SOURCE, wanted | named):
        found = made.clip(source.clip_id)
        return (made, found) if found else None
    return None


def _behind(db: sqlite3.Connection, own_id: str) -> str:
    """Return the service's id that an id of ours stands for, or the same id if there is none."""
    ids = (row["clip_id"] for row in db.execute("SELECT DISTINCT clip_id FROM clips"))
    return next((each for each in ids if public_clip_id(each) == own_id), own_id)


def page(db: sqlite3.Connection, after: Place | None, limit: int) -> tuple[list[Pair], list[Place]]:
    """Return up to `limit` completed clips after a place, and the place of each.

    The newest task comes first, its takes in their order. A clip that is finished while somebody
    reads the pages moves nothing on the pages that follow.
    """
    names = ("place", "task", "position", "clip")
    values = dict(zip(names, after or (0.0, 0, 0, 0), strict=True))
    found = db.execute(PAGE_AFTER, values | {"is_first": after is None, "limit": limit}).fetchall()
    return [_pair(db, row[4], row[5]) for row in found], [tuple(row[:4]) for row in found]


def entries(db: sqlite3.Connection) -> list[Entry]:
    """Return every clip once, newest task first, takes in their order."""
    newest: dict[str, Entry] = {}
    for row in db.execute(ENTRIES):
        newest.setdefault(row["clip_id"], Entry(*row))
    return list(newest.values())


def called(clips: Sequence[Entry], name: str) -> list[Entry]:
    """Return those of `clips` that `name` can mean, by the first way that finds any."""
    ways: tuple[Callable[[Sequence[Entry], str], list[Entry]], ...] = (
        _by_short_id,
        partial(_by_title, title_of=lambda entry: entry.title),
        partial(_by_title, title_of=lambda entry: entry.service_title),
        _by_file_name,
    )
    return next((found for way in ways if (found := way(clips, name))), [])


def folded(title: str) -> str:
    """Return a cleaned title so that titles which differ only in case are equal."""
    if title.isascii():
        return title.casefold()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", title).casefold())


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
    """Return the clips with this title: only the finished ones, if there are any."""
    wanted = folded(name)
    found = [entry for entry in clips if folded(title_of(entry)) == wanted]
    return [entry for entry in found if entry.is_completed] or found


def _by_file_name(clips: Sequence[Entry], name: str) -> list[Entry]:
    """Return the clips whose file has this name, with or without its folder and extension.

    That is the name that it got here, or the one that the person gave it since.
    """
    stem = _stem(name)
    found = _by_digest(clips, stem.rpartition(" ")[2])
    return found or [entry for entry in clips if entry.file and _stem(entry.file) == stem]


def _stem(path: str) -> str:
    """Return a file's name without its folder and extension, in the case of `folded`."""
    stem = folded(FOLDERS.sub("", path))
    for extension in AUDIO_EXTENSIONS:
        stem = stem.removesuffix(extension)
    return stem


def _pair(db: sqlite3.Connection, local_id: str, clip_id: str) -> Pair:
    task = rows.to_task(db, rows.task_row(db, local_id))
    return task, next(clip for clip in task.clips if clip.clip_id == clip_id)


def _last(db: sqlite3.Connection) -> Meaning:
    for task in rows.tasks_where(db, WITH_COMPLETED_CLIP, ()):
        newest = _newest(db, MUSIC)
        running = newest if newest and newest.is_open and newest.local_id != task.local_id else None
        first = completed(task.clips)[0]
        place = rows.task_row(db, task.local_id)["place"]
        lost = (place, task.created_at.timestamp() - LOST_FOR_S, first.clip_id)
        untold = next(iter(rows.tasks_where(db, UNTOLD_SINCE, lost)), None)
        return Meaning(((task, first),), 1, is_last=True, running=running, untold=untold)
    return Meaning()


def takes_of(db: sqlite3.Connection, local_id: str) -> list[Task]:
    """Return the other takes of the call that began a task, in the order of their beginning."""
    return rows.tasks_where(db, TAKES_OF, {"first": local_id})


def _untold_of(db: sqlite3.Connection, entry: Entry) -> Task | None:
    """Return the task of a clip that was made of another if its end was delivered to no client."""
    return next(iter(rows.tasks_where(db, f"{UNTOLD} AND local_id = ?", (entry.local_id,))), None)


def _is_title(entry: Entry, name: str) -> bool:
    return folded(name) in {folded(entry.title), folded(entry.service_title)}


# Names -------------------------------------------------------------------------------------


def clip_names(db: sqlite3.Connection, begun: str, limit: int) -> Offer:
    """Return names for the finished clips that somebody who typed `begun` can mean, newest first.

    `begun` is a part of the title or the beginning of an id; clips found by title come first. Each
    name means only its clip. It is the title, or the title and short id if the title alone can mean
    another clip too, or the id if there is no title.
    """
    clips = entries(db)
    finished = [entry for entry in clips if entry.is_completed]
    takes = Counter(folded(entry.title) for entry in finished)
    wanted = folded(clean(begun, lines=False))
    by_title, by_id = [], []
    for entry in finished:
        if _is_titled(entry, wanted):
            by_title.append(entry)
        elif entry.clip_id.casefold().startswith(wanted):
            by_id.append(entry)
    found = by_title + by_id
    names = [_name(entry, clips, takes) for entry in found[:limit]]
    return _offer(names, len(found), wanted, limit)


def _is_titled(entry: Entry, wanted: str) -> bool:
    """Tell whether `wanted` is in a title, or is the title and the beginning of the short id."""
    title = folded(entry.title)
    if wanted in title or wanted in folded(entry.service_title):
        return True
    begun, _, ending = wanted.rpartition(" ")
    return bool(begun) and begun == title and entry.short_id.startswith(ending)


def _name(entry: Entry, clips: Sequence[Entry], takes: Counter[str]) -> str:
    title = folded(entry.title)
    if not title:
        return public_clip_id(entry.clip_id)
    is_taken = title == LAST or takes[title] > 1 or _by_short_id(clips, title)
    return f"{entry.title} {entry.short_id}" if is_taken else entry.title


def task_ids(db: sqlite3.Connection, begun: str, limit: int) -> Offer:
    """Return the ids of the tasks that somebody who typed `begun` can mean, newest first.

    `begun` is the beginning of an id, or a part of the title, the description or a clip's title.
    """
    wanted = folded(clean(begun, lines=False))
    found = [_public_id(row) for row in db.execute(TASK_TITLES) if _is_meant(row, wanted)]
    return _offer(found, len(found), wanted, limit)


def _offer(values: list[str], total: int, wanted: str, limit: int) -> Offer:
    """Offer `last` before the values if it begins with what was typed."""
    if values and LAST.startswith(wanted):
        values, total = [LAST, *values], total + 1
    return Offer(tuple(values[:limit]), total)


def _is_meant(row: sqlite3.Row, wanted: str) -> bool:
    ids = (_public_id(row).casefold(), row["local_id"])
    return any(each.startswith(wanted) for each in ids) or wanted in folded(row["titles"])


def _public_id(row: sqlite3.Row) -> str:
    return str(row["task_id"] if is_plain_id(row["task_id"]) else row["local_id"])


# Tasks -------------------------------------------------------------------------------------


def tasks(db: sqlite3.Connection, name: str) -> list[Task]:
    """Return the tasks that `name` can mean, newest first: one if it is clear, none if unknown.

    It is an id (a service's or ours), `last`, the id of a clip, or an id in another case or
    shortened to its beginning. The first of these that matches anything decides.
    """
    row = rows.find_row(db, name, None)
    if row is not None:
        return [rows.to_task(db, row)]
    if name.casefold() == LAST:
        newest = _newest(db, get_args(Kind))
        return [newest] if newest else []
    made = clip(db, name)
    if made is not None:
        return [made[0]]
    called = _so_called(db, name.casefold())
    return [rows.task(db, each) for each in called]


def _so_called(db: sqlite3.Connection, wanted: str) -> list[str]:
    """Return our ids of the tasks with this id in any case, or else of those it is short for.

    Of tasks with the same id of a service, that is the newest.
    """
    newest = {row[0] or row[1]: (row[0].casefold(), row[1]) for row in db.execute(TASK_IDS)}
    known = list(newest.values())[::-1]
    equal = [ids[1] for ids in known if wanted and wanted in ids]
    return equal or [ids[1] for ids in known if any(_is_short(wanted, each) for each in ids)]


def _is_short(wanted: str, whole: str) -> bool:
    """Tell whether this is the beginning of an id, with or without what all such ids begin with."""
    rest = BEGUN.sub("", whole)
    is_long_enough = len(BEGUN.sub("", wanted)) >= SHORTEST_ID
    return is_long_enough and (whole.startswith(wanted) or rest.startswith(wanted))


def _newest(db: sqlite3.Connection, kinds: Sequence[str]) -> Task | None:
    """Return the newest task of these kinds, or None."""
    return next(iter(rows.tasks_where(db, OF_KINDS, (json.dumps(kinds),))), None)


def expected_s(db: sqlite3.Connection, task: Task) -> float | None:
    """Return how many seconds such a task usually takes, or None if too few are known.

    That is the median of the last ones of its kind and model or, if there are too few of those, of
    its kind and service.
    """
    values = {"kind": task.kind, "service": task.service, "recent": RECENT}
    for model in (task.model, ""):
        found = db.execute(TOOK, values | {"model": model})
        took = sorted(float(row["took_s"]) for row in found)
        if len(took) >= ENOUGH:
            middle = len(took) // 2
            return (took[middle] + took[~middle]) / 2
    return None


def volume_of(db: sqlite3.Connection, folder: str) -> str | None:
    """Return the volume on which a folder was when a song was last seen in it, or None."""
    row = db.execute("SELECT volume FROM folders WHERE folder = ?", (folder,)).fetchone()
    return str(row["volume"]) if row else None
