"""Joining, the daily limit, and which process does what is due.

Each function runs inside the write transaction of its caller. So of several processes exactly one
finds a request new, exactly one makes a look that is due, and exactly one saves a clip. Times are
Unix seconds of the system's clock. If that clock is set back, looks are delayed for two minutes at
most.
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from song_mcp.errors import (
    InvalidRequestError,
    LimitReachedError,
    OlderJournalError,
    UnconfirmedError,
)
from song_mcp.journal import rows, writes
from song_mcp.journal.mark import Moment
from song_mcp.journal.rows import IS_FREE, NEVER
from song_mcp.journal.transitions import AT_SERVICE
from song_mcp.journal.values import (
    Doubt,
    IsOver,
    Looker,
    NewTask,
    Pace,
    Prepared,
    Recorded,
    Restore,
    Salvage,
    SaveClaim,
    Spending,
)
from song_mcp.songs import ALIKE, Clip, Report, ServiceName, Task, likeness

DAY_S = 24 * 3600.0
POLLED_FOR_S = 3600.0
"""How old a task may be, in seconds, to be polled."""
FAR_AHEAD_S = 120.0
"""A look planned further ahead, in seconds, is due: the clock was set back since."""
UNBORN_S = 5.0
"""The seconds from a look to the next one if, by a clock set back, the task is not made yet."""
ABSENT_S = 30.0
"""How many seconds a look must be overdue before another account of the service tries to make it.
A process of the task's own account would have made it by then."""
UNKNOWN_FOR_S = 7200.0
"""For how many seconds a service must say that it does not know a task, and nothing else, before
the task counts as failed. It is polled for so much longer meanwhile."""
RETRIES_S = (2.0, 10.0, 60.0, 600.0, 3600.0, 21_600.0)
"""How long after the first try to save a clip the next ones are due, in seconds."""
LONGEST_SAVE_S = 600.0
"""The seconds after which a try of a living process counts as lost: its end was not written."""
REST_S = 20.0
"""The seconds that are left, at least, between two tries or looks that somebody asks for."""
SEARCH_GAPS_S = (50.0, 540.0, 600.0)
"""The seconds from the first search for a submission in doubt to the second, and so on: the first
is made 10 s after the loss, so these are made 60 s and 10 min after it. The last repeats."""
SEARCHES = len(SEARCH_GAPS_S)
"""How many searches for a submission in doubt are planned."""
SEARCHED_FOR_S = DAY_S
"""For how many seconds after the loss a search that told nothing is repeated by itself."""

MOST_CUTS = 100
"""How many calls that may have been cut off are compared with a new one, the newest first."""
NEAR_S = 600.0
"""For how many seconds after a call was cut off, one in nearly the same words joins its task."""

