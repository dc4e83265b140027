"""The change feed: what changed in the journal, whichever process changed it.

Triggers number the changes. `since` runs inside the read transaction of its caller and returns
every change after a number once. A reader that remembers the number it was given misses nothing. If
nothing changed, `since` is one lookup at the end of one index.
"""

import sqlite3

from song_mcp.journal.values import Change, News

NEWEST_NUMBER = "SELECT max(number) FROM changes"
SINCE = "SELECT local_id, clip_id FROM changes WHERE number > ? ORDER BY number"
EVERY_CLIP = ""
"""The clip id of a change to the task itself, which all its clips show."""
THE_LIST = ""
"""The local id of a change to the list of finished clips."""


def since(db: sqlite3.Connection, number: int | None) -> News:
    """Return what changed after change `number`; for None the newest number and no changes."""
    newest = int(db.execute(NEWEST_NUMBER).fetchone()[0] or 0)
    if number is None or newest == number:
        return News(newest)
    if newest < number:  # a new file took the place of a damaged one
        number = 0
    changed: dict[str, set[str]] = {}
    for row in db.execute(SINCE, (number,)):
        changed.setdefault(row["local_id"], set()).add(row["clip_id"])
    is_list_changed = changed.pop(THE_LIST, None) is not None
    changes = tuple(_change(db, local_id, changed[local_id]) for local_id in changed)
    return News(newest, changes, is_list_changed)


def _change(db: sqlite3.Connection, local_id: str, clip_ids: set[str]) -> Change:
    known = db.execute("SELECT task_id FROM tasks WHERE local_id = ?", (local_id,)).fetchone()
    task_ids = (local_id, known["task_id"]) if known and known["task_id"] else (local_id,)
    if EVERY_CLIP in clip_ids:
        own = db.execute("SELECT clip_id FROM clips WHERE local_id = ?", (local_id,))
        clip_ids |= {row["clip_id"] for row in own}
    return Change(task_ids, tuple(sorted(clip_ids - {EVERY_CLIP})))
