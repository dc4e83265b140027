"""How long clients may keep what they were given, and who else may see it.

Invariant: what can still change is never fresh, so a client asks again; what comes from the
journal or the library is for the one who asked alone. Only what is named by its id, and has ended,
may be kept: `last` and a title can mean another clip a moment later.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Self

from mcp.server.caching import CacheableMethod, CacheHint
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.types import ReadResourceResult

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


HINT = "song-mcp/hint"
"""The key in a content's metadata under which its hint stands, on the way through the SDK."""


class Text(str):
    """The text of a resource, which knows how long it may be kept."""

    __slots__ = ("hint",)
    hint: CacheHint

    def __new__(cls, text: str, hint: CacheHint) -> Self:
        """Join the text and its hint."""
        self = super().__new__(cls, text)
        self.hint = hint
        return self


class Blob(bytes):
    """The bytes of a resource, which know their MIME type, and how long they may be kept.

    The SDK has one MIME type for all resources of a template.
    """

    mime_type: str
    hint: CacheHint

    def __new__(cls, content: bytes, mime_type: str, hint: CacheHint) -> Self:
        """Join the bytes, their type and their hint."""
        self = super().__new__(cls, content)
        self.mime_type = mime_type
        self.hint = hint
        return self


def described(item: ReadResourceContents) -> ReadResourceContents:
    """Return what was read with what its content knows of itself."""
    content = item.content
    if isinstance(content, Blob):
        item = replace(item, mime_type=content.mime_type)
    if isinstance(content, Blob | Text):
        item = replace(item, meta={**(item.meta or {}), HINT: content.hint})
    return item


def hinted(result: ReadResourceResult) -> ReadResourceResult:
    """Return the result of reading what was `described`, with its hint."""
    (content,) = result.contents  # a resource here has one
    meta = dict(content.meta or {})
    hint = meta.pop(HINT, STALE)
    content = content.model_copy(update={"meta": meta or None})
    update = {"contents": [content], "ttl_ms": hint.ttl_ms, "cache_scope": hint.scope}
    return result.model_copy(update=update)
