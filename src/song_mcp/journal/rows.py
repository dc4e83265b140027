"""Between the journal's rows and the domain's values.

Invariant: these functions run inside the transaction of their caller and decide nothing about
the file; the rule that a status only moves forward is held here, in the WHERE of each update.
"""

import json
import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from song_mcp.errors import JournalError
from song_mcp.songs import Clip, Kind, Lyrics, Report, Service, Task

MERGED = (
    "task_id",
    "status",
    "provider_status",
    "progress_percent",
    "lyrics_title",
    "lyrics_text",
    "error",
    "charged",
    "cost_usd",
    "finished_at",
    "ended_at",
    "delivered_at",
    "looked_at",
    "next_look_at",
    "asked",
)
"""The columns that a task in doubt takes from the one that it turns out to be."""

MERGE = """
UPDATE tasks SET task_id = ?, status = ?, provider_status = ?, progress_percent = ?,
    lyrics_title = ?, lyrics_text = ?, error = ?, charged = ?, cost_usd = ?, finished_at = ?,
    ended_at = ?, delivered_at = ?, looked_at = ?, next_look_at = ?, asked = ?,
    unfollowed_at = NULL
WHERE local_id = ? AND status = 'in_doubt'
"""

Values = Sequence[object] | Mapping[str, object]
INSERT_NEW = """
INSERT OR IGNORE INTO tasks (
    local_id, service, model, kind, status, fingerprint, title, description, request, wire, account,
    owner, linked_to, created_at, next_look_at
) VALUES (
    :local_id, :service, :model, :kind, 'submitting', :fingerprint, :title, :description, :request,
    :wire, :account, :owner, :linked_to, :created_at, :created_at + 2
)
"""
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
    "mime_type",
    "save_error",
)
"""The columns of a clip that are fields of Clip as they stand."""
UPSERT_CLIP = """
INSERT INTO clips (
    local_id, clip_id, position, status, title, service_title, duration_s, audio_url, image_url,
    video_url, tags, lyrics, error, made_with
) VALUES (
    :local_id, :clip_id, :position, :status, :title, :service_title, :duration_s, :audio_url,
    :image_url, :video_url, :tags, :lyrics, :error, :made_with
) ON CONFLICT (local_id, clip_id) DO UPDATE SET
    position = excluded.position, status = excluded.status, title = excluded.title,
    service_title = excluded.service_title, duration_s = excluded.duration_s, audio_url =
    excluded.audio_url, image_url = excluded.image_url, video_url = excluded.video_url, tags
    = excluded.tags, lyrics = excluded.lyrics, error = excluded.error, made_with =
    excluded.made_with
"""


@dataclass(frozen=True)
class NewTask:
    """What is written of a task before its request leaves; `request` holds JSON values.

    `wire` is the submission itself, so that the very same one can be sent again; `account` tells
    the accounts at a service apart without telling the key; `owner` is the process that submits.
    """

    service: Service
    model: str
    kind: Kind
    fingerprint: str
    title: str
    description: str
    request: Mapping[str, Any]
    wire: Mapping[str, Any] = field(default_factory=dict)
    account: str = ""
    owner: str = ""
    linked_to: str = ""


@dataclass(frozen=True)
class Prepared:
    """A task that is ready to be submitted, or, `joined`, an earlier one with the same request."""

    task: Task
    joined: bool


@dataclass(frozen=True)
class Recorded:
    """A task after a report was written; `ended_now` when this very report ended it."""

    task: Task
    ended_now: bool


def task_row(db: sqlite3.Connection, local_id: str) -> sqlite3.Row:
    """Give the row of the task with this id of ours, which exists."""
    row = db.execute("SELECT * FROM tasks WHERE local_id = ?", (local_id,)).fetchone()
    if row is None:
        msg = f"The journal has no task {local_id}."
        raise JournalError(msg)
    return cast("sqlite3.Row", row)


def find_row(db: sqlite3.Connection, any_id: str, service: Service | None) -> sqlite3.Row | None:
    """Give the row of the task with this id, a service's or ours, or None."""
    found = db.execute(
        "SELECT * FROM tasks WHERE (task_id = ? OR local_id = ?) AND ? IN (service, '') "
        "ORDER BY created_at DESC, rowid DESC LIMIT 1",
        (any_id, any_id, service or ""),
    )
    return cast("sqlite3.Row | None", found.fetchone()) if any_id else None


def tasks_where(db: sqlite3.Connection, where: str, values: Values) -> list[Task]:
    """Give the tasks, with their clips, that a WHERE clause of ours selects."""
    found = db.execute(f"SELECT * FROM tasks WHERE {where}", values)  # noqa: S608 - a constant of ours # nosec B608
    return [to_task(db, row) for row in found]


