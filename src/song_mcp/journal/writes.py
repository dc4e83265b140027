"""Every statement that changes the journal's tables.

These functions run inside the write transaction of their caller. A task's status changes in `move`
alone, and only along `transitions.TRANSITIONS`. Times are Unix seconds.
"""

import json
import secrets
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

from song_mcp.journal.mark import Moment
from song_mcp.journal.merging import merged
from song_mcp.journal.rows import (
    IS_FREE,
    NEVER,
    clips,
    drafts_of,
    find_row,
    is_free,
    lyrics_of,
    task_row,
)
from song_mcp.journal.transitions import ENDED, TRANSITIONS, Event
from song_mcp.journal.values import NewTask, Orphaned
from song_mcp.songs import Clip, Lyrics, Report, ServiceName, Status

FIRST_SEARCH_S = 10.0
"""How many seconds after the loss the history is first asked about a submission in doubt."""
MERGED = (
    "task_id",
    "provider_status",
    "progress_percent",
    "lyrics_title",
    "lyrics_text",
    "lyrics_drafts",
    "error",
    "charged",
    "cost_usd",
    "cost_units",
    "finished_at",
    "ended_at",
    "delivered_at",
    "looked_at",
    "next_look_at",
    "followed_by",
    "asked",
    "unknown_from_s",
)
"""The columns, beside the status, that a task in doubt takes from the one it turns out to be."""

NO_LYRICS = Lyrics("", "")
TAIL = 6
"""How many characters of the missing task's id make a copy's name its own."""

