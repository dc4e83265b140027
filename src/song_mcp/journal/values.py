"""The values that go into the journal and come out of it, beside the domain's own.

They do not depend on SQLite: another engine would take and return the same ones.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from song_mcp.errors import Charged
from song_mcp.songs import Clip, Kind, ServiceName, Status, Task

Pace = Callable[[float], float]
"""Maps the age of a task to the age at which the next look is due, both in seconds."""
Pair = tuple[Task, Clip]
"""The task that made a clip, and the clip."""
IsOver = Callable[[str, str], bool]
"""Tells, by a task's id of ours and its owner, that no client gets the answer of the call that
began the task, though the journal does not say so: that process has ended, or says it here."""
Place = tuple[float, int, int, int]
"""A clip's place in the list of all: the place and row of its task, then its position and row."""
Unsure = Literal[
    "other account", "not ordered", "elsewhere", "in doubt", "in flight", "price", "refund"
]
"""Why two balances say nothing of a task: see `balance`."""


@dataclass(frozen=True)
class NewTask:
    """What is written of a task before its request is sent; `request` holds JSON values.

    `wire` is the submission itself, so that exactly the same can be sent again. `account` tells
    the accounts at a service apart without telling the key. `owner` is the process that submits.
    `linked_to` is the task in doubt that this one is submitted again for, "" if there is none.
    `another_take` tells that the user asked for one more of an equal request, `is_searched` that
    what a restored journal may not know of an equal one was looked for. `beside` are the other
    takes, by their ids of ours, that the same call began or joined before.
    """

    service: ServiceName
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
    another_take: bool = False
    is_searched: bool = False
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Orphaned:
    """What is said of a task that no process submits any more.

    `sent` is for one that may have been accepted, `unsent` for one that was not sent, and `free`
    for one that may have been accepted and costs nothing.
    """

    sent: str
    unsent: str
    free: str


@dataclass(frozen=True)
class Prepared:
    """A task that is ready to be submitted, or if `joined` an earlier one with an equal request.

    If it `is_near`, that one's request is in nearly the same words, and a call about it was cut
    off. `is_of_another` tells that another account paid for the one that is joined. `lost` is an
    earlier one with an equal request that its service accepted and does not know any more.
    """

    task: Task
    joined: bool
    is_of_another: bool = False
    is_near: bool = False
    lost: Task | None = None


@dataclass(frozen=True)
class Again:
    """What came of submitting a doubt again: the task that was `written`, and what it sends.

    `written` is None if the doubt is settled, or if `must_ask`: the user is to be asked first.
    """

    written: tuple[Task, NewTask] | None = None
    must_ask: bool = False


@dataclass(frozen=True)
class Recorded:
    """A task after a report was recorded; `ended_now` tells whether this report ended it."""

    task: Task
    ended_now: bool


@dataclass(frozen=True)
class Looker:
    """Who looks at tasks: the account behind the key that a service has now."""

    service: ServiceName
    account: str


@dataclass(frozen=True)
class Submitting:
    """A task that is being submitted: by which process, since when (Unix seconds), and where to."""

    local_id: str
    owner: str
    created_at: float
    service: ServiceName


@dataclass(frozen=True)
class Doubt:
    """A submission in doubt, as one searches for it: what was sent, when, and by which account."""

    task: Task
    account: str
    wire: Mapping[str, Any]
    sent_at: datetime


@dataclass(frozen=True)
class Page:
    """Some tasks, newest first, and how many match in all."""

    tasks: tuple[Task, ...]
    total: int


@dataclass(frozen=True)
class Submitted:
    """A task and what is known of its price: one made here, or one that `is_foreign`.

    `at` is when it was made, in UTC. `cost_units` is in the gateway's own unit.
    """

    at: datetime
    service: ServiceName
    model: str
    status: Status
    charged: Charged
    cost_usd: float | None = None
    cost_units: float | None = None
    is_free: bool = False
    is_foreign: bool = False


SavesDue = Literal["new", "planned", "asked"]
"""Which clips are to be saved: those never tried, also those whose next try is due by plan, or all
that were not tried just now. What dead processes were saving is always due."""


