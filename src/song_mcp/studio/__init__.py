"""The studio: the use cases, and what runs beside them.

It promises that nothing is paid twice and nothing that was paid is lost, whatever a client, a
service or this machine does meanwhile; the rules for that are in `submitter`, `poller`, `saver` and
`recovery`, each in its first lines. The server talks to `Studio` alone and to what hangs on it: its
`catalog`, its `feed` and its `handles`. `compose` joins the parts.

    studio     the use cases: submit, look up, resolve a doubt, wait
    submitter  everything between "the user asked" and "the task id is on disk"
    poller     asks the services about open tasks
    breaker    when a service is left alone
    saver      brings finished clips into the library
    recovery   finds submissions that nobody makes any more
    reconcile  what can be found out about a submission whose answer was lost
    catalog    finds what was made, by name, and reads it
    feed       tells what changed, to waiting calls and to the listener
    handles    what the holders of a task's handle ask
    phase      how far a task has come
    results    what the studio is asked to wait for, and what it answers
    supervise  what must go on whatever happens in it
"""

from song_mcp.journal import Change, News, Place
from song_mcp.studio.catalog import Catalog
from song_mcp.studio.feed import Feed
from song_mcp.studio.handles import Handles, Standing
from song_mcp.studio.phase import Phase
from song_mcp.studio.poller import Poller
from song_mcp.studio.recovery import Recovery
from song_mcp.studio.results import AccountState, Action, Answer, State
from song_mcp.studio.saver import Saver
from song_mcp.studio.studio import Options, Studio
from song_mcp.studio.submitter import Submitter

__all__ = [
    "AccountState",
    "Action",
    "Answer",
    "Catalog",
    "Change",
    "Feed",
    "Handles",
    "News",
    "Options",
    "Phase",
    "Place",
    "Poller",
    "Recovery",
    "Saver",
    "Standing",
    "State",
    "Studio",
    "Submitter",
]
