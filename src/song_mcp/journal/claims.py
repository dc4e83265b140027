"""What the journal's promises rest on: joining, the daily limit, and who does what is due.

Invariant: each function runs inside the write transaction of its caller, so of several processes
exactly one finds a request new, exactly one makes a look that is due, and exactly one saves a clip.
Times are Unix seconds of the shared wall clock; a clock that is set back delays nothing for long.
"""

import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from song_mcp.errors import LimitReachedError
from song_mcp.journal import rows
from song_mcp.songs import Task

Pace = Callable[[float], float]
"""From the age of a task to the age at which it is looked at next, in seconds."""

DAY_S = 24 * 3600.0
FOLLOWED_FOR_S = 3600.0
"""How old a task may be, in seconds, for a look to be due without anyone asking."""
FAR_AHEAD_S = 120.0
"""A look planned further ahead than this was planned before the clock was set back."""
UNBORN_S = 5.0
"""How long after a look the next one is due, where by a clock set back the task is not made yet."""

JOINABLE = """
SELECT * FROM tasks WHERE fingerprint = :fingerprint AND account = :account AND (
    status IN ('submitting', 'pending', 'processing', 'in_doubt')
    OR (status IN ('completed', 'failed') AND delivered_at IS NULL AND ended_at > :since)
) ORDER BY created_at DESC, rowid DESC LIMIT 1
"""
UNFOLLOW = """
UPDATE tasks SET unfollowed_at = ?
WHERE local_id = ? AND unfollowed_at IS NULL AND status IN ('submitting', 'pending', 'processing')
"""
PAID_SINCE = (
    "SELECT count(*) AS paid, sum(CASE WHEN charged = 'no' THEN 0 ELSE cost_usd END) AS cost_usd "
    "FROM tasks WHERE wire != '' AND status != 'rejected' AND created_at > ?"
)
FOLLOWED = (
    "status IN ('pending', 'processing') AND task_id != '' AND account = :account "
    "AND unfollowed_at IS NULL "
    "AND (next_look_at <= created_at + :followed_for OR created_at > :now - :followed_for)"
)
DUE = (
    f"{FOLLOWED} AND (next_look_at <= :soon OR next_look_at > :far) "
    "ORDER BY next_look_at, rowid LIMIT :limit"
)
NEXT_LOOK = (
    # both parts are constants of ours
    "SELECT min(CASE WHEN next_look_at > :far THEN 0 ELSE next_look_at END) "  # noqa: S608  # nosec B608
    "FROM tasks "
    f"WHERE {FOLLOWED}"
)
CLAIM_SAVES = """
SELECT clips.local_id, clips.clip_id, clips.save_tries FROM clips
JOIN tasks ON tasks.local_id = clips.local_id
WHERE :local_id IN (clips.local_id, '') AND tasks.status IN ('completed', 'failed')
    AND clips.status = 'completed' AND clips.file = '' AND clips.audio_url != ''
    AND (clips.save_tries < :tries AND clips.save_after <= :now OR clips.save_owner IN (
        SELECT value FROM json_each(:dead)
    ))
"""
SAVERS = "SELECT DISTINCT save_owner FROM clips WHERE file = '' AND save_owner != ''"


@dataclass(frozen=True)
class SaveClaim:
    """Who claims which clips: those of task `local_id` ("": of all), up to `tries` times each.

    `owner` is the process that claims; `dead` are those whose claims it takes over.
    """

    local_id: str
    owner: str
    tries: int
    dead: Sequence[str] = ()


@dataclass(frozen=True)
class Spending:
    """The paid submissions of the last 24 hours, and what is known of their cost in US dollars."""

    paid: int
    cost_usd: float


def joinable(
    db: sqlite3.Connection, fingerprint: str, account: str, now: float
) -> sqlite3.Row | None:
    """Give the account's newest task with this fingerprint that a repeated request joins, or None.

    That is one still open or in doubt, or one that ended within 24 hours of `now` (Unix seconds)
    and whose end no client was ever told.
    """
    values = {"fingerprint": fingerprint, "account": account, "since": now - DAY_S}
    found = db.execute(JOINABLE, values)
    return cast("sqlite3.Row | None", found.fetchone())


def followed_again(db: sqlite3.Connection, row: sqlite3.Row) -> sqlite3.Row:
    """Give the row of a task that a request joins, which is followed even where it was not."""
    if row["unfollowed_at"] is None:
        return row
    db.execute("UPDATE tasks SET unfollowed_at = NULL WHERE local_id = ?", (row["local_id"],))
    return rows.task_row(db, row["local_id"])


def spending(db: sqlite3.Connection, now: float) -> Spending:
    """Give what was paid for in the 24 hours before `now` (Unix seconds); refusals do not count."""
    row = db.execute(PAID_SINCE, (now - DAY_S,)).fetchone()
    return Spending(int(row["paid"]), float(row["cost_usd"] or 0.0))


def check_limit(db: sqlite3.Connection, daily_limit: int | None, now: float) -> None:
    """Raise LimitReachedError where the 24 hours before `now` have used up the limit."""
    if daily_limit is None:
        return
    paid = spending(db, now).paid
    if paid >= daily_limit:
        raise LimitReachedError(
            f"{paid} paid submissions in the last 24 hours reach the limit of {daily_limit}. "
            "Nothing was sent or paid. Wait, or set SONG_MCP_DAILY_LIMIT higher and restart."
        )


def claim_looks(
    db: sqlite3.Connection, account: str, now: float, slack_s: float, limit: int, pace: Pace
) -> list[Task]:
    """Give the followed tasks of an account that are due, with their next look planned.

    What is claimed here nobody else claims, so one look is made by one process. With `slack_s`
    those due so many seconds ahead are taken along. `pace` maps an age to the age of the next look.
    """
    values = {"account": account, "now": now, "followed_for": FOLLOWED_FOR_S}
    values |= {"soon": now + slack_s, "far": now + FAR_AHEAD_S, "limit": limit}
    tasks = rows.tasks_where(db, DUE, values)
    for task in tasks:
        age_s = now - task.created_at.timestamp()
        ahead_s = pace(age_s) - age_s if age_s >= 0 else UNBORN_S
        db.execute(
            "UPDATE tasks SET next_look_at = ? WHERE local_id = ?", (now + ahead_s, task.local_id)
        )
    return tasks


def next_look_at(db: sqlite3.Connection, account: str, now: float) -> float | None:
    """Give the Unix time at which the next followed task of an account is due, or None."""
    values = {"account": account, "now": now, "followed_for": FOLLOWED_FOR_S}
    found = db.execute(NEXT_LOOK, values | {"far": now + FAR_AHEAD_S}).fetchone()[0]
    return None if found is None else float(found)


def claim_saves(db: sqlite3.Connection, claim: SaveClaim, now: float) -> list[tuple[str, str]]:
    """Give the clips that are to be saved now, each counted as a try, by task and clip id.

    The next try of a clip is planned a minute, four minutes, a quarter of an hour ... ahead, and
    after `tries` there is none; what a dead process was saving is due at once.
    """
    values = {"local_id": claim.local_id, "now": now, "tries": claim.tries}
    due = db.execute(CLAIM_SAVES, values | {"dead": json.dumps(claim.dead)}).fetchall()
    for row in due:
        db.execute(
            "UPDATE clips SET save_tries = save_tries + 1, save_after = ?, save_owner = ? "
            "WHERE local_id = ? AND clip_id = ?",
            (now + 60.0 * 4 ** row["save_tries"], claim.owner, row["local_id"], row["clip_id"]),
        )
    return [(row["local_id"], row["clip_id"]) for row in due]