EQUAL = """local_id IN (
    SELECT local_id FROM tasks WHERE fingerprint = :fingerprint
    UNION ALL SELECT local_id FROM wordings WHERE fingerprint = :fingerprint
)"""
"""Whether a request is that of a task, or in other words that joined the task before."""
OWED = """(
    +status IN ('submitting', 'pending', 'processing', 'in_doubt')
    OR (+status IN ('completed', 'failed') AND delivered_at IS NULL AND ended_at > :since
        AND NOT (status = 'failed' AND unknown_from_s IS NOT NULL))
)"""
"""Whether some client is still to get a task's end.

With the signs SQLite finds equal requests by their index, and not by the status of all tasks.
"""
IS_BEING_TOLD = "EXISTS (SELECT 1 FROM json_each(:answered) WHERE value IN (local_id, task_id))"
JOINABLE = f"""
SELECT * FROM tasks WHERE {EQUAL} AND {OWED} AND (
    NOT :another_take OR another_take AND told_at IS NULL AND NOT {IS_BEING_TOLD}
) ORDER BY account = :account DESC, place DESC LIMIT 1
"""  # noqa: S608 - constants  # nosec B608
CUT_OFF = f"""
SELECT * FROM tasks WHERE kind = :kind AND model = :model
    AND created_at > :since AND coalesce(cut_at, created_at) > :since_near
    AND (cut_at IS NOT NULL OR keeps_told AND told_at IS NULL) AND {OWED} AND NOT {IS_BEING_TOLD}
    AND local_id NOT IN (SELECT value FROM json_each(:beside))
ORDER BY rowid DESC LIMIT :most
"""  # noqa: S608 - constants  # nosec B608
LOST = (
    "fingerprint = ? AND status = 'failed' AND unknown_from_s IS NOT NULL AND ended_at > ? "
    "ORDER BY place DESC LIMIT 1"
)
OF_NO_MATTER = "'$.take', '$.audio.file', '$.audio.task_id', '$.audio.service'"
"""What tells submissions apart that ask for the same: which take it is, where its audio is."""
SENT_ALIKE = (
    f"CASE WHEN json_valid({{0}}.wire) THEN json_remove({{0}}.wire, {OF_NO_MATTER}) "
    "ELSE {0}.local_id END"
)
SHOWN_ALIKE = (
    "CASE WHEN json_valid({0}.wire) THEN json_remove({0}.wire, '$.take', '$.audio') "
    "ELSE {0}.local_id END"
)
"""What a service shows of a task, which does not tell which clip went along."""
DOUBTED = (
    f"status = 'in_doubt' AND ({EQUAL} OR service = :service "
    f"AND {SENT_ALIKE.format('tasks')} = json_remove(:wire, {OF_NO_MATTER})) "
    "ORDER BY place DESC LIMIT 1"
)
UNTOLD = """
WITH asked AS (SELECT value FROM json_each(?))
SELECT count(*) FROM tasks WHERE (told_at IS NULL OR cut_at IS NOT NULL)
    AND (task_id IN asked OR local_id IN asked)
"""
PAID_SINCE = f"""
SELECT count(*) AS paid, sum(CASE WHEN charged = 'no' THEN 0 ELSE cost_usd END) AS cost_usd
FROM tasks WHERE wire != '' AND status != 'rejected' AND created_at > ? AND NOT {IS_FREE}
"""  # noqa: S608 - a constant  # nosec B608
POLLED = (
    "status IN ('pending', 'processing') AND task_id != '' AND service = :service "
    "AND unfollowed_at IS NULL "
    "AND (next_look_at <= created_at + :polled_for OR created_at > :now - :polled_for OR "
    "unknown_from_s IS NOT NULL AND created_at > :now - :polled_for - :unknown_for)"
)
PLANNED = "CASE WHEN next_look_at > :far THEN 0 ELSE next_look_at END"
DUE_AT = (
    f"CASE WHEN followed_by = :account THEN {PLANNED} "
    f"ELSE max({PLANNED} + :absent, other_look_at) END"
)
DUE = (
    f"{POLLED} AND {DUE_AT} <= :soon "
    "ORDER BY followed_by != :account, next_look_at, rowid LIMIT :limit"
)
NEXT_LOOK = f"SELECT min({DUE_AT}) FROM tasks WHERE {POLLED}"  # noqa: S608 - constants  # nosec B608
UNSAVED = """
clips.status = 'completed' AND clips.file = '' AND clips.audio_url != ''
    AND (clips.save_tries < :tries OR clips.clip_id = :clip_id) AND :clip_id IN (clips.clip_id, '')
"""
DUE_SAVE = """
:local_id IN (local_id, '') AND (
    save_owner IN (SELECT value FROM json_each(:dead))
    OR save_tried = 0
    OR :due != 'new' AND save_after <= :now
    OR :due != 'new' AND save_owner = '' AND save_tried > :now
    OR :due = 'asked' AND save_owner = '' AND save_tried <= :rested
)
"""
DUE_SAVES = f"SELECT local_id, clip_id FROM clips WHERE {UNSAVED} AND {DUE_SAVE}"  # noqa: S608 - constants  # nosec B608
NEXT_SAVE = f"SELECT min(save_after) FROM clips WHERE {UNSAVED}"  # noqa: S608 - constants  # nosec B608
SEARCHED = "status = 'in_doubt' AND service = :service AND account = :account AND wire != ''"
SEARCH_AT = "CASE WHEN search_at > :far THEN 0 ELSE search_at END"
DUE_SEARCHES = f"{SEARCHED} AND {SEARCH_AT} <= :now ORDER BY search_at, rowid LIMIT 1"
NEXT_SEARCH = f"SELECT min({SEARCH_AT}) FROM tasks WHERE {SEARCHED}"  # noqa: S608 - constants  # nosec B608
RIVALS = f"""
SELECT count(*) FROM tasks JOIN tasks AS doubt ON doubt.local_id = :local_id
WHERE tasks.status IN ('submitting', 'in_doubt') AND tasks.local_id != :local_id
    AND (tasks.fingerprint = doubt.fingerprint
        OR tasks.service = doubt.service
        AND {SHOWN_ALIKE.format("tasks")} = {SHOWN_ALIKE.format("doubt")})
"""  # noqa: S608 - constants  # nosec B608
RESTORED = (
    "SELECT name, since, noticed_at FROM restores WHERE confirmed_at IS NULL AND noticed_at > ? "
    "ORDER BY noticed_at DESC LIMIT 1"
)
LAST_SENT = "SELECT number, local_id FROM moments WHERE what = 'sent' ORDER BY number DESC LIMIT 1"
SENT = "SELECT 1 FROM moments WHERE number = ? AND local_id = ? AND what = 'sent'"
UNCONFIRMED = (
    "SELECT kept_as, tasks, clips, partly, unread FROM salvages WHERE confirmed_at IS NULL "
    "ORDER BY made_at LIMIT 1"
)
SAVERS = "SELECT DISTINCT save_owner FROM clips WHERE file = '' AND save_owner != ''"


