"""Copying all that can be read of a damaged journal into a new one.

Rows are read from the pages themselves (`pages`), so a damaged page costs only what it held. What
an index knows of a task whose page is damaged is enough to follow it, to join it and to count it:
its ids, status, fingerprint, account and time. A value that cannot be read is replaced by one that
is safe for the money: a lost time is now, so that the task counts towards the daily limit, and a
task of which it is lost whether it was sent was sent.
"""

import json
import math
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import get_args

from song_mcp.journal.pages import LOST, Pages, Record, Value
from song_mcp.journal.values import Salvage
from song_mcp.songs import SERVICES, ClipStatus, Kind, Status

Row = dict[str, Value]

STATUSES: tuple[Status, ...] = get_args(Status)
RANKS: Mapping[Value, int] = {status: rank for rank, status in enumerate(STATUSES)}
CHARGED = {"pending": "yes", "processing": "yes", "completed": "yes", "rejected": "no"}
"""What the status alone tells of the money; of any other it is not known."""
JSON = {"request": "{}", "wire": "{}", "tags": "[]", "lyrics_drafts": "[]", "wishes": "{}"}
"""What stands for JSON that is lost; with a wire a task counts as made here, and so as paid."""
LATEST = 4e9
"""No time of a journal, in Unix seconds, is later."""
PLACES = 1e8
"""No task's place is greater, and none of its times, in Unix seconds, is smaller."""
TYPES: Mapping[str, tuple[type, ...]] = {
    "TEXT": (str,),
    "REAL": (int, float),
    "INTEGER": (int,),
}
INSERT = "INSERT OR IGNORE INTO {table} (rowid, {names}) VALUES ({marks})"
RECORD = "INSERT INTO salvages VALUES (?, ?, ?, ?, ?, ?, NULL)"


@dataclass(frozen=True)
class Column:
    """A column of a table, as SQLite tells it."""

    name: str
    type: str
    is_needed: bool
    default: Value


@dataclass
class Table:
    """A table of the new journal, how its rows are known, and those found, by their rowid."""

    name: str
    is_row: Callable[[Row], bool]
    columns: list[Column] = field(default_factory=list)
    rows: dict[int, Row] = field(default_factory=dict)

    def take(self, record: Record) -> bool:
        """Take the record if it is a row of this table; tell whether it is."""
        names = [column.name for column in self.columns]
        row: Row = dict(zip(names, record.values, strict=False))
        if record.rowid is None or len(record.values) > len(names) or not self.is_row(row):
            return False
        if any(not _fits(column, row[column.name]) for column in self.columns[: len(row)]):
            return False
        row = {name: value if _is_usable(name, value) else LOST for name, value in row.items()}
        known = self.rows.get(record.rowid)
        if known is None or _progress(known) < _progress(row):
            self.rows[record.rowid] = row
        return True


def copy(db: sqlite3.Connection, content: bytes, kept_as: str, now: float) -> Salvage:
    """Write what can be read of a damaged journal's `content` into the new, empty journal `db`.

    `kept_as` is the name under which the damaged file is kept, and `now` the time in Unix seconds.
    Runs inside the write transaction of its caller: all of it is written, or nothing.
    """
    tasks, clips, earlier = (
        Table("tasks", _is_task),
        Table("clips", _is_clip),
        Table("salvages", _is_salvage),
    )
    tables = (tasks, clips, earlier)
    for table in tables:
        table.columns = _columns(db, table.name)
    entries, newest_change = [], 0
    pages = Pages(content)
    for record in pages.records():
        if record.rowid is None:
            entries.append(record.values)
        elif not any(table.take(record) for table in tables):
            newest_change = max(newest_change, _newest_change(record.values))
    if newest_change:  # changes are numbered on, so that every reader is told of all of them
        db.execute("INSERT INTO sqlite_sequence VALUES ('changes', ?)", (newest_change,))
    _complete(tasks.rows, entries)
    partly = sum(_mend(table.columns, row, now) for table in tables for row in table.rows.values())
    for table in tables:
        _insert(db, table)
    db.execute("DELETE FROM moments")  # in which order things were done is lost
    db.execute("UPDATE tasks SET place = rowid WHERE place = 0")  # those that had none
    salvage = Salvage(kept_as, _count(db, "tasks"), _count(db, "clips"), partly, pages.unread)
    db.execute(RECORD, (kept_as, now, salvage.tasks, salvage.clips, partly, pages.unread))
    return salvage


def _columns(db: sqlite3.Connection, table: str) -> list[Column]:
    found = db.execute(f"PRAGMA table_info({table})")  # a name of ours
    return [
        Column(row["name"], row["type"], bool(row["notnull"]), _default(db, row["dflt_value"]))
        for row in found
    ]


def _default(db: sqlite3.Connection, sql: str | None) -> Value:
    found: Value = db.execute(f"SELECT {sql or 'NULL'}").fetchone()[0]
    return found


