"""Reading tasks and clips out of the journal's rows.

These functions run inside the transaction of their caller and write nothing.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

from song_mcp.errors import JournalError
from song_mcp.journal.values import Doubt
from song_mcp.songs import Clip, Lyrics, ServiceName, Task, Wishes, lyrics_beside

Values = Sequence[object] | Mapping[str, object]

NEVER = 1e12
"""The time, in Unix seconds, of a next try that is not to be made."""
IS_FREE = "(json_valid(wire) AND coalesce(json_extract(wire, '$.is_free'), 0))"
"""Whether a task of ours costs nothing."""
CLIP_COLUMNS = (
    "clip_id",
    "status",
    "title",
    "service_title",
    "duration_s",
    "audio_url",
    "image_url",
    "video_url",
    "lyrics",
    "error",
    "made_with",
    "digest",
    "mime_type",
    "save_error",
)
"""The columns of a clip that become fields of Clip unchanged."""


def task_row(db: sqlite3.Connection, local_id: str) -> sqlite3.Row:
    """Return the row of the task with this id of ours; raises JournalError if there is none."""
    row = db.execute("SELECT * FROM tasks WHERE local_id = ?", (local_id,)).fetchone()
    if row is None:
        msg = f"The journal has no task {local_id}."
        raise JournalError(msg)
    return cast("sqlite3.Row", row)


def is_free(row: sqlite3.Row) -> bool:
    """Tell whether a task of ours costs nothing."""
    return bool(json.loads(row["wire"] or "{}").get("is_free"))


def find_row(
    db: sqlite3.Connection, any_id: str, service: ServiceName | None
) -> sqlite3.Row | None:
    """Return the row of the newest task with this id (a service's or ours), or None."""
    found = db.execute(
        "SELECT * FROM tasks WHERE (task_id = ? OR local_id = ?) AND ? IN (service, '') "
        "ORDER BY place DESC, rowid DESC LIMIT 1",
        (any_id, any_id, service or ""),
    )
    return cast("sqlite3.Row | None", found.fetchone()) if any_id else None


def task(db: sqlite3.Connection, local_id: str) -> Task:
    """Return the task with this id of ours; raises JournalError if there is none."""
    return to_task(db, task_row(db, local_id))


def tasks_where(db: sqlite3.Connection, where: str, values: Values = ()) -> list[Task]:
    """Return the tasks, with their clips, that a WHERE clause of ours selects."""
    found = db.execute(f"SELECT * FROM tasks WHERE {where}", values)  # noqa: S608 - a constant of ours # nosec B608
    return [to_task(db, row) for row in found]


def to_task(db: sqlite3.Connection, row: sqlite3.Row) -> Task:
    """Return the task of a row, with its clips in order."""
    return Task(
        local_id=row["local_id"],
        service=row["service"],
        model=row["model"],
        kind=row["kind"],
        status=row["status"],
        created_at=_time(row["created_at"]) or datetime.fromtimestamp(0, UTC),
        task_id=row["task_id"],
        title=row["title"],
        description=row["description"],
        request=json.loads(row["request"]),
        provider_status=row["provider_status"],
        progress_percent=row["progress_percent"],
        clips=clips(db, row["local_id"]),
        lyrics=lyrics_of(row),
        error=row["error"],
        charged=row["charged"],
        cost_usd=row["cost_usd"],
        cost_units=row["cost_units"],
        finished_at=_time(row["finished_at"]),
        looked_at=_time(row["looked_at"]),
        balance_usd=row["balance_usd"],
        linked_to=row["linked_to"],
        unfollowed_at=_time(row["unfollowed_at"]),
        followed_by=row["followed_by"],
        ended_at=_time(row["ended_at"]),
        is_unknown=row["unknown_from_s"] is not None,
        lost_at=_time(row["lost_at"]),
        searches=row["searches"],
        found_at=_time(row["found_at"]),
    )


def lyrics_of(row: sqlite3.Row) -> Lyrics | None:
    """Return the lyrics of a task's row, with all their drafts."""
    title, text = row["lyrics_title"], row["lyrics_text"]
    others = tuple(Lyrics(*draft) for draft in json.loads(row["lyrics_drafts"]))
    return Lyrics(title, text, others) if title or text or others else None


def drafts_of(lyrics: Lyrics | None) -> str:
    """Return what a task's row has of its lyrics beside the first draft."""
    return json.dumps([[draft.title, draft.text] for draft in lyrics.others] if lyrics else [])


def clips(db: sqlite3.Connection, local_id: str) -> tuple[Clip, ...]:
    """Return the clips of a task in order."""
    found = db.execute(
        "SELECT * FROM clips WHERE local_id = ? ORDER BY position, rowid", (local_id,)
    )
    return tuple(_clip(row) for row in found)


def to_doubt(db: sqlite3.Connection, row: sqlite3.Row) -> Doubt | None:
    """Return what is known of a submission in doubt, None if it is none or cannot be searched."""
    wire = json.loads(row["wire"] or "{}")
    if row["status"] != "in_doubt" or not {"path", "body"} <= wire.keys():
        return None
    task = to_task(db, row)
    sent_at = _time(row["sent_at"]) or task.created_at
    return Doubt(task, row["account"], wire, sent_at)


def _clip(row: sqlite3.Row) -> Clip:
    is_tried_again = row["save_tried"] and not row["file"] and row["save_after"] < NEVER
    file = Path(row["file"]) if row["file"] else None
    is_gone = file is not None and row["gone_at"] is not None
    return Clip(
        **{name: row[name] for name in CLIP_COLUMNS},
        tags=tuple(json.loads(row["tags"])),
        wishes=Wishes.of_json(json.loads(row["wishes"])),
        file=None if is_gone else file,
        gone_file=file if is_gone else None,
        gone_at=_time(row["gone_at"]),
        cover=Path(row["cover"]) if row["cover"] and not is_gone else None,
        lyrics_file=None if is_gone or file is None else _lyrics_file(row["lyrics_file"], file),
        earlier_urls=tuple(json.loads(row["earlier_urls"])),
        is_late=bool(row["is_late"]),
        link_failed=bool(row["link_failed"]),
        is_being_saved=row["save_owner"] != "" and not row["file"],
        next_try_at=_time(row["save_after"]) if is_tried_again else None,
    )


def _lyrics_file(told: str | None, file: Path) -> Path | None:
    """Return where a clip's timed lyrics are: unless it is told, beside its file."""
    if told is None:
        return lyrics_beside(file)
    return Path(told) if told else None


def time(stamp: float) -> datetime:
    """Return the time of a Unix second."""
    return datetime.fromtimestamp(0, UTC) + timedelta(seconds=stamp)


def _time(stamp: float | None) -> datetime | None:
    return None if stamp is None else time(stamp)
