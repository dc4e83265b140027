"""Paid calls that are answered with a handle at once, instead of waiting for a result.

Invariant: inside `by_handle` a tool that begins a task does not wait for it, and what it returns is
not what the client is sent, so it delivers nothing; everything else goes as ever. Settling a doubt
begins none in this sense: what was found out and what became of the money belong together.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from song_mcp.studio.results import Answer


@dataclass
class Call:
    """A call that wants a handle; `begun` is the task, once it is in the journal."""

    begun: Answer | None = None


_under_way: ContextVar[Call | None] = ContextVar("call_under_way", default=None)


def under_way() -> Call | None:
    """Give the call that is to be answered with a handle, or None where a result is waited for."""
    return _under_way.get()


@contextmanager
def by_handle() -> Iterator[Call]:
    """Have the paid tool that is called meanwhile only begin its task."""
    call = Call()
    token = _under_way.set(call)
    try:
        yield call
    finally:
        _under_way.reset(token)
