"""Searching tasks for words, in short transactions.

A writer cannot commit while a transaction reads. So a search reads a few tasks at a time, and
writers have their turn in between. What is written meanwhile at a place that was passed is not
seen, as if the search had begun later or earlier.
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from song_mcp.journal import rows
from song_mcp.songs import Task

AT_ONCE = 100
"""How many tasks are read in one transaction."""

COUNT = "SELECT count(*) FROM tasks"
NEWEST = "1 ORDER BY place DESC, rowid DESC LIMIT ?"
AFTER = """
SELECT rowid, * FROM tasks
WHERE :is_first OR (place, rowid) < (:place, :row)
ORDER BY place DESC, rowid DESC LIMIT :limit
"""
NAMED = "local_id IN (SELECT value FROM json_each(?)) ORDER BY place DESC, rowid DESC"
TASK_TEXTS = ("task_id", "local_id", "title", "description", "lyrics_text", "lyrics_title")
CLIP_TEXTS = ("clip_id", "title", "service_title", "lyrics")

Place = tuple[float, int]
"""Where a task is in the order of all, and its row."""


@dataclass(frozen=True)
class Part:
    """The tasks among some that match, newest first, and the place after these; None at the end."""

    found: tuple[str, ...]
    after: Place | None


def words_of(query: str) -> tuple[str, ...]:
    """Return the different words of a query so that case does not matter."""
    return tuple(dict.fromkeys(query.casefold().split()))


def newest(db: sqlite3.Connection, limit: int) -> tuple[tuple[Task, ...], int]:
    """Return the newest tasks, and how many there are in all."""
    return tuple(rows.tasks_where(db, NEWEST, (limit,))), int(db.execute(COUNT).fetchone()[0])


def part(db: sqlite3.Connection, words: Sequence[str], after: Place | None) -> Part:
    """Return which of the next tasks after a place have all the words; None is the beginning."""
    place, row = after or (0.0, 0)
    values = {"is_first": after is None, "place": place, "row": row, "limit": AT_ONCE}
    tasks = db.execute(AFTER, values).fetchall()
    found = tuple(task["local_id"] for task in tasks if _has_words(db, task, words))
    is_last = len(tasks) < AT_ONCE
    return Part(found, None if is_last else (tasks[-1]["place"], tasks[-1]["rowid"]))


def named(db: sqlite3.Connection, local_ids: Sequence[str]) -> list[Task]:
    """Return those of these tasks that there still are, newest first."""
    return rows.tasks_where(db, NAMED, (json.dumps(local_ids),))


def _has_words(db: sqlite3.Connection, task: sqlite3.Row, words: Sequence[str]) -> bool:
    texts = [task[name] for name in TASK_TEXTS]
    texts.append(str(json.loads(task["request"]).get("lyrics", "")))
    for clip in db.execute("SELECT * FROM clips WHERE local_id = ?", (task["local_id"],)):
        texts += [clip[name] for name in CLIP_TEXTS]
    haystack = "\n".join(texts).casefold()
    return all(word in haystack for word in words)
