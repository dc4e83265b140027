"""What the studio is asked to wait for, and what it answers.

Invariant: plain values, from which `server.results` makes what a client sees.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from song_mcp.providers import Account
from song_mcp.songs import ServiceName, Task

Action = Literal["check", "abandon", "submit_again"]
"""What can be done about a task in doubt."""


class Wait(Protocol):
    """How long a call waits, in seconds, and who is told meanwhile."""

    @property
    def seconds(self) -> float:
        """The longest wait, in seconds."""
        ...

    async def tell(self, elapsed_s: float, task: Task) -> None:
        """Take note that so many seconds have gone and how the task stands."""


@dataclass(frozen=True)
class Answer:
    """A task as it stands, and in `note` what the person should know about this very call."""

    task: Task
    note: str = ""


AccountState = Account | str | None
"""What a service tells of its account, the sentence why it does not, or None without a key."""


@dataclass(frozen=True)
class State:
    """How things stand: accounts by service (None without a key, or why it could not be read).

    `paid`, `cost_usd` (where known) and `daily_limit` are of the last 24 hours.
    """

    accounts: Mapping[ServiceName, AccountState]
    default_model: str
    paid: int
    cost_usd: float
    daily_limit: int
    in_doubt: tuple[Task, ...]
    journal: Path
    library: Path