INSERT_NEW = """
INSERT OR IGNORE INTO tasks (
    local_id, service, model, kind, status, fingerprint, title, description, request, wire, account,
    followed_by, owner, linked_to, another_take, created_at, next_look_at, place, keeps_told
) VALUES (
    :local_id, :service, :model, :kind, 'submitting', :fingerprint, :title, :description, :request,
    :wire, :account, :account, :owner, :linked_to, :another_take, :created_at, :created_at + 2,
    (SELECT coalesce(CAST(max(place) AS INTEGER), 0) + 1 FROM tasks), 1
)
"""
INSERT_FOREIGN = """
INSERT INTO tasks (
    local_id, service, task_id, account, followed_by, model, kind, status, created_at, place
) VALUES (
    :local_id, :service, :task_id, :account, :account, :model, :kind, 'pending', :created_at,
    (SELECT coalesce(max(CAST(place AS INTEGER)), 0) FROM tasks WHERE created_at <= :made_at)
        + :made_at / 8589934592
)
"""
BEGIN = """
UPDATE tasks SET sent_at = ?, balance_usd = ?
WHERE local_id = ? AND status = 'submitting' AND owner = ?
"""
ASK_FOR_ACCOUNT = """
UPDATE tasks SET asked_for_account = :account
WHERE local_id = :local_id AND account NOT IN ('', :account) AND asked_for_account != :account
"""
ASK_AGAIN = """
UPDATE tasks SET asked_again_until = :until WHERE local_id = :local_id
    AND status IN ('completed', 'failed')
    AND (asked_again_until <= :now OR asked_again_until > :until)
"""
SETS = {"charged": f"charged = CASE WHEN {IS_FREE} THEN 'no' ELSE :charged END"}
"""How columns are set that depend on others."""
UNKNOWN = "UPDATE tasks SET unknown_from_s = ? WHERE local_id = ?"
BETTER_WORDS = """
UPDATE tasks SET error = ?, provider_status = ?, unknown_from_s = NULL WHERE local_id = ?
"""
BETTER_LYRICS = """
UPDATE tasks SET lyrics_title = ?, lyrics_text = ?, lyrics_drafts = ? WHERE local_id = ?
"""
BETTER_MONEY = """
UPDATE tasks SET charged = ?, cost_usd = coalesce(?, cost_usd), cost_units = coalesce(?, cost_units)
WHERE local_id = ?
"""
UNFOLLOW = """
UPDATE tasks SET unfollowed_at = ?
WHERE local_id = ? AND unfollowed_at IS NULL AND status IN ('submitting', 'pending', 'processing')
"""
SEARCHED = """
UPDATE tasks SET searches = searches + 1,
    error = CASE WHEN :told = '' THEN error ELSE trim(doubted || ' ' || :told) END
WHERE local_id = :local_id AND status = 'in_doubt'
"""
DELIVER = """
UPDATE tasks SET delivered_at = ? WHERE ? IN (task_id, local_id)
    AND delivered_at IS NULL AND status IN ('completed', 'failed')
"""
TELL = """
UPDATE tasks SET told_at = coalesce(told_at, :now), cut_at = NULL
WHERE task_id = :task_id OR local_id = :task_id
"""
ADD_WORDING = "INSERT OR IGNORE INTO wordings (fingerprint, local_id) VALUES (?, ?)"
CUT_OFF = """
UPDATE tasks SET cut_at = :now, told_at = CASE WHEN :is_untold THEN NULL ELSE told_at END
WHERE local_id = :local_id
"""
TAKE_BACK = "UPDATE tasks SET delivered_at = NULL WHERE ? IN (task_id, local_id)"
UPSERT_CLIP = """
INSERT INTO clips (
    local_id, clip_id, position, status, title, service_title, duration_s, audio_url, image_url,
    video_url, tags, lyrics, error, made_with, wishes, earlier_urls, is_late
) VALUES (
    :local_id, :clip_id, :position, :status, :title, :service_title, :duration_s, :audio_url,
    :image_url, :video_url, :tags, :lyrics, :error, :made_with, :wishes, :earlier_urls,
    :is_late
) ON CONFLICT (local_id, clip_id) DO UPDATE SET
    position = excluded.position, status = excluded.status, title = excluded.title,
    service_title = excluded.service_title, duration_s = excluded.duration_s, audio_url =
    excluded.audio_url, image_url = excluded.image_url, video_url = excluded.video_url, tags
    = excluded.tags, lyrics = excluded.lyrics, error = excluded.error, made_with =
    excluded.made_with, wishes = excluded.wishes,
    earlier_urls = excluded.earlier_urls, save_tried = CASE
        WHEN audio_url = excluded.audio_url THEN save_tried ELSE min(save_tried, 1) END,
    link_failed = link_failed AND audio_url = excluded.audio_url
"""
# A link that is new was not tried yet, so nobody has to rest before that.
RENAME_CLIP = "UPDATE clips SET clip_id = ? WHERE local_id = ? AND clip_id = ?"
DROP_CLIP = "DELETE FROM clips WHERE local_id = ? AND clip_id = ?"
SAVED_AS = """
SELECT clip_id FROM clips WHERE local_id = :local_id AND (clip_id = :clip_id OR :url != '' AND (
    audio_url = :url OR :url IN (SELECT value FROM json_each(earlier_urls))
)) ORDER BY clip_id != :clip_id LIMIT 1
"""
SAVE_CLIP = """
UPDATE clips SET file = ?, cover = ?, mime_type = ?, save_error = ?,
    link_failed = ? AND audio_url = ?, save_owner = '',
    save_tries = 0, save_tried = ?, save_after = ?, duration_s = COALESCE(duration_s, ?),
    digest = ?, lyrics_file = NULL, gone_at = CASE WHEN ? THEN NULL ELSE gone_at END
WHERE local_id = ? AND clip_id = ?
"""
# Another process may have written meanwhile where a file is: what was seen holds for `:seen` alone.
TRACK = """
UPDATE clips SET file = :file, cover = :cover, lyrics_file = :lyrics_file, gone_at = NULL
WHERE local_id = :local_id AND clip_id = :clip_id AND file = :seen
"""
MISS = """
UPDATE clips SET gone_at = :now
WHERE local_id = :local_id AND clip_id = :clip_id AND file = :seen AND gone_at IS NULL
"""
GET_AGAIN = """
UPDATE clips SET file = '', cover = '', lyrics_file = NULL, save_error = '', link_failed = 0,
    save_owner = '', save_tries = 0, save_after = 0, save_from = 0, save_tried = 0
WHERE local_id = :local_id AND clip_id = :clip_id AND file != '' AND gone_at IS NOT NULL
"""
SEEN_ON = """
INSERT INTO folders (folder, volume) VALUES (:folder, :volume)
ON CONFLICT (folder) DO UPDATE SET volume = excluded.volume WHERE volume != excluded.volume
"""
CONFIRM = "UPDATE salvages SET confirmed_at = coalesce(confirmed_at, ?) WHERE kept_as = ?"
CONFIRM_RESTORE = "UPDATE restores SET confirmed_at = coalesce(confirmed_at, ?) WHERE name = ?"
NOTICE = """
INSERT OR IGNORE INTO restores (name, since, noticed_at)
SELECT ?, max(created_at), ? FROM tasks WHERE wire != ''
"""
CLAIM_SAVE = """
UPDATE clips SET save_tries = save_tries + 1, save_owner = :owner, save_after = :until,
    save_tried = :now, save_from = CASE save_from WHEN 0 THEN :now ELSE save_from END
WHERE local_id = :local_id AND clip_id = :clip_id
"""
HAND_BACK_SAVES = """
UPDATE clips SET save_owner = '', save_tries = max(0, save_tries - 1), save_after = ?
WHERE save_owner = ? AND file = ''
"""
GIVE_UP_SAVES = """
UPDATE clips SET save_owner = '', save_error = ?, save_after = ?
WHERE file = '' AND save_tries >= ? AND save_owner IN (SELECT value FROM json_each(?))
"""


