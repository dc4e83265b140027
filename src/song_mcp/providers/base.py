"""What a provider is: the protocol that each adapter implements, and the types in it.

`prepare` decides everything that will be sent, and sends nothing. `submit` makes exactly one POST
of it. So a repeated request is found by comparing exactly what would be sent.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, runtime_checkable
from urllib.parse import urlsplit

from song_mcp.songs import Report, Request, ServiceName

DEFAULT_PORTS = {"http": 80, "https": 443}
LOOPBACK = "127.0.0.1"
LOOPBACK_NAMES = frozenset({LOOPBACK, "localhost", "::1"})


@dataclass(frozen=True)
class SourceAudio:
    """A clip whose audio goes with a submission: where it was made, and its file in the library.

    `task_id` and `service` are "" if they are not known, `file` is "" if the library has none.
    """

    clip_id: str
    task_id: str = ""
    service: str = ""
    file: str = ""


@dataclass(frozen=True)
class Submission:
    """One paid POST, ready to go: the path at the service and the JSON body.

    `deadline_s` is how long the whole call may take, in seconds. `audio` is a clip that goes with
    it: what the body has of it, an address or bytes, is added after the request is written
    (`Attaching`), as it differs each time. `take` tells equal submissions apart that one call
    makes. One that `is_free` costs nothing, so it counts towards no limit and leaves no doubt.
    `timed_lyrics` are its lyrics with the time of each line, "" if they have none.
    `local_id` is our id of the task that it is sent for, "" if there is none.
    """

    service: ServiceName
    path: str
    body: Mapping[str, Any]
    deadline_s: float = 60.0
    audio: SourceAudio | None = None
    take: int = 1
    is_free: bool = False
    timed_lyrics: str = field(default="", compare=False)
    local_id: str = field(default="", compare=False)

    @property
    def fingerprint(self) -> str:
        """A hash of everything that was asked for: equal requests have equal ones."""
        asked: list[object] = [self.service, self.path, self.body]
        if self.audio is not None:
            asked.append({"clip": self.audio.clip_id})
        if self.take > 1:
            asked.append({"take": self.take})
        sent = json.dumps(asked, sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(sent.encode()).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values, as the journal keeps it."""
        wire: dict[str, Any] = {"path": self.path, "body": self.body, "deadline_s": self.deadline_s}
        if self.audio is not None:
            wire["audio"] = asdict(self.audio)
        if self.take > 1:
            wire["take"] = self.take
        return wire | ({"is_free": True} if self.is_free else {})

    @classmethod
    def of_json(cls, service: ServiceName, wire: Mapping[str, Any]) -> "Submission":
        """Return a submission that the journal kept."""
        audio = wire.get("audio")
        return cls(
            service,
            wire["path"],
            wire["body"],
            wire["deadline_s"],
            SourceAudio(**audio) if audio else None,
            wire.get("take", 1),
            wire.get("is_free", False),
        )


@dataclass(frozen=True)
class Accepted:
    """A service accepted a submission: `task_id` is its id, `report` what the reply says of it."""

    task_id: str
    report: Report | None = None


@dataclass(frozen=True)
class Account:
    """What a service says of the account behind the key.

    `plan` is "" and the numbers are None if it does not say; `balance_usd` is US dollars,
    `max_concurrent` how many songs may be made at the same time. `balance_units` is in the
    gateway's own unit, of which nobody outside knows the worth; a key that `is_unlimited` has no
    limit of its own. `models` are what the key may use, by our names, None if it is not told, and
    `remark` is a sentence on what it may not use. `told_at` is when this was told, by the service's
    own clock, None if it does not say.
    """

    plan: str = ""
    balance_usd: float | None = None
    max_concurrent: int | None = None
    balance_units: float | None = None
    is_unlimited: bool = False
    models: tuple[str, ...] | None = None
    remark: str = ""
    told_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Past:
    """A task in a service's history, and when it was made by the service's own clock."""

    task_id: str
    made_at: datetime | None = None


@dataclass(frozen=True)
class History:
    """Tasks of one model that the account made in some time, in the service's order.

    `is_whole` tells whether no task of that time can be missing, and `now` is the time by the
    service's clock, None if it does not tell it. `is_empty` tells that the service showed nothing
    at all, which may mean that it keeps no history.
    """

    tasks: tuple[Past, ...]
    is_whole: bool
    is_empty: bool = False
    now: datetime | None = None


Likeness = Literal["same", "other", "unclear"]
"""Whether a task was made by a submission: by exactly this one, by another, or not known."""


def account_tag(service: ServiceName, base_url: str, key: str) -> str:
    """Return a mark of the account behind `key`, from which nobody can compute the key.

    Two spellings of one base URL have the same mark.
    """
    place = _normal(base_url)
    return hashlib.sha256(f"{service} {place} {key}".encode()).hexdigest()[:12]


def _normal(base_url: str) -> str:
    """Return the normal form of a base URL: case, default port, last slash, loopback's names.

    One that cannot be an address is returned as it is; nothing is ever sent there.
    """
    try:
        parts = urlsplit(base_url)
        given = parts.port
    except ValueError:
        return base_url
    host = (parts.hostname or "").rstrip(".")
    host = LOOPBACK if host in LOOPBACK_NAMES else host
    host = f"[{host}]" if ":" in host else host
    port = "" if given in {None, DEFAULT_PORTS.get(parts.scheme)} else f":{given}"
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"


@runtime_checkable
class Provider(Protocol):
    """One service. Every method but `prepare` may raise the subclasses of ServiceError."""

    service: ServiceName
    account_tag: str
    """The mark that tells the accounts at a service apart; it does not show the key."""

    def prepare(self, request: Request) -> Submission:
        """Translate a request into what will be sent; raises InvalidRequestError."""

    async def submit(self, submission: Submission) -> Accepted:
        """Make the one POST; only one that costs nothing may be made again.

        Raises NotSentError or RefusedError if nothing was charged, and NoAnswerError if
        the service may have accepted all the same.
        """

    async def fetch(self, task_id: str) -> Report:
        """Look at one task; raises UnknownTaskError if the service does not know it."""

    async def account(self) -> Account | None:
        """Look at what is left on the account; None if the service does not say."""

    async def close(self) -> None:
        """Let the connections go."""


@runtime_checkable
class Attaching(Provider, Protocol):
    """A service that is sent the audio of a clip, as a link or as bytes."""

    async def attach(self, submission: Submission) -> Submission:
        """Return what is to be sent for a submission with `audio`: with a link to it, or checked.

        This pays nothing and is done before anything is sent that does. It raises subclasses of
        ServiceError and LibraryError; whatever it raises, nothing was charged.
        """


@runtime_checkable
class Batching(Provider, Protocol):
    """A service that shows several tasks in one request, so the poller asks for all open ones."""

    async def fetch_many(self, task_ids: Sequence[str]) -> Mapping[str, Report]:
        """Look at several tasks at once; those that the service leaves out are not returned."""


@runtime_checkable
class Remembering(Provider, Protocol):
    """A service with a history, in which a submission can be found whose answer was lost."""

    async def history(self, since: datetime, until: datetime, submission: Submission) -> History:
        """List what the submission's model made between two times by the service's clock."""

    async def compare(self, task_id: str, submission: Submission) -> tuple[Likeness, Report]:
        """Look at a task, and tell whether this submission made it; raises as `fetch` does."""
