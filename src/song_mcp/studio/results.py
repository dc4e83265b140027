"""How long a call waits, and what the studio answers.

These are plain values, from which `server.results` makes what a client sees.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from song_mcp.providers import Account
from song_mcp.songs import ServiceName, Task

Action = Literal["check", "abandon", "submit_again"]
"""What a call can do about a task in doubt."""


class Wait(Protocol):
    """How long a call waits, in seconds, and who is told meanwhile."""

    @property
    def seconds(self) -> float:
        """The longest wait, in seconds."""
        ...

    async def tell(self, elapsed_s: float, task: Task) -> None:
        """Tell the client how the task stands after so many seconds of waiting."""


@dataclass(frozen=True)
class Answer:
    """A task as it stands, and in `note` what the person should know about this call.

    `others` are the tasks of the other takes, if the call asked for several submissions.
    """

    task: Task
    note: str = ""
    others: tuple[Task, ...] = ()


AccountState = Account | str | None
"""The account, a sentence on why it could not be read, or None without a key."""


@dataclass(frozen=True)
class State:
    """The state of accounts, journal and settings.

    `paid` counts the paid submissions of the last 24 hours, and `cost_usd` is their cost in US
    dollars as far as it is known. `daily_limit` is the most that 24 hours may have. `log` is the
    log file, None if there is none. `warning` says that the journal was damaged, "" if it was not
    or a person has confirmed what was saved.
    """

    accounts: Mapping[ServiceName, AccountState]
    default_model: str
    paid: int
    cost_usd: float
    daily_limit: int
    in_doubt: tuple[Task, ...]
    journal: Path
    library: Path
    log: Path | None = None
    warning: str = ""
