"""The journal: what is known of every task and clip, on disk and shared by all processes.

It promises that a task is on disk before its request is sent, and that a status only moves forward.
What may happen only once is done by exactly one of several processes. Nothing that was written is
lost. `Journal` takes and returns plain values: no other package knows that SQLite is behind it. A
second engine is a second class with the same methods.

A JournalError says that nothing was paid only if it is raised before a payment; for reads that
precede one, `unpaid` adds that.

Rows name the process that works on them, and `Liveness` tells which processes live. `failpoints`
are the points at which a test may end the process.

    store        the class Journal: one method, one transaction
    transitions  the state machine of a task
    writes       every statement that changes something
    claims       joining, the daily limit, and which process does what is due
    merging      what a report's clips mean for those known
    rows         reading tasks and clips
    lookup       which clips and tasks a name can mean
    balance      what else was spent since a task's balance was read
    bills        every submission, to add up what was paid
    search       which tasks have the words of a query
    changes      the change feed
    file         opening, locking, transactions, migrations, damage
    salvage      copying what can be read of a damaged file into a new one
    pages        reading records out of the bytes of a SQLite file
    mark         how a restored copy of the file is known
    examine      looking at the file without writing to it
    schema       the tables, as numbered migrations
"""

from song_mcp.journal import failpoints
from song_mcp.journal.claims import POLLED_FOR_S, SEARCHES, UNKNOWN_FOR_S
from song_mcp.journal.examine import Examined, examine, sqlite_version
from song_mcp.journal.liveness import Liveness
from song_mcp.journal.lookup import FIRST_TAKE, LAST
from song_mcp.journal.store import Journal, unpaid
from song_mcp.journal.values import (
    Change,
    Doubt,
    News,
    NewTask,
    Offer,
    Orphaned,
    Page,
    Pair,
    Place,
    Prepared,
    Recorded,
    Restore,
    SaveClaim,
    SavesDue,
    Spent,
    Submitted,
    Submitting,
    Unsure,
)

__all__ = [
    "FIRST_TAKE",
    "LAST",
    "POLLED_FOR_S",
    "SEARCHES",
    "UNKNOWN_FOR_S",
    "Change",
    "Doubt",
    "Examined",
    "Journal",
    "Liveness",
    "NewTask",
    "News",
    "Offer",
    "Orphaned",
    "Page",
    "Pair",
    "Place",
    "Prepared",
    "Recorded",
    "Restore",
    "SaveClaim",
    "SavesDue",
    "Spent",
    "Submitted",
    "Submitting",
    "Unsure",
    "examine",
    "failpoints",
    "sqlite_version",
    "unpaid",
]