def joined_or_written(
    db: sqlite3.Connection,
    new: NewTask,
    now: float,
    *,
    answered: Sequence[str],
    is_over: IsOver,
    daily_limit: int | None,
) -> Prepared:
    """Return the task that an equal request joins, or write a new one if there is none.

    A request in nearly the same words as that of a call that was cut off joins its task too, unless
    it is for another take.

    Raises UnconfirmedError as `check_confirmed` does, OlderJournalError if the journal is an older
    copy, so that an equal task may be missing in it, LimitReachedError as `check_limit` does, and
    InvalidRequestError if another take is asked for of a request of which a task is in doubt.
    """
    check_confirmed(db)
    earlier = _joinable(db, new, now, answered)
    if earlier is not None:
        return _joined(db, new, earlier)
    near = None if new.another_take else _near(db, new, now, answered, is_over)
    if near is not None:
        writes.add_wording(db, near["local_id"], new.fingerprint)
        return replace(_joined(db, new, near), is_near=True)
    if new.another_take:
        _check_doubts(db, new)
    elif not new.is_searched:
        _check_restored(db, now)
    lost = next(iter(rows.tasks_where(db, LOST, (new.fingerprint, now - DAY_S))), None)
    return Prepared(written(db, new, now, daily_limit), joined=False, lost=lost)


def written(db: sqlite3.Connection, new: NewTask, now: float, daily_limit: int | None) -> Task:
    """Write a new task as `submitting` and return it; raises as `joined_or_written` does.

    What costs nothing is not limited.
    """
    check_confirmed(db)
    if not new.wire.get("is_free"):
        check_limit(db, daily_limit, now)
    local_id = writes.new_local_id()
    writes.insert_new(db, local_id, new, now)
    return rows.task(db, local_id)


def _joinable(
    db: sqlite3.Connection, new: NewTask, now: float, answered: Sequence[str]
) -> sqlite3.Row | None:
    """Return the row of the newest task that a request equal to `new` joins, or None.

    Those of the same account go first: another account may be the same one under a new key. It is a
    task still open or in doubt, or one that ended within the last 24 hours and whose end
    was delivered to no client. A call for another take joins only another take of which no client
    was told, and none of `answered`, of which a client is being told just now.
    """
    values = {"fingerprint": new.fingerprint, "account": new.account, "since": now - DAY_S}
    takes = {"another_take": new.another_take, "answered": json.dumps(answered)}
    return cast("sqlite3.Row | None", db.execute(JOINABLE, values | takes).fetchone())


