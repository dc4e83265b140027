"""What was submitted here, as one reads it to add up what was paid.

A statement reads all rows at once: of each only a few short values, so that is quick.
"""

import sqlite3
from datetime import UTC, datetime

from song_mcp.journal.rows import IS_FREE
from song_mcp.journal.values import Submitted

SUBMITTED = f"""
SELECT created_at, service, model, status, charged, cost_usd, cost_units, {IS_FREE} AS is_free,
    wire = '' AS is_foreign
FROM tasks ORDER BY created_at, rowid
"""  # noqa: S608 - a constant  # nosec B608


def submitted(db: sqlite3.Connection) -> list[Submitted]:
    """Return every task with what is known of its price, oldest first."""
    return [
        Submitted(
            at=datetime.fromtimestamp(row["created_at"], UTC),
            service=row["service"],
            model=row["model"],
            status=row["status"],
            charged=row["charged"],
            cost_usd=row["cost_usd"],
            cost_units=row["cost_units"],
            is_free=bool(row["is_free"]),
            is_foreign=bool(row["is_foreign"]),
        )
        for row in db.execute(SUBMITTED)
    ]