def _insert(db: sqlite3.Connection, table: Table) -> None:
    names = [column.name for column in table.columns]
    marks = ", ".join("?" * (len(names) + 1))
    insert = INSERT.format(table=table.name, names=", ".join(names), marks=marks)
    ordered = sorted(table.rows.items())
    db.executemany(insert, [(rowid, *(row[name] for name in names)) for rowid, row in ordered])


def _count(db: sqlite3.Connection, table: str) -> int:
    return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - a name of ours # nosec B608


# What a record is --------------------------------------------------------------------------------


def _is_task(row: Row) -> bool:
    is_ours = bool(row.get("local_id")) and isinstance(row.get("service"), str)
    return is_ours and row.get("status") in STATUSES and row.get("kind") in get_args(Kind)


def _is_clip(row: Row) -> bool:
    has_ids = bool(row.get("local_id")) and bool(row.get("clip_id"))
    return has_ids and row.get("status") in get_args(ClipStatus)


def _is_salvage(row: Row) -> bool:
    return ".damaged-" in str(row.get("kept_as")) and isinstance(row.get("unread"), int)


def _newest_change(values: tuple[Value, ...]) -> int:
    """Return the number of the newest change, if the record tells it, else 0."""
    match values:
        case ("changes", int(number)):
            return number
    return 0


def _fits(column: Column, value: Value) -> bool:
    if value is None:
        return not column.is_needed
    return value is LOST or isinstance(value, TYPES[column.type])


def _progress(row: Row) -> tuple[bool, bool, int, bool, float]:
    """Return how far a row has come: of two copies the one that came further is the newer one."""
    looked_at = row.get("looked_at")
    seconds = looked_at if isinstance(looked_at, int | float) else 0.0
    rank = RANKS.get(row.get("status"), 0)
    is_sent = row.get("sent_at") is not None
    return bool(row.get("file")), bool(row.get("task_id")), rank, is_sent, seconds


# What is lost ------------------------------------------------------------------------------------


def _mend(columns: Iterable[Column], row: Row, now: float) -> bool:
    """Fill in what a row does not have; return whether any of it was lost."""
    lost = {name for name, value in row.items() if value is LOST}
    for column in columns:
        name = column.name
        if name in lost:
            row[name] = JSON.get(name, "" if column.is_needed and column.type == "TEXT" else None)
            if column.is_needed and row[name] is None:
                row[name] = now if column.type == "REAL" and name != "place" else 0
        else:
            row.setdefault(name, column.default)
    if "sent_at" in lost:
        row["sent_at"] = row["created_at"]
    if row.get("followed_by") == "":
        row["followed_by"] = row["account"]
    if "charged" in lost:
        row["charged"] = "unknown"
    return bool(lost)


def _is_usable(name: str, value: Value) -> bool:
    if name == "created_at" and isinstance(value, int | float):
        return 0 < value < LATEST
    if name == "place" and isinstance(value, int | float):
        return 0 <= value < PLACES
    if isinstance(value, float):
        return math.isfinite(value) and (not name.endswith("_at") or 0 <= value < LATEST)
    if name in JSON and isinstance(value, str) and value:
        try:
            return isinstance(json.loads(value), type(json.loads(JSON[name])))
        except ValueError:
            return False
    return True


def _complete(rows: dict[int, Row], entries: Iterable[tuple[Value, ...]]) -> None:
    """Add to the tasks that were read what the indexes know of lost ones and of lost values."""
    found: dict[int, Row] = {}
    for values in entries:
        if values and isinstance(values[-1], int):
            told = {name: value for name, value in _told(values).items() if _is_usable(name, value)}
            found.setdefault(values[-1], {}).update(told)
    ids = {row["local_id"] for row in rows.values()}
    for rowid, told in found.items():
        if rowid in rows:
            rows[rowid] |= {name: told[name] for name in told if rows[rowid].get(name) is LOST}
        elif {"local_id", "service", "status"} <= told.keys() and told["local_id"] not in ids:
            rows[rowid] = _whole(told)


def _told(values: tuple[Value, ...]) -> Row:
    """Return what an entry tells of a task; its form tells which index it is from."""
    match values:
        case (str(local_id), int()) if local_id.startswith("local-"):
            return {"local_id": local_id}
        case (int() | float() as number, int()):
            return {"created_at" if number > PLACES else "place": number}
        case (str(task_id), str(service), int()) if service in SERVICES:
            return {"task_id": task_id, "service": service}
        case (str(fingerprint), str(status), int()) if status in STATUSES:
            is_moment = fingerprint.startswith("local-")
            return {} if is_moment else {"fingerprint": fingerprint, "status": status}
        case (str(status), str(account), int() | float() as due, int()) if status in STATUSES:
            return {"status": status, "account": account, "next_look_at": due}
    return {}


def _whole(row: Row) -> Row:
    """Return a task of which only the indexes know, with all that is lost named as lost."""
    known: Row = {"kind": "song", "charged": CHARGED.get(str(row["status"]), "unknown")}
    lost: Row = dict.fromkeys(("model", "created_at", "wire", "sent_at", "request"), LOST)
    return lost | known | row