def _near(
    db: sqlite3.Connection, new: NewTask, now: float, answered: Sequence[str], is_over: IsOver
) -> sqlite3.Row | None:
    """Return the row of the task that a request in other words is most probably about, or None.

    It is one of the same kind and model, of which the newest call was cut off within the last ten
    minutes, and which is open, in doubt, or ended without its end having reached a client. A call
    that is still being answered was not cut off. That of a process that has ended was, if no client
    was told. Of several the one with the same number of its take goes first, then the most alike.
    A clock that was set back can only lengthen the ten minutes.
    """
    values = {
        "kind": new.kind,
        "model": new.model,
        "account": new.account,
        "since": now - DAY_S,
        "since_near": now - NEAR_S,
        "answered": json.dumps(answered),
        "beside": json.dumps(new.beside),
        "most": MOST_CUTS,
    }
    best, best_rank = None, (False, 0.0, False)
    for row in db.execute(CUT_OFF, values):
        request = json.loads(row["request"])
        alike = likeness(new.request, request)
        if alike < ALIKE:
            continue
        is_same_take = request.get("take", 1) == new.request.get("take", 1)
        rank = (is_same_take, alike, row["account"] == new.account)
        is_cut = row["cut_at"] is not None or is_over(row["local_id"], row["owner"])
        if is_cut and rank > best_rank:
            best, best_rank = row, rank
    return best


def _joined(db: sqlite3.Connection, new: NewTask, earlier: sqlite3.Row) -> Prepared:
    """Return an earlier task as the one that `new` joins; it is polled again if it was not."""
    if earlier["unfollowed_at"] is not None:
        writes.follow_again(db, earlier["local_id"])
    is_of_another = earlier["account"] != new.account
    task = rows.task(db, earlier["local_id"])
    return Prepared(task, joined=True, is_of_another=is_of_another)


def _check_doubts(db: sqlite3.Connection, new: NewTask) -> None:
    """Raise InvalidRequestError if a task with an equal request is in doubt, whichever take it is.

    A second payment for what may have been paid has one door, `resolve_task`: a call that would
    say so once and then pay could not know whether a person read what it said.
    """
    sent = {"fingerprint": new.fingerprint, "service": new.service, "wire": json.dumps(new.wire)}
    for task in rows.tasks_where(db, DOUBTED, sent):
        raise InvalidRequestError(
            f"An equal request, {task.local_id}, is in doubt: it may have been accepted and "
            "charged. Nothing was sent or paid by this call. Let the user settle the doubt first "
            "by resolve_task: check pays nothing, abandon closes it and pays nothing, and "
            "submit_again pays for the same request once more."
        )


def has_untold(db: sqlite3.Connection, task_ids: Sequence[str]) -> bool:
    """Tell whether no client was told of one of these tasks, or the newest call of one was cut."""
    found = db.execute(UNTOLD, (json.dumps(task_ids),)).fetchone()
    return bool(found[0])


def unconfirmed(db: sqlite3.Connection) -> Salvage | None:
    """Return what was copied out of a damaged journal and no person has confirmed, or None."""
    found = db.execute(UNCONFIRMED).fetchone()
    return Salvage(*found) if found else None


def last_sent(db: sqlite3.Connection) -> Moment | None:
    """Return the moment of the newest submission, None if nothing was sent."""
    row = db.execute(LAST_SENT).fetchone()
    return Moment(*row) if row else None


def has_sent(db: sqlite3.Connection, moment: Moment) -> bool:
    """Tell whether the journal knows this moment: else it is an older copy, or begun anew."""
    return db.execute(SENT, (moment.number, moment.local_id)).fetchone() is not None


def restore(db: sqlite3.Connection, now: float) -> Restore | None:
    """Return what was noticed of a restored journal in the last 24 hours, if nobody confirmed it.

    After that time no request would be joined to what is missing, were it there.
    """
    row = db.execute(RESTORED, (now - DAY_S,)).fetchone()
    if row is None:
        return None
    return Restore(row["name"], *(rows.time(row[each]) for each in ("since", "noticed_at")))


def _check_restored(db: sqlite3.Connection, now: float) -> None:
    """Raise OlderJournalError if the journal is an older copy of itself."""
    older = restore(db, now)
    if older is not None:
        raise OlderJournalError(f"Nothing was sent or paid by this call. {older.text}")


def check_confirmed(db: sqlite3.Connection) -> None:
    """Raise UnconfirmedError if a person has to confirm what was copied from a damaged journal."""
    salvage = unconfirmed(db)
    if salvage is not None:
        raise UnconfirmedError(f"Nothing was sent or paid by this call. {salvage.text}")


def spending(db: sqlite3.Connection, now: float) -> Spending:
    """Return what was spent in the 24 hours before `now`; refused submissions do not count."""
    row = db.execute(PAID_SINCE, (now - DAY_S,)).fetchone()
    return Spending(int(row["paid"]), float(row["cost_usd"] or 0.0))