def new_local_id() -> str:
    """Return an id of ours that nobody can guess."""
    return f"local-{secrets.token_hex(10)}"


# A task's status ----------------------------------------------------------------------------


def move(
    db: sqlite3.Connection, local_id: str, event: Event, to: Status, **columns: object
) -> bool:
    """Move a task to a status and set `columns` with it; return whether it was moved.

    A task whose status is not one of the event's sources stays as it is. One that costs nothing is
    not charged, whatever `columns` say. Raises ValueError if the event never leads to this status:
    that is a mistake of ours.
    """
    allowed = TRANSITIONS[event]
    if to not in allowed.targets:
        raise ValueError(f"{event} leads to no task that is {to}")
    changes = ", ".join(SETS.get(name, f"{name} = :{name}") for name in ("status", *columns))
    update = (
        f"UPDATE tasks SET {changes} WHERE local_id = :local_id "  # noqa: S608 - names of ours # nosec B608
        "AND status IN (SELECT value FROM json_each(:sources))"
    )
    values = {**columns, "status": to, "local_id": local_id}
    moved = db.execute(update, values | {"sources": json.dumps(allowed.sources)})
    return moved.rowcount == 1


def accept(db: sqlite3.Connection, local_id: str, new: NewTask, task_id: str, stamp: float) -> str:
    """Write that the service accepted the submission as `task_id`: it counts as charged.

    Returns the id of ours under which that is: a new one if the row is another task by now, as a
    doubt may be settled while the answer is still to come. No id of a paid task may be lost.
    """
    if task_row(db, local_id)["task_id"] not in {"", task_id}:
        written = find_row(db, task_id, new.service)  # a write may be made twice
        local_id = written["local_id"] if written else new_local_id()
        insert_new(db, local_id, new, stamp)
    move(
        db, local_id, "accept", "pending",
        task_id=task_id, charged="yes", error="", finished_at=None,
    )  # fmt: skip
    return local_id


def receive(db: sqlite3.Connection, local_id: str, task_id: str) -> None:
    """Write that the answer to a submission came, whose sender died: it was accepted as `task_id`.

    A task of which something else is known stays as it is.
    """
    move(
        db, local_id, "accept", "pending",
        task_id=task_id, charged="yes", error="", finished_at=None,
    )  # fmt: skip


def reject(db: sqlite3.Connection, local_id: str, error: str, stamp: float) -> None:
    """Write that the service refused the submission: nothing was charged."""
    move(db, local_id, "reject", "rejected", charged="no", error=error, finished_at=stamp)


def doubt(db: sqlite3.Connection, local_id: str, error: str, stamp: float) -> None:
    """Write that nobody knows since `stamp` whether the service accepted the submission."""
    move(
        db, local_id, "doubt", "in_doubt", charged="unknown", error=error, doubted=error,
        lost_at=stamp, search_at=stamp + FIRST_SEARCH_S, searches=0,
    )  # fmt: skip


