"""How long clients may keep what they were given, and who else may see it.

Invariant: what can still change is never fresh, so a client asks again; what comes from the
journal or the library is for the one who asked alone. Only what is named by its id, and ended,
keeps: `last` and a title can mean another clip a moment later.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from mcp.server.caching import CacheableMethod, CacheHint
from mcp.types import InputRequiredResult, ReadResourceResult

ReadResult = ReadResourceResult | InputRequiredResult

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

PUBLISHED = CacheHint(HOUR_MS, "public")
"""What is the same for everyone and comes with the version: until a newer one is installed."""
STALE = CacheHint(0, "private")
ENDED = CacheHint(HOUR_MS, "private")
"""What is known of a clip or task that has ended, and is saved."""
MEDIA = CacheHint(DAY_MS, "private")
"""The audio or cover of a saved clip, which never change; a day is the longest there is."""

HINTS: Mapping[CacheableMethod, CacheHint] = {
    "server/discover": PUBLISHED,
    "tools/list": PUBLISHED,
    "prompts/list": PUBLISHED,
    "resources/templates/list": PUBLISHED,
    "resources/list": STALE,
    "resources/read": STALE,
}
"""What holds for each kind of answer, unless a resource says otherwise of itself."""


@dataclass
class Freshness:
    """What the resource that is being read says of itself."""

    hint: CacheHint = STALE

    def of(self, result: ReadResourceResult | InputRequiredResult) -> ReadResult:
        """Give the result with what was said."""
        if isinstance(result, InputRequiredResult):
            return result
        hint = {"ttl_ms": self.hint.ttl_ms, "cache_scope": self.hint.scope}
        return result.model_copy(update=hint)


_reading: ContextVar[Freshness] = ContextVar("reading")


@contextmanager
def reading() -> Iterator[Freshness]:
    """Give what the resource that is read inside will have said of itself."""
    freshness = Freshness()
    token = _reading.set(freshness)
    try:
        yield freshness
    finally:
        _reading.reset(token)


def keeps(hint: CacheHint) -> None:
    """Say of the resource that is being read how long it keeps."""
    _reading.get(Freshness()).hint = hint