def check_limit(db: sqlite3.Connection, daily_limit: int | None, now: float) -> None:
    """Raise LimitReachedError if the 24 hours before `now` have used up the limit."""
    if daily_limit is None:
        return
    paid = spending(db, now).paid
    if paid >= daily_limit:
        raise LimitReachedError(
            f"{paid} paid submissions in the last 24 hours reach the limit of {daily_limit}. "
            "Nothing was sent or paid. Wait, or set SONG_MCP_DAILY_LIMIT higher and restart."
        )


def record(
    db: sqlite3.Connection, local_id: str, report: Report | None, stamp: float, account: str = ""
) -> Recorded:
    """Record a report of a task; of one that has ended only what makes it better.

    Without a report only the task is returned. `stamp` is the time of the look, or of the
    submission if its answer holds the report. The `account` that looked ("": the task's own one)
    follows the task from now on.
    """
    before = rows.task_row(db, local_id)
    if report is not None:
        writes.report(db, before, report, stamp)
        writes.looked(db, local_id, stamp)
        if account:
            writes.follow(db, local_id, account, stamp + UNBORN_S)
    task = rows.task(db, local_id)
    was_open = before["status"] in AT_SERVICE
    return Recorded(task, ended_now=was_open and not task.is_open)


def record_unknown(db: sqlite3.Connection, local_id: str, error: str, stamp: float) -> Recorded:
    """Record that the service says that it does not know a task; an ended one stays as it is.

    If it has said so for two hours, the task fails with `error`.
    """
    before = rows.task_row(db, local_id)
    if before["status"] in AT_SERVICE:
        writes.unknown(db, before, UNKNOWN_FOR_S, error, stamp)
        writes.looked(db, local_id, stamp)
    task = rows.task(db, local_id)
    return Recorded(task, ended_now=before["status"] in AT_SERVICE and not task.is_open)


def claim_looks(
    db: sqlite3.Connection, who: Looker, now: float, slack_s: float, limit: int, pace: Pace
) -> list[Task]:
    """Return the polled tasks that `who` is to look at now, with their next look planned.

    No other process claims the same look. Looks that are due within `slack_s` seconds are claimed
    too, and at most `limit` of them. `pace` maps an age to the age of the next look. Last come the
    tasks of the service's other accounts that nobody has looked at for long: the key may have been
    changed. Each such try is followed by one after twice the time, and leaves the plan of the
    task's own account as it is.
    """
    values = _who_looks(who, now) | {"soon": now + slack_s, "limit": limit}
    tasks = rows.tasks_where(db, DUE, values)
    for task in tasks:
        if task.followed_by != who.account:
            writes.plan_other_look(db, task.local_id, ABSENT_S, now)
            continue
        age_s = now - task.created_at.timestamp()
        ahead_s = pace(age_s) - age_s if age_s >= 0 else UNBORN_S
        writes.plan_look(db, task.local_id, now + ahead_s)
    return tasks


def next_look_at(db: sqlite3.Connection, who: Looker, now: float) -> float | None:
    """Return the time at which the next look of `who` is due, or None if none is."""
    found = db.execute(NEXT_LOOK, _who_looks(who, now)).fetchone()[0]
    return None if found is None else float(found)


def _who_looks(who: Looker, now: float) -> dict[str, object]:
    lengths = {"polled_for": POLLED_FOR_S, "unknown_for": UNKNOWN_FOR_S, "absent": ABSENT_S}
    times = {"now": now, "far": now + FAR_AHEAD_S}
    return {"service": who.service, "account": who.account, **lengths, **times}


def claim_search(db: sqlite3.Connection, who: Looker, now: float) -> Doubt | None:
    """Return a submission in doubt that `who` is to search for now, with its next search planned.

    No other process claims the same search. The next one is planned in any case, as this one may
    never end; `end_search` takes it back.
    """
    found = db.execute(f"SELECT * FROM tasks WHERE {DUE_SEARCHES}", _who_searches(who, now))  # noqa: S608 - a constant  # nosec B608
    row = found.fetchone()
    if row is None:
        return None
    gap_s = SEARCH_GAPS_S[min(row["searches"], SEARCHES - 1)]
    writes.plan_search(db, row["local_id"], now + gap_s)
    return rows.to_doubt(db, row)


