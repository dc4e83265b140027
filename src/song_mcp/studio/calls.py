"""Calls: which of them are being answered, and which were cut off.

A call is cut off if its answer never reaches its client: it was cancelled, its client hung up, or
its process ended. Clients then often make it again in other words, so the journal is told of each
task whose call was cut off (`cut_at`), and until that is written it is known here (`cut`).

A client repeats a call that was cut off. If that call was for another take, the same call again
joins the take that it began, as long as no client was told of it (`told_at` in the journal). But
two calls at the same time are two wishes: the second must not join the first only because the
answer to the first is not written yet. So this process remembers the takes whose calls it is still
answering, and joins none of them. A call that is cancelled, or whose answer cannot reach its
client, is forgotten at once, and so is every call of a process that has ended.

This is kept in memory, for the calls of this process alone. A second process cannot tell a call
that another one is still answering from one that was cut off while that process was suspended or
about to end. It joins, because the two mistakes differ: an answer that joins costs nothing, says
so, and tells the client of the take, so the next call pays. A second payment is never taken back.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial

import anyio

from song_mcp import messages
from song_mcp.errors import InvalidRequestError


@dataclass(eq=False)
class Call:
    """A client's call, until it is known whether its answer reached the client.

    `begun` are the tasks that it began or joined, by their ids of ours; `takes` are the other takes
    among them. Its answer is about the tasks `told`, and shows the end of the tasks `ended`, each
    by any of its ids. It `is_told` when its client has the answer, and may be lost even then: a
    cancellation can cross it. When the studio's clock says `ends_at_s`, it is answered, whatever it
    waits for; what was begun goes on. Who writes to the journal what became of the call holds
    `writing`, so that what came first is written first.
    """

    takes: set[str] = field(default_factory=set)
    begun: set[str] = field(default_factory=set)
    told: Sequence[str] = ()
    ended: Sequence[str] = ()
    is_told: bool = False
    is_lost: bool = False
    ends_at_s: float = math.inf
    writing: anyio.Lock = field(default_factory=partial(anyio.Lock, fast_acquire=True))

    @property
    def matters(self) -> bool:
        """Whether it matters to anybody if the answer reaches the client."""
        return bool(self.begun or self.told or self.ended)


class Calls:
    """The tasks that calls of this process are telling their clients, in `answered`, by any id.

    In `cut` are those of which a call was cut off, by their ids of ours, until that is written.
    """

    def __init__(self) -> None:
        self.answered: set[str] = set()
        self.cut: set[str] = set()

    def begun(self, local_id: str, *, another_take: bool) -> Call | None:
        """Record that the call within which this is called began or joined a task; return the call.

        Outside a call nobody is being answered, so an equal call joins another take.
        """
        call = current_call()
        if call is not None:
            call.begun.add(local_id)
        if another_take and (call is None or call.is_lost):
            self.answered.discard(local_id)
        elif another_take and call is not None:
            call.takes.add(local_id)
        return call

    def lost(self, call: Call) -> set[str]:
        """Record that the call's answer never reaches its client: an equal call joins its takes.

        Returns the tasks of which that is to be written, each once.
        """
        call.is_lost = True
        self.answered -= call.takes.union(call.told)
        cut, call.begun = call.begun, set()
        self.cut |= cut
        return cut

    def told(self, call: Call) -> None:
        """Record that the client has the call's answer, until the journal knows it too."""
        call.is_told = True
        self.answered.update(call.told)

    def written(self, call: Call) -> None:
        """Record that the journal knows of what this call's answer was about."""
        self.answered -= call.takes.union(call.told)


CURRENT: ContextVar[Call | None] = ContextVar("call", default=None)


@contextmanager
def calling(call: Call) -> Iterator[None]:
    """Let what is done within belong to this call."""
    token = CURRENT.set(call)
    try:
        yield
    finally:
        CURRENT.reset(token)


def current_call() -> Call | None:
    """Return the call within which this is called, or None."""
    return CURRENT.get()


def check_wanted() -> None:
    """Raise InvalidRequestError if the client has given up the call within which this is called.

    It may have asked again in other words, and then both would be paid.
    """
    call = current_call()
    if call is not None and call.is_lost:
        raise InvalidRequestError(messages.GIVEN_UP)