def orphan(db: sqlite3.Connection, local_id: str, why: Orphaned, stamp: float) -> None:
    """Write what is known of a task that no process submits any more.

    The task is in doubt, unless it costs nothing or `begin` never wrote that it is sent: no request
    leaves before that, so nothing was charged. Rows without an owner are older than this rule.
    """
    row = task_row(db, local_id)
    if row["sent_at"] is None and row["owner"]:
        move(db, local_id, "drop", "rejected", charged="no", error=why.unsent, finished_at=stamp)
    elif is_free(row):
        move(db, local_id, "drop", "rejected", charged="no", error=why.free, finished_at=stamp)
    else:
        doubt(db, local_id, why.sent, stamp)


def abandon(db: sqlite3.Connection, local_id: str, error: str, stamp: float) -> None:
    """Close a task in doubt; `error` is added to what is already said of the doubt."""
    said = task_row(db, local_id)["error"]
    move(db, local_id, "abandon", "abandoned", error=f"{said} {error}", finished_at=stamp)


def report(db: sqlite3.Connection, row: sqlite3.Row, told: Report, stamp: float) -> None:
    """Write what a service reported at `stamp` of a task, and its clips.

    What it does not tell stays as it was, but for the money of a failure: that a task was charged
    when it was accepted says nothing of what was given back.
    """
    if row["status"] in ENDED:
        _report_again(db, row, told)
        return
    lyrics = told.lyrics or lyrics_of(row) or NO_LYRICS
    is_failure = told.status == "failed"
    is_told = told.charged != "unknown" or is_failure
    finished_at = told.finished_at.timestamp() if told.finished_at else stamp
    moved = move(
        db,
        row["local_id"],
        "report",
        told.status,
        provider_status=told.provider_status,
        progress_percent=told.progress_percent,
        error=told.error,
        charged=told.charged if is_told else row["charged"],
        cost_usd=row["cost_usd"] if told.cost_usd is None and not is_failure else told.cost_usd,
        cost_units=row["cost_units"] if told.cost_units is None else told.cost_units,
        lyrics_title=lyrics.title,
        lyrics_text=lyrics.text,
        lyrics_drafts=drafts_of(lyrics),
        finished_at=finished_at if told.is_ended else None,
        ended_at=stamp if told.is_ended else None,
        model=row["model"] or told.model,
        asked=told.asked or row["asked"],
        unknown_from_s=None,
    )
    if moved:
        _report_clips(db, row, told)


def _report_again(db: sqlite3.Connection, row: sqlite3.Row, told: Report) -> None:
    """Write what is better in a report of a task that has ended than what is known of it.

    It stays ended. What is known of the money never becomes less: what was charged stays charged.
    """
    local_id, was_unknown = row["local_id"], row["unknown_from_s"] is not None
    _report_clips(db, row, told)
    if not told.is_ended or (told.status != row["status"] and not was_unknown):
        return
    if told.status == "completed":
        move(db, local_id, "recover", "completed")
    has_result = bool(told.lyrics) or any(clip.status == "completed" for clip in told.clips)
    if was_unknown or has_result:
        db.execute(BETTER_WORDS, (told.error, told.provider_status, local_id))
    if told.lyrics and told.lyrics.length > (lyrics_of(row) or NO_LYRICS).length:
        words = (told.lyrics.title, told.lyrics.text, drafts_of(told.lyrics))
        db.execute(BETTER_LYRICS, (*words, local_id))
    is_paid = told.charged == "yes" and not is_free(row)
    if is_paid or (told.charged == "no" and row["charged"] != "yes"):
        db.execute(BETTER_MONEY, (told.charged, told.cost_usd, told.cost_units, local_id))