def next_search_at(db: sqlite3.Connection, who: Looker, now: float) -> float | None:
    """Return the time at which the next search of `who` is due, or None if none is."""
    found = db.execute(NEXT_SEARCH, _who_searches(who, now)).fetchone()[0]
    return None if found is None else float(found)


def end_search(
    db: sqlite3.Connection, local_id: str, told: str, now: float, *, is_answered: bool
) -> None:
    """Write what a search told of a task in doubt; the last one that is answered is the last."""
    row = rows.task_row(db, local_id)
    writes.searched(db, local_id, told)
    is_last = row["searches"] + 1 >= SEARCHES
    is_old = not 0 <= now - (row["lost_at"] or 0.0) < SEARCHED_FOR_S
    if is_last and (is_answered or is_old):
        writes.plan_search(db, local_id, None)


def found(db: sqlite3.Connection, local_id: str, report: Report, stamp: float) -> Recorded | None:
    """Write that a task in doubt is the one that the service's history shows.

    Returns None, and writes nothing, if it is not in doubt any more, if the journal knows that task
    as another one of ours, or if another submission of the same request may be it.
    """
    row = rows.task_row(db, local_id)
    known = rows.find_row(db, report.task_id, row["service"])
    is_ours = known is not None and known["wire"] != ""
    if row["status"] != "in_doubt" or is_ours or has_rivals(db, local_id):
        return None
    if known is not None:
        writes.merge(db, local_id, known["local_id"])
        return Recorded(rows.task(db, local_id), ended_now=False)
    writes.find(db, local_id, report.task_id, stamp)
    return record(db, local_id, report, stamp)


def has_rivals(db: sqlite3.Connection, local_id: str) -> bool:
    """Tell whether another submission of the same request is in flight or in doubt."""
    return bool(db.execute(RIVALS, {"local_id": local_id}).fetchone()[0])


def unknown_ids(db: sqlite3.Connection, service: ServiceName, task_ids: Sequence[str]) -> list[str]:
    """Return those of a service's ids that no task has which was submitted here."""
    ours = (
        "SELECT value FROM json_each(?) WHERE value NOT IN "
        "(SELECT task_id FROM tasks WHERE service = ? AND wire != '')"
    )
    return [row[0] for row in db.execute(ours, (json.dumps(task_ids), service))]


def _who_searches(who: Looker, now: float) -> dict[str, object]:
    times = {"now": now, "far": now + SEARCH_GAPS_S[-1]}
    return {"service": who.service, "account": who.account, **times}


def claim_saves(db: sqlite3.Connection, claim: SaveClaim, now: float) -> list[tuple[str, str]]:
    """Return the clips to save now as pairs of a task's id of ours and a clip id.

    Nobody else is to try them until the end of the try is written, or ten minutes have passed. A
    clip that a dead process was saving is due at once, unless that was its last of `claim.tries`:
    then `claim.given_up` is written as the reason why it is not saved.
    """
    writes.give_up_saves(db, claim.dead, claim.tries, claim.given_up)
    names = {"local_id": claim.local_id, "clip_id": claim.clip_id, "due": claim.due}
    values = names | {"tries": claim.tries, "dead": json.dumps(claim.dead)}
    due = db.execute(DUE_SAVES, values | {"now": now, "rested": now - REST_S}).fetchall()
    for row in due:
        until = now + LONGEST_SAVE_S
        writes.claim_save(db, row["local_id"], row["clip_id"], claim.owner, until, now)
    return [(row["local_id"], row["clip_id"]) for row in due]


def next_save_at(db: sqlite3.Connection, tries: int) -> float | None:
    """Return the time at which the next try to save a clip is due, or None if none is."""
    found = db.execute(NEXT_SAVE, {"tries": tries, "clip_id": ""}).fetchone()[0]
    return None if found is None else float(found)


def end_save(db: sqlite3.Connection, local_id: str, clip: Clip, now: float) -> None:
    """Write the end of a try to save a clip, and when the next one is due, if there is one."""
    row = db.execute(
        "SELECT save_from FROM clips WHERE local_id = ? AND clip_id = ?", (local_id, clip.clip_id)
    ).fetchone()
    begun_at = float(row["save_from"] or now) if row else now
    later = (begun_at + each_s for each_s in RETRIES_S if begun_at + each_s > now)
    next_at = NEVER if clip.is_saved else next(later, NEVER)
    writes.save_clip(db, local_id, clip, next_at, now)
