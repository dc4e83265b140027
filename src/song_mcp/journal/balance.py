"""What other tasks of an account have cost since the balance of a task was read.

A task's balance is read between the moments at which it is written and sent. Both, and those of the
other tasks, have numbers in the table `moments`, so no clock decides what came first. What may have
been charged or refunded on either side of that reading makes the comparison unsure. A task that the
account follows is its own, also if another key paid: that was an earlier one of the same account.

`spent_since` runs inside the read transaction of its caller.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from song_mcp.journal.transitions import AT_SERVICE
from song_mcp.journal.values import Spent, Unsure

REFUNDED_WITHIN_S = 3600.0
"""How long, in seconds, after an abandoned task was made a refund for it is expected at most."""

OWN = """
SELECT service, account, created_at,
    (
        SELECT min(number) FROM moments WHERE local_id = tasks.local_id AND what = 'submitting'
    ) AS written,
    (SELECT max(number) FROM moments WHERE local_id = tasks.local_id AND what = 'sent') AS sent
FROM tasks WHERE local_id = ?
"""
OTHERS = """
WITH others AS (
    SELECT local_id, task_id, status, charged, cost_usd, created_at, wire = '' AS is_foreign,
        (SELECT min(number) FROM moments WHERE local_id = tasks.local_id) AS written,
        (SELECT max(number) FROM moments WHERE local_id = tasks.local_id AND what = 'sent') AS sent,
        (
            SELECT min(number) FROM moments WHERE local_id = tasks.local_id
            AND what IN ('pending', 'processing', 'completed', 'failed')
        ) AS accepted,
        (SELECT max(number) FROM moments WHERE local_id = tasks.local_id) AS newest
    FROM tasks WHERE service = :service AND :account IN (account, followed_by)
        AND local_id != :local_id AND status != 'rejected'
)
SELECT * FROM others
WHERE status NOT IN ('completed', 'failed') OR newest > :written
"""


def spent_since(db: sqlite3.Connection, local_id: str, account: str) -> Spent:
    """Return what else was spent since the balance of a task was read.

    `account` is the one whose balance it is to be compared with.
    """
    own = db.execute(OWN, (local_id,)).fetchone()
    if own["account"] != account:
        return Spent(unsure="other account")
    if own["written"] is None or own["sent"] is None:
        return Spent(unsure="not ordered")
    reading = _Reading(own["written"], own["sent"], own["created_at"])
    values = {"service": own["service"], "account": account, "local_id": local_id}
    values["written"] = reading.after
    return _together(reading, db.execute(OTHERS, values).fetchall())


@dataclass(frozen=True)
class _Reading:
    """When a balance was read: between two moments, at about `at` (Unix seconds)."""

    after: int
    before: int
    at: float

    def effect(self, row: sqlite3.Row) -> "float | Unsure":
        """Return what the task of a row has cost since, or why that cannot be told."""
        if row["is_foreign"] and (row["written"] or 0) > self.after:
            return "elsewhere"
        if row["status"] == "submitting":
            return "in flight"
        return self._since(row) if (row["sent"] or 0) > self.before else self._till_then(row)

    def _since(self, row: sqlite3.Row) -> "float | Unsure":
        """Return the effect of a task that was sent after the balance was read."""
        if row["status"] in {"in_doubt", "abandoned"}:
            return "in doubt"
        if row["charged"] == "no":
            return 0.0
        is_known = row["charged"] == "yes" and row["cost_usd"] is not None
        return float(row["cost_usd"]) if is_known else "price"

    def _till_then(self, row: sqlite3.Row) -> "float | Unsure":
        """Return the effect of a task that was sent before: it was charged when accepted."""
        if row["status"] == "abandoned" and row["created_at"] <= self.at - REFUNDED_WITHIN_S:
            return 0.0
        if row["status"] in {"in_doubt", "abandoned"}:
            return "in doubt"
        if (row["accepted"] or 0) > self.after:
            return "in flight"
        return 0.0 if row["charged"] == "yes" else "refund"


def _together(reading: _Reading, rows: Sequence[sqlite3.Row]) -> Spent:
    cost_usd = 0.0
    for row in rows:
        effect = reading.effect(row)
        if isinstance(effect, str):
            return Spent(unsure=effect, because_of=row["task_id"] or row["local_id"])
        cost_usd += effect
    running = tuple(row["task_id"] for row in rows if row["status"] in AT_SERVICE)
    return Spent(cost_usd, tasks=len(rows), running=running)