@dataclass(frozen=True)
class SaveClaim:
    """Who claims which clips: those `due` of task `local_id` ("": of all).

    `owner` is the process that claims. `dead` are the processes whose claims it takes over. A clip
    at which `tries` processes died one after the other is claimed no more; `given_up` is what is
    said of it. `clip_id` names a single clip ("": all) that is tried in spite of that.
    """

    local_id: str
    owner: str
    tries: int
    dead: Sequence[str] = ()
    given_up: str = ""
    due: SavesDue = "planned"
    clip_id: str = ""


@dataclass(frozen=True)
class Spending:
    """The paid submissions of the last 24 hours, and what is known of their cost in US dollars."""

    paid: int
    cost_usd: float


@dataclass(frozen=True)
class Spent:
    """What other tasks of an account have cost since the balance of a task was read.

    `tasks` counts those that were considered, and the service is still working on the `running`
    ones, named by its ids. `unsure` is why the cost cannot be told, None if it can, and
    `because_of` the id of the task that is the reason. Two equal values mean that nothing was
    charged or refunded in between, as far as the journal knows.
    """

    cost_usd: float = 0.0
    tasks: int = 0
    running: tuple[str, ...] = field(default=(), compare=False)
    unsure: Unsure | None = None
    because_of: str = ""


@dataclass(frozen=True)
class Salvage:
    """What was copied out of a damaged journal, which is kept beside the new one as `kept_as`.

    `partly` counts the tasks and clips of which something is lost, `unread` the pages of the file
    that could not be read, or not wholly.
    """

    kept_as: str
    tasks: int
    clips: int
    partly: int
    unread: int

    @property
    def text(self) -> str:
        """What the person must know, and how to confirm it."""
        return (
            f"The journal was damaged. A new one has what could be read of it: {self.tasks} tasks "
            f"and {self.clips} clips, {self.partly} of them only in part; {self.unread} pages "
            f"could not be read wholly. The damaged file is kept beside it as {self.kept_as}. "
            "Songs that were paid may be missing, so paid calls are refused until the user has "
            "heard this and agrees. Show list_songs to the user and ask. Only if the user says "
            f"yes: check_account with confirm_journal {self.kept_as}."
        )


@dataclass(frozen=True)
class Restore:
    """A journal that is an older copy of itself: it knows nothing since `since`.

    `name` is what a person confirms it by, and `noticed_at` is when it was noticed.
    """

    name: str
    since: datetime
    noticed_at: datetime

    @property
    def text(self) -> str:
        """What the person must know, and how to confirm it."""
        return (
            "The journal is an older copy: after its last entry, of "
            f"{self.since:%Y-%m-%d %H:%M} UTC, more was sent that it does not know. Songs that "
            "were paid may be missing in it. A request is compared with the service's history "
            "before it is paid; where there is none, paid calls are refused until the user has "
            f"heard this and agrees: only then check_account with confirm_journal {self.name}."
        )


@dataclass(frozen=True)
class Change:
    """What changed in one task: its ids, ours first, and the ids of the clips that changed."""

    task_ids: tuple[str, ...]
    clip_ids: tuple[str, ...]

    @property
    def local_id(self) -> str:
        """The task's id of ours."""
        return self.task_ids[0]


@dataclass(frozen=True)
class News:
    """The changes up to `number`, oldest first; whether the list of finished clips changed."""

    number: int
    changes: tuple[Change, ...] = ()
    is_list_changed: bool = False


@dataclass(frozen=True)
class Meaning:
    """What a name can mean: `total` clips, the newest five of them in `clips`, newest first.

    `task` is set, and nothing else, if the name is a task's id. For the name `last` there is one
    clip, `is_last` is true, and `running` is a newer song that is still being made. `untold` was
    made of a clip, its end was delivered to no client, and it may have changed what the name means.
    """

    clips: tuple[Pair, ...] = ()
    total: int = 0
    task: Task | None = None
    is_last: bool = False
    running: Task | None = None
    untold: Task | None = None


@dataclass(frozen=True)
class Offer:
    """The first of the values that typed text can mean, and how many there are in all."""

    values: tuple[str, ...]
    total: int