def has_words(db: sqlite3.Connection, query: str, local_id: str) -> bool:
    """Tell whether every word of `query` occurs in the task or its clips, whatever the case."""
    words = query.casefold().split()
    if not words:
        return True
    row = task_row(db, local_id)
    texts = [row[name] for name in ("task_id", "local_id", "title", "description", "lyrics_text")]
    texts += [row["lyrics_title"], str(json.loads(row["request"]).get("lyrics", ""))]
    for clip in db.execute("SELECT * FROM clips WHERE local_id = ?", (local_id,)):
        texts += [clip[name] for name in ("clip_id", "title", "service_title", "lyrics")]
    haystack = "\n".join(texts).casefold()
    return all(word in haystack for word in words)


def new_local_id() -> str:
    """Give an id of ours that nobody can guess."""
    return f"local-{secrets.token_hex(10)}"


def insert_new(db: sqlite3.Connection, local_id: str, new: NewTask, stamp: float) -> None:
    """Write a task as `submitting`, before its request leaves; one that is there stays."""
    values = {
        "local_id": local_id,
        "service": new.service,
        "model": new.model,
        "kind": new.kind,
        "fingerprint": new.fingerprint,
        "title": new.title,
        "description": new.description,
        "request": json.dumps(new.request),
        "wire": json.dumps(new.wire),
        "account": new.account,
        "owner": new.owner,
        "linked_to": new.linked_to,
        "created_at": stamp,
    }
    db.execute(INSERT_NEW, values)


def inserted(db: sqlite3.Connection, new: NewTask, stamp: float) -> Task:
    """Write a new task as `submitting`, and give it."""
    local_id = new_local_id()
    insert_new(db, local_id, new, stamp)
    return to_task(db, task_row(db, local_id))


def doubt(db: sqlite3.Connection, local_id: str, error: str) -> None:
    """Turn a task that is being submitted to `in_doubt`."""
    db.execute(
        "UPDATE tasks SET status = 'in_doubt', charged = 'unknown', error = ? "
        "WHERE local_id = ? AND status = 'submitting'",
        (error, local_id),
    )


def abandon(db: sqlite3.Connection, local_id: str, error: str, stamp: float) -> None:
    """Close a task in doubt, at the Unix time `stamp`."""
    db.execute(
        "UPDATE tasks SET status = 'abandoned', error = error || ' ' || ?, finished_at = ? "
        "WHERE local_id = ? AND status = 'in_doubt'",
        (error, stamp, local_id),
    )


def new_again(row: sqlite3.Row, account: str, owner: str) -> NewTask:
    """Give the new task that submits again what the task of this row was."""
    return NewTask(
        service=row["service"],
        model=row["model"],
        kind=row["kind"],
        fingerprint=row["fingerprint"],
        title=row["title"],
        description=row["description"],
        request=json.loads(row["request"]),
        wire=json.loads(row["wire"]),
        account=account,
        owner=owner,
        linked_to=row["local_id"],
    )


def merge(db: sqlite3.Connection, doubtful: str, found: str) -> None:
    """Let a task in doubt become the found one, which was made elsewhere and goes into it."""
    row = task_row(db, found)
    changed = db.execute(MERGE, (*(row[name] for name in MERGED), doubtful))
    if changed.rowcount:
        db.execute("UPDATE clips SET local_id = ? WHERE local_id = ?", (doubtful, found))
        db.execute("DELETE FROM tasks WHERE local_id = ?", (found,))


def absorb(db: sqlite3.Connection, local_id: str, service: Service, task_id: str) -> None:
    """Forget a task made elsewhere that is, as its id shows, the one that was just accepted."""
    found = db.execute(
        "SELECT local_id FROM tasks WHERE service = ? AND task_id = ? AND wire = '' "
        "AND local_id != ?",
        (service, task_id, local_id),
    ).fetchall()
    for row in found:
        db.execute("DELETE FROM clips WHERE local_id = ?", (row["local_id"],))
        db.execute("DELETE FROM tasks WHERE local_id = ?", (row["local_id"],))


def insert_foreign(
    db: sqlite3.Connection,
    local_id: str,
    service: Service,
    account: str,
    report: Report,
    stamp: float,
) -> None:
    """Write a task that was made elsewhere, still without what the report says."""
    created_at = report.created_at.timestamp() if report.created_at else stamp
    db.execute(
        "INSERT INTO tasks (local_id, service, task_id, account, model, kind, status, created_at) "
        "VALUES (?, ?, ?, ?, ?, ?, 'pending', ?)",
        (local_id, service, report.task_id, account, report.model, report.kind, created_at),
    )