def unknown(
    db: sqlite3.Connection, row: sqlite3.Row, least_s: float, error: str, stamp: float
) -> None:
    """Write that a service says, at `stamp`, that it does not know a task that it accepted.

    If it has said so for `least_s` seconds, and nothing else, the task has failed because of
    `error`. Whether it was charged is then not known. Times are those of the task's age.
    """
    age_s = stamp - row["created_at"]
    since_s = min(age_s, age_s if row["unknown_from_s"] is None else row["unknown_from_s"])
    db.execute(UNKNOWN, (since_s, row["local_id"]))
    if age_s - since_s >= least_s:
        ended = {"finished_at": stamp, "ended_at": stamp}
        move(db, row["local_id"], "lose", "failed", charged="unknown", error=error, **ended)


def ask_again(db: sqlite3.Connection, local_id: str, every_s: float, stamp: float) -> bool:
    """Write that a service is asked once more about an ended task; return whether it may be.

    That was not done in the last `every_s` seconds. A time further ahead is from before the clock
    was set back.
    """
    values = {"local_id": local_id, "until": stamp + every_s, "now": stamp}
    return db.execute(ASK_AGAIN, values).rowcount == 1


def merge(db: sqlite3.Connection, doubtful: str, found: str) -> None:
    """Move the `found` task, which was made elsewhere, with its clips into the one in doubt."""
    row = task_row(db, found)
    taken = {name: row[name] for name in MERGED}
    if move(db, doubtful, "merge", row["status"], **taken, unfollowed_at=None):
        db.execute("UPDATE clips SET local_id = ? WHERE local_id = ?", (doubtful, found))
        db.execute("DELETE FROM tasks WHERE local_id = ?", (found,))


def find(db: sqlite3.Connection, local_id: str, task_id: str, stamp: float) -> bool:
    """Write that a task in doubt was found as `task_id`; return whether it was still in doubt."""
    return move(
        db, local_id, "find", "pending",
        task_id=task_id, charged="yes", error="", found_at=stamp, search_at=None,
    )  # fmt: skip


# A task's other columns ---------------------------------------------------------------------


def insert_new(db: sqlite3.Connection, local_id: str, new: NewTask, stamp: float) -> None:
    """Write a task as `submitting`, before its request is sent; an existing row stays as it is."""
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
        "another_take": new.another_take,
        "created_at": stamp,
    }
    db.execute(INSERT_NEW, values)


def insert_foreign(
    db: sqlite3.Connection, service: ServiceName, account: str, told: Report, stamp: float
) -> str:
    """Write a task that was made elsewhere, without its report; return its new id of ours.

    Its time is kept as the service tells it. For its place among the others (`schema.PLACES`) it
    was made before now: a service's time may be of another zone, or wrong by years.
    """
    created_at = told.created_at.timestamp() if told.created_at else stamp
    local_id = new_local_id()
    values = {
        "local_id": local_id,
        "service": service,
        "task_id": told.task_id,
        "account": account,
        "model": told.model,
        "kind": told.kind,
        "created_at": created_at,
        "made_at": max(0.0, min(created_at, stamp)),
    }
    db.execute(INSERT_FOREIGN, values)
    return local_id


def absorb(db: sqlite3.Connection, local_id: str, service: ServiceName, task_id: str) -> None:
    """Delete a task made elsewhere that, as its id shows, is the one that was just accepted."""
    found = db.execute(
        "SELECT local_id FROM tasks WHERE service = ? AND task_id = ? AND wire = '' "
        "AND local_id != ?",
        (service, task_id, local_id),
    ).fetchall()
    for row in found:
        db.execute("DELETE FROM clips WHERE local_id = ?", (row["local_id"],))
        db.execute("DELETE FROM tasks WHERE local_id = ?", (row["local_id"],))


def begin(
    db: sqlite3.Connection, local_id: str, owner: str, balance_usd: float | None, stamp: float
) -> bool:
    """Write that `owner` sends the task at `stamp`; return whether it is still its to send."""
    return db.execute(BEGIN, (stamp, balance_usd, local_id, owner)).rowcount == 1


def plan_search(db: sqlite3.Connection, local_id: str, stamp: float | None) -> None:
    """Write when the history is next asked about a task in doubt, None for no more."""
    db.execute("UPDATE tasks SET search_at = ? WHERE local_id = ?", (stamp, local_id))


