"""Other takes: which calls for them are still being answered.

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


@dataclass(eq=False)
class Call:
    """A client's call, until it is known whether its answer reached the client.

    `takes` are the other takes that it began or joined, by their ids of ours. Its answer is about
    the tasks `told`, and shows the end of the tasks `ended`, each by any of its ids. When the
    studio's clock says `ends_at_s`, it is answered, whatever it waits for; what was begun goes on.
    """

    takes: set[str] = field(default_factory=set)
    told: Sequence[str] = ()
    ended: Sequence[str] = ()
    is_lost: bool = False
    ends_at_s: float = math.inf

    @property
    def matters(self) -> bool:
        """Whether it matters to anybody if the answer reaches the client."""
        return bool(self.takes or self.told or self.ended)


class Takes:
    """The tasks that calls of this process are telling their clients, in `answered`, by any id."""

    def __init__(self) -> None:
        self.answered: set[str] = set()

    def begun(self, local_id: str) -> None:
        """Record that the call within which this is called began or joined a take.

        Outside a call nobody is being answered, so an equal call joins the take.
        """
        call = current_call()
        if call is None or call.is_lost:
            self.answered.discard(local_id)
        else:
            call.takes.add(local_id)

    def lost(self, call: Call) -> None:
        """Record that the call's answer never reaches its client: an equal call joins its takes."""
        call.is_lost = True
        self.answered -= call.takes

    def told(self, call: Call) -> None:
        """Record that the client has the call's answer, until the journal knows it too."""
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