def record(db: sqlite3.Connection, local_id: str, report: Report | None, stamp: float) -> Recorded:
    """Write a report over a task that is still open at its service; an ended one stays as it is.

    `stamp` is the Unix time of the look, or of the submission where its answer is the report.
    """
    row = task_row(db, local_id)
    is_open = row["status"] in {"pending", "processing"}
    if report is not None and is_open:
        _update_task(db, row, report, stamp)
        _update_clips(db, row, report)
    if report is not None:
        db.execute("UPDATE tasks SET looked_at = ? WHERE local_id = ?", (stamp, local_id))
    task = to_task(db, task_row(db, local_id))
    return Recorded(task, ended_now=is_open and not task.is_open)


def _update_task(db: sqlite3.Connection, row: sqlite3.Row, report: Report, stamp: float) -> None:
    charged = row["charged"] if report.charged == "unknown" else report.charged
    cost_usd = row["cost_usd"] if report.cost_usd is None else report.cost_usd
    lyrics = report.lyrics or Lyrics(row["lyrics_title"], row["lyrics_text"])
    finished_at = report.finished_at.timestamp() if report.finished_at else stamp
    db.execute(
        "UPDATE tasks SET status = ?, provider_status = ?, progress_percent = ?, error = ?, "
        "charged = ?, cost_usd = ?, lyrics_title = ?, lyrics_text = ?, finished_at = ?, "
        "ended_at = ?, "
        "model = CASE WHEN model = '' THEN ? ELSE model END, "
        "asked = CASE WHEN ? = '' THEN asked ELSE ? END WHERE local_id = ?",
        (
            report.status,
            report.provider_status,
            report.progress_percent,
            report.error,
            charged,
            cost_usd,
            lyrics.title,
            lyrics.text,
            finished_at if report.is_ended else None,
            stamp if report.is_ended else None,
            report.model,
            report.asked,
            report.asked,
            row["local_id"],
        ),
    )


def _update_clips(db: sqlite3.Connection, row: sqlite3.Row, report: Report) -> None:
    """Write the report's clips over those known; where a clip was saved is left as it is."""
    for position, clip in enumerate(report.clips):
        values = {
            "local_id": row["local_id"],
            "clip_id": clip.clip_id,
            "position": position,
            "status": clip.status,
            "title": row["title"] or clip.service_title,
            "service_title": clip.service_title,
            "duration_s": clip.duration_s,
            "audio_url": clip.audio_url,
            "image_url": clip.image_url,
            "video_url": clip.video_url,
            "tags": json.dumps(clip.tags),
            "lyrics": clip.lyrics,
            "error": clip.error,
            "made_with": clip.made_with,
        }
        db.execute(UPSERT_CLIP, values)


def update_kept(db: sqlite3.Connection, local_id: str, clip: Clip) -> None:
    """Write where the library has a clip, and its measured duration where none was known."""
    db.execute(
        "UPDATE clips SET file = ?, cover = ?, mime_type = ?, save_error = ?, "
        "duration_s = COALESCE(duration_s, ?) WHERE local_id = ? AND clip_id = ?",
        (
            str(clip.file or ""),
            str(clip.cover or ""),
            clip.mime_type,
            clip.save_error,
            clip.duration_s,
            local_id,
            clip.clip_id,
        ),
    )


def to_task(db: sqlite3.Connection, row: sqlite3.Row) -> Task:
    """Give a task with its clips from its row."""
    found = db.execute(
        "SELECT * FROM clips WHERE local_id = ? ORDER BY position, rowid", (row["local_id"],)
    )
    has_lyrics = row["lyrics_text"] or row["lyrics_title"]
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
        clips=tuple(_clip(clip) for clip in found),
        lyrics=Lyrics(row["lyrics_title"], row["lyrics_text"]) if has_lyrics else None,
        error=row["error"],
        charged=row["charged"],
        cost_usd=row["cost_usd"],
        finished_at=_time(row["finished_at"]),
        looked_at=_time(row["looked_at"]),
        balance_usd=row["balance_usd"],
        linked_to=row["linked_to"],
        unfollowed_at=_time(row["unfollowed_at"]),
    )


def _clip(row: sqlite3.Row) -> Clip:
    return Clip(
        **{name: row[name] for name in CLIP_COLUMNS},
        tags=tuple(json.loads(row["tags"])),
        file=Path(row["file"]) if row["file"] else None,
        cover=Path(row["cover"]) if row["cover"] else None,
    )


def _time(stamp: float | None) -> datetime | None:
    return None if stamp is None else datetime.fromtimestamp(0, UTC) + timedelta(seconds=stamp)