def searched(db: sqlite3.Connection, local_id: str, told: str) -> None:
    """Write that a search for a task in doubt has ended, and what it told, "" for nothing new."""
    db.execute(SEARCHED, {"local_id": local_id, "told": told})


def ask_for_account(db: sqlite3.Connection, local_id: str, account: str) -> bool:
    """Write that the user is asked whether to pay a task from another account than its own.

    Returns False, and writes nothing, if it is the same account or the user was asked before.
    """
    values = {"local_id": local_id, "account": account}
    return db.execute(ASK_FOR_ACCOUNT, values).rowcount == 1


def looked(db: sqlite3.Connection, local_id: str, stamp: float) -> None:
    """Write when the service was last asked about a task."""
    db.execute("UPDATE tasks SET looked_at = ? WHERE local_id = ?", (stamp, local_id))


def plan_look(db: sqlite3.Connection, local_id: str, stamp: float) -> None:
    """Write when the next look at a task is due."""
    db.execute("UPDATE tasks SET next_look_at = ? WHERE local_id = ?", (stamp, local_id))


def plan_other_look(db: sqlite3.Connection, local_id: str, least_s: float, stamp: float) -> None:
    """Write that another account looks at a task, which its own one has not done for some time.

    It may do so again when the task has been left alone for twice as long, and after `least_s`.
    """
    db.execute(
        "UPDATE tasks SET other_look_at = ? + max(?, ? - next_look_at) WHERE local_id = ?",
        (stamp, least_s, stamp, local_id),
    )


def follow(db: sqlite3.Connection, local_id: str, account: str, next_at: float) -> None:
    """Write that an account was able to look at a task: if it is another one, it follows it now."""
    db.execute(
        "UPDATE tasks SET followed_by = ?, next_look_at = ? "
        "WHERE local_id = ? AND followed_by != ?",
        (account, next_at, local_id, account),
    )


def unfollow(db: sqlite3.Connection, local_id: str, stamp: float) -> None:
    """Write that an open task is polled no more."""
    db.execute(UNFOLLOW, (stamp, local_id))


def follow_again(db: sqlite3.Connection, local_id: str) -> None:
    """Write that a task is polled again."""
    db.execute("UPDATE tasks SET unfollowed_at = NULL WHERE local_id = ?", (local_id,))


def deliver(db: sqlite3.Connection, task_ids: Sequence[str], stamp: float) -> None:
    """Write that the end of these tasks, named by any of their ids, reached a client."""
    db.executemany(DELIVER, [(stamp, task_id) for task_id in task_ids])


def tell(db: sqlite3.Connection, task_ids: Sequence[str], stamp: float) -> None:
    """Write that an answer about these tasks, named by any of their ids, reached a client."""
    db.executemany(TELL, [{"now": stamp, "task_id": task_id} for task_id in task_ids])


def cut_off(
    db: sqlite3.Connection, local_ids: Iterable[str], stamp: float, *, is_untold: bool
) -> None:
    """Write that a call which began or joined these tasks, by our ids, has lost its answer.

    If it `is_untold`, its client was not told of them, though that was written.
    """
    cut = {"now": stamp, "is_untold": is_untold}
    db.executemany(CUT_OFF, [cut | {"local_id": local_id} for local_id in local_ids])


def take_back(db: sqlite3.Connection, task_ids: Iterable[str]) -> None:
    """Write that the end of these tasks, by any of their ids, reached no client after all."""
    db.executemany(TAKE_BACK, [(task_id,) for task_id in task_ids])


def add_wording(db: sqlite3.Connection, local_id: str, fingerprint: str) -> None:
    """Write that the request with this fingerprint asks for a task in other words."""
    db.execute(ADD_WORDING, (fingerprint, local_id))


def confirm(db: sqlite3.Connection, kept_as: str, stamp: float) -> bool:
    """Write that a person confirmed what was copied or restored; return whether that is known."""
    found = [db.execute(each, (stamp, kept_as)).rowcount for each in (CONFIRM, CONFIRM_RESTORE)]
    return any(found)


def notice(db: sqlite3.Connection, mark: Moment, stamp: float) -> None:
    """Write that the journal does not know its mark: it is an older copy."""
    name = f"restored-{mark.number}-{mark.local_id[-TAIL:]}"
    db.execute(NOTICE, (name, stamp))


