"""The studio: the use cases, and what runs beside them.

It promises that nothing is paid twice and that nothing that was paid is lost, whatever a client, a
service or this machine does meanwhile. The docstrings of `submitter`, `poller`, `saver` and
`recovery` say how. The server calls `Studio` and its parts `catalog`, `feed` and `handles`, and
nothing else. `compose` joins the parts.

    studio     the use cases: submit, look up, resolve a doubt, wait
    submitter  everything between "the user asked" and "the task id is on disk"
    poller     asks the services about open tasks
    breaker    when a service is not asked for a while (a circuit breaker)
    saver      saves finished clips into the library
    caretaker  has what is missing of ended tasks asked for and saved
    recovery   finds submissions that no process makes any more
    settler    searches services' histories for submissions whose answer was lost
    reconcile  what can be found out about a submission whose answer was lost
    restored   what is looked for before a restored journal is paid from
    history    which task in a service's history a lost submission made
    catalog    finds clips and tasks by name, and reads audio and covers
    whereabouts  where the files of clips are, what the person renamed, moved or deleted
    chains     which clips an extended song is made of
    feed       tells waiting calls and the listener what changed
    handles    what clients may do that hold a task's handle
    calls      which calls are being answered, and which were cut off
    phase      how far a task has come
    results    how long a call waits, and what the studio answers
    bills      what was spent, by month, service and model
    supervise  keeps loops running after errors
"""

from song_mcp.journal import Change, News, Place
from song_mcp.messages import (
    AWAY,
    DELETED,
    error_of,
    going,
    is_our_reason,
    maybe_ignored,
    next_try,
    not_got_again,
    of_files,
    other_model,
    unsaved,
)
from song_mcp.studio.bills import Bill, total
from song_mcp.studio.calls import Call, calling, current_call
from song_mcp.studio.caretaker import Caretaker
from song_mcp.studio.catalog import Catalog
from song_mcp.studio.chains import Chain, Whole, continuation
from song_mcp.studio.feed import Feed
from song_mcp.studio.handles import Handles, Standing
from song_mcp.studio.intake import Intake
from song_mcp.studio.phase import Phase
from song_mcp.studio.poller import Poller
from song_mcp.studio.recovery import Recovery
from song_mcp.studio.restored import Restored
from song_mcp.studio.results import AccountState, Action, Answer, State
from song_mcp.studio.saver import Saver
from song_mcp.studio.settler import Settler
from song_mcp.studio.studio import Options, Studio
from song_mcp.studio.submitter import Submitter
from song_mcp.studio.whereabouts import Whereabouts

__all__ = [
    "AWAY",
    "DELETED",
    "AccountState",
    "Action",
    "Answer",
    "Bill",
    "Call",
    "Caretaker",
    "Catalog",
    "Chain",
    "Change",
    "Feed",
    "Handles",
    "Intake",
    "News",
    "Options",
    "Phase",
    "Place",
    "Poller",
    "Recovery",
    "Restored",
    "Saver",
    "Settler",
    "Standing",
    "State",
    "Studio",
    "Submitter",
    "Whereabouts",
    "Whole",
    "calling",
    "continuation",
    "current_call",
    "error_of",
    "going",
    "is_our_reason",
    "maybe_ignored",
    "next_try",
    "not_got_again",
    "of_files",
    "other_model",
    "total",
    "unsaved",
]
