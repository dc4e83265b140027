"""How long clients may keep an answer, and who else may see it.

What can still change is never fresh, so a client asks again. What comes from the journal or the
library is private to the client that asked. A clip or a task may be kept only if it has ended and
was named by its id: `last` and a title can mean another clip a moment later.
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
"""For what is the same for everyone until another version is installed."""
OFFERED = CacheHint(HOUR_MS, "private")
"""For what depends on what a client can do: nobody else may see it, but it stays as it is."""
STALE = CacheHint(0, "private")
ENDED = CacheHint(HOUR_MS, "private")
"""For what is known of a clip or task that has ended and is saved."""
MEDIA = CacheHint(DAY_MS, "private")
"""For the audio or cover of a saved clip, which never change; MCP allows a day at most."""

HINTS: Mapping[CacheableMethod, CacheHint] = {
    "server/discover": PUBLISHED,
    "tools/list": OFFERED,
    "prompts/list": PUBLISHED,
    "resources/templates/list": PUBLISHED,
    "resources/list": STALE,
    "resources/read": STALE,
}
"""The hint for each kind of answer; a resource may have its own."""


HINT = "song-mcp/hint"
"""The key in a content's metadata that carries its hint through the SDK."""


class Text(str):
    """The text of a resource, with how long it may be kept."""

    __slots__ = ("hint",)
    hint: CacheHint

    def __new__(cls, text: str, hint: CacheHint) -> Self:
        """Join the text and its hint."""
        self = super().__new__(cls, text)
        self.hint = hint
        return self


class Blob(bytes):
    """The bytes of a resource, with their MIME type and how long they may be kept.

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
    """Return what was read, with the MIME type and the hint of its content."""
    content = item.content
    if isinstance(content, Blob):
        item = replace(item, mime_type=content.mime_type)
    if isinstance(content, Blob | Text):
        item = replace(item, meta={**(item.meta or {}), HINT: content.hint})
    return item


def hinted(result: ReadResourceResult) -> ReadResourceResult:
    """Return the result with the hint that `described` put into its content."""
    (content,) = result.contents  # a resource here has one
    meta = dict(content.meta or {})
    hint = meta.pop(HINT, STALE)
    content = content.model_copy(update={"meta": meta or None})
    update = {"contents": [content], "ttl_ms": hint.ttl_ms, "cache_scope": hint.scope}
    return result.model_copy(update=update)