# Clips --------------------------------------------------------------------------------------


def _report_clips(db: sqlite3.Connection, row: sqlite3.Row, told: Report) -> None:
    """Write the report's clips over those known; the files of saved clips stay as they are."""
    local_id, was_ended = row["local_id"], row["status"] in ENDED
    found = merged(
        clips(db, local_id), told.clips, told.task_id, was_ended=was_ended, is_ended=told.is_ended
    )
    for old, new in found.renamed.items():
        db.execute(RENAME_CLIP, (new, local_id, old))
    for clip_id in found.gone:
        db.execute(DROP_CLIP, (local_id, clip_id))
    for position, clip in enumerate(found.clips):
        values = {
            "local_id": local_id,
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
            "wishes": json.dumps(clip.wishes.given),
            "earlier_urls": json.dumps(clip.earlier_urls),
            "is_late": clip.is_late,
        }
        db.execute(UPSERT_CLIP, values)


def save_clip(
    db: sqlite3.Connection, local_id: str, clip: Clip, next_at: float, stamp: float
) -> None:
    """Write which file holds a clip or why none does, and its duration if none was known.

    With that the try has ended, at `stamp`: nobody is saving the clip. The next try is due at
    `next_at`. If the clip has another id since the try began, its link tells which one it is.
    """
    names = {"local_id": local_id, "clip_id": clip.clip_id, "url": clip.audio_url}
    found = db.execute(SAVED_AS, names).fetchone()
    values = (
        str(clip.file or ""),
        str(clip.cover or ""),
        clip.mime_type,
        clip.save_error,
        clip.link_failed,
        clip.audio_url,
        stamp,
        next_at,
        clip.duration_s,
        clip.digest,
        clip.is_saved,
        local_id,
        found["clip_id"] if found else clip.clip_id,
    )
    db.execute(SAVE_CLIP, values)


def track(db: sqlite3.Connection, local_id: str, seen: Path, clip: Clip) -> None:
    """Write where a clip's file is now, with its cover and lyrics, that was `seen` elsewhere."""
    names = {"local_id": local_id, "clip_id": clip.clip_id, "seen": str(seen)}
    files = {"file": clip.file, "cover": clip.cover, "lyrics_file": clip.lyrics_file}
    db.execute(TRACK, names | {name: str(path or "") for name, path in files.items()})


def miss(db: sqlite3.Connection, local_id: str, clip: Clip, stamp: float) -> None:
    """Write that the person deleted a clip's file, which was noticed at `stamp`."""
    names = {"local_id": local_id, "clip_id": clip.clip_id, "seen": str(clip.gone_file)}
    db.execute(MISS, names | {"now": stamp})


def get_again(db: sqlite3.Connection, local_id: str, clip_id: str) -> None:
    """Write that a file which the person deleted is to be saved again, as somebody asked for."""
    db.execute(GET_AGAIN, {"local_id": local_id, "clip_id": clip_id})


def seen_on(db: sqlite3.Connection, folder: str, volume: str) -> None:
    """Write on which volume a folder is in which a song was seen."""
    db.execute(SEEN_ON, {"folder": folder, "volume": volume})


def claim_save(
    db: sqlite3.Connection, local_id: str, clip_id: str, owner: str, until: float, stamp: float
) -> None:
    """Write that `owner` tries to save a clip now, and until when nobody else is to try it."""
    names = {"local_id": local_id, "clip_id": clip_id, "owner": owner}
    db.execute(CLAIM_SAVE, names | {"until": until, "now": stamp})


def give_up_saves(db: sqlite3.Connection, dead: Sequence[str], tries: int, why: str) -> None:
    """Write `why` no file holds the clips that dead processes were saving in their last try."""
    db.execute(GIVE_UP_SAVES, (why, NEVER, tries, json.dumps(dead)))


def hand_back_saves(db: sqlite3.Connection, owner: str, now: float) -> None:
    """Write that nobody saves what `owner` was saving, which is due `now`, and as if not tried."""
    db.execute(HAND_BACK_SAVES, (now, owner))
